"""Small bitmaps of one cell each: shapes, parts, things to use, textures.

Every bank is computed once at import time and indexed afterwards; a bank's first axis is the word's index in
its channel, so that a whole picture is drawn by one fancy index.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasktransfer.tasks.toyworld.layout import CELL, CHANNELS

__all__ = ["GLYPHS", "N_JITTER", "STYLE_TEXTURES", "depth_texture"]

_y, _x = np.mgrid[0:CELL, 0:CELL].astype(np.float32) - (CELL - 1) / 2
Mask = NDArray[np.bool_]


def _disc(r: float = 6) -> Mask:
    return np.asarray(_x**2 + _y**2 <= r * r)


def _bar(width: float, height: float, x: float = 0, y: float = 0) -> Mask:
    return np.asarray((abs(_x - x) <= width / 2) & (abs(_y - y) <= height / 2))


def _pictures() -> dict[str, tuple[Mask, Mask]]:
    """The two looks of every shape word; equal for all but things to use."""
    one = {
        "empty": np.zeros_like(_x, bool),
        "patch": np.ones_like(_x, bool),
        "hole": np.ones_like(_x, bool),
        "disc": _disc(),
        "square": _bar(11, 11),
        "triangle": np.asarray((_y <= 5.5) & (abs(_x) <= (_y + 6.5) / 2)),
        "cross": _bar(13, 4) | _bar(4, 13),
        "head": _disc(6.5) & ~_disc(3),
        "tail": np.asarray(abs(_x - _y) <= 3),
        "leg": _bar(3, 13, -4) | _bar(3, 13, 4),
        "wing": np.asarray((_y >= _x) & (abs(_x) <= 6.5) & (abs(_y) <= 6.5)),
    }
    two = {
        "hold": (_bar(14, 4), _bar(13, 3, 0, -5) | _bar(13, 3, 0, 5) | _bar(3, 13, 5)),
        "cut": (
            np.asarray((_y <= 6) & ((_x + 8) % 5 <= (_y + 7) / 2.6)),
            np.asarray((_x >= -6) & (abs(_x + _y) <= 2)),
        ),
        "hit": (_bar(14, 8, 0, -2) | _bar(3, 13), np.asarray(abs(_x) + abs(_y) <= 7)),
        "pour": (np.asarray(abs(abs(_x) + _y / 2 - 3) <= 1.6), _bar(3, 13, -5) | _bar(13, 3, 0, 5)),
    }
    return {**{name: (mask, mask) for name, mask in one.items()}, **two}


_SHIFTS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
N_JITTER = len(_SHIFTS)


def _glyphs() -> NDArray[np.float32]:
    """(shape word, look, jitter, CELL, CELL) in {0, 1}."""
    pictures = _pictures()
    bank = [
        [
            [mask if word in ("patch", "hole") else np.roll(mask, shift, (0, 1)) for shift in _SHIFTS]
            for mask in pictures[word]
        ]
        for word in CHANNELS["shape"]
    ]
    return np.array(bank, np.float32)


def _styles() -> NDArray[np.float32]:
    """(style word, CELL, CELL) in {-1, 1}; tiles without seams, 0 for plain."""
    y, x = np.mgrid[0:CELL, 0:CELL]
    textures = {
        "plain": np.zeros((CELL, CELL)),
        "hatched": np.where((x + y) % 4 < 2, 1, -1),
        "dotted": np.where(((x % 4) < 2) & ((y % 4) < 2), 1, -0.4),
        "striped": np.where(y % 4 < 2, 1, -1),
        "blocky": np.where((x // 8 + y // 8) % 2, 1, -1),
    }
    return np.array([textures[word] for word in CHANNELS["style"]], np.float32)


GLYPHS = _glyphs()
STYLE_TEXTURES = _styles()
_SPACING = (1.0, 8.0, 5.0, 3.0, 2.0)  # pixels between the lines of the ground, by word of the depth channel


def depth_texture(phase: int) -> NDArray[np.float32]:
    """(depth word, CELL, CELL) in {-1, 0, 1}: a chequered ground, finer the farther it is; 0 for flat."""
    y, x = np.mgrid[0:CELL, 0:CELL] + phase
    tiles = [np.where((x // s + y // s) % 2, 1, -1) for s in _SPACING]
    tiles[0] = np.zeros((CELL, CELL))
    return np.array(tiles, np.float32)
