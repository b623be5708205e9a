"""What the three correspondence tasks share: REF in the first picture, A to D in the second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasktransfer.tasks.builders.draft import Draft, Rendered, placed
from tasktransfer.tasks.builders.marking import Point, marked, scaled
from tasktransfer.tasks.builders.source import Source

__all__ = ["APART", "Match", "far_apart", "matching_draft"]

APART = 0.06  # of the diagonal: two circles nearer than this cannot be told apart
_LETTERS = "ABCD"
_CHOICES = tuple(f"point {letter}" for letter in _LETTERS)


class Match(NamedTuple):
    """Two pictures and the points to mark, in their own pixels."""

    first: str
    second: str
    reference: Point
    right: Point
    wrong: tuple[Point, ...]


def matching_draft(source: Source, key: str, question: str, match: Match, *, kin: tuple[str, ...] = ()) -> Draft:
    """An item with four marked points; both pictures at BLINK's height.

    Parameters
    ----------
    source
        The folder that the pictures are read from.
    key
        What the item was made from; unique within a build.
    question
        Without the options.
    match
        The pictures and the points, three of them wrong.
    kin
        Source files of the same scene that are not shown; see `Draft`.
    """

    def render(place: int) -> Rendered:
        first, grew = scaled(source.image(match.first))
        reference = (match.reference[0] * grew, match.reference[1] * grew)
        second, grew = scaled(source.image(match.second))
        points = [(x * grew, y * grew) for x, y in placed(match.right, match.wrong, place)]
        named = dict(zip(_LETTERS, points, strict=True))
        return Rendered((marked(first, {"REF": reference}), marked(second, named)), _CHOICES)

    return Draft(key, (match.first, match.second), question, tuple(range(4)), render, kin)


def far_apart(
    rng: np.random.Generator,
    right: Point,
    candidates: Sequence[Point] | NDArray[np.float64],
    *,
    apart: float,
    n: int = 3,
) -> tuple[Point, ...] | None:
    """Candidates in random order, each far from the right point and from the others.

    Parameters
    ----------
    rng
        Decides the order.
    right
        x, y in pixels.
    candidates
        Points as `right`, (C, 2).
    apart
        Least distance in pixels.
    n
        How many are wanted.

    Returns
    -------
    tuple or None
        `n` points; None where there are not so many.
    """
    chosen = [right]
    for index in rng.permutation(len(candidates)):
        x, y = (float(value) for value in candidates[index])
        if all(np.hypot(x - a, y - b) >= apart for a, b in chosen):
            chosen.append((x, y))
            if len(chosen) > n:
                return tuple(chosen[1:])
    return None
