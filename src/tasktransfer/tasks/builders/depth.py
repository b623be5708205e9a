"""Relative depth from Depth in the Wild (DIW).

============ ==================================================================================================
source       Depth in the Wild, training and validation part: one pair of points a picture, judged by people
licence      Flickr pictures, for research; check the terms of the release
layout       ``DIW_Annotations/DIW_train_val.csv`` or the split ``DIW_train.csv`` (also beside the pictures):
             two lines an item, the path of the picture, then ``yA,xA,yB,xB,sign,width,height`` with places
             counted from 1; ``>`` says that the first point is farther away, ``<`` that it is closer.
             ``DIW_train_val/*.thumb`` (JPEG); only the name of the path is used
recipe       ours: both points circled and lettered, the letters drawn; pairs called equal, and pairs nearer than
             6 % of the diagonal, are left out. Each picture once. Coordinates are scaled from the annotated size
             to that of the file.
differs      BLINK was made from the test part. Colour and size of the circles are ours.
============ ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np

from tasktransfer.tasks.builders.draft import Builder, Draft, Rendered, placed
from tasktransfer.tasks.builders.marking import Point, marked
from tasktransfer.tasks.builders.matching import APART
from tasktransfer.tasks.builders.source import Source

__all__ = ["BUILDER"]

QUESTION = "Two places in the image are circled, A and B. Which of them was nearer to the camera?"
CHOICES = ("A is closer", "B is closer")
_TABLES = ("DIW_train_val.csv", "DIW_train.csv")


def draft(source: Source, rng: np.random.Generator) -> Iterator[Draft]:
    """Pictures in random order, one item each."""
    table = source.find(*(f"{place}{name}" for place in ("DIW_Annotations/", "") for name in _TABLES))
    folder = source.find("DIW_train_val")
    lines = source.lines(table)
    if len(lines) % 2:
        raise source.wrong(f"{table} has {len(lines)} lines; a picture and its points take two")
    for index in rng.permutation(len(lines) // 2):
        name, row = lines[2 * index], lines[2 * index + 1]
        closer, farther, size = _read(source, f"{table}, line {2 * index + 2}", row)
        if np.hypot(closer[0] - farther[0], closer[1] - farther[1]) >= APART * np.hypot(*size):
            yield _draft(source, f"{folder}/{PurePosixPath(name).name}", closer, farther, size)


def _read(source: Source, place: str, row: str) -> tuple[Point, Point, tuple[float, float]]:
    """Closer and farther point, and the size they are given in; two equal points where neither is closer."""
    parts = row.split(",")
    try:
        y_a, x_a, y_b, x_b = (float(part) - 1 for part in parts[:4])
        sign, width, height = parts[4].strip(), float(parts[5]), float(parts[6])
    except (ValueError, IndexError) as error:
        raise source.wrong(f"{place} is {row!r}, not yA,xA,yB,xB,sign,width,height") from error
    if not (max(x_a, x_b) < width and max(y_a, y_b) < height) or sign not in "<=>":
        raise source.wrong(f"{place}: a point outside the picture, or an unknown sign, in {row!r}")
    first, second = (x_a, y_a), (x_b, y_b)
    if sign == "=":
        return first, first, (width, height)
    return (first, second, (width, height)) if sign == "<" else (second, first, (width, height))


def _draft(source: Source, file: str, closer: Point, farther: Point, size: tuple[float, float]) -> Draft:
    def render(place: int) -> Rendered:
        image = source.image(file)
        grew = image.width / size[0], image.height / size[1]
        order = placed(closer, (farther,), place)
        points = {letter: (x * grew[0], y * grew[1]) for letter, (x, y) in zip("AB", order, strict=True)}
        return Rendered((marked(image, points),), CHOICES)

    return Draft(file, (file,), QUESTION, (0, 1), render)


BUILDER = Builder(
    draft=draft,
    n_choices=2,
    n_images=1,
    source="Depth in the Wild, training and validation part",
    licence="Flickr pictures, for research; check the terms of the release",
    layout="DIW_Annotations/DIW_train_val.csv (or DIW_train.csv) and DIW_train_val/*.thumb",
)
