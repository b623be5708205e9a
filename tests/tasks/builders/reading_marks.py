"""Read marked points back from a picture, without knowing where they were put."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from tasktransfer.tasks.builders.marking import marked, marker_radius


def marks_in(image: Image.Image, bare: Image.Image, names: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Name -> centre of its circle: the rings are found by their shape, the names by comparing pixels."""
    radius = marker_radius(bare)
    pixels = np.asarray(image).astype(int)
    parts, _ = ndimage.label((pixels == (255, 0, 0)).all(-1), np.ones((3, 3)))
    found = {}
    for rows, columns in ndimage.find_objects(parts):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        hollow = not (
            pixels[(rows.start + rows.stop) // 2, (columns.start + columns.stop) // 2] == (255, 0, 0)
        ).all()
        if abs(height - 2 * radius) <= 2 and abs(width - 2 * radius) <= 2 and hollow:
            centre = (columns.start + columns.stop - 1) / 2, (rows.start + rows.stop - 1) / 2
            found[max(names, key=lambda name, at=centre: _agreement(pixels, bare, name, at))] = centre
    return found


def _agreement(pixels: np.ndarray, bare: Image.Image, name: str, centre: tuple[float, float]) -> float:
    reach = 8 * marker_radius(bare)
    x, y = round(centre[0]), round(centre[1])
    box = max(0, x - reach), max(0, y - reach), min(bare.width, x + reach), min(bare.height, y + reach)
    alone = np.asarray(marked(bare, {name: centre}).crop(box)).astype(int)
    drawn = (alone != np.asarray(bare.crop(box)).astype(int)).any(-1)
    there = pixels[box[1] : box[3], box[0] : box[2]]
    return float((alone == there).all(-1)[drawn].mean())
