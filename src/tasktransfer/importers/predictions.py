"""Item-level predictions into the accuracies table, one scorer at a time.

Names are kept as categories, a small code a row, so that millions of answers stay in a few bytes each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

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
from tasktransfer.tasks.open_form import closed_name

__all__ = ["PREDICTION_COLUMNS", "accuracies_from_predictions"]

PREDICTION_COLUMNS = ("source", "seed", "target", "item")
_ITEM_KEY = [*ACCURACY_KEY, "item"]
_OPTION = re.compile(r"\(?[A-Za-z]\)?[.:]?|yes|no|true|false|left|right|\d", re.IGNORECASE)
_SCORERS = ("likelihood", "generation")


def accuracies_from_predictions(raw: RawTable, model: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Average predictions over items, and keep the items.

    The score of an item is ``score`` where the column exists, else ``correct``. Of several scorers of a target
    the likelihood is taken (the default for PGF), else the only one there is.

    Returns
    -------
    accuracies, items
        The accuracies table, and the scores by item: the key columns, item, score and, where given, cluster.

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
    keys = key_columns(raw, model, categories=True)
    keys["item"] = text_column(raw, "item", empty=False, categories=True)
    keys["score"] = number_column(raw, value, low=0, high=1, truth=True)
    for column in ("predicted", "answer"):
        if column in raw.frame:
            keys[column] = text_column(raw, column, categories=True)
        else:
            keys[column] = pd.Categorical.from_codes(np.zeros(len(keys), dtype=np.int8), [""])
    if "cluster" in raw.frame:
        keys["cluster"] = text_column(raw, "cluster", empty=False, categories=True)
        _require_one_cluster(keys, raw.name)
    keys = keys.astype(dict.fromkeys(keys.columns.difference(["score"]), "category"))
    keys = _without_repeats(keys[keys["score"].notna()], raw.name)
    cells = keys.groupby(list(ACCURACY_KEY), observed=True, sort=False)
    frame = cells["score"].agg(["sum", "count"])
    frame["n_items"] = frame["count"].astype(float)
    frame["accuracy"] = frame["sum"] / frame["n_items"]
    graded = (keys["score"] % 1 > 0).groupby([keys[name] for name in ACCURACY_KEY], observed=True, sort=False)
    frame["n_correct"] = frame["sum"].where(~graded.any())  # 0.4 + 0.6 is no item right
    frame["top_share"], frame["top_answer"] = _top_answers(keys)
    frame = frame.reset_index().astype(dict.fromkeys(ACCURACY_KEY, object))
    frame["n_choices"] = frame["target"].map(_choices(keys))
    kept = keys.drop(columns=["predicted", "answer"]).reset_index(drop=True)
    return frame.reindex(columns=list(ACCURACY_COLUMNS)), kept


def _require_one_cluster(keys: pd.DataFrame, name: str) -> None:
    """An item belongs to one cluster, whoever answers it."""
    pairs = keys[["target", "item", "cluster"]].drop_duplicates()
    doubled = pairs[pairs.duplicated(["target", "item"], keep=False)]
    if len(doubled):
        first = doubled.iloc[0]
        clusters = doubled.loc[
            (doubled["target"] == first["target"]) & (doubled["item"] == first["item"]), "cluster"
        ]
        raise InputError(
            f"{name}: item {quoted([first['item']])} of {quoted([first['target']])} is in the clusters "
            f"{quoted(clusters)}; accepted is one cluster an item"
        )


def _one_scorer(raw: RawTable) -> RawTable:
    """One scorer a target: numbers have no likelihood of options, and are kept beside targets that have."""
    if "scorer" not in raw.frame:
        return raw
    scorers, targets = text_column(raw, "scorer"), text_column(raw, "target")
    present = scorers.groupby(targets, sort=False).unique()
    chosen = {target: _chosen(raw, list(names)) for target, names in present.items()}
    keep = (scorers == targets.map(chosen)).to_numpy()
    return raw._replace(frame=raw.frame[keep].reset_index(drop=True), places=raw.places[keep])


def _chosen(raw: RawTable, present: list[str]) -> str:
    chosen = present[0] if len(present) == 1 else next((s for s in _SCORERS if s in present), None)
    if chosen is None:
        raise InputError(
            f"{raw.name}: holds the scorers {quoted(present)}; accepted are one scorer of any name, or "
            f"several with {' or '.join(map(repr, _SCORERS))} among them"
        )
    return chosen


def _without_repeats(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Drop items given twice with the same score; refuse those given twice with different ones."""
    again = _row_codes(rows, _ITEM_KEY).duplicated()
    if not again.any():
        return rows
    repeated = rows[rows.duplicated(_ITEM_KEY, keep=False)]
    scores = repeated.groupby(_ITEM_KEY, observed=True, sort=False)["score"]
    clash = scores.transform("min") != scores.transform("max")
    if clash.any():
        first = repeated[clash].iloc[0]
        where = ", ".join(f"{column} {quoted([first[column]])}" for column in _ITEM_KEY if first[column])
        raise InputError(f"{name}: conflicting duplicates for {where}: scores differ")
    return rows[~again]


def _row_codes(rows: pd.DataFrame, columns: Iterable[str]) -> pd.Series:
    """One number for each combination of names: a fraction of the memory that comparing rows takes."""
    codes = np.zeros(len(rows), dtype=np.int64)
    for column in columns:
        names = rows[column].cat
        if len(codes) and int(codes.max()) > np.iinfo(np.int64).max // (len(names.categories) + 1):
            codes = pd.factorize(codes)[0]
        codes = codes * len(names.categories) + names.codes.to_numpy()
    return pd.Series(codes, index=rows.index)


def _top_answers(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Share of the most frequent predicted answer per cell, and that answer; cells as they first come.

    NaN and empty where no predicted answer was recorded.
    """
    cells = _row_codes(rows, ACCURACY_KEY)
    named = (rows["predicted"] != "").to_numpy()
    counts = pd.DataFrame({"cell": cells, "predicted": rows["predicted"].cat.codes})[named].value_counts(
        sort=False
    )
    order = cells.unique()
    most = counts.groupby(level="cell").max().reindex(order)
    places = counts.sort_values(ascending=False, kind="stable").reset_index().drop_duplicates("cell")
    codes = places.set_index("cell")["predicted"].reindex(order)
    names = rows["predicted"].cat.categories
    answers = np.array(["" if np.isnan(code) else names[int(code)] for code in codes], dtype=object)
    answered = cells.value_counts(sort=False).reindex(order)
    return np.asarray(most.to_numpy(dtype=float) / answered.to_numpy()), answers


def _choices(rows: pd.DataFrame) -> pd.Series:
    """Distinct right letters per target; NaN where none were recorded, where every item has its own, where scores
    are graded, or where the answers are neither letters nor yes and no: what is asked openly has no options, and
    so no chance of one in so many.
    """
    graded = rows.loc[rows["score"] % 1 > 0, "target"].unique()
    pairs = rows.loc[
        (rows["answer"] != "") & ~rows["target"].isin(graded), ["target", "item", "answer"]
    ].drop_duplicates()
    targets = pairs.astype(object).groupby("target", sort=False)
    n_answers, n_items = targets["answer"].nunique(), targets["item"].nunique()
    closed = targets["answer"].agg(lambda answers: answers.map(_is_option).all()).astype(bool)
    asked_openly = pd.Series([closed_name(name) != name for name in closed.index], closed.index, dtype=bool)
    return n_answers.where(closed & ~asked_openly & (n_answers <= np.maximum(2, n_items / 4))).astype(float)


def _is_option(answer: str) -> bool:
    return _OPTION.fullmatch(answer.strip()) is not None


def prediction_files(folder: Path) -> list[Path]:
    """The prediction shards of a run folder, in name order; empty when the folder is no run."""
    single = folder / "predictions.parquet"
    if single.is_file():
        return [single]
    shards = folder / "predictions"
    return sorted(shards.rglob("*.parquet")) if shards.is_dir() else []
