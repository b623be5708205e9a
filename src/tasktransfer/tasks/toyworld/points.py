"""Family "points": two marked points of one picture are compared."""

from __future__ import annotations

import numpy as np

from tasktransfer.tasks.toyworld.layout import CHANNELS, GRID, Layout, Scene, word_index

__all__ = ["relative_depth", "relative_reflectance"]

_LEVELS = 4


def _mark_two(layout: Layout, cells: np.ndarray) -> None:
    for letter, cell in zip("AB", cells, strict=True):
        layout["mark"][0].flat[cell] = word_index("mark", letter)


def _compared(channel: str, layout: Layout, cells: np.ndarray, low: str, high: str) -> list[tuple[str, str]]:
    """Probes of the words at both points and of which word is lower or higher."""
    a, b = (int(layout[channel][0].flat[cell]) for cell in cells)
    words = CHANNELS[channel]
    lower, higher = ("same", "same") if a == b else ("A", "B") if a < b else ("B", "A")
    return [
        (f"{channel} A", words[a]),
        (f"{channel} B", words[b]),
        (f"{low} A B", lower),
        (f"{low} B A", lower),
        (f"{high} A B", higher),
        (f"{high} B A", higher),
    ]


def relative_depth(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Ground whose texture gets finer with distance; which of two points is nearer.

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        0 where point A is nearer, 1 where point B is.
    difficulty
        In [0, 1]: the probability that points one step of depth apart will do; else they are two or more apart.
    """
    layout = Layout.blank(1)
    least = 1 if rng.random() < difficulty else 2
    while True:
        y, x = rng.uniform(-1, 1, 2)
        rows, columns = np.mgrid[0:GRID, 0:GRID] / (GRID - 1) - 0.5
        depth = np.rint(2.5 + 2 * (y * rows + x * columns) + rng.normal(0, 0.7, (GRID, GRID))).clip(1, _LEVELS)
        cells = rng.choice(GRID * GRID, 2, replace=False)
        a, b = depth.flat[cells]
        if abs(a - b) >= least:
            break
    if (a < b) != (answer == 0):
        cells = cells[::-1]
    layout["depth"][0] = depth
    _mark_two(layout, cells)
    probes = _compared("depth", layout, cells, "nearer", "farther")
    question = "Two points are marked. Which point is closer to the camera?"
    return Scene(layout, question, ("point A", "point B"), "AB"[answer], tuple(probes))


def relative_reflectance(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Patches of four greys under a shade; which of two points has the darker surface, or neither.

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        0 where point A is darker, 1 where point B is, 2 where they are the same.
    difficulty
        In [0, 1]: the probability that points one step of grey apart will do; else they are two or more apart.
    """
    layout = Layout.blank(1)
    layout["albedo"][0] = rng.integers(1, _LEVELS + 1, (GRID, GRID))
    least = 1 if rng.random() < difficulty else 2
    while True:
        cells = rng.choice(GRID * GRID, 2, replace=False)
        a, b = (int(v) for v in layout["albedo"][0].flat[cells])
        if (a == b) if answer == 2 else abs(a - b) >= least:
            break
        if rng.random() < 0.1:
            layout["albedo"][0] = rng.integers(1, _LEVELS + 1, (GRID, GRID))
    if answer < 2 and (a < b) != (answer == 0):
        cells = cells[::-1]
    _mark_two(layout, cells)
    probes = _compared("albedo", layout, cells, "darker", "lighter")
    question = "Which point has the darker surface color?"
    return Scene(layout, question, ("point A", "point B", "about the same"), "ABC"[answer], tuple(probes))
