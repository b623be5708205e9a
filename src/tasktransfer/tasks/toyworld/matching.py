"""Family "matching": a point of the first picture is found again in the second."""

from __future__ import annotations

import numpy as np

from tasktransfer.tasks.toyworld.layout import CHANNELS, COLOURS, GRID, PARTS, USES, Layout, Scene, word_index

__all__ = ["functional_correspondence", "semantic_correspondence", "visual_correspondence"]

_CHOICES = ("point A", "point B", "point C", "point D")
_CELLS = GRID * GRID


def _probes(
    layout: Layout, channel: str, name: str, reference: int, points: np.ndarray, answer: int
) -> list[tuple[str, str]]:
    words = CHANNELS[channel]
    probes = [(f"{name} REF", words[layout[channel][0].flat[reference]])]
    probes += [
        (f"{name} {letter}", words[layout[channel][1].flat[cell]])
        for letter, cell in zip("ABCD", points, strict=True)
    ]
    probes += [
        (f"same {probe.removesuffix(letter)}{word}", letter)
        for (probe, word), letter in zip(probes[1:], "ABCD", strict=True)
    ]
    return [*probes, *[(f"same {name} REF", "ABCD"[answer])] * 4]


def _mark(layout: Layout, reference: int, points: np.ndarray) -> None:
    layout["mark"][0].flat[reference] = word_index("mark", "REF")
    for letter, cell in zip("ABCD", points, strict=True):
        layout["mark"][1].flat[cell] = word_index("mark", letter)


def visual_correspondence(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """A mosaic seen twice, the camera moved and the light changed; where is the point now?

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        Index of the right option, 0 to 3.
    difficulty
        In [0, 1]: the probability that the camera may move up or down as well, not only sideways.
    """
    layout = Layout.blank(2)
    layout.relit = (1,)
    colour = layout["colour"]
    layout["shape"][:] = word_index("shape", "patch")
    while True:
        colour[0] = rng.integers(1, len(COLOURS) + 1, (GRID, GRID))
        if len(np.unique(colour[0])) >= 4:
            break
    dy, dx = rng.integers(-1, 2, 2)
    if rng.random() > difficulty:
        dy = 0
    colour[1] = np.roll(colour[0], (dy, dx), (0, 1))
    moved = np.roll(np.arange(_CELLS).reshape(GRID, GRID), (dy, dx), (0, 1)).ravel()  # old cell by new cell
    order = rng.permutation(_CELLS)
    reference = int(order[0])
    seen = {int(colour[0].flat[reference])}
    wrong: list[int] = []
    for cell in order:
        if (value := int(colour[1].flat[cell])) not in seen and len(wrong) < 3:
            seen.add(value)
            wrong.append(int(cell))
    right = int(np.flatnonzero(moved == reference)[0])
    points = np.insert(np.array(wrong), answer, right)
    _mark(layout, reference, points)
    probes = _probes(layout, "colour", "colour", reference, points, answer)
    question = "Which point in the second image shows the same place as REF?"
    return Scene(layout, question, _CHOICES, "ABCD"[answer], tuple(probes))


def _strew(
    rng: np.random.Generator, layout: Layout, image: int, words: tuple[str, ...], colour: int
) -> np.ndarray:
    """Put one thing of each word into cells of an image; returns the cells."""
    cells = rng.choice(_CELLS, len(words), replace=False)
    layout["shape"][image].flat[cells] = [word_index("shape", word) for word in words]
    layout["colour"][image].flat[cells] = colour
    return cells


def _same_kind(
    rng: np.random.Generator, answer: int, difficulty: float, words: tuple[str, ...]
) -> tuple[Layout, int, np.ndarray]:
    """Two pictures with one thing of each word, in other places and another colour; more clutter when harder."""
    layout = Layout.blank(2)
    first, second = rng.choice(len(COLOURS), 2, replace=False) + 1
    places = _strew(rng, layout, 0, words, int(first)), _strew(rng, layout, 1, words, int(second))
    for image in range(2):
        free = np.flatnonzero(layout["shape"][image].ravel() == 0)
        clutter = rng.choice(free, rng.binomial(6, difficulty), replace=False)
        layout["shape"][image].flat[clutter] = word_index("shape", "disc")
        layout["colour"][image].flat[clutter] = rng.integers(1, len(COLOURS) + 1, len(clutter))
    order = rng.permutation(4)
    reference = int(places[0][order[answer]])
    points = places[1][order]
    _mark(layout, reference, points)
    return layout, reference, points


def semantic_correspondence(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Two creatures of different colour and pose; which point is on the same part of the body?

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        Index of the right option, 0 to 3.
    difficulty
        In [0, 1]: the probability of each of six more things in either picture, as clutter.
    """
    layout, reference, points = _same_kind(rng, answer, difficulty, PARTS)
    probes = _probes(layout, "shape", "part", reference, points, answer)
    question = "Which point in the second image is on the same body part as REF?"
    return Scene(layout, question, _CHOICES, "ABCD"[answer], tuple(probes))


def functional_correspondence(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Two sets of tools that look different; which point can be used in the same way?

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        Index of the right option, 0 to 3.
    difficulty
        In [0, 1]: the probability of each of six more things in either picture, as clutter.
    """
    layout, reference, points = _same_kind(rng, answer, difficulty, USES)
    look = int(rng.integers(2))
    layout.looks[0][layout["shape"][0] >= word_index("shape", USES[0])] = look
    layout.looks[1][layout["shape"][1] >= word_index("shape", USES[0])] = 1 - look
    probes = _probes(layout, "shape", "use", reference, points, answer)
    question = "Which point in the second image can be used for the same action as REF?"
    return Scene(layout, question, _CHOICES, "ABCD"[answer], tuple(probes))
