"""How often the intervals over items and seeds hold the truth, and how often the test is wrong without an effect.

    python benchmarks/coverage.py [REPLICATES] > benchmarks/coverage.md

Every replicate draws one cell: a baseline and the runs of several seeds on the same items. An answer is right when

    sqrt(r) * hardness_item + sqrt(1 - r) * luck_run_item < quantile(accuracy of the run)

so r sets how much answers before and after agree (the discordance shown), and seeds shift the run's accuracy on
the logit scale by a normal draw. The truth of the population "source" is the mean accuracy over seeds and items,
that of "adapters" the mean over items for the seeds drawn.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats

from tasktransfer.analysis.crossed import FEWEST_WRONG, crossed_mean, mcnemar_p_value, pgf_interval

ITEMS = (60, 150, 400, 1000)
SEEDS = (1, 2, 4, 8)
BASELINES = (0.25, 0.5, 0.8, 0.9, 0.95)
# true PGF, r, seed SD on the logit scale
EFFECTS = ((0.0, 0.7, 0.0), (0.0, 0.4, 0.2), (0.3, 0.7, 0.3), (-0.3, 0.4, 0.1), (0.1, 0.9, 0.6), (0.6, 0.7, 0.1))
CONFIDENCE = 0.95


class Regime(NamedTuple):
    items: int
    seeds: int
    baseline: float
    pgf: float
    agreement: float
    seed_sd: float


class Result(NamedTuple):
    regime: Regime
    discordance: float
    defined: float  # share of replicates with a PGF interval
    source: float  # coverage of the interval for the source (adapters, with one seed)
    adapters: float
    size: float  # share of p < .05 where the true effect is zero, NaN elsewhere


def centre_of(regime: Regime) -> float:
    """Logit around which seeds scatter so that their mean accuracy is the regime's."""
    accuracy = regime.baseline + regime.pgf * (1 - regime.baseline)
    points, weights = np.polynomial.hermite_e.hermegauss(61)

    def excess(centre: float) -> float:
        return float(special.expit(centre + regime.seed_sd * points) @ weights / weights.sum()) - accuracy

    return float(optimize.brentq(excess, -10, 10))


def simulate(regime: Regime, n_replicates: int, seed: int) -> Result:
    rng = np.random.default_rng([seed, *(int(1000 * abs(value)) for value in regime), int(regime.pgf < 0)])
    centre = centre_of(regime)
    luck, hard = np.sqrt(1 - regime.agreement), np.sqrt(regime.agreement)
    # one adapter of a source that scatters does differ from the baseline
    without_effect = regime.pgf == 0 and (regime.seeds > 1 or regime.seed_sd == 0)
    hits = {"source": 0, "adapters": 0}
    n_defined = rejected = 0
    changed = 0.0
    for _ in range(n_replicates):
        hardness = hard * rng.standard_normal(regime.items)
        before = hardness + luck * rng.standard_normal(regime.items) < stats.norm.ppf(regime.baseline)
        accuracy = special.expit(centre + regime.seed_sd * rng.standard_normal((regime.seeds, 1)))
        after = hardness + luck * rng.standard_normal((regime.seeds, regime.items)) < stats.norm.ppf(accuracy)
        after_SK, before_SK = after.astype(float), np.broadcast_to(before, after.shape).astype(float)
        changed += float((after_SK != before_SK).mean())
        truths = {
            "source": regime.pgf,
            "adapters": float((accuracy.mean() - regime.baseline) / (1 - regime.baseline)),
        }
        population = "source" if regime.seeds > 1 else "adapters"
        for name in hits:
            asked = name if regime.seeds > 1 else "adapters"
            low, high = pgf_interval(after_SK, before_SK, confidence=CONFIDENCE, population=asked)
            hits[name] += low <= truths[asked] <= high
        n_defined += not np.isnan(low)
        if regime.seeds == 1:
            p_value = mcnemar_p_value(after_SK[0], before_SK[0])
        else:
            p_value = crossed_mean(after_SK - before_SK, population).p_value()
        rejected += p_value < 0.05
    return Result(
        regime,
        changed / n_replicates,
        n_defined / n_replicates,
        hits["source"] / max(n_defined, 1),
        hits["adapters"] / max(n_defined, 1),
        rejected / n_replicates if without_effect else np.nan,
    )


def report(results: list[Result], n_replicates: int) -> None:
    regular = [r for r in results if r.regime.items * (1 - r.regime.baseline) >= 15]
    scarce = [r for r in results if r not in regular and r.defined > 0.05]
    print("# Coverage of the intervals over items and seeds\n")
    print(
        f"`python benchmarks/coverage.py {n_replicates}`: {len(results)} regimes, {n_replicates} replicates each;"
    )
    print(f"nominal 95 %. Monte Carlo standard error of a row about {np.sqrt(0.05 * 0.95 / n_replicates):.3f}.\n")
    print("| cells | mean coverage, source | lowest | highest | mean, adapters | lowest | highest |")
    print("|---|---|---|---|---|---|---|")
    groups = [("15 or more wrong baseline items expected", regular), ("fewer, where defined", scarce)]
    groups += [
        (f"15 or more, {n} seed{'s' if n > 1 else ''}", [r for r in regular if r.regime.seeds == n]) for n in SEEDS
    ]
    for name, rows in groups:
        source, adapters = np.array([r.source for r in rows]), np.array([r.adapters for r in rows])
        values = (source.mean(), source.min(), source.max(), adapters.mean(), adapters.min(), adapters.max())
        print(f"| {name} ({len(rows)} regimes) | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    print(
        "\nSize of the test at nominal 5 % where there is no effect (exact McNemar for one seed, else crossed):\n"
    )
    print("| seeds | mean | highest |\n|---|---|---|")
    for n_seeds in SEEDS:
        sizes = np.array([r.size for r in results if r.regime.seeds == n_seeds and not np.isnan(r.size)])
        print(f"| {n_seeds} | {sizes.mean():.3f} | {sizes.max():.3f} |")
    print(f"\nAn interval is given from {FEWEST_WRONG} wrong baseline items on. The regimes furthest from 95 %:\n")
    print("| items | seeds | baseline | PGF | discordance | seed SD | defined | source | adapters |")
    print("|---|---|---|---|---|---|---|---|---|")
    for r in sorted([*regular, *scarce], key=lambda r: -abs(r.source - 0.95))[:25]:
        g = r.regime
        print(
            f"| {g.items} | {g.seeds} | {g.baseline} | {g.pgf} | {r.discordance:.2f} | {g.seed_sd} | "
            f"{r.defined:.2f} | {r.source:.3f} | {r.adapters:.3f} |"
        )


def main() -> None:
    n_replicates = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    regimes = [
        Regime(items, seeds, baseline, *effect)
        for items, seeds, baseline, effect in product(ITEMS, SEEDS, BASELINES, EFFECTS)
    ]
    with ProcessPoolExecutor(max_workers=2) as pool:
        results = list(pool.map(simulate, regimes, [n_replicates] * len(regimes), [0] * len(regimes), chunksize=8))
    report(results, n_replicates)


if __name__ == "__main__":
    main()
