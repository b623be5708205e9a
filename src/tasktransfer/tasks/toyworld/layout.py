"""What a drawn picture says before it is drawn: one word a cell in each channel.

A picture is 64 x 64 pixels of 4 x 4 cells. A `Layout` holds, for every channel, picture and cell, the index of
a word of `CHANNELS`; index 0 is "nothing". The renderer turns it into pixels, and it is the truth from which
questions are answered. Which split a scene belongs to is read from a digest of its layout and question, so a
scene can never be drawn for two splits, whatever the seeds.

Shapes: `I` pictures of one item, `R` rows, `C` columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELL", "CHANNELS", "COLOURS", "GRID", "ORDINALS", "POINTS", "SIDE", "Layout", "Scene", "word_index"]

GRID, CELL = 4, 16
SIDE = GRID * CELL
POINTS = ("A", "B", "C", "D", "REF")
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
ORDINALS = ("first", "second", "third", "fourth")
SHAPES = ("disc", "square", "triangle", "cross")
PARTS = ("head", "tail", "leg", "wing")
USES = ("hold", "cut", "hit", "pour")
STYLES = ("hatched", "dotted", "striped", "blocky")

CHANNELS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "mark": ("unmarked", *POINTS),
        "colour": ("grey", *COLOURS),
        "shape": ("empty", "patch", "hole", *SHAPES, *PARTS, *USES),
        "depth": ("flat", "near", "close", "distant", "far"),
        "albedo": ("unlit", "black", "dark", "light", "white"),
        "style": ("plain", *STYLES),
        "edit": ("clean", "edited"),
        "box_a": ("outside_A", "inside_A"),
        "box_b": ("outside_B", "inside_B"),
    }
)
_CHANNEL = {name: i for i, name in enumerate(CHANNELS)}
_WORD = {(channel, word): i for channel, words in CHANNELS.items() for i, word in enumerate(words)}


def word_index(channel: str, word: str) -> int:
    """Index of a word within its channel."""
    return _WORD[channel, word]


@dataclass
class Layout:
    """Words of all cells of all pictures of one item.

    Parameters
    ----------
    words
        int8, (channel, I, R, C), indices into `CHANNELS`.
    looks
        int8, (I, R, C): which of the two looks a used thing has; no word of a channel says so.
    relit
        Pictures that are drawn in another light.
    """

    words: NDArray[np.int8]
    looks: NDArray[np.int8]
    relit: tuple[int, ...] = ()

    @classmethod
    def blank(cls, n_images: int) -> Layout:
        """Nothing anywhere."""
        return cls(
            np.zeros((len(CHANNELS), n_images, GRID, GRID), np.int8), np.zeros((n_images, GRID, GRID), np.int8)
        )

    def __getitem__(self, channel: str) -> NDArray[np.int8]:
        """The (I, R, C) indices of one channel, writable."""
        grid: NDArray[np.int8] = self.words[_CHANNEL[channel]]
        return grid

    @property
    def n_images(self) -> int:
        """Pictures of the item."""
        return int(self.words.shape[1])


@dataclass(frozen=True)
class Scene:
    """A layout, the question about it, and short probes of what is in it.

    Parameters
    ----------
    layout
        What the pictures show.
    question, choices, answer
        As in `tasktransfer.tasks.item.Item`.
    probes
        (short question, one-word answer) pairs about the same pictures: the embedded model is pretrained on them.
    """

    layout: Layout
    question: str
    choices: tuple[str, ...]
    answer: str
    probes: tuple[tuple[str, str], ...] = field(default=())

    def digest(self) -> bytes:
        """Identity of the scene: its layout and its question, without light, jitter and noise."""
        text = "|".join((self.question, *self.choices)).encode()
        return blake2b(self.layout.words.tobytes() + self.layout.looks.tobytes() + text, digest_size=12).digest()
