"""Jigsaw and object localization from COCO 2017.

============ ==================================================================================================
source       COCO 2017, training split
licence      annotations CC BY 4.0; each image under its own Flickr licence
layout       ``train2017/*.jpg``, and for localization ``annotations/instances_train2017.json``
recipe       Jigsaw [2]_: the picture at a width of 400 pixels; a canvas of that width and 170 to 230 pixels of
             height; its lower right quarter blacked out is the answer; the other option is a patch of the same
             size from the same picture that does not overlap the answer, has its centre at least 120 pixels
             away, and reaches into the canvas. Each picture once. Options that look alike are left out
             (less than 12 grey levels apart on average).
             Localization [2]_: instances that are no crowd, whose box covers 15 to 50 % of the picture and whose
             mask fills at least 60 % of the box; right is the annotated box, wrong is one with moved corners and
             an overlap (IoU) of 0.2 to 0.5. Each picture once, and only pictures with a single instance of the
             class: otherwise the wrong box may fit another one.
differs      BLINK's jigsaws come from TARA photographs, its boxes from LVIS on COCO images (hold those out with
             ``--against``). The wrong piece of a jigsaw is partly seen in the canvas here.
============ ==================================================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from tasktransfer.tasks.builders.draft import ORDINALS, Builder, Draft, Rendered, placed
from tasktransfer.tasks.builders.marking import Box, grey, outlined
from tasktransfer.tasks.builders.source import Source

__all__ = ["JIGSAW", "LOCALIZATION", "overlap"]

IMAGES = "train2017"
INSTANCES = "annotations/instances_train2017.json"
JIGSAW_QUESTION = (
    "The lower right quarter of the first image is missing. Judging by how edges and colours go on, which of the "
    "other two images belongs there?"
)
WIDTH, HEIGHTS = 400, (170, 230)
CENTRES_APART = 120.0
_ALIKE = 12.0
LOCALIZATION_QUESTION = (
    "Two boxes, A and B, are drawn on the image. A box fits an object when it holds all of it and nothing more. "
    "Which of the two fits the {name} better?"
)
SHARE, FILLED, OVERLAP = (0.15, 0.5), 0.6, (0.2, 0.5)
_TRIES = 200


def draft_jigsaws(source: Source, rng: np.random.Generator) -> Iterator[Draft]:
    """Pictures in random order, one item each."""
    names = source.images(source.find(IMAGES))
    for index in rng.permutation(len(names)):
        cut = _cut(source.try_image(names[index]), rng)
        if cut is not None:
            yield _jigsaw(names[index], *cut)


def _cut(image: Image.Image | None, rng: np.random.Generator) -> tuple[Image.Image, ...] | None:
    """Canvas with a black quarter, the quarter, and the other patch."""
    if image is None:
        return None
    height = round(image.height * WIDTH / image.width)
    if height < HEIGHTS[0]:
        return None
    image = image.resize((WIDTH, height), Image.Resampling.LANCZOS)
    tall = int(rng.integers(HEIGHTS[0], min(HEIGHTS[1], height) + 1)) // 2 * 2
    top = int(rng.integers(0, height - tall + 1))
    half = WIDTH // 2, tall // 2
    x0, y0 = half[0], top + half[1]
    # corners of patches that reach into the canvas, do not overlap the answer and lie away from it
    places = [
        (x, y)
        for x in range(0, WIDTH - half[0] + 1, 10)
        for y in range(max(0, top - half[1] + 1), min(height - half[1], top + tall - 1) + 1, 5)
        if (x + half[0] <= x0 or y + half[1] <= y0 or y >= y0 + half[1])
        and np.hypot(x - x0, y - y0) >= CENTRES_APART
    ]
    if not places:
        return None
    x, y = places[int(rng.integers(len(places)))]
    right = image.crop((x0, y0, x0 + half[0], y0 + half[1]))
    wrong = image.crop((x, y, x + half[0], y + half[1]))
    if np.abs(grey(right) - grey(wrong)).mean() < _ALIKE:
        return None
    canvas = image.crop((0, top, WIDTH, top + tall))
    canvas.paste((0, 0, 0), (half[0], half[1], WIDTH, tall))
    return canvas, right, wrong


def _jigsaw(name: str, canvas: Image.Image, right: Image.Image, wrong: Image.Image) -> Draft:
    def render(place: int) -> Rendered:
        first, second = (right, wrong) if place == 0 else (wrong, right)
        return Rendered((canvas, first, second), ORDINALS[1:3])

    return Draft(name, (name,), JIGSAW_QUESTION, (0, 1), render)


def draft_localizations(source: Source, rng: np.random.Generator) -> Iterator[Draft]:
    """Instances in random order, one item a picture."""
    source.find(IMAGES)
    content = source.json(source.find(INSTANCES))
    try:
        images = {row["id"]: row for row in content["images"]}
        classes = {row["id"]: row["name"] for row in content["categories"]}
        instances = content["annotations"]
        several = Counter((row["image_id"], row["category_id"]) for row in instances)
        fit = [
            row
            for row in instances
            if several[row["image_id"], row["category_id"]] == 1 and _fit(row, images[row["image_id"]])
        ]
    except (KeyError, TypeError) as error:
        raise source.wrong(f"{INSTANCES} has no {error}") from error
    used: set[int] = set()
    for index in rng.permutation(len(fit)):
        row = fit[index]
        image = images[row["image_id"]]
        left, top, width, height = row["bbox"]
        box = (left, top, left + width, top + height)
        wrong = _moved(rng, box, (image["width"], image["height"]))
        if wrong is not None and row["image_id"] not in used:
            used.add(row["image_id"])
            yield _localization(source, f"{IMAGES}/{image['file_name']}", classes[row["category_id"]], box, wrong)


def _fit(row: dict[str, Any], image: dict[str, Any]) -> bool:
    _, _, width, height = row["bbox"]
    covered = width * height
    share = covered / (image["width"] * image["height"])
    return not row.get("iscrowd") and SHARE[0] <= share <= SHARE[1] and row["area"] >= FILLED * covered


def _moved(rng: np.random.Generator, box: Box, size: tuple[int, int]) -> Box | None:
    reach = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    for _ in range(_TRIES):
        corners = np.array(box) + rng.uniform(-0.5, 0.5, 4) * reach
        left, top, right, bottom = np.clip(corners, 0, np.array([*size, *size]))
        other = (float(left), float(top), float(right), float(bottom))
        if right - left >= 8 and bottom - top >= 8 and OVERLAP[0] <= overlap(box, other) <= OVERLAP[1]:
            return other
    return None


def overlap(first: Box, second: Box) -> float:
    """Intersection over union.

    >>> overlap((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return float(shared / (sum(areas) - shared))


def _localization(source: Source, file: str, name: str, right: Box, wrong: Box) -> Draft:
    def render(place: int) -> Rendered:
        boxes = dict(zip("AB", placed(right, (wrong,), place), strict=True))
        return Rendered((outlined(source.image(file), boxes),), ("box A", "box B"))

    return Draft(file, (file,), LOCALIZATION_QUESTION.format(name=name), (0, 1), render)


_LICENCE = "annotations CC BY 4.0; each image under its own Flickr licence"
JIGSAW = Builder(
    draft=draft_jigsaws,
    n_choices=2,
    n_images=3,
    source="COCO 2017, training images",
    licence=_LICENCE,
    layout=f"{IMAGES}/*.jpg",
)
LOCALIZATION = Builder(
    draft=draft_localizations,
    n_choices=2,
    n_images=1,
    source="COCO 2017, training images and instances",
    licence=_LICENCE,
    layout=f"{IMAGES}/*.jpg and {INSTANCES}",
)
