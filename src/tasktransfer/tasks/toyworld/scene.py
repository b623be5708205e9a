"""Family "scene": what is where in a picture, how many, and how it moved."""

from __future__ import annotations

import numpy as np

from tasktransfer.tasks.toyworld.layout import CHANNELS, COLOURS, GRID, SHAPES, Layout, Scene, word_index

__all__ = ["counting", "multi_view_reasoning", "object_localization", "scatter", "spatial_relation"]

_CELLS = GRID * GRID
_FIRST_SHAPE = word_index("shape", SHAPES[0])
_COLUMNS = tuple(f"x{i}" for i in range(GRID))
_ROWS = tuple(f"y{i}" for i in range(GRID))


def scatter(rng: np.random.Generator, layout: Layout, image: int, cells: np.ndarray, colours: np.ndarray) -> None:
    """Things of random shape and the given colours at the given cells.

    Parameters
    ----------
    rng
        Decides the shapes.
    layout
        It is written into.
    image
        Which of its pictures.
    cells
        Different places in the flattened grid, 0 to 15.
    colours
        Index in ``CHANNELS["colour"]`` of the thing at each cell.
    """
    layout["shape"][image].flat[cells] = _FIRST_SHAPE + rng.integers(len(SHAPES), size=len(cells))
    layout["colour"][image].flat[cells] = colours


def counting(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Things of several colours; how many of one colour (one to four)?

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        Index of the right option, 0 to 3; the count is one more.
    difficulty
        In [0, 1]: 1 to 2 + round(6 difficulty) things of other colours.
    """
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


_RELATIONS = (("left", 1, -1), ("right", 1, 1), ("above", 0, -1), ("below", 0, 1))  # word, axis, sign
_PHRASES = {"left": "left of", "right": "right of", "above": "above", "below": "below"}


def spatial_relation(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Things of different colours about a hole; is one of them on that side of it?

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        0 for yes, 1 for no.
    difficulty
        In [0, 1]: 1 to 2 + round(3 difficulty) things.
    """
    layout = Layout.blank(1)
    n = int(rng.integers(1, 3 + round(3 * difficulty)))
    word, axis, sign = _RELATIONS[rng.integers(4)]
    while True:
        hole, *cells = rng.choice(_CELLS, n + 1, replace=False)
        places = np.array(np.unravel_index(cells, (GRID, GRID))).T
        away = places - np.array(np.unravel_index(hole, (GRID, GRID)))
        if away[0, axis] * sign * (1, -1)[answer] > 0:
            break
    colours = rng.permutation(len(COLOURS))[:n]
    names = [COLOURS[k] for k in colours]
    scatter(rng, layout, 0, np.array(cells), colours + 1)
    layout["shape"][0].flat[hole] = word_index("shape", "hole")
    row, column = divmod(int(hole), GRID)
    probes = [("column hole", _COLUMNS[column]), ("row hole", _ROWS[row])]
    for name, (down, across) in zip(names, away, strict=True):
        probes += [(f"column {name}", _COLUMNS[column + across]), (f"row {name}", _ROWS[row + down])]
        probes += [
            (f"{other} {name} (A) yes (B) no", "A" if (down, across)[its_axis] * its_sign > 0 else "B")
            for other, its_axis, its_sign in _RELATIONS
            if (down, across)[its_axis]
        ]
    question = f"Is the {names[0]} object {_PHRASES[word]} the hole?"
    return Scene(layout, question, ("yes", "no"), "AB"[answer], tuple(probes))


def multi_view_reasoning(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """The same things before and after the camera turned: they move the other way, but one may go its own.

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        0 for left, 1 for right.
    difficulty
        In [0, 1]: 3 to 3 + round(2 difficulty) things; one goes its own way with probability 0.2 + 0.6 difficulty.
    """
    layout = Layout.blank(2)
    turn = -1 if answer == 0 else 1
    n = int(rng.integers(3, 4 + round(2 * difficulty)))
    shift = np.full(n, -turn)
    if rng.random() < 0.2 + 0.6 * difficulty:
        shift[rng.integers(n)] = turn
    while True:
        before = rng.choice(_CELLS, n, replace=False)
        rows, columns = np.unravel_index(before, (GRID, GRID))
        moved = columns + shift
        after = rows * GRID + moved
        if moved.min() >= 0 and moved.max() < GRID and len(set(after)) == n:
            break
    colours = rng.permutation(len(COLOURS))[:n]
    scatter(rng, layout, 0, before, colours + 1)
    for channel in ("shape", "colour"):
        layout[channel][1].flat[after] = layout[channel][0].flat[before]
    names = [COLOURS[k] for k in colours]
    probes = [(f"column first {name}", _COLUMNS[x]) for name, x in zip(names, columns, strict=True)]
    probes += [(f"column second {name}", _COLUMNS[x]) for name, x in zip(names, moved, strict=True)]
    probes += [(f"moved {name}", "right" if way > 0 else "left") for name, way in zip(names, shift, strict=True)]
    question = "Did the camera turn left or right from the first image to the second?"
    return Scene(layout, question, ("left", "right"), "AB"[answer], tuple(probes))


_SIZES = ((1, 2), (2, 1), (2, 2), (2, 3), (3, 2))
_SIDES = ((-1, 0, 0, 0), (0, 1, 0, 0), (0, 0, -1, 0), (0, 0, 0, 1))  # outwards: top, bottom, left, right


def _misfits(edges: np.ndarray, rng: np.random.Generator, difficulty: float) -> np.ndarray:
    """A box near the right one: moved by a cell, a row or column short of it, or one too large."""
    while True:
        side = np.array(_SIDES[rng.integers(4)])
        kind = rng.choice(3, p=(0.6 - 0.3 * difficulty, 0.2, 0.2 + 0.3 * difficulty))
        moved: np.ndarray = edges + (side + side[[1, 0, 3, 2]], -side, side)[kind]
        if moved.min() >= 0 and moved.max() < GRID and moved[0] <= moved[1] and moved[2] <= moved[3]:
            return moved


def object_localization(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """A large coloured thing and two boxes; which box fits it?

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        0 where box A fits, 1 where box B does.
    difficulty
        In [0, 1]: more clutter, and wrong boxes that are more often too large, less often moved by a cell.
    """
    layout = Layout.blank(1)
    height, width = _SIZES[rng.integers(len(_SIZES))]
    y, x = rng.integers(0, GRID - height + 1), rng.integers(0, GRID - width + 1)
    edges = np.array([y, y + height - 1, x, x + width - 1])
    target, *rest = rng.permutation(len(COLOURS)) + 1
    fits, fails = (
        np.s_[top : bottom + 1, left : right + 1]
        for top, bottom, left, right in (edges, _misfits(edges, rng, difficulty))
    )
    free = np.ones((GRID, GRID), bool)
    free[fits] = False
    clutter = rng.choice(np.flatnonzero(free), 1 + rng.binomial(4, difficulty), replace=False)
    scatter(rng, layout, 0, clutter, np.array(rest)[rng.integers(len(rest), size=len(clutter))])
    layout["shape"][0][fits] = word_index("shape", "patch")
    layout["colour"][0][fits] = target
    right, wrong = ("box_a", "box_b") if answer == 0 else ("box_b", "box_a")
    layout[right][0][fits] = 1
    layout[wrong][0][fails] = 1
    name = COLOURS[target - 1]
    boxes = CHANNELS["box_a"][1], CHANNELS["box_b"][1]
    probes = [(f"box {name}", boxes[answer])] * 3 + [(f"misfit {name}", boxes[1 - answer])] * 2
    question = f"Which box fits the {name} object better?"
    return Scene(layout, question, ("box A", "box B"), "AB"[answer], tuple(probes))
