"""Spatial relation from Visual Spatial Reasoning (VSR).

============ ==================================================================================================
source       Visual Spatial Reasoning, training split (``random`` or ``zeroshot``)
licence      annotations CC BY 4.0 or Apache-2.0 depending on the copy; the pictures are COCO's
layout       ``train.jsonl`` (also in ``splits/random/``, ``data/splits/random/`` or their zeroshot twins) with
             image, caption, label (1 true, 0 false) and, in some copies, the validators' votes; pictures in
             ``images/``, ``train2017/`` or ``val2017/``
recipe       ours: the caption as a question, "The cat is under the table." -> "Is the cat under the table?"; a
             caption of another form is quoted and asked about. Captions that most validators contradict are left
             out. Yes and no alike often; each picture once.
differs      BLINK was made from the test part of the same set.
============ ==================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from tasktransfer.tasks.builders.draft import Builder, Draft, Rendered
from tasktransfer.tasks.builders.source import Source

__all__ = ["BUILDER", "as_question"]

CHOICES = ("yes", "no")
_PLACES = ("", "splits/random/", "data/splits/random/", "splits/zeroshot/", "data/splits/zeroshot/")
_FOLDERS = ("images", "train2017", "val2017", "trainval2017", ".")
_NEEDED = ("image", "caption", "label")
_PLAIN = re.compile(r"[Tt]he (?P<subject>.+?) (?P<verb>is|are) (?P<rest>.+?)\.?")


def draft(source: Source, rng: np.random.Generator) -> Iterator[Draft]:
    """Captions in random order, one a picture; true and false ones take turns as far as both last."""
    table = source.find(*(f"{place}train.jsonl" for place in _PLACES))
    rows = list(source.json_lines(table))
    for number, row in enumerate(rows, start=1):
        if missing := [key for key in _NEEDED if key not in row]:
            raise source.wrong(f"{table}, line {number} has no {missing[0]!r}")
        if row["label"] not in (0, 1):
            raise source.wrong(f"{table}, line {number}: label {row['label']!r} is neither 0 nor 1")
    folders = [name for name in _FOLDERS if (source.root / name).is_dir()]
    used: set[str] = set()
    order = [rows[index] for index in rng.permutation(len(rows))]
    piles = [[row for row in order if row["label"] == label and not _contradicted(row)] for label in (1, 0)]
    while any(piles):
        for pile, place in zip(piles, (0, 1), strict=True):
            while pile:
                row = pile.pop()
                if row["image"] not in used:
                    used.add(row["image"])
                    yield _draft(source, folders, row, place)
                    break


def _contradicted(row: dict[str, Any]) -> bool:
    votes = [len(row.get(f"vote_{word}_validator_id") or ()) for word in ("true", "false")]
    return bool(votes[row["label"]] > votes[1 - row["label"]])  # label 1: more said false than true


def as_question(caption: str) -> str:
    """A caption as a question for yes or no.

    >>> as_question("The cat is under the table.")
    'Is the cat under the table?'
    >>> as_question("The bowl contains the apple.")
    'Does the image agree with this: "The bowl contains the apple."?'
    """
    match = _PLAIN.fullmatch(caption.strip())
    if match is None:
        return f'Does the image agree with this: "{caption.strip()}"?'
    return f"{match['verb'].capitalize()} the {match['subject']} {match['rest']}?"


def _draft(source: Source, folders: list[str], row: dict[str, Any], place: int) -> Draft:
    tried = [row["image"] if folder == "." else f"{folder}/{row['image']}" for folder in folders]
    file = next((name for name in tried if source.has(name)), tried[0])

    def render(_: int) -> Rendered:
        return Rendered((source.image(file),), CHOICES)

    return Draft(f"{file}: {row['caption']}", (file,), as_question(row["caption"]), (place,), render)


BUILDER = Builder(
    draft=draft,
    n_choices=2,
    n_images=1,
    source="Visual Spatial Reasoning, training split",
    licence="annotations CC BY 4.0 or Apache-2.0 (copies differ); pictures are COCO's",
    layout="train.jsonl (image, caption, label), also in splits/random/, and images/, train2017/ or val2017/",
)
