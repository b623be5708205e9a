"""Rows of parquet, jsonl or csv tables as items, by a mapping of columns.

An answer may be a letter, the number of an option from 0, or the text of an option; which of them is read off all
rows together, and where two readings are possible and differ, it has to be said.
"""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tasktransfer.errors import InputError, closest, quoted, raise_faults
from tasktransfer.tasks.answers.options import letter_of
from tasktransfer.tasks.item import Item
from tasktransfer.tasks.parquet_rows import columns_of, is_image, read_rows
from tasktransfer.tasks.pictures import Pictures, Stored, digest_with_pictures, stored_image

__all__ = ["Columns", "TableItems", "read_table"]


class Columns(BaseModel):
    """Which column holds what.

    `choices` is one column of lists, or one column per option; `images` are columns of single images or of lists;
    `cluster` names what items share, one scene or one image.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    images: tuple[str, ...] = ()
    choices: str | tuple[str, ...] | None = None
    id: str | None = None
    cluster: str | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """The columns of the options."""
        return (self.choices,) if isinstance(self.choices, str) else self.choices or ()

    @property
    def texts(self) -> list[str]:
        """All columns but those of images."""
        return [name for name in (self.id, self.question, *self.options, self.answer, self.cluster) if name]


@dataclass(frozen=True)
class TableItems:
    """The checked items of one split; images are read when items are drawn."""

    files: tuple[Path, ...]
    columns: Columns
    items: tuple[Item, ...]  # without images

    def __len__(self) -> int:
        return len(self.items)

    def draw(self, n_items: int) -> list[Item]:
        """The first `n_items` in the order of the files.

        Raises
        ------
        InputError
            There are fewer.
        """
        return [replace(item, images=pictures) for item, pictures in self._with_images(n_items)]

    def digest(self, n_items: int) -> str:
        """SHA-256 over those items and the bytes of their images.

        Raises
        ------
        InputError
            Headers of images show that they cannot be used; the first faults are all reported.
        """
        return digest_with_pictures(
            (repr((item.id, item.question, item.choices, item.answer, *filter(None, [item.scorer]))), pictures)
            for item, pictures in self._with_images(n_items)
        )

    def _with_images(self, n_items: int) -> Iterator[tuple[Item, Pictures]]:
        if n_items > len(self.items):
            raise InputError(f"{self.files[0]}: has {len(self.items)} items, {n_items} are asked for")
        if not self.columns.images:
            yield from ((item, Pictures((), ())) for item in self.items[:n_items])
            return
        left = iter(self.items[:n_items])
        for file in self.files:
            for row in _rows(file, self.columns.images, n_items):
                item = next(left, None)
                if item is None:
                    return
                yield item, _pictures(row, self.columns.images, file, item.id)


def read_table(
    files: Sequence[Path], columns: Columns, *, split: str = "test", answers: str | None = None, scorer: str = ""
) -> TableItems:
    """Read and check the texts of tables.

    Parameters
    ----------
    files
        Parquet, jsonl or csv, in order.
    columns
        Which column holds what.
    split
        Part of the ids where there is no column of them.
    answers
        ``letter``, ``index`` or ``text``; read off when None.
    scorer
        Of items without options.

    Raises
    ------
    InputError
        A column is not there, or rows cannot be items; the first faults are all reported.
    """
    table: list[tuple[str, dict[str, Any]]] = []
    for file in files:
        _check_columns(file, columns)
        table += [(f"{file}, row {number}", row) for number, row in enumerate(_rows(file, columns.texts), start=1)]
    faults: list[str] = []
    drafts, clusters = [], []
    for number, (where, row) in enumerate(table):
        name = f"{split}-{number:06d}" if columns.id is None else str(row[columns.id])
        choices, wrong = _choices(row, columns)
        question = row[columns.question]
        if not isinstance(question, str) or not question.strip():
            wrong.append(f"{columns.question!r} is empty")
        if columns.cluster is not None and row[columns.cluster] in (None, ""):
            wrong.append(f"{columns.cluster!r} is empty")
        faults += [f"{where}, item {name}: {fault}" for fault in wrong]
        drafts.append((where, name, question, choices, row[columns.answer]))
        clusters.append("" if columns.cluster is None else str(row[columns.cluster]))
    twice = [name for name, times in Counter(draft[1] for draft in drafts).items() if times > 1]
    faults += [f"{files[0]}: id {quoted(twice)} stands there twice"] if twice else []
    faults += [] if drafts else [f"{files[0]}: holds no items"]
    raise_faults(faults)
    read = _reader([(where, name, choices, value) for where, name, _, choices, value in drafts], answers)
    items = [
        Item(name, (), question, choices, read(choices, value) or "", False, "" if choices else scorer, cluster)
        for (_, name, question, choices, value), cluster in zip(drafts, clusters, strict=True)
    ]
    return TableItems(tuple(files), columns, tuple(items))


def _rows(file: Path, names: Sequence[str], n_rows: int | None = None) -> Iterator[dict[str, Any]]:
    """Rows of some columns; of csv and jsonl the file is small enough to be read whole."""
    if file.suffix == ".parquet":
        yield from read_rows(file, names, n_rows)
        return
    yield from ({name: row.get(name) for name in names} for row in _text_table(file)[:n_rows])


def _text_table(file: Path) -> list[dict[str, Any]]:
    import pandas as pd

    try:
        if file.suffix == ".csv":
            # as written: pandas would make a hole of the answer "None" and the number 1 of "01"
            frame = pd.read_csv(file, dtype=str, keep_default_na=False)
            return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False)]
        lines = [line for line in file.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
        return [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read, cut short perhaps ({error})") from error


def _check_columns(file: Path, columns: Columns) -> None:
    if file.suffix == ".parquet":
        names = list(columns_of(file).names)
    else:
        names = list(dict.fromkeys(key for row in _text_table(file)[:100] for key in row))
    wrong = [name for name in (*columns.texts, *columns.images) if name not in names]
    if wrong:
        missing = "; ".join(f"no column {name!r}{closest(name, names)}" for name in wrong)
        raise InputError(f"{file}: {missing}. Its columns are {quoted(names, limit=20)}")
    if file.suffix == ".parquet":
        for name in columns.texts:
            if is_image(columns_of(file).field(name).type):
                raise InputError(f"{file}: column {name!r} holds images; name it under 'images'")


def _choices(row: dict[str, Any], columns: Columns) -> tuple[tuple[str, ...], list[str]]:
    """The options without letters, and what is wrong with them; none where the cell is empty."""
    if not columns.options:
        return (), []
    if isinstance(columns.choices, str):
        cell = row[columns.choices]
        if isinstance(cell, str):
            try:
                cell = json.loads(cell)
            except ValueError:
                return (), [f"{columns.choices!r} is {cell!r}, not a list of options"]
        texts = [] if cell is None else list(cell)
    else:
        texts = [row[name] for name in columns.options]
        while texts and texts[-1] in (None, ""):  # fewer options than columns
            texts.pop()
    if len(texts) == 1:
        return (), ["has one option only"]
    if len(texts) > len(string.ascii_uppercase):
        return (), [f"has {len(texts)} options; at most 26 have a letter"]
    empty = [letter for letter, text in zip(string.ascii_uppercase, texts, strict=False) if text in (None, "")]
    return _bare([str(text) for text in texts]), [f"option {quoted(empty)} is empty"] if empty else []


def _bare(texts: Sequence[str]) -> tuple[str, ...]:
    """Options without their letters, where each begins with its own.

    >>> _bare(["A. left", "B. right"]), _bare(["A. left", "right"])
    (('left', 'right'), ('A. left', 'right'))
    """
    matches = [re.match(rf"\(?{letter}[.):]\s*(.+)", text, re.DOTALL)
               for letter, text in zip(string.ascii_uppercase, texts, strict=False)]  # fmt: skip
    bare = [match[1] for match in matches if match]
    return tuple(bare if len(bare) == len(texts) else texts)


def _by_letter(choices: Sequence[str], value: Any) -> str | None:
    letter = letter_of(value) if isinstance(value, str) else None
    return letter if letter in list(string.ascii_uppercase[: len(choices)]) else None


def _by_index(choices: Sequence[str], value: Any) -> str | None:
    if isinstance(value, bool) or not re.fullmatch(r"\d+", str(value)) or int(value) >= len(choices):
        return None
    return string.ascii_uppercase[int(value)]


def _by_text(choices: Sequence[str], value: Any) -> str | None:
    places = [place for place, text in enumerate(choices) if text.strip() == str(value).strip()]
    return string.ascii_uppercase[places[0]] if len(places) == 1 else None


Read = Callable[[Sequence[str], Any], str | None]
_READINGS: dict[str, Read] = {"letter": _by_letter, "index": _by_index, "text": _by_text}


def _reader(drafts: Sequence[tuple[str, str, tuple[str, ...], Any]], form: str | None) -> Read:
    """The reading of answers that fits all rows; raises where none does, or two do and differ."""
    with_options = [draft for draft in drafts if draft[2]]
    empty = [(where, name) for where, name, _, value in drafts if value in (None, "")]
    raise_faults([f"{where}, item {name}: the answer is empty" for where, name in empty])
    fitting = {}
    for word, read in _READINGS.items():
        if form in (None, word):
            letters = [read(choices, value) for _, _, choices, value in with_options]
            if None not in letters:
                fitting[word] = letters
    if not fitting:
        raise_faults(_unread(with_options, form))
    words = list(fitting)
    differing = [word for word in words[1:] if fitting[word] != fitting[words[0]]]
    if differing:
        where, name, choices, value = next(
            draft for n, draft in enumerate(with_options) if fitting[words[0]][n] != fitting[differing[0]][n]
        )
        raise InputError(
            f"{where}, item {name}: the answer {value!r} to {quoted(choices)} can be read as {words[0]} and as "
            f"{differing[0]}; say 'answers: {words[0]}' or 'answers: {differing[0]}'"
        )
    chosen = _READINGS[words[0]]
    return lambda choices, value: chosen(choices, value) if choices else str(value).strip()


def _unread(drafts: Sequence[tuple[str, str, tuple[str, ...], Any]], form: str | None) -> list[str]:
    """The answers that fit no reading, or not the best one."""
    best = form or max(_READINGS, key=lambda word: sum(_READINGS[word](c, v) is not None for _, _, c, v in drafts))
    lines = []
    for where, name, choices, value in drafts:
        if _READINGS[best](choices, value) is None:
            elsewhere = form or any(read(choices, value) for read in _READINGS.values())
            fits = {"index": "number"}.get(best, best) if elsewhere else "letter, number or text"
            wrong = f"the answer is {value!r}, which is no {fits} of its options {quoted(choices)}"
            lines.append(f"{where}, item {name}: {wrong}")
    return lines


def _pictures(row: dict[str, Any], names: Sequence[str], file: Path, item: str) -> Pictures:
    """The images of a row in the order of the columns; an empty cell is no image."""
    stored: list[Stored] = []
    wheres = []
    for name in names:
        cell = row.get(name)
        for value in cell if isinstance(cell, list) else [cell]:
            if value is not None and value != "":
                where = f"{file}, item {item}, {name}"
                stored.append(stored_image(value, file.parent, where))
                wheres.append(where)
    if not stored:
        raise InputError(f"{file}, item {item}: has no image in {quoted(names)}")
    return Pictures(tuple(stored), tuple(wheres))
