"""How often intervals over items and seeds hold the truth, and how often a test is wrong where there is no effect.

    python benchmarks/simulation.py [TARGETS] > benchmarks/simulation.md

TARGETS (2,000) is for the main regimes, those of a study like the paper's (150 items, four seeds); whole matrices
get half as many, the other regimes a fifth.

Every replicate draws one target: a baseline and the runs of twelve sources with several seeds each on the same
items. An answer is right when

    sqrt(r) * hardness_item + sqrt(q) * habit_source_item + sqrt(1 - r - q) * luck_run_item

is below the normal quantile of the run's accuracy, so r and q set how much answers before and after, and those of
a source's seeds, agree (the discordance is shown), and seeds shift a run's accuracy on the logit scale by a normal
draw, whose SD may differ from source to source. The truth of the population "source" is the mean accuracy over
seeds and items, that of "adapters" the mean over items for the seeds drawn. The twelve sources of a replicate
share its baseline and its items, as in a study; rates are over all of them.
"""

from __future__ import annotations

import platform
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, special, stats

from tasktransfer.analysis.chance import NULLS, clique_chance
from tasktransfer.stats.crossed import FEWEST_WRONG, crossed_mean, mean_squares, pgf_interval
from tasktransfer.stats.false_discovery import false_discovery_rate, selected_families
from tasktransfer.stats.sign_flip import sign_flip_p_value
from tasktransfer.stats.variance_prior import fit_variance_prior

ITEMS = (60, 150, 400, 1000)
SEEDS = (1, 2, 4, 8)
BASELINES = (0.25, 0.5, 0.8, 0.9, 0.95)
# true PGF, r, q, seed SD on the logit scale, spread of that SD over sources (log-normal)
EFFECTS = (
    (0.0, 0.7, 0.0, 0.0, 0.0),
    (0.0, 0.4, 0.0, 0.2, 0.0),
    (0.0, 0.7, 0.2, 0.3, 0.7),
    (0.3, 0.7, 0.0, 0.3, 0.0),
    (-0.3, 0.4, 0.4, 0.1, 0.0),
    (0.1, 0.85, 0.1, 0.6, 0.0),
    (0.6, 0.7, 0.0, 0.1, 0.0),
    (0.2, 0.7, 0.1, 0.4, 0.7),
)
MAIN_ITEMS, MAIN_SEEDS = 150, 4
N_SOURCES = 12
CONFIDENCE = 0.95
NODES = np.polynomial.hermite_e.hermegauss(61)


class Regime(NamedTuple):
    items: int
    seeds: int
    baseline: float
    pgf: float
    agreement: float
    habit: float
    seed_sd: float
    spread: float


class Result(NamedTuple):
    regime: Regime
    discordance: float
    targets: int
    defined: float  # share of cells with a PGF interval
    source: float  # coverage of the interval for the source (adapters, with one seed)
    adapters: float
    size: float  # share of p < .05 for the source where the true effect is zero, NaN elsewhere
    size_adapters: float  # the same of the sign-flip test where no adapter differs from the baseline


def centre_of(accuracy: float, seed_sd: float) -> float:
    """Logit around which seeds scatter so that their mean accuracy is the one wanted."""
    points, weights = NODES

    def excess(centre: float) -> float:
        return float(special.expit(centre + seed_sd * points) @ weights / weights.sum()) - accuracy

    return float(optimize.brentq(excess, -60, 60))


def draw_target(regime: Regime, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores after (sources, seeds, items) and before (items), and the accuracy of every run."""
    n_items, n_seeds, baseline, pgf, agreement, habit, seed_sd, spread = regime
    sds = seed_sd * np.exp(spread * rng.standard_normal(N_SOURCES)) if spread else np.full(N_SOURCES, seed_sd)
    wanted = baseline + pgf * (1 - baseline)
    centres = (
        np.array([centre_of(wanted, sd) for sd in sds])
        if spread
        else np.full(N_SOURCES, centre_of(wanted, seed_sd))
    )
    accuracy = special.expit(centres[:, None] + sds[:, None] * rng.standard_normal((N_SOURCES, n_seeds)))
    hard = np.float32(np.sqrt(agreement)) * rng.standard_normal(n_items, dtype=np.float32)
    own = np.float32(np.sqrt(habit)) * rng.standard_normal((N_SOURCES, 1, n_items), dtype=np.float32)
    luck = np.float32(np.sqrt(1 - agreement - habit))
    shape = (N_SOURCES, n_seeds, n_items)
    latent = hard + own + luck * rng.standard_normal(shape, dtype=np.float32)
    after = latent < stats.norm.ppf(accuracy)[:, :, None]
    rest = np.float32(np.sqrt(1 - agreement)) * rng.standard_normal(n_items, dtype=np.float32)
    return after.astype(float), (hard + rest < stats.norm.ppf(baseline)).astype(float), accuracy


def simulate(regime: Regime, n_replicates: int, seed: int) -> Result:
    rng = np.random.default_rng([seed, *(int(1000 * abs(value)) for value in regime), int(regime.pgf < 0)])
    no_effect = regime.pgf == 0 and (regime.seeds > 1 or regime.seed_sd == 0)
    no_change = regime.pgf == 0 and regime.seed_sd == 0
    hits, n_defined = {"source": 0, "adapters": 0}, {"source": 0, "adapters": 0}
    rejected = rejected_adapters = 0
    changed = 0.0
    for _ in range(n_replicates):
        after_CSK, before_K, accuracy = draw_target(regime, rng)
        before_CSK = np.broadcast_to(before_K, after_CSK.shape)
        gain = after_CSK - before_CSK
        changed += float(np.abs(gain).mean())
        squares = mean_squares(gain)
        prior = fit_variance_prior(squares.variance_of_seeds, np.full(N_SOURCES, regime.seeds - 1))
        truths = {
            "source": regime.pgf,
            "adapters": (accuracy.mean(axis=1) - regime.baseline) / (1 - regime.baseline),
        }
        population = "source" if regime.seeds > 1 else "adapters"
        for name in hits:
            asked = name if regime.seeds > 1 else "adapters"
            low, high = pgf_interval(after_CSK, before_CSK, confidence=CONFIDENCE, population=asked, prior=prior)
            hits[name] += int(((low <= truths[asked]) & (truths[asked] <= high)).sum())
            n_defined[name] += int((~np.isnan(low)).sum())
        adapters = sign_flip_p_value(gain)
        of_source = crossed_mean(squares, population, prior).p_value() if regime.seeds > 1 else adapters
        rejected += int((of_source < 0.05).sum())
        rejected_adapters += int((adapters < 0.05).sum())
    cells = n_replicates * N_SOURCES
    return Result(
        regime,
        changed / n_replicates,
        n_replicates,
        n_defined["source"] / cells,
        hits["source"] / max(n_defined["source"], 1),
        hits["adapters"] / max(n_defined["adapters"], 1),
        rejected / cells if no_effect else np.nan,
        rejected_adapters / cells if no_change else np.nan,
    )


class MatrixRegime(NamedTuple):
    name: str
    target_sd: float  # PGF
    source_sd: float
    pair_sd: float
    real: float  # share of the cells that are not zero


class MatrixResult(NamedTuple):
    regime: MatrixRegime
    seeds: int
    by_model: float  # mean share of false discoveries, Benjamini-Hochberg over the matrix
    by_target: float  # mean over selected targets of the same, Benjamini-Bogomolov
    found: float  # mean number of discoveries by model
    clique_within: (
        float  # share of matrices whose largest positive clique has p <= .05, sources permuted in targets
    )
    clique_additive: float


MATRICES = (
    MatrixRegime("no effect anywhere", 0.0, 0.0, 0.0, 0.0),
    MatrixRegime("a tenth of the cells", 0.0, 0.0, 0.3, 0.1),
    MatrixRegime("targets and sources, no pairs", 0.2, 0.03, 0.0, 1.0),
    MatrixRegime("two targets that rise, else nothing", 0.0, 0.0, 0.0, 0.0),
)
MATRIX_SEEDS = (1, 4)
MATRIX_ITEMS = 130
N_TASKS = 13


def true_pgf(regime: MatrixRegime, rng: np.random.Generator) -> np.ndarray:
    """Rows sources, columns targets; the diagonal is not used."""
    pgf = regime.target_sd * rng.standard_normal(N_TASKS)[None] + regime.source_sd * rng.standard_normal(
        (N_TASKS, 1)
    )
    pairs = regime.pair_sd * rng.standard_normal((N_TASKS, N_TASKS))
    pgf = pgf + np.where(rng.random((N_TASKS, N_TASKS)) < regime.real, pairs, 0)
    if regime.name.startswith("two targets"):
        pgf[:, :2] = 0.5
    return np.clip(pgf, -0.7, 0.9)


def simulate_matrices(regime: MatrixRegime, n_seeds: int, n_replicates: int, seed: int) -> MatrixResult:
    rng = np.random.default_rng([seed, n_seeds, *regime.name.encode()])
    off = ~np.eye(N_TASKS, dtype=bool)
    false_share, false_by_target, found, cliques = [], [], [], dict.fromkeys(NULLS, 0)
    for _ in range(n_replicates):
        truth = true_pgf(regime, rng)
        seed_sd = 0.15 if n_seeds > 1 else 0.0
        estimate, p_value = np.zeros(truth.shape), np.ones(truth.shape)
        for j in range(N_TASKS):
            after_CSK, before_K = draw_column(truth[:, j], rng.uniform(0.3, 0.7), n_seeds, seed_sd, rng)
            gain = after_CSK - before_K
            squares = mean_squares(gain)
            prior = fit_variance_prior(squares.variance_of_seeds, np.full(N_TASKS, n_seeds - 1))
            p_value[:, j] = (
                crossed_mean(squares, "source", prior).p_value() if n_seeds > 1 else sign_flip_p_value(gain)
            )
            estimate[:, j] = squares.mean / (1 - before_K.mean())
        p_value = np.where(np.isnan(p_value), 1, p_value)
        target = np.broadcast_to(np.arange(N_TASKS), truth.shape)[off]
        null, p_off = truth[off] == 0, p_value[off]
        rejected = false_discovery_rate(p_off) < 0.05
        false_share.append((rejected & null).sum() / max(rejected.sum(), 1))
        by_target = selected_families(p_off, target, level=0.05) < 0.05
        selected = [t for t in range(N_TASKS) if by_target[target == t].any()]
        shares = [(by_target & null)[target == t].sum() / by_target[target == t].sum() for t in selected]
        false_by_target.append(float(np.mean(shares)) if shares else 0.0)
        found.append(int(rejected.sum()))
        frame = pd.DataFrame(estimate)
        for name in NULLS:
            cliques[name] += clique_chance(frame, "positive", name, n_draws=199, seed=rng).p_value <= 0.05
    return MatrixResult(
        regime,
        n_seeds,
        float(np.mean(false_share)),
        float(np.mean(false_by_target)),
        float(np.mean(found)),
        cliques["within_target"] / n_replicates,
        cliques["additive"] / n_replicates,
    )


def draw_column(
    pgf_C: np.ndarray, baseline: float, n_seeds: int, seed_sd: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of all sources on one target: after (sources, seeds, items) and before (items)."""
    accuracy = np.clip(baseline + pgf_C * (1 - baseline), 0.02, 0.98)
    shift = seed_sd * rng.standard_normal((len(pgf_C), n_seeds))
    run = special.expit(special.logit(accuracy)[:, None] + shift)
    hard = np.sqrt(0.7) * rng.standard_normal(MATRIX_ITEMS)
    luck = np.sqrt(0.3)
    after = (
        hard + luck * rng.standard_normal((len(pgf_C), n_seeds, MATRIX_ITEMS)) < stats.norm.ppf(run)[:, :, None]
    )
    before = hard + luck * rng.standard_normal(MATRIX_ITEMS) < stats.norm.ppf(baseline)
    return after.astype(float), before.astype(float)


def report(results: list[Result], matrices: list[MatrixResult], n_replicates: int) -> None:
    regular = [r for r in results if r.regime.items * (1 - r.regime.baseline) >= 15]
    scarce = [r for r in results if r not in regular and r.defined > 0.05]
    print("# Simulation: intervals, tests, false discoveries, false cliques\n")
    others = max(n_replicates // 5, 1)
    errors = [f"{np.sqrt(0.0475 / n):.4f}" for n in (n_replicates, others)]
    print(f"{date.today()}, `python benchmarks/simulation.py {n_replicates}`, Python {platform.python_version()},")
    print(f"numpy {np.__version__}. {len(results)} regimes: {n_replicates} targets of {N_SOURCES} sources each")
    print(f"in the main ones ({MAIN_ITEMS} items, four seeds), {others} in the others; nominal 95 %. The")
    print("sources of a target share its items and baseline, so one regime's Monte Carlo error is up to")
    print(f"{errors[0]} in the main ones and up to {errors[1]} in the others.\n")
    print("## Coverage of PGF intervals\n")
    print("| cells | mean, source | lowest | highest | mean, adapters | lowest | highest |")
    print("|---|---|---|---|---|---|---|")
    groups = [("15 or more wrong baseline items expected", regular), ("fewer, where defined", scarce)]
    groups.append(("15 or more, main regimes", [r for r in regular if r.targets == n_replicates]))
    groups += [
        (f"15 or more, {n} seed{'s' if n > 1 else ''}", [r for r in regular if r.regime.seeds == n]) for n in SEEDS
    ]
    for name, rows in groups:
        source, adapters = np.array([r.source for r in rows]), np.array([r.adapters for r in rows])
        values = (source.mean(), source.min(), source.max(), adapters.mean(), adapters.min(), adapters.max())
        print(f"| {name} ({len(rows)} regimes) | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    print("\n## Size at nominal 5 %\n")
    print("The crossed test of the source (with one seed that of the adapter) where its mean effect is zero, and")
    print("the sign-flip test of these adapters where no adapter differs from the baseline.\n")
    print("| seeds | source, mean | highest | adapters, mean | highest |\n|---|---|---|---|---|")
    for n_seeds in SEEDS:
        of_seeds = [r for r in results if r.regime.seeds == n_seeds]
        source = np.array([r.size for r in of_seeds if not np.isnan(r.size)])
        adapters = np.array([r.size_adapters for r in of_seeds if not np.isnan(r.size_adapters)])
        sizes = (source.mean(), source.max(), adapters.mean(), adapters.max())
        print(f"| {n_seeds} | " + " | ".join(f"{value:.3f}" for value in sizes) + " |")
    print(f"\nAn interval is given from {FEWEST_WRONG} wrong baseline items on. The regimes furthest from 95 %:\n")
    print(
        "| items | seeds | baseline | PGF | discordance | habit | seed SD | spread | defined | source | adapters |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for r in sorted([*regular, *scarce], key=lambda r: -abs(r.source - 0.95))[:20]:
        g = r.regime
        print(
            f"| {g.items} | {g.seeds} | {g.baseline} | {g.pgf} | {r.discordance:.2f} | {g.habit} | {g.seed_sd} | "
            f"{g.spread} | {r.defined:.2f} | {r.source:.3f} | {r.adapters:.3f} |"
        )
    print(f"\n## Whole matrices, {N_TASKS} x {N_TASKS}, {MATRIX_ITEMS} items, {n_replicates // 2} each\n")
    print("False discoveries at a nominal 5 %, and how often the largest positive clique is called beyond chance")
    print("(p <= .05, 199 null draws) although no pair of tasks has an effect of its own.\n")
    print(
        "| truth | seeds | false, by model | false, by target | discoveries | clique, within targets | additive |"
    )
    print("|---|---|---|---|---|---|---|")
    for m in matrices:
        cliques = f"{m.clique_within:.3f} | {m.clique_additive:.3f}" if not m.regime.pair_sd else "- | -"
        print(
            f"| {m.regime.name} | {m.seeds} | {m.by_model:.3f} | {m.by_target:.3f} | {m.found:.1f} | {cliques} |"
        )


def targets_of(regime: Regime, n_replicates: int) -> int:
    main = regime.items == MAIN_ITEMS and regime.seeds == MAIN_SEEDS
    return n_replicates if main else max(n_replicates // 5, 1)


def main() -> None:
    n_replicates = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    regimes = [
        Regime(items, seeds, baseline, *effect)
        for items, seeds, baseline, effect in product(ITEMS, SEEDS, BASELINES, EFFECTS)
    ]
    matrices = list(product(MATRICES, MATRIX_SEEDS))
    with ProcessPoolExecutor(max_workers=2) as pool:
        of_matrices = [
            pool.submit(simulate_matrices, regime, n_seeds, max(n_replicates // 2, 1), 0)
            for regime, n_seeds in matrices
        ]
        of_cells = [pool.submit(simulate, regime, targets_of(regime, n_replicates), 0) for regime in regimes]
        report([job.result() for job in of_cells], [job.result() for job in of_matrices], n_replicates)


if __name__ == "__main__":
    main()
