"""Two video tasks in the manner of VSI-Bench: what appears first, and how many (a number, no options)."""

from __future__ import annotations

import numpy as np

from tasktransfer.tasks.toyworld.layout import COLOURS, GRID, ORDINALS, Layout, Scene
from tasktransfer.tasks.toyworld.scene import scatter

__all__ = ["MOST_COUNTED", "appearance_order", "video_counting"]

N_FRAMES = 4
MOST_COUNTED = 5
_CELLS = GRID * GRID


def appearance_order(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Things come into view one after another and stay; which of two came first?

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        Index of the option that came first, 0 or 1.
    difficulty
        In [0, 1]: the probability of each of two more things.
    """
    layout = Layout.blank(N_FRAMES)
    n = 2 + rng.binomial(2, difficulty)
    colours = rng.permutation(len(COLOURS))[:n]
    starts = rng.integers(0, N_FRAMES, n)
    starts[:2] = np.sort(rng.choice(N_FRAMES, 2, replace=False))
    if answer == 1:
        starts[:2] = starts[1::-1]
    for frame in range(N_FRAMES):
        seen = starts <= frame
        scatter(rng, layout, frame, rng.choice(_CELLS, seen.sum(), replace=False), colours[seen] + 1)
    names = [COLOURS[k] for k in colours]
    probes = [(f"start {name}", ORDINALS[start]) for name, start in zip(names, starts, strict=True)]
    earlier, later = (names[0], names[1]) if answer == 0 else (names[1], names[0])
    probes += [(f"before {earlier} {later}", "yes"), (f"before {later} {earlier}", "no")]
    listed = f"(A) {names[0]} (B) {names[1]}"
    probes += [(f"pick {names[0]} {listed}", "A"), (f"pick {names[1]} {listed}", "B")]
    question = "Which object appears first in the video?"
    return Scene(layout, question, (names[0], names[1]), "AB"[answer], tuple(probes))


def video_counting(rng: np.random.Generator, answer: int, difficulty: float) -> Scene:
    """Things that pass, each seen in one frame; how many of one colour in all?

    Parameters
    ----------
    rng
        Decides all that is drawn.
    answer
        One less than the right number, from 0 to `MOST_COUNTED` - 1.
    difficulty
        In [0, 1]: 1 to 2 + round(6 difficulty) things of other colours.
    """
    layout = Layout.blank(N_FRAMES)
    target = int(rng.integers(len(COLOURS)))
    n, others = answer + 1, int(rng.integers(1, 3 + round(6 * difficulty)))
    colours = (target + rng.integers(1, len(COLOURS), n + others)) % len(COLOURS) + 1
    colours[:n] = target + 1
    frames = rng.integers(N_FRAMES, size=n + others)
    for frame in range(N_FRAMES):
        here = frames == frame
        scatter(rng, layout, frame, rng.choice(_CELLS, here.sum(), replace=False), colours[here])
    counts = np.bincount(colours, minlength=len(COLOURS) + 1)
    probes = [
        (f"total {name}", str(counts[k + 1]))
        for k, name in enumerate(COLOURS)
        if 0 < counts[k + 1] <= MOST_COUNTED
    ]
    probes += [(f"total {COLOURS[target]}", str(n))]
    question = f"How many {COLOURS[target]} objects pass in the video?"
    return Scene(layout, question, (), str(n), tuple(probes))
