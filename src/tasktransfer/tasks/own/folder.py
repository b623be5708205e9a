"""Your own task: a folder of images and ``items.jsonl``, one JSON object a line.

======== ===================================================================================================
id       text, unique
images   file names within the folder, in the order in which the question names them
question text without the options
choices  option texts without letters; left out when the answer is a number or text
answer   letter of the right option, else the number or text
scorer   how an answer without options is scored, a word of `tasktransfer.tasks.answers.scoring`; may be left out
cluster  what it shares with other items, one scene or one image; left out everywhere, each stands alone
split    ``train`` or ``test``; left out everywhere, a quarter of the items, drawn by their ids, is the test
======== ===================================================================================================
"""

from __future__ import annotations

import hashlib
import json
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasktransfer.errors import InputError, closest, quoted, raise_faults
from tasktransfer.tasks.answers.scoring import answer_fault, find_scorer
from tasktransfer.tasks.item import Item
from tasktransfer.tasks.pictures import Pictures, digest_with_pictures

__all__ = ["SPLITS", "FolderTask", "read_folder_task"]

SPLITS = ("train", "test")
_KEYS = ("id", "images", "question", "choices", "answer", "split", "is_video", "scorer", "cluster")


@dataclass(frozen=True)
class FolderTask:
    """A checked folder; images are decoded when they are looked at."""

    folder: Path
    rows: tuple[dict[str, Any], ...]

    def draw(self, split: str, n_items: int) -> list[Item]:
        """The first `n_items` of a split, in the order of the file.

        Raises
        ------
        InputError
            The split has fewer.
        """
        return [self._item(row) for row in self._asked(split, n_items)]

    def require(self, split: str, n_items: int) -> None:
        """Raise `InputError` where a split has fewer items."""
        available = self.count(split)
        if available < n_items:
            raise InputError(f"{self.folder}: has {available} items of split {split!r}, {n_items} are asked for")

    def digest(self, split: str, n_items: int) -> str:
        """SHA-256 over those items and the bytes of their images; the place does not count.

        Raises
        ------
        InputError
            Headers of images show that they cannot be used; the first faults are all reported.
        """
        rows = self._asked(split, n_items)
        return digest_with_pictures((_told(row), self._pictures(row)) for row in rows)

    def _asked(self, split: str, n_items: int) -> list[dict[str, Any]]:
        self.require(split, n_items)
        return [row for row in self.rows if row["split"] == split][:n_items]

    def count(self, split: str) -> int:
        """How many items a split has."""
        return sum(row["split"] == split for row in self.rows)

    def _pictures(self, row: dict[str, Any]) -> Pictures:
        paths = tuple(self.folder / name for name in row["images"])
        return Pictures(paths, tuple(f"{path}, item {row['id']!r}" for path in paths))

    def _item(self, row: dict[str, Any]) -> Item:
        return Item(
            id=row["id"],
            images=self._pictures(row),
            question=row["question"],
            choices=tuple(row["choices"]),
            answer=row["answer"],
            is_video=row["is_video"],
            scorer=row.get("scorer", ""),
            cluster=row.get("cluster", ""),
        )


def read_folder_task(folder: Path, *, split: str | None = None) -> FolderTask:
    """Check a folder without opening an image.

    Parameters
    ----------
    folder
        It holds ``items.jsonl``.
    split
        The split of all items where none names one; None divides them.

    Raises
    ------
    InputError
        The folder or its ``items.jsonl`` is missing, or lines are wrong; the first faults are all reported.
    """
    path = folder / "items.jsonl"
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # a text may hold other signs that end lines
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); a task is a folder with items.jsonl"
        ) from error
    rows, faults = [], []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            row, wrong = _read_row(line, folder)
            rows.append(row)
            faults += [f"{path}, line {number}: {fault}" for fault in wrong]
    faults += [f"{path}: {fault}" for fault in _faults_together(rows)] if not faults else []
    raise_faults(faults)
    if not any("split" in row for row in rows):
        rows = _divided(rows) if split is None else [{**row, "split": split} for row in rows]
    defaults = {"choices": [], "is_video": False}
    return FolderTask(folder, tuple(defaults | row for row in rows))


def _told(row: dict[str, Any]) -> str:
    """What decides an answer; what an item shares with others does not."""
    return json.dumps({key: value for key, value in row.items() if key != "cluster"}, sort_keys=True)


def _read_row(line: str, folder: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        row = json.loads(line)
    except ValueError as error:
        return {}, [f"not JSON ({error})"]
    if not isinstance(row, dict):
        return {}, ["not a JSON object"]
    row = {key: str(value) if key in {"id", "answer"} else value for key, value in row.items()}
    return row, list(_faults(row, folder))


def _faults(row: dict[str, Any], folder: Path) -> Iterator[str]:
    yield from (f"unknown key {key!r}{closest(key, _KEYS)}" for key in row if key not in _KEYS)
    for key in ("id", "question", "answer"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            yield f"{key!r} must be a text that is not empty"
    if not isinstance(row.get("cluster", "c"), str) or not row.get("cluster", "c").strip():
        yield "'cluster' must be a text that is not empty"
    for key, needed in (("images", True), ("choices", False)):
        names = row.get(key, None if needed else [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            yield f"{key!r} must be a list of texts"
            return
    yield from (f"no such image: {name!r}" for name in row["images"] if not (folder / name).is_file())
    if len(row.get("choices", [])) > len(string.ascii_uppercase):
        yield f"has {len(row['choices'])} choices; at most 26 have a letter"
        return
    if not isinstance(row.get("is_video", False), bool):
        yield f"'is_video' is {row['is_video']!r}; accepted are true and false"
    letters = string.ascii_uppercase[: len(row.get("choices", []))]
    if letters and row.get("answer") not in list(letters):  # a list: "BC" is in the text "ABCD"
        yield f"'answer' is {row.get('answer')!r}; with {len(letters)} choices it is one of {quoted(letters)}"
    yield from _scorer_faults(row)
    if "split" in row and row["split"] not in SPLITS:
        yield f"'split' is {row['split']!r}; accepted are {' and '.join(SPLITS)}"


def _scorer_faults(row: dict[str, Any]) -> Iterator[str]:
    """An unknown scorer, or an answer that it cannot take; that of an item with options is an option's text."""
    word, answer, choices = row.get("scorer", ""), row.get("answer"), row.get("choices", [])
    if not isinstance(word, str):
        yield f"'scorer' must be a text, not {word!r}"
        return
    if not word or not isinstance(answer, str):
        return
    try:
        find_scorer(word)
    except InputError as error:
        yield f"'scorer': {error}"
        return
    for text in choices or [answer]:
        if fault := answer_fault(text, word):
            yield f"'{'choices' if choices else 'answer'}': {fault}"


def _faults_together(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    ids = [row.get("id") for row in rows]
    twice = sorted(str(name) for name, times in Counter(map(str, ids)).items() if times > 1)
    if not rows:
        yield "holds no items"
    if twice:
        yield f"id {quoted(twice)} stands there twice"
    for key in ("split", "cluster"):
        if 0 < sum(key in row for row in rows) < len(rows):
            yield f"some items name a {key} and some do not"


def _divided(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give a quarter of the items, those whose ids have the smallest digests, to the test."""
    # no seed and no order of lines decides, so that an item stays on its side when lines are moved
    order = sorted(row["id"] for row in rows)
    order.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
    test = set(order[: max(1, len(order) // 4)])
    return [{**row, "split": "test" if row["id"] in test else "train"} for row in rows]
