"""What a task holds, and what is wrong with it, before anything is trained on it.

Every image is decoded once. Wrong are images that cannot be used, items that stand there twice, test images among
the training images, and right answers that stand at one letter too often for chance (chi-squared, p below 0.001).

Test images that look like training images by a perceptual hash are listed, and are a fault of a benchmark's
training folder. Elsewhere they need not be: drawn pictures look alike without being the same.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasktransfer.errors import InputError
from tasktransfer.tasks.item import Item
from tasktransfer.tasks.open_task import Supply
from tasktransfer.tasks.own.folder import SPLITS

__all__ = ["Leak", "SplitLook", "TaskLook", "find_same_pixels", "inspect_task"]

DRAWN = 64  # items of a task that can give any number
UNBALANCED = 0.001
_TOLD = 8


@dataclass
class SplitLook:
    """What was seen of one split."""

    split: str
    n_items: int = 0
    options: Counter[int] = field(default_factory=Counter)  # number of options -> items
    letters: dict[int, Counter[str]] = field(default_factory=dict)  # number of options -> right letters
    images: Counter[int] = field(default_factory=Counter)  # number of images -> items
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    pixels: dict[str, list[str]] = field(default_factory=dict)  # digest of an image -> items
    hashed: list[tuple[str, Any]] = field(default_factory=list)  # item, perceptual hash of one of its images
    seen: dict[str, list[Item]] = field(
        default_factory=dict
    )  # digest of question and images -> items, without images

    @property
    def repeated(self) -> list[list[Item]]:
        """Items with the same question, options and images."""
        return [items for items in self.seen.values() if len(items) > 1]

    def balance(self, n_options: int) -> tuple[float, float, float]:
        """Share of the most frequent letter, chance, and the p value of a balance by chance."""
        from scipy.stats import chisquare

        counts = [self.letters[n_options][letter] for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:n_options]]
        return max(counts) / sum(counts), 1 / n_options, float(chisquare(counts).pvalue)


@dataclass(frozen=True)
class Leak:
    """An image of a test item that is an image of a training item, too, or looks like one."""

    test: str
    train: str


@dataclass(frozen=True)
class TaskLook:
    """What was seen of a task."""

    name: str
    splits: tuple[SplitLook, ...]
    leaks: tuple[Leak, ...]  # the same pixels
    alike: tuple[Leak, ...]  # near by a perceptual hash
    alike_is_fault: bool
    notes: tuple[str, ...]
    absent: Mapping[str, str]  # split -> why it could not be looked at
    lacking: tuple[str, ...] = ()  # those of the absent that should be there

    @property
    def faults(self) -> list[str]:
        """What is wrong, in sentences; empty where nothing is."""
        return list(self._faults())

    def _faults(self) -> Iterator[str]:
        yield from dict.fromkeys(self.absent[split] for split in (self.lacking if self.splits else self.absent))
        for look in self.splits:
            yield from dict.fromkeys(look.broken)  # a video is part of many items
            yield from _repeat_faults(look)
            yield from _balance_faults(look)
        if self.leaks:
            yield f"{len(self.leaks)} images of test items are images of training items: {_pairs(self.leaks)}"
        if self.alike and self.alike_is_fault:
            yield f"{len(self.alike)} pairs of test and training items look alike: {_pairs(self.alike)}"


def _pairs(leaks: Sequence[Leak]) -> str:
    more = f" and {len(leaks) - _TOLD} more" if len(leaks) > _TOLD else ""
    return ", ".join(f"{leak.test} = {leak.train}" for leak in leaks[:_TOLD]) + more


def inspect_task(supply: Supply, *, limit: int | None = None) -> TaskLook:
    """Look at every item of a task.

    Parameters
    ----------
    supply
        The task.
    limit
        Items a split at most; None looks at all, and at `DRAWN` of a task that can give any number.

    Raises
    ------
    InputError
        The task cannot be read at all; what is wrong with single images is in the result.
    """
    looks, absent = [], {}
    for split in SPLITS:
        try:
            there = supply.available(split)
            n_items = min(n for n in (there if there is not None else limit or DRAWN, limit) if n is not None)
            items = supply.draw(split, n_items) if n_items else []
        except InputError as error:
            absent[split] = str(error)
        else:
            if items:
                looks.append(_look(split, items))
            else:
                absent[split] = f"{supply.name}: has no items of split {split!r}"
    leaks: list[Leak] = []
    alike: list[Leak] = []
    if len(looks) == len(SPLITS):
        train, test = looks
        leaks = find_same_pixels(train.pixels, test.pixels)
        alike = [pair for pair in find_alike(train.hashed, test.hashed) if pair not in leaks]
    return TaskLook(
        supply.name,
        tuple(looks),
        tuple(leaks),
        tuple(alike),
        supply.is_benchmark,
        tuple(supply.tell()),
        absent,
        tuple(split for split in absent if supply.promised(split)),
    )


def find_same_pixels(train: Mapping[str, Sequence[str]], test: Mapping[str, Sequence[str]]) -> list[Leak]:
    """Images that are the same in both splits, pixel by pixel.

    Parameters
    ----------
    train, test
        Digest of an image -> the items that show it.
    """
    return [Leak(item, train[digest][0]) for digest, items in test.items() if digest in train for item in items]


def find_alike(train: Sequence[tuple[str, Any]], test: Sequence[tuple[str, Any]]) -> list[Leak]:
    """Pairs of items with images that look alike; see `tasktransfer.tasks.leaks`."""
    import numpy as np

    from tasktransfer.tasks.leaks import near

    if not train or not test:
        return []
    pairs = near(np.concatenate([row for _, row in train]), np.concatenate([row for _, row in test]))
    return list(dict.fromkeys(Leak(test[j][0], train[i][0]) for i, j, _ in pairs))


def _look(split: str, items: Sequence[Item]) -> SplitLook:
    look = SplitLook(split)
    for item in items:
        look.n_items += 1
        look.options[len(item.choices)] += 1
        if item.choices:
            look.letters.setdefault(len(item.choices), Counter())[item.answer] += 1
        whole = hashlib.sha256(repr((item.question, item.choices)).encode())
        for digest in _pixel_digests(item, look):
            whole.update(digest.encode())
            shown = look.pixels.setdefault(digest, [])
            if item.id not in shown:
                shown.append(item.id)
        key = whole.hexdigest()
        look.seen.setdefault(key, []).append(Item(item.id, (), item.question, item.choices, item.answer))
    return look


def _pixel_digests(item: Item, look: SplitLook) -> list[str]:
    """Digests of the images of an item; an image that cannot be decoded is reported once and counts as its own."""
    from tasktransfer.tasks.leaks import image_hashes

    digests = []
    try:
        look.images[len(item.images)] += 1
        places = range(len(item.images))
    except InputError as error:  # a video that cannot be decoded has no known number of frames
        look.broken.append(str(error))
        return [f"broken {item.id}"]
    for place in places:
        try:
            image = item.images[place]
        except InputError as error:
            look.broken.append(str(error))
            digests.append(f"broken {item.id} {place}")
        else:
            look.sizes[image.size] += 1
            if not item.is_video:  # frames of one room look alike
                look.hashed.append((item.id, image_hashes([image])))
            digests.append(hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest())
    return digests


def _repeat_faults(look: SplitLook) -> Iterator[str]:
    for items in look.repeated[:_TOLD]:
        ids = ", ".join(item.id for item in items)
        differing = len({item.answer for item in items}) > 1
        yield f"{look.split}: items {ids} are the same{', with different answers' if differing else ''}"
    if len(look.repeated) > _TOLD:
        yield f"{look.split}: {len(look.repeated) - _TOLD} more items stand there twice or oftener"


def _balance_faults(look: SplitLook) -> Iterator[str]:
    for n_options in look.letters:
        share, chance, p_value = look.balance(n_options)
        if p_value < UNBALANCED:
            yield (
                f"{look.split}: of the items with {n_options} options {share:.1%} have the same right letter; "
                f"chance is {chance:.1%} (p = {p_value:.1g}). A model that learns the letter scores as high"
            )
