"""Item-level predictions into the accuracies table, one scorer at a time.

Runs on Arrow's grouped kernels, so that tens of millions of rows stay in a few bytes a row.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tasktransfer.errors import InputError, quoted
from tasktransfer.importers.counts import key_columns
from tasktransfer.tables import (
    ACCURACY_COLUMNS,
    ACCURACY_KEY,
    RawTable,
    number_column,
    require_columns,
    text_column,
)

__all__ = ["PREDICTION_COLUMNS", "accuracies_from_predictions"]

PREDICTION_COLUMNS = ("source", "seed", "target", "item")
_SCORERS = ("likelihood", "generation")


def accuracies_from_predictions(raw: RawTable, model: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Average predictions over items, and keep the items.

    The score of an item is ``score`` where the column exists, else ``correct``. Of several scorers the
    likelihood is taken (the default for PGF), else the only one there is.

    Returns
    -------
    accuracies, items
        The accuracies table, and the scores by item: the key columns, item and score.

    Raises
    ------
    InputError
        A column is missing, a score is outside [0, 1], an item is given twice with different scores, or
        scorers are unknown and several.
    """
    value = "score" if "score" in raw.frame else "correct"
    needed = [*([] if model is not None else ["model"]), *PREDICTION_COLUMNS, value]
    require_columns(raw, needed, "a predictions table")
    raw = _one_scorer(raw)
    keys = key_columns(raw, model)
    keys["item"] = text_column(raw, "item", empty=False)
    keys["score"] = number_column(raw, value, low=0, high=1, truth=True)
    predicted = text_column(raw, "predicted") if "predicted" in raw.frame else ""
    answer = text_column(raw, "answer") if "answer" in raw.frame else ""
    table = pa.Table.from_pandas(keys.assign(predicted=predicted, answer=answer), preserve_index=False)
    table = table.filter(pc.is_valid(table["score"]))
    table = _without_repeats(table, raw.name)
    frame = (
        table.group_by(list(ACCURACY_KEY), use_threads=False)
        .aggregate([("score", "sum"), ("score", "count")])
        .to_pandas()
    )
    frame["n_items"] = frame["score_count"].astype(float)
    frame["accuracy"] = frame["score_sum"] / frame["n_items"]
    frame["n_correct"] = frame["score_sum"].where(frame["score_sum"] % 1 == 0)
    frame = frame.merge(_top_shares(table), on=list(ACCURACY_KEY), how="left")
    frame = frame.merge(_choices(table), on="target", how="left")
    items = table.select([*ACCURACY_KEY, "item", "score"]).to_pandas()
    items = items.astype(dict.fromkeys((*ACCURACY_KEY, "item"), "category"))
    return frame.reindex(columns=list(ACCURACY_COLUMNS)), items


def _one_scorer(raw: RawTable) -> RawTable:
    if "scorer" not in raw.frame:
        return raw
    scorers = text_column(raw, "scorer")
    present = list(dict.fromkeys(scorers))
    if len(present) == 1:
        return raw
    chosen = next((scorer for scorer in _SCORERS if scorer in present), None)
    if chosen is None:
        raise InputError(
            f"{raw.name}: holds the scorers {quoted(present)}; accepted are one scorer of any name, or "
            f"several with {' or '.join(map(repr, _SCORERS))} among them"
        )
    keep = (scorers == chosen).to_numpy()
    return raw._replace(frame=raw.frame[keep].reset_index(drop=True), places=raw.places[keep])


def _without_repeats(table: pa.Table, name: str) -> pa.Table:
    """Drop items given twice with the same score; refuse those given twice with different ones."""
    key = [*ACCURACY_KEY, "item"]
    unique = table.group_by(key, use_threads=False).aggregate(
        [("score", "min"), ("score", "max"), ("predicted", "first"), ("answer", "first")]
    )
    if unique.num_rows == table.num_rows:
        return table
    clash = unique.filter(pc.not_equal(unique["score_min"], unique["score_max"]))
    if clash.num_rows:
        first = clash.slice(0, 1).to_pylist()[0]
        where = ", ".join(f"{column} {quoted([first[column]])}" for column in key if first[column])
        raise InputError(f"{name}: conflicting duplicates for {where}: scores differ")
    return unique.rename_columns([*key, "score", "score_max", "predicted", "answer"]).drop_columns(["score_max"])


def _top_shares(table: pa.Table) -> pd.DataFrame:
    """Share of the most frequent predicted answer per cell; NaN where no predicted answer was recorded."""
    counts = (
        table.group_by([*ACCURACY_KEY, "predicted"], use_threads=False)
        .aggregate([("predicted", "count")])
        .to_pandas()
    )
    counts["named"] = counts["predicted_count"].where(counts["predicted"] != "", 0)
    cells = counts.groupby(list(ACCURACY_KEY), sort=False)
    share = (cells["named"].max() / cells["predicted_count"].sum()).replace(0.0, np.nan)
    return share.rename("top_share").reset_index()


def _choices(table: pa.Table) -> pd.DataFrame:
    """Distinct right answers per target; NaN where none were recorded or where every item has its own."""
    pairs = table.group_by(["target", "item", "answer"], use_threads=False).aggregate([]).to_pandas()
    pairs = pairs[pairs["answer"] != ""]
    per_target = pairs.groupby("target", sort=False).agg(n=("answer", "nunique"), items=("item", "nunique"))
    few = per_target["n"].where(per_target["n"] <= np.maximum(2, per_target["items"] / 4)).astype(float)
    return few.rename("n_choices").rename_axis("target").reset_index()


def prediction_files(folder: Path) -> list[Path]:
    """The prediction shards of a run folder, in name order; empty when the folder is no run."""
    single = folder / "predictions.parquet"
    if single.is_file():
        return [single]
    shards = folder / "predictions"
    return sorted(shards.rglob("*.parquet")) if shards.is_dir() else []
