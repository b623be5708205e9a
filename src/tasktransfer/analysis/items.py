"""Item-level scores of one target as arrays: every run answers the same items.

Shape letters: R runs, S seeds, K items.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

__all__ = ["ITEM_COLUMNS", "CellItems", "cells_of_items"]

ITEM_COLUMNS = ("model", "kind", "source", "seed", "target", "item", "score")


class CellItems(NamedTuple):
    """One source on one target: paired scores after and before, on the items that all of them answered."""

    model: str
    kind: str
    source: str
    target: str
    after_SK: np.ndarray
    before_SK: np.ndarray  # the baseline of each seed; equal rows where one baseline serves all


def cells_of_items(items: pd.DataFrame) -> Iterator[CellItems]:
    """Pair every run with its baseline, cell by cell.

    Parameters
    ----------
    items
        Columns `ITEM_COLUMNS`; base rows have an empty source. A seed's own baseline is taken, else the one
        without a seed, as in `tasktransfer.pgf_table`; a run without either is left out.

    Yields
    ------
    CellItems
        In the order of first appearance of model, target, kind and source.
    """
    for (model, target), rows in items.groupby(["model", "target"], sort=False, observed=True):
        runs, scores_RK = _scores(rows)
        baselines = {seed: k for k, (kind, _, seed) in enumerate(runs) if kind == "base"}
        by_source: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for k, (kind, source, seed) in enumerate(runs):
            own = baselines.get(seed, baselines.get(""))
            if kind != "base" and own is not None:
                by_source.setdefault((kind, source), []).append((k, own))
        for (kind, source), pairs in by_source.items():
            pairs.sort(key=lambda pair: runs[pair[0]])
            after, before = (scores_RK[list(which)] for which in zip(*pairs, strict=True))
            answered = ~np.isnan(after + before).any(axis=0)
            if answered.any():
                yield CellItems(str(model), kind, source, str(target), after[:, answered], before[:, answered])


def _scores(rows: pd.DataFrame) -> tuple[list[tuple[str, str, str]], np.ndarray]:
    """Runs of one target (kind, source, seed) and their scores by item, NaN where an item was not answered."""
    runs = pd.MultiIndex.from_frame(rows[["kind", "source", "seed"]].astype(str))
    run_codes, named = runs.factorize()
    item_codes, known = pd.factorize(rows["item"].astype(str), sort=True)  # sums in one order, whatever the rows'
    scores_RK = np.full((len(named), len(known)), np.nan)
    scores_RK[run_codes, item_codes] = rows["score"].to_numpy(dtype=float)
    return [(str(kind), str(source), str(seed)) for kind, source, seed in named], scores_RK
