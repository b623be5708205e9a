"""Functional correspondence from FunKPoint.

============ ==================================================================================================
source       FunKPoint: about 2,000 pictures, 10 actions, five keypoints for each action
licence      given out on request by its authors, for research
layout       its own layout is not published, so this one is ours: ``keypoints.csv`` with the columns image,
             object, action, keypoint (1 to 5), x, y (pixels), one row a keypoint; image is a path in the folder
recipe       [2]_: four fifths of the pictures of each action, chosen by the digest of the name whatever the
             seed; pictures of an action are paired off, preferably of different objects, no picture in two
             pairs of an action; REF is keypoint k of the first, the options are keypoint k and three other
             keypoints of the second. Every k of a pair makes an item.
differs      BLINK was made from the same small source: hold its pictures out with ``--against``.
============ ==================================================================================================
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from tasktransfer.tasks.builders.draft import Builder, Draft
from tasktransfer.tasks.builders.marking import Point
from tasktransfer.tasks.builders.matching import Match, far_apart, matching_draft
from tasktransfer.tasks.builders.source import Source

__all__ = ["BUILDER"]

QUESTION = (
    "Quite different things can serve the same action, and then some of their parts do the same work: of a bottle "
    "and of a stone used for pounding, the end that strikes. REF marks a part of the object in the first image; "
    "A to D mark parts of the object in the second. Which of them does the same work as REF in this action: "
    "{action}?"
)
COLUMNS = ("image", "object", "action", "keypoint", "x", "y")
_LEAST_APART = 12.0  # pixels; the table has no sizes to measure a share of

Keypoints = dict[int, Point]


def draft(source: Source, rng: np.random.Generator) -> Iterator[Draft]:
    """Pairs of all actions in random order; first one keypoint of each, then the next."""
    objects, points = _read(source)
    pairs = [(action, a, b) for action in sorted(points) for a, b in _pairs(rng, objects, points[action])]
    turns = {index: rng.permutation(sorted(points[a][p])) for index, (a, p, _) in enumerate(pairs)}
    for turn in range(max((len(order) for order in turns.values()), default=0)):
        for index in rng.permutation(len(pairs)):
            action, a, b = pairs[index]
            if turn >= len(turns[index]) or (k := int(turns[index][turn])) not in points[action][b]:
                continue
            there = points[action][b]
            others = [point for other, point in sorted(there.items()) if other != k]
            wrong = far_apart(rng, there[k], others, apart=_LEAST_APART)
            if wrong is not None:
                match = Match(a, b, points[action][a][k], there[k], wrong)
                key = f"{action}-{a}-{b}-{k}"
                yield matching_draft(source, key, QUESTION.format(action=action), match)


def _read(source: Source) -> tuple[dict[str, str], dict[str, dict[str, Keypoints]]]:
    """Object of every picture; action -> picture -> keypoint -> place, training share only."""
    objects: dict[str, str] = {}
    points: dict[str, dict[str, Keypoints]] = defaultdict(lambda: defaultdict(dict))
    table = source.find("keypoints.csv")
    for row in source.table(table, COLUMNS):
        try:
            place = float(row["x"]), float(row["y"])
            points[row["action"]][row["image"]][int(row["keypoint"])] = place
        except ValueError as error:
            raise source.wrong(f"{table}: {row} has a value that is no number") from error
        objects[row["image"]] = row["object"]
    for action, of_action in points.items():
        names = sorted(of_action, key=lambda name: hashlib.sha256(name.encode()).digest())
        points[action] = {name: of_action[name] for name in sorted(names[: max(2, round(0.8 * len(names)))])}
    return objects, points


def _pairs(
    rng: np.random.Generator, objects: dict[str, str], pictures: dict[str, Keypoints]
) -> Iterator[tuple[str, str]]:
    left = [str(name) for name in rng.permutation(sorted(pictures))]
    while len(left) > 1:
        first = left.pop()
        second = next((name for name in left if objects[name] != objects[first]), left[0])
        left.remove(second)
        yield first, second


BUILDER = Builder(
    draft=draft,
    n_choices=4,
    n_images=2,
    source="FunKPoint",
    licence="on request from its authors, for research",
    layout="keypoints.csv (image, object, action, keypoint, x, y) and the images it names",
)
