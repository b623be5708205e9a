"""Item-level scores of one target as arrays: every run answers the same items.

Shape letters: R runs, C cells (a source on the target), S seeds, K items.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.stats.crossed import crossed_mean, mean_squares

__all__ = [
    "ITEM_COLUMNS",
    "CellGroup",
    "CellKey",
    "PairedItems",
    "TargetItems",
    "cell_groups",
    "paired_runs",
    "targets_of_items",
]

ITEM_COLUMNS = ("model", "kind", "source", "seed", "target", "item", "score")
_RUN = ["model", "kind", "source", "seed"]


class CellKey(NamedTuple):
    """One source on one target: the key of a row of the transfers table."""

    model: str
    kind: str
    source: str
    target: str


class TargetItems(NamedTuple):
    """Everything that was answered on one target, by all models."""

    target: str
    runs: list[tuple[str, str, str, str]]  # model, kind, source, seed; sorted
    scores_RK: np.ndarray  # NaN where an item was not answered; items sorted by name
    units: list[str]  # what is drawn: items, or clusters of them; sorted
    unit_K: np.ndarray  # the unit that each item belongs to


class CellGroup(NamedTuple):
    """Cells of one model and target with as many seeds, all answered on the same items."""

    cells: list[CellKey]
    after_CSK: np.ndarray
    before_CSK: np.ndarray  # the baseline of each seed; equal rows where one baseline serves all
    clusters_K: np.ndarray | None  # code of the cluster an item belongs to; None where each stands alone
    answered: np.ndarray  # which items of the target these are

    @property
    def n_units(self) -> int:
        """Items, or clusters of them."""
        return self.after_CSK.shape[2] if self.clusters_K is None else int(self.clusters_K.max()) + 1


def targets_of_items(items: pd.DataFrame) -> Iterator[TargetItems]:
    """Scores by target, in the order of appearance; the order of rows within a target changes nothing.

    Parameters
    ----------
    items
        Columns `ITEM_COLUMNS`, base rows with an empty source, and, where items belong together, ``cluster``.
    """
    names = [_as_category(items[column]) for column in (*_RUN, "item")]
    # one number for model, kind, source and seed: sorting numbers is cheaper than sorting tuples of text
    run_codes = np.zeros(len(items), dtype=np.int64)
    for series in names[:-1]:
        run_codes = run_codes * (len(series.cat.categories) + 1) + series.cat.codes.to_numpy()
    item_codes = names[-1].cat.codes.to_numpy()
    scores = items["score"].to_numpy()
    units = _as_category(items["cluster"]) if "cluster" in items else names[-1]
    unit_codes = units.cat.codes.to_numpy()
    targets = _as_category(items["target"])
    order = np.argsort(targets.cat.codes.to_numpy(), kind="stable")
    ends = np.cumsum(np.bincount(targets.cat.codes, minlength=len(targets.cat.categories)))
    by_code = dict(enumerate(np.split(order, ends[:-1])))
    for target in targets.unique():
        rows = by_code[targets.cat.categories.get_loc(target)]
        distinct, first, run_of = np.unique(run_codes[rows], return_index=True, return_inverse=True)
        runs = list(zip(*(series.iloc[rows[first]].astype(str) for series in names[:-1]), strict=True))
        places, item_of = np.unique(item_codes[rows], return_inverse=True)
        scores_RK = np.full((len(distinct), len(places)), np.nan)
        scores_RK[run_of, item_of] = scores[rows]
        unit_of_place = np.empty(len(places), dtype=np.int64)
        unit_of_place[item_of] = unit_codes[rows]
        present, unit_K = np.unique(unit_of_place, return_inverse=True)
        yield TargetItems(str(target), runs, scores_RK, [str(units.cat.categories[u]) for u in present], unit_K)


def _as_category(column: pd.Series) -> pd.Series:
    """The column as sorted categories of text, so that codes do not depend on the order of the rows."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(str).astype("category")
    known = column.cat.categories.astype(str)
    return column.cat.rename_categories(known).cat.reorder_categories(sorted(known))


def paired_runs(block: TargetItems) -> dict[CellKey, list[tuple[int, int]]]:
    """Run and baseline of every cell, as rows of the scores.

    A seed's own baseline is taken, else the one without a seed, as in `tasktransfer.pgf_table`; a run without
    either is left out.
    """
    baselines = {(model, seed): r for r, (model, kind, _, seed) in enumerate(block.runs) if kind == "base"}
    cells: dict[CellKey, list[tuple[int, int]]] = {}
    for r, (model, kind, source, seed) in enumerate(block.runs):
        own = baselines.get((model, seed), baselines.get((model, "")))
        if kind != "base" and own is not None:
            cells.setdefault(CellKey(model, kind, source, block.target), []).append((r, own))
    return cells


def cell_groups(block: TargetItems) -> Iterator[CellGroup]:
    """Cells with their paired scores, those of one shape together.

    An item counts in a cell when every run of the cell and every baseline of it answered it.
    """
    groups: dict[tuple[str, int, bytes], list[tuple[CellKey, list[tuple[int, int]]]]] = {}
    holes = np.isnan(block.scores_RK)
    some_holes = bool(holes.any())
    for key, pairs in paired_runs(block).items():
        # as bytes, since an array is no key of a dictionary
        lacking = holes[[r for pair in pairs for r in pair]].any(axis=0) if some_holes else holes[0]
        groups.setdefault((key.model, len(pairs), lacking.tobytes()), []).append((key, pairs))
    for (_, _, lacking_bytes), cells in groups.items():
        answered = ~np.frombuffer(lacking_bytes, dtype=bool)
        if not answered.any():
            continue
        index_CS2 = np.array([pairs for _, pairs in cells])
        scores = block.scores_RK[:, answered]
        units = np.unique(block.unit_K[answered], return_inverse=True)[1]
        clusters_K = units if len(block.units) < len(block.unit_K) else None
        after_CSK, before_CSK = scores[index_CS2[..., 0]], scores[index_CS2[..., 1]]
        yield CellGroup([key for key, _ in cells], after_CSK, before_CSK, clusters_K, answered)


class _Answers(NamedTuple):
    change_K: np.ndarray  # mean over seeds of each item's change; NaN where not answered
    unit_K: np.ndarray


class PairedItems:
    """What the finetunes of a study changed, item by item.

    Parameters
    ----------
    items
        The ``items`` of `tasktransfer.read_accuracies`; None where answers to items are not known.
    """

    def __init__(self, items: pd.DataFrame | None) -> None:
        self._answers: dict[tuple[str, str, str], _Answers] = {}
        for block in targets_of_items(items) if items is not None and len(items) else ():
            for cell, runs in paired_runs(block).items():
                if cell.kind == "finetune":
                    after, before = (block.scores_RK[[pair[k] for pair in runs]] for k in (0, 1))
                    answers = _Answers((after - before).mean(axis=0), block.unit_K)
                    self._answers[cell.model, cell.source, cell.target] = answers

    def variance(self, model: str, target: str, first: str, second: str) -> float:
        """Of the difference of two sources' gains, as other items would have it; NaN where not known.

        Parameters
        ----------
        model, target
            Where the two are compared.
        first, second
            Sources.

        Returns
        -------
        float
            Squared standard error, in accuracy, over the items that both answered with every seed; needs two
            items, or two clusters.
        """
        one, other = (self._answers.get((model, source, target)) for source in (first, second))
        if one is None or other is None:
            return float("nan")
        apart_K = one.change_K - other.change_K
        here = ~np.isnan(apart_K)
        units_K = np.unique(one.unit_K[here], return_inverse=True)[1]
        if units_K.max(initial=-1) < 1:
            return float("nan")
        squares = mean_squares(apart_K[here][None, None], units_K)
        return float(crossed_mean(squares, "adapters").of_items[0])
