"""How many tokens a picture becomes, from its size alone: what a plan needs before any weights are there.

The rules are those of the processors in transformers, which are the oracle in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tasktransfer.errors import InputError
from tasktransfer.models.families import Pixels
from tasktransfer.models.families.checkpoints import Checkpoint, Vision

__all__ = ["image_tokens"]

Size = tuple[int, int]  # width, height

_AREAS = {
    "qwen2_5_vl": (56 * 56, 3584 * 3584),
    "qwen3_vl": (256 * 256, 4096 * 4096),
}  # the checkpoints' own limits
_MOST_TILES = 12  # InternVL's own limit
_GRID_SIDE = 6  # LLaVA-OneVision's grids are of 1 to 6 tiles a side
_MOST_FEATURES = 9  # tiles' worth; larger grids are averaged down to it


def image_tokens(row: Checkpoint, sizes: Sequence[Size], pixels: Pixels | None = None) -> int:
    """Tokens of the pictures of one item, with the marks around each.

    Parameters
    ----------
    row
        A known checkpoint.
    sizes
        Width and height of each picture, pixels.
    pixels
        Limits as given to `load_model`; the checkpoint's own where None.
    """
    count = _COUNTS.get(row.family)
    if count is None:
        raise InputError(f"family {row.family!r}: how many tokens a picture becomes is not known")
    return count(row, sizes, pixels or Pixels())


def _qwen(row: Checkpoint, sizes: Sequence[Size], pixels: Pixels) -> int:
    least, most = _AREAS[row.family]
    unit = row.vision.patch * row.vision.merge
    counts = [_area_tokens(size, unit, pixels.least or least, pixels.most or most) for size in sizes]
    return sum(counts) + 2 * len(sizes)


def _area_tokens(size: Size, unit: int, least: int, most: int) -> int:
    """Both sides to whole units; the area brought between the limits, proportions kept."""
    width, height = (max(unit, round(side / unit) * unit) for side in size)
    area = size[0] * size[1]
    if width * height > most:
        shrink = math.sqrt(area / most)
        width, height = (max(unit, math.floor(side / shrink / unit) * unit) for side in size)
    elif width * height < least:
        grow = math.sqrt(least / area)
        width, height = (math.ceil(side * grow / unit) * unit for side in size)
    return (width // unit) * (height // unit)


def _square(row: Checkpoint, sizes: Sequence[Size], pixels: Pixels) -> int:  # noqa: ARG001
    return len(sizes) * _per_tile(row.vision)


def _per_tile(vision: Vision) -> int:
    assert vision.side is not None
    return (vision.side // vision.patch // vision.merge) ** 2


def _tiled(row: Checkpoint, sizes: Sequence[Size], pixels: Pixels) -> int:
    most = pixels.tiles or _MOST_TILES
    return sum(_n_tiles(row, size, most) * _per_tile(row.vision) + 2 for size in sizes)


def _n_tiles(row: Checkpoint, size: Size, most: int) -> int:
    """The grid nearest in proportion, of equals a larger one that the picture half fills; and an overview."""
    width, height = size
    assert row.vision.side is not None
    grids = [(across, down) for across in range(1, most + 1) for down in range(1, most // across + 1)]
    best, nearest = (1, 1), math.inf
    for across, down in sorted(grids, key=lambda grid: grid[0] * grid[1]):
        off = abs(width / height - across / down)
        if off < nearest or (off == nearest and width * height > 0.5 * row.vision.side**2 * across * down):
            best, nearest = (across, down), min(off, nearest)
    tiles = best[0] * best[1]
    return tiles + (tiles > 1)


def _onevision(row: Checkpoint, sizes: Sequence[Size], pixels: Pixels) -> int:
    per_tile = _per_tile(row.vision)
    if len(sizes) != 1:
        return len(sizes) * (per_tile + 1)
    (width, height), side = sizes[0], math.isqrt(per_tile)
    down, across = _best_grid(row, sizes[0], pixels.tiles)
    rows, columns = down * side, across * side
    if width / height > columns / rows:
        rows -= 2 * ((rows - int(round(height * columns / width, 7))) // 2)
    else:
        columns -= 2 * ((columns - int(round(width * rows / height, 7))) // 2)
    shrink = math.sqrt(rows * columns / (_MOST_FEATURES * per_tile))
    if shrink > 1.1:
        rows, columns = int(rows // shrink), int(columns // shrink)
    return per_tile + rows * (columns + 1)


def _best_grid(row: Checkpoint, size: Size, most: int | None) -> tuple[int, int]:
    """Tiles down and across of the grid that keeps most of the picture and wastes least."""
    width, height = size
    unit = row.vision.side or 0
    best, kept_most, waste_least = (1, 1), 0, math.inf
    for down in range(1, _GRID_SIDE + 1):
        for across in range(1, _GRID_SIDE + 1):
            if most is not None and down * across > most:
                continue
            scale = min(across * unit / width, down * unit / height)
            kept = min(int(width * scale) * int(height * scale), width * height)
            waste = across * down * unit * unit - kept
            if kept > kept_most or (kept == kept_most and waste < waste_least):
                best, kept_most, waste_least = (down, across), kept, waste
    return best


_COUNTS: dict[str, Callable[[Checkpoint, Sequence[Size], Pixels], int]] = {
    "qwen2_5_vl": _qwen,
    "qwen3_vl": _qwen,
    "llava": _square,
    "llava_onevision": _onevision,
    "internvl": _tiled,
}
