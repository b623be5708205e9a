"""Small tables of answers with counts that can be checked by hand."""

from __future__ import annotations

import pandas as pd

from tasktransfer.importers.predictions import accuracies_from_predictions
from tasktransfer.tables import RawTable

MODEL = "m"


SEEDS = ("0", "1")


def worked_items(right: dict[tuple[str, str], int], *, kind: str, base: int, n_items: int = 10) -> pd.DataFrame:
    """Scores by item: the first so many of a target are right, for every seed; `base` of the untouched model."""
    rows = []
    for target in dict.fromkeys(target for _, target in right):
        rows += [(MODEL, "base", "", "", target, f"i{k}", float(k < base)) for k in range(n_items)]
    for (source, target), count in right.items():
        for seed in SEEDS:
            rows += [(MODEL, kind, source, seed, target, f"i{k}", float(k < count)) for k in range(n_items)]
    return pd.DataFrame(rows, columns=["model", "kind", "source", "seed", "target", "item", "score"])


def worked_table(items: pd.DataFrame) -> pd.DataFrame:
    """The accuracies of scores by item."""
    raw = RawTable(items, "worked", items.index.to_numpy(), "row")
    return accuracies_from_predictions(raw, None)[0]
