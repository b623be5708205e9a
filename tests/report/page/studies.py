"""Made-up studies for the tests of the page, and what their matrices are the long way round."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tasktransfer.analysis.analyze import Analysis, analyze
from tasktransfer.analysis.ceilings import available_ceilings
from tasktransfer.analysis.decomposition import decompose
from tasktransfer.analysis.pgf import matrix, pgf_table, tasks_of, transfers_table
from tasktransfer.tables import ACCURACY_COLUMNS

HOSTILE = "</script><img src=x onerror=alert(1)>"


TASKS = ["Visual_Similarity", "Art_Style", HOSTILE, "my own & <b>task</b>", "Jigsaw", "spare"]


ITEMS = {"Visual_Similarity": 135, "Art_Style": 117, "Jigsaw": 150}


T13 = [f"task {i}" for i in range(13)]


def accuracies(
    models: list[str],
    sources: list[str],
    targets: list[str],
    *,
    seeds: tuple[str, ...] = ("a", "b", "c"),
    holes: float = 0.0,
    base: int | None = None,
) -> pd.DataFrame:
    """A made-up study with whole counts; `base` sets every baseline's right answers."""
    draw = np.random.default_rng(7)
    rows: list[tuple[Any, ...]] = []
    for model in models:
        start = {t: base if base is not None else int(draw.integers(35, 70)) for t in targets}
        for seed in seeds:
            for target in targets:
                n_items = ITEMS.get(target, 100)
                rows.append((model, "base", "", seed, target, n_items, start[target]))
                for source in sources:
                    if draw.random() >= holes:
                        right = int(np.clip(start[target] + draw.integers(-18, 24), 0, n_items))
                        rows.append((model, "finetune", source, seed, target, n_items, right))
    frame = pd.DataFrame(rows, columns=["model", "kind", "source", "seed", "target", "n_items", "n_correct"])
    frame = frame.assign(
        accuracy=frame["n_correct"] / frame["n_items"], pgf=np.nan, top_share=np.nan, n_choices=np.nan
    )
    return frame.assign(top_answer="").astype({"n_items": float, "n_correct": float})[list(ACCURACY_COLUMNS)]


def pgf_only() -> Analysis:
    table = accuracies(["m"], TASKS[:4], TASKS[:4], seeds=("x",))
    table = table[table["kind"] == "finetune"].reset_index(drop=True)
    values = np.linspace(-0.5, 0.9, len(table))
    return analyze(table.assign(pgf=values, accuracy=np.nan, n_items=np.nan, n_correct=np.nan))


def different_tasks() -> Analysis:
    one = accuracies(["one"], ["a", "b", "c"], ["a", "b", "c"])
    two = accuracies(["two"], ["c", "d"], ["c", "d"], seeds=("c", "d"))
    return analyze(pd.concat([one, two], ignore_index=True))


def shown_matrix(analysis: Analysis, model: str, seed: str, ceiling: str, view: str) -> pd.DataFrame:
    """The matrix of one setting, computed the long way round."""
    pgf = pgf_table(analysis.accuracies, available_ceilings(analysis.accuracies, ceiling)[ceiling])
    rows = pgf if seed == "mean" else pgf[pgf["seed"] == seed]
    here = set(tasks_of(analysis.transfers, model))
    order = [task for task in tasks_of(analysis.transfers) if task in here]
    raw = matrix(transfers_table(rows), model, tasks=order)
    return raw if view == "raw" else decompose(raw).interaction
