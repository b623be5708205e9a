"""Does a recommendation hold what it says? Whole simulated studies whose true matrix is known.

    python benchmarks/selection.py [REPLICATES] > benchmarks/selection.md

Each replicate draws item-level predictions from a true PGF matrix (see `structure.py`), gathers evidence as
`tasktransfer.recommend` does, asks for some targets what to train on with the target's own data left out, and
holds the answer against the truth. The truth of a mixture is what the recommendation takes it for, the shares
times the true PGF of the sources: how mixtures really behave is no matter of simulation.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
import structure

from tasktransfer.analysis.ceilings import ceiling_table
from tasktransfer.analysis.pgf import pgf_table, transfers_table
from tasktransfer.recommendation.evidence import MOST_CELLS, Evidence, gather_evidence
from tasktransfer.recommendation.methods import METHODS
from tasktransfer.recommendation.recommend import Recommendation, recommend
from tasktransfer.recommendation.request import MethodSettings
from tasktransfer.tables import Accuracies

KEY = ["model", "kind", "source", "seed", "target"]
# tasks, seeds, what is known of the items
DESIGNS = ((13, 4, "items"), (13, 4, "counts"), (13, 1, "items"), (45, 4, "items"))
BUDGET = 1000
N_TARGETS = 6  # asked for, of each study
WAYS = {
    "mixture": ("mixture", MethodSettings()),
    "mixture, caution 0": ("mixture", MethodSettings(caution=0)),
    "mixture, caution 0.5": ("mixture", MethodSettings(caution=0.5)),
    "lower-bound": ("lower-bound", MethodSettings()),
    "top-k": ("top-k", MethodSettings()),
    "best-single": ("best-single", MethodSettings()),
    "uniform": ("uniform", MethodSettings()),
}


def draw_study(name: str, n_tasks: int, n_seeds: int, known: str, replicate: int) -> tuple[Evidence, pd.DataFrame]:
    """Evidence of a simulated study, and the true matrix."""
    structure.N_TASKS = n_tasks
    rng = np.random.default_rng([replicate, n_tasks, n_seeds, *name.encode()])
    items, truth = structure.draw_items(structure.true_matrix(name, rng), n_seeds, rng)
    table = items.groupby(KEY, observed=True, sort=False)["score"].agg(["mean", "sum", "count"]).reset_index()
    table = table.astype(dict.fromkeys(KEY, object)).rename(columns={"mean": "accuracy", "sum": "n_correct"})
    table = table.assign(n_items=table["count"].astype(float), pgf=np.nan, top_share=np.nan, n_choices=np.nan)
    if known == "counts":
        evidence = gather_evidence(Accuracies(table), seed=replicate)
    elif n_tasks**2 > MOST_CELLS:  # only the standard errors are used
        transfers = transfers_table(pgf_table(table, ceiling_table(table)), items=items)
        evidence = gather_evidence(transfers, seed=replicate)
    else:
        evidence = gather_evidence(Accuracies(table, (), items), seed=replicate)
    return evidence, pd.DataFrame(truth, index=evidence.sources, columns=evidence.targets)


def true_effect(recommendation: Recommendation, truth: pd.DataFrame) -> pd.Series:
    weights = pd.Series(recommendation.weights)
    return weights @ truth.loc[weights.index]


def one_study(name: str, n_tasks: int, n_seeds: int, known: str, replicate: int) -> pd.DataFrame:
    evidence, truth = draw_study(name, n_tasks, n_seeds, known, replicate)
    rng = np.random.default_rng(replicate)
    rows = []
    for target in evidence.targets[:N_TARGETS]:
        others = [task for task in evidence.targets if task != target]
        best = float(truth.loc[others, target].max())
        free: Recommendation | None = None
        for way, (method, settings) in WAYS.items():
            found = recommend(evidence, target, BUDGET, method=method, exclude_target_data=True, settings=settings)
            rows.append({"way": way, **judge(found, truth, target), "best": best})
            free = found if way == "mixture" else free
        protected = str(rng.choice(others))
        careful = recommend(evidence, target, BUDGET, exclude_target_data=True, protect=[protected])
        assert free is not None
        guarded = {"free": true_effect(free, truth), "careful": true_effect(careful, truth)}
        rows.append(
            {
                "way": "protect",
                **{f"{who}_harm": effect[protected] for who, effect in guarded.items()},
                **{f"{who}_gain": effect[target] for who, effect in guarded.items()},
            }
        )
    return pd.DataFrame(rows).assign(study=name, tasks=n_tasks, seeds=n_seeds, known=known)


def judge(found: Recommendation, truth: pd.DataFrame, target: str) -> dict[str, object]:
    effect = true_effect(found, truth)
    expected = found.expected.iloc[1:].set_index("task")
    own, rest = expected.loc[target], expected.drop(index=target)
    held = (rest["low"] <= effect[rest.index]) & (effect[rest.index] <= rest["high"])
    return {
        "gain": effect[target],
        "said": own["pgf"],
        "holds": own["low"] - 1e-9 <= effect[target] <= own["high"] + 1e-9,
        "holds_elsewhere": held.mean(),
        "helps": found.helps,
        "p_gain": found.p_gain,
        "n_sources": len(found.items),
    }


def time_large(n_tasks: int = 200, n_seeds: int = 4) -> list[tuple[str, float, float]]:
    """Seconds for a large matrix from counts, once its transfers are there."""
    rng = np.random.default_rng(0)
    names = [f"t{k:03}" for k in range(n_tasks)]
    baseline = rng.uniform(0.3, 0.8, n_tasks)
    pgf = 0.1 * rng.standard_normal((n_tasks, n_tasks)) + 0.1 * rng.standard_normal(n_tasks)
    accuracy = np.clip(baseline + pgf * (1 - baseline), 0.02, 0.98)
    after = rng.binomial(150, np.broadcast_to(accuracy, (n_seeds, n_tasks, n_tasks)))
    s, i, j = (index.ravel() for index in np.indices(after.shape))
    named = np.array(names, dtype=object)
    runs = pd.DataFrame({"kind": "finetune", "source": named[i], "seed": s.astype(str), "target": named[j]})
    runs["n_correct"] = after.ravel().astype(float)
    base = pd.DataFrame({"kind": "base", "source": "", "seed": "", "target": named})
    base["n_correct"] = np.rint(150 * baseline)
    table = pd.concat([base, runs], ignore_index=True).assign(model="m", n_items=150.0, pgf=np.nan)
    table = table.assign(accuracy=table["n_correct"] / 150, top_share=np.nan, n_choices=np.nan)
    transfers = transfers_table(pgf_table(table, ceiling_table(table)))
    times = []
    start = _now()
    evidence = gather_evidence(transfers)
    times.append(("gather evidence", *(_now() - start)))
    for method in METHODS:
        start = _now()
        recommend(evidence, "t000", BUDGET, method=method, caps=5000, exclude_target_data=method != "direct")
        times.append((f"recommend, {method}", *(_now() - start)))
    start = _now()
    recommend(evidence, {"t000": 1, "t001": 0.5}, BUDGET, protect=names[2:12], caps=100)
    times.append(("recommend, mixture, two targets, ten protected tasks, caps", *(_now() - start)))
    return times


def _now() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def report(rows: pd.DataFrame, n_replicates: int) -> None:
    print("# Simulation: what to train on\n")
    print(f"{date.today()}, `python benchmarks/selection.py {n_replicates}`: {n_replicates} studies a line,")
    print(f"{structure.N_ITEMS} items a target, baselines 30 to 80 %, {N_TARGETS} targets asked for of each, the")
    print("target's own data left out.")
    print("Regret: true PGF of the best source less that of the mixture. Intervals are of 95 %.\n")
    print(
        "| truth | tasks | seeds | known | method | sources | true gain | regret | said | interval holds | ",
        end="",
    )
    print("for the other tasks |\n|" + "---|" * 11)
    methods = rows[rows["way"] != "protect"]
    for key, group in methods.groupby(["study", "tasks", "seeds", "known", "way"], sort=False):
        values = [group["n_sources"].mean(), group["gain"].mean(), (group["best"] - group["gain"]).mean()]
        values += [group["said"].mean(), group["holds"].mean(), group["holds_elsewhere"].mean()]
        print("| " + " | ".join(map(str, key)) + " | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    print('\n"Some source helps" (5 % test), by whether one truly does by 0.05 PGF or more.\n')
    print(
        "| truth | tasks | seeds | known | no source helps at all | said so | one helps | said so |\n|"
        + "---|" * 8
    )
    mixtures = rows[rows["way"] == "mixture"]
    for key, group in mixtures.groupby(["study", "tasks", "seeds", "known"], sort=False):
        none, some = group[group["best"] <= 1e-6], group[group["best"] >= 0.05]
        told = [f"{len(part)} | {part['helps'].astype(float).mean():.3f}" for part in (none, some)]
        print("| " + " | ".join(map(str, key)) + " | " + " | ".join(told).replace("nan", "–") + " |")
    print("\nA protected task, drawn from the others: true PGF without and with protection.\n")
    print(
        "| truth | tasks | seeds | known | its PGF, free | protected | lost 0.05 when free | protected | ",
        end="",
    )
    print("target's PGF, free | protected |\n|" + "---|" * 10)
    for key, group in rows[rows["way"] == "protect"].groupby(["study", "tasks", "seeds", "known"], sort=False):
        hurt = group[group["free_harm"] < -0.05]
        values = [group["free_harm"], group["careful_harm"], hurt["free_harm"], hurt["careful_harm"]]
        values += [group["free_gain"], group["careful_gain"]]
        told = " | ".join(f"{value.mean():.3f}" for value in values).replace("nan", "–")
        print("| " + " | ".join(map(str, key)) + f" | {told} |")
    print("\n200 x 200 tasks, 4 seeds of counts, seconds once the transfers are read, one process:\n")
    print("| step | wall | processor |\n|---|---|---|")
    for step, wall, processor in time_large():
        print(f"| {step} | {wall:.2f} | {processor:.2f} |")


def main() -> None:
    n_replicates = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    jobs = [(name, *design, r) for name in structure.TRUTHS for design in DESIGNS for r in range(n_replicates)]
    with ProcessPoolExecutor(max_workers=2) as pool:
        rows = pd.concat(pool.map(one_study, *zip(*jobs, strict=True)))
    report(rows, n_replicates)


if __name__ == "__main__":
    main()
