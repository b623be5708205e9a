"""The tables that pass between stages: their columns, how they are checked, read and written.

=============== ==================================================== =====================================
table           one row per                                          made by
=============== ==================================================== =====================================
``predictions`` model, kind, source, seed, target, item, scorer      the run side or a harness importer
``accuracies``  model, kind, source, seed, target                    `tasktransfer.read_accuracies`
``pgf``         model, kind, source, seed, target (no base rows)     `tasktransfer.pgf_table`
``transfers``   model, kind, source, target                          `tasktransfer.transfers_table`
=============== ==================================================== =====================================

Accuracy is a fraction in [0, 1] in every table of ours. Names (models, tasks, seeds, items) are text and are
kept exactly as given. Nothing but these columns decides a result; extra columns pass unread.
"""

from __future__ import annotations

import csv
import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from tasktransfer.errors import InputError, OutputError, quoted

__all__ = [
    "ACCURACY_COLUMNS",
    "ACCURACY_KEY",
    "KINDS",
    "PGF_COLUMNS",
    "TRANSFER_COLUMNS",
    "Accuracies",
    "Kind",
    "RawTable",
    "join_flags",
    "number_column",
    "read_raw",
    "refuse_conflicts",
    "require_columns",
    "text_column",
    "write_csv",
]

Kind = Literal["base", "finetune", "control", "mixture"]
KINDS: tuple[Kind, ...] = get_args(Kind)

ACCURACY_KEY = ("model", "kind", "source", "seed", "target")

ACCURACY_COLUMNS = (
    *ACCURACY_KEY,
    "n_items",  # items scored; NaN when the input did not say
    "n_correct",  # NaN when unknown or when scores are not 0/1
    "accuracy",  # [0, 1]; NaN is a hole
    "pgf",  # as reported by the input, NaN when the input holds accuracies
    "top_share",  # share of the most frequent predicted answer; NaN without items
    "top_answer",  # the most frequent predicted answer; empty without items
    "n_choices",  # distinct right letters, or two words (yes, no); NaN without items and where answers are open
)
PGF_COLUMNS = (
    *ACCURACY_KEY,
    "n_items",
    "n_correct",
    "accuracy",
    "baseline_correct",
    "baseline",
    "ceiling",
    "gap",
    "gain",
    "pgf",
    "flags",
)
TRANSFER_COLUMNS = (
    "model",
    "kind",
    "source",
    "target",
    "pgf",
    "pgf_pooled",
    "low",
    "high",
    "p_value",
    "q_value",
    "q_by_target",
    "p_adapters",
    "se_items",
    "se_shared",
    "se_seeds",
    "df",
    "n_seeds",
    "seed_sd",
    "n_items",
    "accuracy",
    "baseline",
    "gain",
    "gain_low",
    "gain_high",
    "gap",
    "interaction",
    "verdict",
    "uncertainty",
    "flags",
)

# stricter than float(), which takes 7_5 and digits of other scripts
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf(inity)?)", re.ASCII | re.IGNORECASE)
_TRUTHS = {"true": 1.0, "false": 0.0}
_HOLES = frozenset({"", "nan", "na", "n/a", "null", "none", "<na>"})


class Accuracies(NamedTuple):
    """What was measured, as read."""

    table: pd.DataFrame  # columns `ACCURACY_COLUMNS`, accuracy as a fraction
    notes: tuple[str, ...] = ()  # one sentence for each thing to know about how it was read
    items: pd.DataFrame | None = None  # scores by item (key columns, item, score), where there were any


class RawTable(NamedTuple):
    """A file as it stands: columns untouched, with the place of each row for messages."""

    frame: pd.DataFrame
    name: str
    places: np.ndarray  # line number of each row in a text file, row number otherwise
    place: str  # "line" or "row"

    def at(self, position: int) -> str:
        """Where a row stands, for a message."""
        return f"{self.name}, {self.place} {self.places[position]}"


def read_raw(path: Path) -> RawTable:
    """Read ``.csv``, ``.tsv`` or ``.parquet`` without interpreting a single value.

    Raises
    ------
    InputError
        The file is missing, unreadable, of another kind, empty, ragged or not UTF-8.
    """
    suffix = path.suffix.lower()
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if suffix not in {".csv", ".tsv", ".parquet", ".pq"}:
        raise InputError(f"{path}: cannot tell what this file is; accepted are .csv, .tsv and .parquet")
    try:
        raw = _read_parquet(path) if suffix in {".parquet", ".pq"} else _read_text(path, suffix)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    doubled = raw.frame.columns[raw.frame.columns.duplicated()]
    if len(doubled):
        raise InputError(f"{raw.name}: column {quoted(doubled)} stands there twice")
    if raw.frame.empty:
        raise InputError(f"{raw.name}: holds no rows")
    return raw


def _read_parquet(path: Path) -> RawTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # names repeat: a code a row instead of a text a row, from the file on
        kinds = {field.name: field.type for field in pq.read_schema(path)}
        texts = [name for name, kind in kinds.items() if pa.types.is_string(kind)]
        table = pq.read_table(path, read_dictionary=texts)
        for position, kind in enumerate(table.schema.types):
            if pa.types.is_string(kind) or pa.types.is_large_string(kind):
                encoded = table.column(position).combine_chunks().dictionary_encode()
                table = table.set_column(position, table.schema.names[position], encoded)
        frame = table.to_pandas()
    except (pa.ArrowException, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable parquet file ({str(error).splitlines()[0][:200]})") from error
    frame.columns = frame.columns.map(str)
    return RawTable(frame.reset_index(drop=True), str(path), np.arange(1, len(frame) + 1), "row")


def _read_text(path: Path, suffix: str) -> RawTable:
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle, delimiter="\t" if suffix == ".tsv" else ",", strict=True)
            header = next(reader, None)
            if header is None:
                raise InputError(f"{path}: the file is empty")
            line = reader.line_num + 1
            for row in reader:
                if row and len(row) != len(header):
                    raise InputError(
                        f"{path}, line {line}: {len(row)} fields where the header names {len(header)}"
                    )
                if row:
                    rows.append(row)
                    lines.append(line)
                line = reader.line_num + 1  # a quoted field may hold line breaks: a row may be many lines
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not readable as a table ({error})") from error
    frame = pd.DataFrame(rows, columns=[name.strip() for name in header], dtype=object)
    return RawTable(frame, str(path), np.asarray(lines, dtype=int), "line")


def require_columns(raw: RawTable, columns: Iterable[str], what: str) -> None:
    """Raise `InputError` naming every missing column and what the file has instead.

    Parameters
    ----------
    raw
        The table.
    columns
        Names that it must have, exactly as given.
    what
        Kind of table, for the message: ``WHAT needs ...``.
    """
    missing = [column for column in columns if column not in raw.frame]
    if missing:
        raise InputError(
            f"{raw.name}: missing column {quoted(missing)}; {what} needs {', '.join(columns)}; "
            f"the file has {quoted(raw.frame.columns, limit=12)}{header_hint(raw, columns)}"
        )


def header_hint(raw: RawTable, columns: Iterable[str]) -> str:
    """What may be wrong with a header that lacks columns, as the end of a message; empty when nothing shows."""
    given = [str(column) for column in raw.frame.columns]
    if len(given) == 1 and (mark := next((m for m in (";", "\t", "|") if m in given[0]), None)):
        return f" (fields seem to be separated by {mark!r}: use commas, or tabs in a .tsv file)"
    lacking = [column for column in columns if column not in given]
    for column in lacking:
        for name in given:
            if name.strip().lower() == column:
                return f" (names are lower case: {column!r}, not {name!r})"
    for column in lacking:
        if short := next((name for name in given if len(name) > 2 and column.startswith(name.lower())), None):
            return f" (is {short!r} meant to be {column!r}?)"
    for column in lacking:
        if near := difflib.get_close_matches(column, given, n=1):
            return f" (is {near[0]!r} meant to be {column!r}?)"
    return ""


def text_column(raw: RawTable, column: str, *, empty: bool = True, categories: bool = False) -> pd.Series:
    """A column as text, exactly as given; null is the empty string, 3.0 is ``"3"``.

    Parameters
    ----------
    raw
        The table, which has the column.
    column
        Its name.
    empty
        Whether the empty string is accepted.
    categories
        Give categories of text, a few bytes a row.

    Raises
    ------
    InputError
        A text is empty where a name is needed.
    """
    values = raw.frame[column]
    if isinstance(values.dtype, pd.CategoricalDtype):
        names = [*(name if isinstance(name, str) else str(name) for name in values.cat.categories), ""]
        # 3 and "3" are two categories and one text
        codes, unique = pd.factorize(np.array(names, dtype=object))
        of_row = codes[values.cat.codes]  # null is code -1, the last name
        if categories:
            text = pd.Series(pd.Categorical.from_codes(of_row, unique), index=values.index)
            _refuse_empty(raw, column, text, empty)
            return text
        values = pd.Series(unique[of_row], index=values.index, dtype=object)
    elif pd.api.types.is_float_dtype(values):
        values = values.map(lambda v: "" if pd.isna(v) else str(int(v)) if float(v).is_integer() else str(v))
    else:
        values = values.map(lambda v: v if isinstance(v, str) else "" if pd.isna(v) else str(v))
    text = values.astype("category" if categories else object)
    _refuse_empty(raw, column, text, empty)
    return text


def _refuse_empty(raw: RawTable, column: str, text: pd.Series, empty: bool) -> None:
    if not empty and (text == "").any():
        position = int(np.flatnonzero((text == "").to_numpy())[0])
        raise InputError(f"{raw.at(position)}: column {column!r} is empty; a name is needed there")


def number_column(
    raw: RawTable,
    column: str,
    *,
    low: float = -np.inf,
    high: float = np.inf,
    integer: bool = False,
    truth: bool = False,
) -> np.ndarray:
    """A column as float64; empty, NaN and NA are holes (NaN).

    Parameters
    ----------
    raw
        The table, which has the column.
    column
        Its name.
    low, high
        Least and greatest number accepted.
    integer
        Refuse what is not whole.
    truth
        Read ``true`` and ``false``, in letters of any case, as 1 and 0.

    Raises
    ------
    InputError
        A value is no number, infinite, outside [low, high] or, for `integer`, not whole.
    """
    values = raw.frame[column]
    if values.dtype == object or not pd.api.types.is_numeric_dtype(values):
        if truth:
            values = values.map(lambda v: _TRUTHS.get(v.strip().lower(), v) if isinstance(v, str) else v)
        numbers = np.array([_number(raw, column, i, v) for i, v in enumerate(values)], dtype=float)
    else:
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
    _refuse(raw, column, numbers, np.isinf(numbers), "is infinite; a finite number is needed")
    _refuse(raw, column, numbers, numbers < low, f"is below {low:g}")
    _refuse(raw, column, numbers, numbers > high, f"is above {high:g}")
    if integer:
        _refuse(raw, column, numbers, numbers % 1 > 0, "is not a whole number")
    return numbers


def _number(raw: RawTable, column: str, position: int, value: Any) -> float:
    if isinstance(value, str):
        folded = value.strip()
        if folded.lower() in _HOLES:
            return np.nan
        if _NUMBER.fullmatch(folded):
            return float(folded)
    elif value is None or value is pd.NA:
        return np.nan
    else:
        try:
            return float(value)
        except (TypeError, ValueError):
            pass
    raise InputError(f"{raw.at(position)}: column {column!r} holds {quoted([value])}, which is not a number")


def _refuse(raw: RawTable, column: str, numbers: np.ndarray, bad: np.ndarray, why: str) -> None:
    if bad.any():
        position = int(np.flatnonzero(bad)[0])
        more = int(bad.sum()) - 1
        tail = f" (and {more} more rows)" if more else ""
        raise InputError(
            f"{raw.at(position)}: column {column!r} holds {float(numbers[position])!r}, which {why}{tail}"
        )


def refuse_conflicts(frame: pd.DataFrame, key: Sequence[str], values: Sequence[str], name: str) -> pd.DataFrame:
    """Drop repeated rows that say the same; a hole beside a value yields to the value.

    Parameters
    ----------
    frame
        Rows with an index in their order.
    key
        Columns of text that name a row.
    values
        Columns of numbers that must be the same wherever the key is.
    name
        Of the input, for the message.

    Raises
    ------
    InputError
        The same key stands there twice with different values.
    """
    if not frame.duplicated(list(key)).any():
        return frame
    holes = frame[list(values)].isna().all(axis=1)
    filled = frame[~holes].drop_duplicates([*key, *values])
    clash = filled.duplicated(list(key), keep=False)
    if clash.any():
        first = filled[clash].iloc[0]
        rows = filled[(filled[list(key)] == first[list(key)]).all(axis=1)]
        readings = [", ".join(f"{v}={row[v]:g}" for v in values if pd.notna(row[v])) for _, row in rows.iterrows()]
        where = ", ".join(f"{column} {quoted([first[column]])}" for column in key if first[column] != "")
        raise InputError(f"{name}: conflicting duplicates for {where}: {' against '.join(readings[:3])}")
    return pd.concat([filled, frame[holes]]).drop_duplicates(list(key)).sort_index()


def join_flags(frame: pd.DataFrame, flags: Mapping[str, np.ndarray]) -> list[str]:
    """One ``;``-joined string of flag names per row, in the order of `flags`."""
    joined = [""] * len(frame)
    for name, on in flags.items():
        for position in np.flatnonzero(on):
            joined[position] = f"{joined[position]};{name}" if joined[position] else name
    return joined


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as UTF-8 CSV: shortest round-trip floats, holes empty, text quoted where it must be."""
    counts = [c for c in frame.select_dtypes("float") if c.startswith("n_") or c.endswith("_correct")]
    whole = [c for c in counts if (frame[c].dropna() % 1 == 0).all()]
    frame = frame.astype(dict.fromkeys(whole, "Int64"))
    text = frame.select_dtypes(exclude="number")
    # csv (Python 3.11) leaves a lone carriage return unquoted, and readers take it for the end of a row
    awkward = any(
        "\r" in value or "\n" in value for column in text for value in text[column] if isinstance(value, str)
    )
    try:
        frame.to_csv(
            path,
            index=False,
            lineterminator="\n",
            quoting=csv.QUOTE_NONNUMERIC if awkward else csv.QUOTE_MINIMAL,
            encoding="utf-8",
        )
    except OSError as error:
        raise OutputError(f"{os.fspath(path)}: cannot be written ({error.strerror})") from error
