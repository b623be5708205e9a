"""Accuracy and count tables, and our own pgf tables, into the accuracies table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasktransfer.errors import InputError, closest, quoted
from tasktransfer.tables import (
    ACCURACY_COLUMNS,
    ACCURACY_KEY,
    KINDS,
    RawTable,
    number_column,
    refuse_conflicts,
    require_columns,
    text_column,
)

__all__ = ["UNITS", "accuracies_from_counts", "key_columns"]

UNITS = ("fraction", "percent")


def key_columns(raw: RawTable, model: str | None, *, categories: bool = False) -> pd.DataFrame:
    """Read model, kind, source, seed and target, and check kind against source.

    Parameters
    ----------
    raw
        Columns source, seed and target; model unless `model` is given; kind where there is one.
    model
        Fills in for a missing column, and renames the only model of a file that has one.
    categories
        Give categories, a few bytes a row, instead of texts.

    Returns
    -------
    pandas.DataFrame
        The columns `tasktransfer.tables.ACCURACY_KEY`, a row for each row of `raw`.

    Raises
    ------
    InputError
        A file to be renamed holds several models, a kind is unknown, or kind and source do not go together.
    """
    if "model" in raw.frame:
        models = text_column(raw, "model", empty=model is not None, categories=categories)
        if model is not None:
            if models.nunique() > 1:
                raise InputError(
                    f"{raw.name}: holds {models.nunique()} models ({quoted(models.unique())}); "
                    f"NAME=path can rename a file of one model only"
                )
            models = pd.Series(model, index=raw.frame.index)
    else:
        models = pd.Series(model, index=raw.frame.index)
    frame = pd.DataFrame(
        {
            "model": models,
            "source": text_column(raw, "source", categories=categories),
            "seed": text_column(raw, "seed", categories=categories),
            "target": text_column(raw, "target", empty=False, categories=categories),
        }
    )
    untouched = (frame["source"] == "").to_numpy()
    codes = np.where(untouched, KINDS.index("base"), KINDS.index("finetune")).astype(np.int8)
    if "kind" in raw.frame:
        given = text_column(raw, "kind", categories=True).cat
        of_name = {name: position for position, name in enumerate(given.categories)}
        for bad in sorted(of_name.keys() - {*KINDS, ""}):
            position = int(np.flatnonzero((given.codes == of_name[bad]).to_numpy())[0])
            raise InputError(
                f"{raw.at(position)}: kind is {quoted([bad])}{closest(bad, KINDS)}; "
                f"accepted are {', '.join(KINDS)}"
            )
        known = np.array([KINDS.index(name) if name else -1 for name in given.categories], dtype=np.int8)
        stated = known[given.codes.to_numpy()]
        codes = np.where(stated < 0, codes, stated)
        wrong = untouched != (codes == KINDS.index("base"))
        if wrong.any():
            position = int(np.flatnonzero(wrong)[0])
            kind, source = KINDS[codes[position]], frame["source"].iloc[position]
            raise InputError(
                f"{raw.at(position)}: kind {kind!r} with source {quoted([source])}; "
                f"the baseline, and it alone, has an empty source"
            )
    frame["kind"] = pd.Categorical.from_codes(codes, list(KINDS))
    if not categories:
        frame["kind"] = frame["kind"].astype(object)
    return frame[list(ACCURACY_KEY)]


def accuracies_from_counts(raw: RawTable, model: str | None, unit: str | None) -> pd.DataFrame:
    """Turn a table of accuracies or of counts into an accuracies table.

    Parameters
    ----------
    raw
        Columns model (unless `model` is given), source, seed, target, and accuracy or n_correct with n_items.
    model
        Name of the only model of the file.
    unit
        ``fraction`` or ``percent``; None reads it off the values.

    Raises
    ------
    InputError
        A column is missing, a value is no number or out of range, the unit is unclear, counts and accuracy
        disagree, or a cell is given twice with different values.
    """
    needed = ["source", "seed", "target"] if model is not None else ["model", "source", "seed", "target"]
    require_columns(raw, needed, "an accuracy table")
    frame = key_columns(raw, model)
    stated = _accuracy(raw, unit) if "accuracy" in raw.frame else np.full(len(frame), np.nan)
    if "n_items" in raw.frame:
        frame["n_items"] = number_column(raw, "n_items", low=1, integer=True)
    else:
        frame["n_items"] = np.nan
    if "n_correct" in raw.frame:
        require_columns(raw, ["n_items"], "a table with n_correct")
        frame["n_correct"] = number_column(raw, "n_correct", low=0, integer=True)
        _require_agreement(raw, frame, stated)
        counted = frame["n_correct"] / frame["n_items"]
        frame["accuracy"] = counted.where(counted.notna(), stated)
    else:
        require_columns(raw, ["accuracy"], "an accuracy table without n_correct")
        frame["accuracy"] = stated
        frame["n_correct"] = _counts_of(frame["accuracy"] * frame["n_items"])
    if set(ACCURACY_COLUMNS) - {"top_answer"} <= set(raw.frame.columns):
        # our own table: what came as PGF only stays so
        frame["pgf"] = np.where(frame["accuracy"].isna(), number_column(raw, "pgf", high=1.0), np.nan)
        for column in ("top_share", "n_choices"):
            frame[column] = number_column(raw, column)
    frame["top_answer"] = text_column(raw, "top_answer") if "top_answer" in raw.frame else ""
    frame = frame.reindex(columns=list(ACCURACY_COLUMNS))
    return refuse_conflicts(frame, ACCURACY_KEY, ["accuracy", "n_items", "pgf"], raw.name)


def _counts_of(right: pd.Series) -> pd.Series:
    """Whole counts where accuracy x items is one up to the rounding of a printed accuracy (4 decimals)."""
    whole = right.round()
    return whole.where((right - whole).abs() < 0.02)


def _accuracy(raw: RawTable, unit: str | None) -> np.ndarray:
    values = number_column(raw, "accuracy", low=0, high=100)
    inside = bool(((values > 0) & (values < 1)).any())
    above = bool((values > 1).any())
    if unit is None:
        if inside and above:
            low, high = np.flatnonzero((values > 0) & (values < 1))[0], np.flatnonzero(values > 1)[0]
            raise InputError(
                f"{raw.name}: accuracies both in (0, 1) ({raw.place} {raw.places[low]}: {values[low]:g}) and "
                f"above 1 ({raw.place} {raw.places[high]}: {values[high]:g}); a file must be in one unit: mend "
                f"it, or say with --unit fraction or --unit percent that all values are of that unit"
            )
        unit = "percent" if above else "fraction"
    if unit == "fraction" and above:
        position = int(np.flatnonzero(values > 1)[0])
        raise InputError(f"{raw.at(position)}: accuracy {values[position]:g} is no fraction in [0, 1]")
    return values / 100 if unit == "percent" else values


def _require_agreement(raw: RawTable, frame: pd.DataFrame, stated: np.ndarray) -> None:
    right, items = frame["n_correct"].to_numpy(), frame["n_items"].to_numpy()
    faults = {
        "n_correct without n_items": ~np.isnan(right) & np.isnan(items),
        "n_correct above n_items": right > items,
        # half an item, since accuracies are printed rounded; comparing with NaN gives no fault
        "accuracy that is not n_correct / n_items": np.abs(right / items - stated) * items > 0.5,
    }
    for what, bad in faults.items():
        if bad.any():
            position = int(np.flatnonzero(bad)[0])
            named = (("n_correct", right), ("n_items", items), ("accuracy", stated))
            shown = ", ".join(f"{name} {values[position]:g}" for name, values in named if values[position] >= 0)
            raise InputError(f"{raw.at(position)}: {what} ({shown})")
