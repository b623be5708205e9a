"""Item-level predictions into the accuracies table, one scorer at a time.

Names are kept as categories, a small code a row, so that millions of answers stay in a few bytes each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
from tasktransfer.tasks.answers.options import letter_of
from tasktransfer.tasks.open_form import closed_name

__all__ = ["PREDICTION_COLUMNS", "accuracies_from_predictions"]

PREDICTION_COLUMNS = ("source", "seed", "target", "item")
_ITEM_KEY = [*ACCURACY_KEY, "item"]
_PAIRS = {word: pair for pair in ("yes no", "true false", "left right") for word in pair.split()}
_SCORERS = ("likelihood", "generation")


def accuracies_from_predictions(raw: RawTable, model: str | None) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Average predictions over items, and keep the items.

    The score of an item is ``score`` where the column exists, else ``correct``. Of several scorers of a model's
    target the likelihood is taken (the default for PGF), else the generation, else the only one there is.

    Returns
    -------
    accuracies, items, notes
        The accuracies table; the scores by item: the key columns, item, score and, where given, cluster; and
        what was left out, a sentence each.

    Raises
    ------
    InputError
        A column is missing, a score is outside [0, 1], an item is given twice with different scores,
        scorers are unknown and several, or a baseline lacks the scorer that its finetunes have.
    """
    value = "score" if "score" in raw.frame else "correct"
    needed = [*([] if model is not None else ["model"]), *PREDICTION_COLUMNS, value]
    require_columns(raw, needed, "a predictions table")
    keys = key_columns(raw, model, categories=True)
    raw, keys, notes = _one_scorer(raw, keys.astype("category"))
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
    # observed: else a group for every combination of names, present or not
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
    return frame.reindex(columns=list(ACCURACY_COLUMNS)), kept, notes


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


def _one_scorer(raw: RawTable, keys: pd.DataFrame) -> tuple[RawTable, pd.DataFrame, list[str]]:
    """One scorer a model and target: numbers have no likelihood of options, and are kept beside targets that have.

    Runs that lack the scorer are reported: answers by different scorers are not compared.
    """
    if "scorer" not in raw.frame:
        return raw, keys, []
    scored = keys.assign(scorer=text_column(raw, "scorer", categories=True))
    codes = _row_codes(scored, scored.columns)
    given = scored[~codes.duplicated()].astype(object)
    of_target = given.groupby(["model", "target"], sort=False)["scorer"]
    given["chosen"] = of_target.transform(lambda names: _chosen(raw, list(names.unique())))
    taken = given["scorer"] == given["chosen"]
    keep = codes.isin(codes[given.index[taken]]).to_numpy()
    lacking = given[~taken.groupby([given[name] for name in ACCURACY_KEY], sort=False).transform("any")]
    notes = list(_lacking_notes(lacking, raw.name))
    places = raw.places[keep]
    return raw._replace(frame=raw.frame[keep].reset_index(drop=True), places=places), _rows(keys, keep), notes


def _rows(table: pd.DataFrame, keep: np.ndarray) -> pd.DataFrame:
    return table[keep].reset_index(drop=True)


def _lacking_notes(lacking: pd.DataFrame, name: str) -> Iterator[str]:
    """One sentence for the runs of a model that have other scorers than the rest has."""
    for (model, chosen), rows in lacking.groupby(["model", "chosen"], sort=False):
        cells = [
            f"{row.source or 'the baseline'}{f' (seed {row.seed})' if row.seed else ''} on {row.target} has "
            f"{row.scorer!r}"
            for row in rows.itertuples()
        ]
        shown = "; ".join(cells[:3]) + (f"; and {len(cells) - 3} more" if len(cells) > 3 else "")
        if (rows["kind"] == "base").any():
            raise InputError(
                f"{name}: the runs of {model} are scored by {chosen!r}, and a baseline is not ({shown}); accepted "
                f"are runs and baselines of one scorer"
            )
        yield f"{model}: runs without the scorer {chosen!r}, which the others have, are left out: {shown}."


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
            codes = pd.factorize(codes)[0]  # numbered anew, as the next product would overflow
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
    """Distinct right options per target; NaN where fewer than two were recorded, where every item has its own,
    where scores are graded, or where the answers are neither letters nor two words such as yes and no: what is
    asked openly, numbers included, has no options, and so no chance of one in so many.
    """
    graded = rows.loc[rows["score"] % 1 > 0, "target"].unique()
    pairs = rows.loc[
        (rows["answer"] != "") & ~rows["target"].isin(graded), ["target", "item", "answer"]
    ].drop_duplicates()
    targets = pairs.astype(object).groupby("target", sort=False)
    n_answers, n_items = targets["answer"].agg(_n_options), targets["item"].nunique()
    asked_openly = pd.Series([closed_name(name) != name for name in n_items.index], n_items.index, dtype=bool)
    few = (n_answers >= 2) & (n_answers <= np.maximum(2, n_items / 4))
    return n_answers.where(few & ~asked_openly).astype(float)


def _n_options(answers: Iterable[str]) -> float:
    """How many options answers name, however they are written; NaN where one is no letter and no word of a pair.

    >>> _n_options(["A", "(a)", "B."]), _n_options(["Yes", "yes.", "no"]), _n_options(["3", "4"])
    (2.0, 2.0, nan)
    """
    names = {letter_of(answer) or answer.casefold().strip(" .") for answer in set(answers)}
    pairs = {_PAIRS.get(name) for name in names}
    closed = all(map(letter_of, names)) or (len(pairs) == 1 and None not in pairs)
    return float(len(names)) if closed else np.nan
