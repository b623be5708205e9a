"""The tables of VLMEvalKit: answers with or without its verdicts, or accuracies.

A folder of one model holds ``MODEL_DATASET.xlsx`` (answers), ``MODEL_DATASET_JUDGE_result.xlsx`` (the same with
the verdict ``hit``) and ``MODEL_DATASET_acc.csv``, each also as ``.tsv``, ``.csv`` or ``.json``. Verdicts are
preferred to bare answers. A ``.pkl`` file is never opened: reading a pickle runs whatever code it holds.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path

from tasktransfer.errors import InputError, quoted
from tasktransfer.importers.logs import (
    Harness,
    Log,
    Reply,
    Total,
    as_score,
    fractions,
    pick,
    read_json,
    read_text,
    target_name,
)
from tasktransfer.importers.spreadsheet import read_sheet
from tasktransfer.tasks import find_task

__all__ = ["HARNESS", "read_vlmevalkit"]

_SUFFIXES = (".xlsx", ".tsv", ".csv", ".json")
_ANSWERS = ("index", "prediction", "answer")
_UNFINISHED = ("pending", "infer")
_CELL_LIMIT = 32_767  # characters in a cell of .xlsx
_MRA = re.compile(r"_(accuracy|MRA:.*)$")

Rows = list[dict[str, str]]


def _runs(folder: Path) -> list[Path]:
    """The run a folder holds; links to the files of another folder do not count."""
    files = [*_tables(folder), *folder.glob("*.pkl")]
    named = [file for file in files if re.search(r"_BLINK|_VSI-Bench|_result$|_acc$", file.stem)]
    return [folder] if any(not file.is_symlink() for file in named) else []


def read_vlmevalkit(path: Path) -> Log:
    """Read a folder of one model, or one of its tables.

    Raises
    ------
    InputError
        There is no table of answers or accuracies, only pickles, or the run did not get past inference.
    """
    files = _tables(path) if path.is_dir() else [path]
    if path.suffix == ".pkl" or (not files and any(path.glob("*.pkl"))):
        raise InputError(
            f"{path}: reading a pickle runs whatever code it holds, so it is refused; "
            f"give the .xlsx or .tsv beside it, or the table that ends in _acc.csv"
        )
    log = Log([], [], [])
    _require_finished(path / "status.json")
    for file in _with_verdicts(files, log):
        log.replies.extend(_replies(file))
    for file in files:
        if file.stem.endswith("_acc"):
            _read_accuracies(file, log)
    if cut := sum(len(reply.text or "") >= _CELL_LIMIT for reply in log.replies):
        log.notes.append(f"{cut} replies are as long as a cell of .xlsx can be and may be cut off")
    if not log.replies and not log.totals:
        raise InputError(
            f"{path}: no table of VLMEvalKit that can be read: neither answers (columns {', '.join(_ANSWERS)}) "
            f"nor accuracies by task (_acc.csv) are there"
        )
    return log


def _tables(folder: Path) -> list[Path]:
    files = (file for file in folder.glob("*") if file.suffix in _SUFFIXES and file.is_file())
    return sorted(file for file in files if file.name != "status.json")


def _require_finished(status: Path) -> None:
    datasets = pick(read_json(status), "datasets") if status.is_file() else None
    for name in datasets or {}:
        if (stage := pick(datasets, name, "status")) in _UNFINISHED:
            raise InputError(f"{status}: {name} is at {stage!r}; only a run past inference is read")


def _with_verdicts(files: list[Path], log: Log) -> list[Path]:
    """The tables of answers, each in the form that holds verdicts where there is one."""
    judged = [file for file in files if file.stem.endswith("_result")]
    chosen = []
    for file in files:
        if "_circular" in file.stem:
            log.notes.append(f"{file.name} is left out: its options are rotated")
        elif not file.stem.endswith(("_acc", "_acc_all", "_score", "_result")):
            mine = [other for other in judged if other.stem.startswith(f"{file.stem}_")]
            mine.sort(key=lambda other: "exact_matching" not in other.stem)
            if len(mine) > 1:
                others = quoted(other.name for other in mine[1:])
                log.notes.append(f"verdicts are those of {mine[0].name}, not of {others}")
            judged = [other for other in judged if other not in mine]
            chosen.append(mine[0] if mine else file)
    return [*chosen, *judged]


def _replies(file: Path) -> Iterator[Reply]:
    """The answers of a table; nothing where the table holds something else."""
    rows = _rows(file)
    if not rows or not set(_ANSWERS) <= rows[0].keys():
        return
    dataset = _dataset(file)
    for row in rows:
        task = find_task(row.get("category", "")) if "BLINK" in dataset else None
        yield Reply(
            target=task.name if task is not None else target_name(dataset),
            item=row["index"].removesuffix(".0"),  # a whole number that was written as a float
            answer=row["answer"],
            text=row["prediction"],
            choices=_choices(row),
            verdict=as_score(row.get("hit")),
        )


def _choices(row: dict[str, str]) -> tuple[str, ...]:
    texts = []
    for letter in "ABCDEFGHIJ":
        if row.get(letter, "") in ("", "nan"):
            break
        texts.append(row[letter])
    return tuple(texts)


def _dataset(file: Path) -> str:
    """The data set in a file name, once the model, which names a folder above, is taken off."""
    stem = re.sub(r"_(exact_matching|[^_]+)_result$", "", file.stem).removesuffix("_acc")
    for folder in (file.parent.name, file.parent.parent.name):
        if stem.startswith(f"{folder}_"):
            return stem.removeprefix(f"{folder}_")
    return "BLINK" if "_BLINK" in stem else stem


def _read_accuracies(file: Path, log: Log) -> None:
    rows = _rows(file)
    in_percent = any(":" in name for name in (rows[0] if rows else ()))  # VSI-Bench
    if not in_percent and "BLINK" not in file.stem:
        log.notes.append(f"{file.name} is left out: tasks and groups of tasks look alike in it")
        return
    if len(rows) > 1:
        rows = [row for row in rows if row.get("split") in ("none", "val")]
    if len(rows) != 1:
        raise InputError(f"{file}: one row of accuracies, or one of split 'none' or 'val', is needed")
    values = {name: _number(value) for name, value in rows[0].items() if name.lower() not in ("split", "overall")}
    if in_percent:
        totals = [Total(_MRA.sub("", name), value, math.nan) for name, value in values.items()]
    else:
        totals = [Total(target_name(name), value, math.nan) for name, value in values.items() if find_task(name)]
        if other := [name for name in values if find_task(name) is None]:
            log.notes.append(f"{file.name}: {quoted(other)} are no tasks of BLINK and left out")
    known, notes = fractions(totals, str(file), percent=in_percent)
    log.totals.extend(known)
    log.notes.extend(notes)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _rows(file: Path) -> Rows:
    """The rows of a table by column, all as text."""
    if file.suffix == ".json":
        return _json_rows(file)
    if file.suffix == ".xlsx":
        table = read_sheet(file)
    else:
        text = read_text(file)
        delimiter = "\t" if "\t" in text.partition("\n")[0] else ","  # some _acc.csv are separated by tabs
        try:
            table = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if row]
        except csv.Error as error:
            raise InputError(f"{file}: not readable as a table ({error})") from error
    if not table:
        raise InputError(f"{file}: the file is empty")
    header, *body = table
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise InputError(f"{file}, row {number}: {len(row)} fields where the header names {len(header)}")
    return [dict(zip(header, row, strict=True)) for row in body]


def _json_rows(file: Path) -> Rows:
    """Records, or columns by row."""
    content = read_json(file)
    if isinstance(content, dict) and all(isinstance(column, dict) for column in content.values()):
        names = list(dict.fromkeys(name for column in content.values() for name in column))
        content = [{key: column.get(name) for key, column in content.items()} for name in names]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        return []
    return [{key: "" if value is None else str(value) for key, value in row.items()} for row in content]


HARNESS = Harness(
    "vlmevalkit", "*_acc.csv or *_BLINK.xlsx", read_vlmevalkit, _runs, lambda _: ""
)  # its files are named after the model
