"""Family "whole": whole pictures are judged or compared."""

from __future__ import annotations

import numpy as np

from tasktransfer.tasks.toyworld.layout import (
    CHANNELS,
    COLOURS,
    GRID,
    ORDINALS,
    SHAPES,
    STYLES,
    Layout,
    Scene,
    word_index,
)

__all__ = ["art_style", "forensic_detection", "jigsaw", "visual_similarity"]

_CHOICES = ("second image", "third image")
_CELLS = GRID * GRID
_HALF = GRID // 2


def _matched(name: str, words: list[str], answer: int) -> list[tuple[str, str]]:
    """Probes of a word for each picture and of which one matches the first."""
    probes = [(f"{name} {ordinal}", word) for ordinal, word in zip(ORDINALS, words, strict=False)]
    probes.append((f"match {name} {words[2 - answer]}", ORDINALS[2 - answer]))
    return [*probes, *[(f"match {name} first", ORDINALS[1 + answer])] * 3]


def jigsaw(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Bands of colour with the lower right quarter missing; which enlarged piece continues them?

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        0 where the second image is right, 1 where the third is.
    difficulty
        In [0, 1]: half of it is the probability that the wrong piece has the right bands in the other order.
    """
    layout = Layout.blank(3)
    layout["shape"][:] = word_index("shape", "patch")
    bands = rng.permutation(len(COLOURS))[:GRID] + 1
    unused = np.setdiff1d(np.arange(1, len(COLOURS) + 1), bands)
    right = bands[_HALF:]
    wrong = right[::-1].copy() if rng.random() < 0.5 * difficulty else rng.permutation([*unused, bands[0]])[:2]
    layout["colour"][0] = bands[:, None]
    layout["shape"][0, _HALF:, _HALF:] = word_index("shape", "hole")
    layout["colour"][0, _HALF:, _HALF:] = 0
    layout["colour"][1 + answer] = np.repeat(right, _HALF)[:, None]
    layout["colour"][2 - answer] = np.repeat(wrong, _HALF)[:, None]
    tops = [CHANNELS["colour"][layout["colour"][i, row, 0]] for i, row in ((0, _HALF), (1, 0), (2, 0))]
    low = [CHANNELS["colour"][layout["colour"][i, GRID - 1, 0]] for i in range(3)]
    probes = [*_matched("upper", tops, answer)[:3], *_matched("lower", low, answer)[:3]]
    probes += [("match piece first", ORDINALS[1 + answer])] * 3
    question = "Which image is the missing corner of the first image?"
    return Scene(layout, question, _CHOICES, "AB"[answer], tuple(probes))


def art_style(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Patches of any colour brushed over in one of four styles; which picture has the style of the first?

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        0 where the second image is right, 1 where the third is.
    difficulty
        In [0, 1]: 0.6 of it is the probability that a cell is left without style; one cell always has it.
    """
    layout = Layout.blank(3)
    styles = rng.permutation(len(STYLES))[:2] + 1
    kinds = [styles[0], styles[0], styles[1]] if answer == 0 else [styles[0], styles[1], styles[0]]
    for image, kind in enumerate(kinds):
        brushed = rng.random((GRID, GRID)) > 0.6 * difficulty
        brushed.flat[rng.integers(_CELLS)] = True
        layout["style"][image] = np.where(brushed, kind, 0)
        painted = rng.random((GRID, GRID)) < 0.6
        layout["shape"][image][painted] = word_index("shape", "patch")
        layout["colour"][image][painted] = rng.integers(1, len(COLOURS) + 1, painted.sum())
    probes = _matched("style", [CHANNELS["style"][kind] for kind in kinds], answer)
    question = "Which image has the same art style as the first image?"
    return Scene(layout, question, _CHOICES, "AB"[answer], tuple(probes))


def visual_similarity(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Things strewn about; the similar picture shows mostly the same kind of thing, in any colours and places.

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        0 where the second image is right, 1 where the third is.
    difficulty
        In [0, 1]: the probability of each of four things of other kinds beside the 5 to 7 of a picture's own.
    """
    layout = Layout.blank(3)
    kinds = rng.permutation(len(SHAPES))[:2]
    shown = [kinds[0], kinds[0], kinds[1]] if answer == 0 else [kinds[0], kinds[1], kinds[0]]
    base = word_index("shape", SHAPES[0])
    for image, kind in enumerate(shown):
        n_main, n_other = int(rng.integers(5, 8)), int(rng.binomial(4, difficulty))
        cells = rng.choice(_CELLS, n_main + n_other, replace=False)
        others = (kind + rng.integers(1, len(SHAPES), n_other)) % len(SHAPES)
        layout["shape"][image].flat[cells] = base + np.concatenate([np.full(n_main, kind), others])
        layout["colour"][image].flat[cells] = rng.integers(1, len(COLOURS) + 1, n_main + n_other)
    probes = _matched("kind", [SHAPES[kind] for kind in shown], answer)
    question = "Which image is most similar to the first image?"
    return Scene(layout, question, _CHOICES, "AB"[answer], tuple(probes))


def forensic_detection(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Four pictures of things, three of them with speckled, edited cells; which one is real?

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        Index of the picture that is real, 0 to 3.
    difficulty
        In [0, 1]: half of it is the probability that a picture has one edited cell; else it has 1 to 4.
    """
    layout = Layout.blank(4)
    for image in range(4):
        cells = rng.choice(_CELLS, int(rng.integers(4, 9)), replace=False)
        layout["shape"][image].flat[cells] = word_index("shape", SHAPES[0]) + rng.integers(
            len(SHAPES), size=len(cells)
        )
        layout["colour"][image].flat[cells] = rng.integers(1, len(COLOURS) + 1, len(cells))
        if image != answer:
            most = 1 if rng.random() < 0.5 * difficulty else 4
            edited = rng.choice(_CELLS, int(rng.integers(1, most + 1)), replace=False)
            layout["edit"][image].flat[edited] = 1
    probes = [(f"edited {name}", "no" if i == answer else "yes") for i, name in enumerate(ORDINALS)]
    probes += [("unedited", ORDINALS[answer])] * 3
    question = "One image is real and the others are edited. Which image is real?"
    return Scene(layout, question, tuple(f"{name} image" for name in ORDINALS), "ABCD"[answer], tuple(probes))
