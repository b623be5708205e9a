"""Time the analysis against what one would otherwise write: loops over a pandas table and networkx.

    python benchmarks/analysis_speed.py

Both sides start from the same accuracies in memory and end with PGF, seed means, aggregates of both signs, edges,
cliques and personas. The loops compute nothing else; ours also splits the variance, tests cliques against chance,
diagnoses and compares ceilings. Median of several runs, one process, no figures, no report.
"""

from __future__ import annotations

import math
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import product

import networkx as nx
import numpy as np
import pandas as pd

import tasktransfer as tt
from tasktransfer.analysis.pgf import pgf_table, transfers_table


def study(n_tasks: int, n_seeds: int, n_models: int) -> pd.DataFrame:
    """Random accuracies as `read_accuracies` returns them."""
    rng = np.random.default_rng(0)
    tasks = [f"task {i}" for i in range(n_tasks)]
    rows = []
    for m in range(n_models):
        base = rng.integers(30, 70, n_tasks)
        effect = rng.normal(0, 10, (n_tasks, n_tasks))
        rows += [(f"m{m}", "base", "", "", t, base[j]) for j, t in enumerate(tasks)]
        for s, i, j in product(range(n_seeds), range(n_tasks), range(n_tasks)):
            right = int(np.clip(base[j] + effect[i, j] + rng.normal(0, 2), 0, 100))
            rows.append((f"m{m}", "finetune", tasks[i], str(s), tasks[j], right))
    frame = pd.DataFrame(rows, columns=["model", "kind", "source", "seed", "target", "n_correct"])
    frame["n_items"] = 100.0
    frame["accuracy"] = frame["n_correct"] / 100
    return frame.assign(pgf=np.nan, top_share=np.nan, n_choices=np.nan)


def by_loops(frame: pd.DataFrame) -> int:
    """The plain script."""
    n_cliques = 0
    for model in frame["model"].unique():
        rows = frame[frame["model"] == model]
        base = rows[rows["source"] == ""].set_index("target")["accuracy"]
        tasks = list(base.index)
        cell = {}
        runs = rows[rows["source"] != ""].groupby(["source", "target"])["accuracy"]
        for (source, target), values in runs:
            cell[source, target] = float(np.mean([(a - base[target]) / (1 - base[target]) for a in values]))
        aggregates = {}
        for task in tasks:
            for name, cells in (
                ("out", [cell[task, t] for t in tasks if t != task]),
                ("in", [cell[s, task] for s in tasks if s != task]),
            ):
                for sign in (1, -1):
                    chosen = [v for v in cells if v * sign > 1e-9]
                    p, n = len(chosen), len(cells)
                    aggregates[task, name, sign] = (1 - math.exp(-p / n)) / p * sum(chosen) if p else 0.0
        for name, sign in product(("out", "in"), (1, -1)):
            mean = np.mean([aggregates[t, name, sign] for t in tasks])
            _ = [t for t in tasks if aggregates[t, name, sign] * sign > mean * sign]
        for sign in (1, -1):
            off = sorted((abs(v) for (s, t), v in cell.items() if s != t and v * sign > 1e-9), reverse=True)
            threshold = off[int(0.2 * len(off))]
            _ = [c for c, v in cell.items() if c[0] != c[1] and v * sign >= threshold]
            graph = nx.Graph()
            graph.add_edges_from(
                (s, t) for s, t in cell if s < t and cell[s, t] * sign > 1e-9 and cell[t, s] * sign > 1e-9
            )
            n_cliques += sum(1 for _ in nx.find_cliques(graph))
    return n_cliques


def same_steps(frame: pd.DataFrame) -> int:
    """The same steps with the package's functions."""
    transfers = transfers_table(pgf_table(frame, tt.ceiling_table(frame)))
    n_cliques = 0
    for model in frame["model"].unique():
        matrix = tt.matrix(transfers, model)
        tt.assign_personas(tt.aggregate_transfer(matrix))
        tt.transfer_edges(matrix)
        n_cliques += sum(len(tt.find_cliques(matrix, sign).cliques) for sign in ("positive", "negative"))
    return n_cliques


def seconds(work: Callable[[], object], runs: int) -> float:
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    print(f"{platform.machine()}, Python {platform.python_version()}, pandas {pd.__version__}\n")
    print("| study | loops, s | same steps, s | ratio | whole analysis, s |")
    print("|---|---|---|---|---|")
    for n_tasks, n_seeds, n_models, runs in ((13, 4, 3, 7), (50, 4, 3, 3), (200, 4, 1, 3)):
        frame = study(n_tasks, n_seeds, n_models)
        assert by_loops(frame) == same_steps(frame)
        loops, ours = seconds(partial(by_loops, frame), runs), seconds(partial(same_steps, frame), runs)
        whole = seconds(partial(tt.analyze, frame), max(1, runs // 3))
        name = f"{n_models} x {n_tasks} x {n_tasks} x {n_seeds}"
        print(f"| {name} | {loops:.2f} | {ours:.2f} | {loops / ours:.1f} | {whole:.2f} |")


if __name__ == "__main__":
    main()
