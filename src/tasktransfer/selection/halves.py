"""A matrix measured twice, on one half of the items of each target and on the other.

An estimate that asks test items shares their luck, and that of the untouched model's answers, with a matrix
measured on the same items. Held against the matrix of the other half it does not. Items of one cluster stay
together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.analysis.ceilings import ceiling_table
from tasktransfer.analysis.pgf import matrix, pgf_table, transfers_table
from tasktransfer.analysis.pipeline import Analysis
from tasktransfer.selection.choices import choosing_items
from tasktransfer.tables import ACCURACY_COLUMNS, ACCURACY_KEY

__all__ = ["Measured", "halve", "whole"]


class Measured(NamedTuple):
    """What some items tell."""

    pgf: pd.DataFrame  # of `tasktransfer.pgf_table`
    transfers: pd.DataFrame  # of `tasktransfer.transfers_table`

    def matrix(self, model: str, like: pd.DataFrame, *, value: str = "pgf") -> pd.DataFrame:
        """A column of the transfers of one model, rows and columns as those of another matrix."""
        found = matrix(self.transfers, model, value=value)
        return found.reindex(index=like.index, columns=like.columns)

    def of_seeds(self, model: str, seeds: Sequence[str], like: pd.DataFrame) -> pd.DataFrame:
        """Mean PGF of some seeds."""
        rows = self.pgf[(self.pgf["model"] == model) & (self.pgf["kind"] == "finetune")]
        found = rows[rows["seed"].isin(seeds)].pivot_table("pgf", "source", "target")
        return found.reindex(index=like.index, columns=like.columns)


def whole(analysis: Analysis) -> Measured:
    """What all items tell."""
    return Measured(analysis.pgf, analysis.transfers)


def halve(analysis: Analysis, models: Sequence[str]) -> tuple[Measured, Measured] | None:
    """What each half of the items tells of some models; None where a finetune of theirs came without items.

    Halves are those of `tasktransfer.selection.choices.choosing_items`.
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
    unit = "cluster" if "cluster" in items else "item"
    names = items[["target", unit]].drop_duplicates().astype(str)
    chosen = {
        (target, name)
        for target, rows in names.groupby("target", sort=False)
        for name in choosing_items(str(target), rows[unit])
    }
    first = np.fromiter(
        (pair in chosen for pair in zip(items["target"].astype(str), items[unit].astype(str), strict=True)),
        dtype=bool,
        count=len(items),
    )
    return _measured(items[first], analysis), _measured(items[~first], analysis)


def _distinct(frame: pd.DataFrame, columns: list[str]) -> set[tuple[str, ...]]:
    return set(frame[columns].drop_duplicates().astype(str).itertuples(index=False, name=None))


def _measured(items: pd.DataFrame, analysis: Analysis) -> Measured:
    settings = analysis.settings
    cells = items.groupby(list(ACCURACY_KEY), observed=True, sort=False)["score"]
    table = cells.agg(n_correct="sum", n_items="count", accuracy="mean").reset_index()
    table = table.astype(dict.fromkeys(ACCURACY_KEY, object)).astype({"n_items": float})
    if (items["score"] % 1 > 0).any():
        table["n_correct"] = np.nan  # 0.4 + 0.6 is no item right
    table = table.reindex(columns=list(ACCURACY_COLUMNS))
    pgf = pgf_table(table, ceiling_table(table, settings.ceiling))
    told = transfers_table(pgf, items=items, confidence=settings.confidence, margin=settings.margin)
    return Measured(pgf, told)
