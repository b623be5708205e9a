"""What is known of a task before any model has seen it.

All fractions are in [0, 1]. A task that is not in a registry is still a task: facts that are not known
are ``None`` and whatever needs them (human ceiling, chance, constant answers) says that it was left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["GRANULARITIES", "LEVELS", "Task", "folded"]

LEVELS = ("low", "mid", "high")
GRANULARITIES = ("pixel", "crop", "image")


@dataclass(frozen=True)
class Task:
    """Facts of one task.

    Parameters
    ----------
    name
        Canonical name.
    abbreviation
        Two or three letters for figures.
    level
        Perceptual level, one of `LEVELS`.
    granularity
        Where the answer lies in the picture, one of `GRANULARITIES`.
    n_items
        Items of the evaluation split; None where as many as one likes can be drawn.
    n_choices
        Options of each item; None where the answer is a number.
    human
        Human accuracy, the ``human`` ceiling; None where it was not measured.
    letter_counts
        How often each letter is the right answer; sums to `n_items`.
    label_version
        Which release of the answers `letter_counts` describes.
    n_images
        Images of each item; None where it varies or is not known.
    n_hidden
        Items of a split whose answers were never released.
    """

    name: str
    abbreviation: str
    level: str
    granularity: str
    n_items: int | None
    n_choices: int | None
    human: float | None
    letter_counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    label_version: str = ""
    n_images: int | None = None
    n_hidden: int | None = None

    @property
    def chance(self) -> float:
        """Expected accuracy of a uniform guess; 0 where there is nothing to choose from."""
        return 1 / self.n_choices if self.n_choices else 0.0

    @property
    def majority(self) -> float | None:
        """Accuracy of always giving the most frequent letter; None where the letters are not known."""
        return max(self.letter_counts.values()) / sum(self.letter_counts.values()) if self.letter_counts else None


def folded(name: str) -> str:
    """A name without regard to case, spaces and dashes; for look-up, never for output.

    >>> folded("Multi-view_Reasoning")
    'multi_view_reasoning'
    """
    return re.sub(r"[-_ ]+", "_", name.lower())
