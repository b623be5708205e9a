"""Family "scene": what is where in a picture, how many, and how it moved."""

from __future__ import annotations

import numpy as np

from tasktransfer.tasks.toyworld.layout import COLOURS, GRID, SHAPES, Layout, Scene, word_index

__all__ = ["counting", "multi_view_reasoning", "object_localization", "scatter", "spatial_relation"]

_CELLS = GRID * GRID
_FIRST_SHAPE = word_index("shape", SHAPES[0])
_COLUMNS = tuple(f"x{i}" for i in range(GRID))
_ROWS = tuple(f"y{i}" for i in range(GRID))


def scatter(rng: np.random.Generator, layout: Layout, image: int, cells: np.ndarray, colours: np.ndarray) -> None:
    """Things of random shape and the given colours at the given cells."""
    layout["shape"][image].flat[cells] = _FIRST_SHAPE + rng.integers(len(SHAPES), size=len(cells))
    layout["colour"][image].flat[cells] = colours


def counting(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Things of several colours; how many of one colour (one to four)?"""
    layout = Layout.blank(1)
    target = int(rng.integers(len(COLOURS)))
    n, others = answer + 1, int(rng.integers(1, 3 + round(6 * difficulty)))
    cells = rng.choice(_CELLS, n + others, replace=False)
    colours = (target + rng.integers(1, len(COLOURS), n + others)) % len(COLOURS) + 1
    colours[:n] = target + 1
    scatter(rng, layout, 0, cells, colours)
    counts = np.bincount(colours, minlength=len(COLOURS) + 1)
    probes = [(f"count {name}", str(counts[k + 1])) for k, name in enumerate(COLOURS) if 0 < counts[k + 1] <= 5]
    numbers = rng.permutation(4) + 1
    listed = " ".join(f"({letter}) {number}" for letter, number in zip("ABCD", numbers, strict=True))
    probes += [(f"count {COLOURS[target]}", str(n))]
    probes += [(f"pick {number} {listed}", letter) for letter, number in zip("ABCD", numbers, strict=True)][:3]
    question = f"How many {COLOURS[target]} objects are there?"
    probes += [(question, str(n))] * 2
    return Scene(layout, question, ("1", "2", "3", "4"), "ABCD"[answer], tuple(probes))


_RELATIONS = (("left", 1, 1), ("right", 1, -1), ("above", 0, 1), ("below", 0, -1))  # word, axis, sign
_PHRASES = {"left": "left of", "right": "right of", "above": "above", "below": "below"}


def _holds(cells: np.ndarray, axis: int, sign: int) -> bool:
    first, second = (np.unravel_index(int(cell), (GRID, GRID))[axis] for cell in cells)
    return bool((second - first) * sign > 0)


def spatial_relation(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Things of different colours; is one of them on that side of the other?"""
    layout = Layout.blank(1)
    n = int(rng.integers(2, 4 + round(2 * difficulty)))
    word, axis, sign = _RELATIONS[rng.integers(4)]
    while True:
        cells = rng.choice(_CELLS, n, replace=False)
        places = np.array(np.unravel_index(cells, (GRID, GRID)))
        if places[axis, 0] != places[axis, 1]:
            break
    if _holds(cells[:2], axis, sign) != (answer == 0):
        cells[:2] = cells[1::-1]
        places[:, :2] = places[:, 1::-1]
    colours = rng.permutation(len(COLOURS))[:n]
    scatter(rng, layout, 0, cells, colours + 1)
    names = [COLOURS[k] for k in colours]
    probes = [(f"column {name}", _COLUMNS[x]) for name, x in zip(names, places[1], strict=True)]
    probes += [(f"row {name}", _ROWS[y]) for name, y in zip(names, places[0], strict=True)]
    for other, its_axis, its_sign in _RELATIONS:
        if places[its_axis, 0] != places[its_axis, 1]:
            holds = _holds(cells[:2], its_axis, its_sign)
            probes += [(f"{other} {names[0]} {names[1]}", "yes" if holds else "no")]
            probes += [(f"{other} {names[1]} {names[0]}", "no" if holds else "yes")]
    question = f"Is the first object {_PHRASES[word]} the second? {names[0]} {names[1]}"
    probes += [(question, ("yes", "no")[answer])] * 2
    probes += [(f"{word} {names[0]} {names[1]} (A) yes (B) no", "AB"[answer])] * 3
    return Scene(layout, question, ("yes", "no"), "AB"[answer], tuple(probes))


def multi_view_reasoning(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """The same things seen before and after the camera turned; they move the other way."""
    layout = Layout.blank(2)
    turn = -1 if answer == 0 else 1
    n = int(rng.integers(2, 4 + round(2 * difficulty)))
    cells = rng.choice(GRID * (GRID - 1), n, replace=False)
    rows, columns = np.unravel_index(cells, (GRID, GRID - 1))
    columns = columns + (turn > 0)
    colours = rng.permutation(len(COLOURS))[:n]
    scatter(rng, layout, 0, rows * GRID + columns, colours + 1)
    for channel in ("shape", "colour"):
        layout[channel][1].flat[rows * GRID + columns - turn] = layout[channel][0].flat[rows * GRID + columns]
    names = [COLOURS[k] for k in colours]
    probes = [(f"column first {name}", _COLUMNS[x]) for name, x in zip(names, columns, strict=True)]
    probes += [(f"column second {name}", _COLUMNS[x - turn]) for name, x in zip(names, columns, strict=True)]
    probes += [(f"moved {name}", "right" if turn < 0 else "left") for name in names]
    probes += [("moved objects", "right" if turn < 0 else "left")]
    question = "Did the camera turn left or right from the first image to the second?"
    return Scene(layout, question, ("left", "right"), "AB"[answer], tuple(probes))


def object_localization(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """A large coloured thing and two boxes; which box fits it?"""
    layout = Layout.blank(1)
    height, width = ((2, 2), (1, 2), (2, 1))[rng.integers(3)]
    step = 1 if rng.random() < 0.5 + 0.5 * difficulty else 2
    while True:
        y, x = rng.integers(0, GRID - height + 1), rng.integers(0, GRID - width + 1)
        dy, dx = ((0, step), (step, 0), (0, -step), (-step, 0))[rng.integers(4)]
        if 0 <= y + dy <= GRID - height and 0 <= x + dx <= GRID - width:
            break
    target, *rest = rng.permutation(len(COLOURS)) + 1
    inside = np.s_[y : y + height, x : x + width]
    free = np.ones((GRID, GRID), bool)
    free[inside] = False
    clutter = rng.choice(np.flatnonzero(free), 1 + rng.binomial(4, difficulty), replace=False)
    scatter(rng, layout, 0, clutter, np.array(rest[: len(clutter)]))
    layout["shape"][0][inside] = word_index("shape", "patch")
    layout["colour"][0][inside] = target
    right, wrong = ("box_a", "box_b") if answer == 0 else ("box_b", "box_a")
    layout[right][0][inside] = 1
    layout[wrong][0][y + dy : y + dy + height, x + dx : x + dx + width] = 1
    name = COLOURS[target - 1]
    probes = [(f"box {name}", "AB"[answer])] * 3 + [(f"outside {name}", "BA"[answer])] * 2
    question = f"Which box fits the {name} object better?"
    return Scene(layout, question, ("box A", "box B"), "AB"[answer], tuple(probes))
