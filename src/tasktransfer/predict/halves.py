"""A matrix measured twice, on one half of the items of each target and on the other; see `analysis.halves`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.halves import choosing_half
from tasktransfer.analysis.measure import Measured, measure
from tasktransfer.analysis.pgf import matrix
from tasktransfer.tables import ACCURACY_COLUMNS, ACCURACY_KEY, Accuracies

__all__ = ["halve", "matrix_like", "of_seeds"]


def halve(analysis: Analysis, models: Sequence[str]) -> tuple[Measured, Measured] | None:
    """What each half of the items says of some models; None where a finetune of theirs came without items.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    models
        Names of its models.
    """
    if analysis.items is None:
        return None
    here = analysis.items["model"].isin(list(models)) & analysis.items["kind"].isin(["base", "finetune"])
    items = analysis.items[here]
    cells = analysis.transfers[analysis.transfers["model"].isin(list(models)) & analysis.transfers["pgf"].notna()]
    cells = cells[cells["kind"] == "finetune"]
    key = ["model", "source", "target"]
    if not set(cells[key].itertuples(index=False, name=None)) <= _distinct(items, key):
        return None
    pairs = pd.MultiIndex.from_frame(items[["target", "item"]].astype(str))
    first = pairs.isin(list(choosing_half(items)))
    return tuple(measure(_accuracies(items[rows]), analysis.settings) for rows in (first, ~first))  # type: ignore[return-value]


def _distinct(frame: pd.DataFrame, columns: list[str]) -> set[tuple[str, ...]]:
    return set(frame[columns].drop_duplicates().astype(str).itertuples(index=False, name=None))


def _accuracies(items: pd.DataFrame) -> Accuracies:
    cells = items.groupby(list(ACCURACY_KEY), observed=True, sort=False)["score"]
    table = cells.agg(n_correct="sum", n_items="count", accuracy="mean").reset_index()
    table = table.astype(dict.fromkeys(ACCURACY_KEY, object)).astype({"n_items": float})
    if (items["score"] % 1 > 0).any():
        table["n_correct"] = np.nan  # 0.4 + 0.6 is no item right
    return Accuracies(table.reindex(columns=list(ACCURACY_COLUMNS)), items=items)


def matrix_like(transfers: pd.DataFrame, model: str, like: pd.DataFrame, *, value: str = "pgf") -> pd.DataFrame:
    """A column of the transfers of one model, rows and columns as those of another matrix.

    Parameters
    ----------
    transfers
        Table of `tasktransfer.transfers_table`, with the column `value`.
    model
        One of its models.
    like
        Matrix whose rows (sources) and columns (targets) are taken; what it alone has is NaN.
    value
        Column to take.
    """
    square = matrix(transfers, model, value=value)
    return square.reindex(index=like.index, columns=like.columns)


def of_seeds(pgf: pd.DataFrame, model: str, seeds: Sequence[str], like: pd.DataFrame) -> pd.DataFrame:
    """Mean PGF of some seeds of one model, rows and columns as those of another matrix.

    Parameters
    ----------
    pgf
        Table of `tasktransfer.pgf_table`.
    model
        One of its models.
    seeds
        Seeds to average over.
    like
        Matrix whose rows (sources) and columns (targets) are taken; what it alone has is NaN.
    """
    rows = pgf[(pgf["model"] == model) & (pgf["kind"] == "finetune") & pgf["seed"].isin(seeds)]
    square = rows.pivot_table("pgf", "source", "target")
    return square.reindex(index=like.index, columns=like.columns)
