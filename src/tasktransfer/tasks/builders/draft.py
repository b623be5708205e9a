"""An item before its right option has a letter, and what makes such items."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from tasktransfer.tasks.builders.source import Source

__all__ = ["ORDINALS", "Builder", "Draft", "Rendered", "ordinal_draft", "placed"]

T = TypeVar("T")
ORDINALS = ("the first image", "the second image", "the third image", "the fourth image")


class Rendered(NamedTuple):
    """Pictures and option texts of an item."""

    images: tuple[Image.Image, ...]
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Draft:
    """An item whose right option can still be put at several places.

    The builder decides what is asked, the writer where the right option goes: so letters are balanced in one
    place, also after items were removed. Pictures are made only once the place is known.

    Parameters
    ----------
    key
        What it was made from; unique within a build.
    files
        Source files whose pictures are shown.
    question
        Without the options.
    places
        Where the right option may go, counted from 0: all of them where the order is free, one where the
        source fixes the answer (yes and no).
    render
        Place of the right option -> pictures and option texts.
    kin
        Source files of the same scene that are not shown: one of them among the evaluation images removes the
        item, too.
    """

    key: str
    files: tuple[str, ...]
    question: str
    places: tuple[int, ...]
    render: Callable[[int], Rendered]
    kin: tuple[str, ...] = ()


@dataclass(frozen=True)
class Builder:
    """One recipe; the module that defines it says what is read and what differs from BLINK's own making."""

    draft: Callable[[Source, np.random.Generator], Iterator[Draft]]
    n_choices: int
    n_images: int
    source: str
    licence: str
    layout: str
    version: int = 1

    @property
    def place(self) -> str:
        """A word for the folder of the source in a command: ``COCO_2017_DIR``."""
        name = re.split(r",| with | or ", self.source)[0]
        return re.sub(r"\W+", "_", name).upper() + "_DIR"


def placed(right: T, wrong: tuple[T, ...], place: int) -> tuple[T, ...]:
    """The options in order, the right one at `place`.

    Parameters
    ----------
    right
        The right option.
    wrong
        The others, in order.
    place
        In 0 to the number of wrong options.

    Examples
    --------
    >>> placed("r", ("x", "y", "z"), 2)
    ('x', 'y', 'r', 'z')
    """
    return (*wrong[:place], right, *wrong[place:])


def ordinal_draft(
    source: Source,
    key: str,
    question: str,
    *,
    shown: tuple[str, ...],
    right: str,
    wrong: tuple[str, ...],
    prepare: Callable[[Image.Image], Image.Image] = lambda image: image,
) -> Draft:
    """A question about which of several whole pictures.

    Parameters
    ----------
    source
        The folder that the pictures are read from.
    key
        What the item was made from; unique within a build.
    question
        Without the options.
    shown
        Pictures before the options, by their names in the source.
    right
        The picture that is the right option.
    wrong
        The pictures that are the other options.
    prepare
        Applied to every picture; as it is by default.

    Returns
    -------
    Draft
        Its options are ``the second image`` and so on; the right one may stand at any place.
    """
    names = ORDINALS[len(shown) : len(shown) + 1 + len(wrong)]

    def render(place: int) -> Rendered:
        order = (*shown, *placed(right, wrong, place))
        return Rendered(tuple(prepare(source.image(name)) for name in order), names)

    return Draft(key, (*shown, right, *wrong), question, tuple(range(len(names))), render)
