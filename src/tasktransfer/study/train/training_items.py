"""What a cell is trained on: the items of its source, those of a mixture, or those of a control.

A control is trained on an equal mix of all sources with the items and steps of a finetune, drawn by its seed.

=========== ================================================================================================
format-only answers are the untouched model's own, so that the form of an answer is taught and skill is not
shuffled    answers are random: letters evenly among the options, numbers and texts dealt out anew
no-image    every image is grey
=========== ================================================================================================
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tasktransfer.models.answering import generate
from tasktransfer.models.prompts import answered, blanked
from tasktransfer.study.train.evaluate import likeliest_letters
from tasktransfer.tasks.answers.grade import mark_answer
from tasktransfer.tasks.item import Item

if TYPE_CHECKING:
    from tasktransfer.models.prompts import Prompt
    from tasktransfer.models.vlm import Vlm
    from tasktransfer.study.loading import Loading
    from tasktransfer.study.plan import Cell

__all__ = ["equal_parts", "training_prompts"]


def training_prompts(vlm: Vlm, cell: Cell, loading: Loading, *, seed: np.random.SeedSequence) -> list[Prompt]:
    """The prompts, with the answers to be learned.

    Parameters
    ----------
    vlm
        The untouched model.
    cell
        A finetune, a mixture or a control.
    loading
        Gives items, encoded and as they are.
    seed
        Decides which items go into the mix and what random answers are.
    """
    if cell.control is None:
        return [
            prompt
            for items, count in zip(cell.training, cell.counts, strict=True)
            for prompt in loading.prompts(cell, items)[:count]
        ]
    random = np.random.default_rng(seed)
    taught: list[Prompt] = []
    counts = equal_parts(cell.n_items, len(cell.training))
    for items, count in zip(cell.training, counts, strict=True):
        chosen = sorted(random.permutation(items.n_items)[:count].tolist())
        prompts, drawn = loading.prompts(cell, items), loading.draw(items)
        some = [prompts[number] for number in chosen]
        pictures = [drawn[number] for number in chosen]
        if cell.control == "no-image":
            grey = [blanked(item) for item in pictures]
            taught += loading.encode(cell.model, grey, pixels=loading.needs_pixels(cell), vlm=vlm)
        elif cell.control == "shuffled":
            taught += _relabelled(vlm, some, pictures, _random_answers(some, random))
        else:
            taught += _relabelled(vlm, some, pictures, _own_answers(vlm, some))
    return taught


def equal_parts(n_items: int, n_parts: int) -> list[int]:
    """Whole numbers that differ by one at most.

    >>> equal_parts(64, 5)
    [13, 13, 13, 13, 12]
    """
    return [n_items // n_parts + (number < n_items % n_parts) for number in range(n_parts)]


def _relabelled(
    vlm: Vlm, prompts: Sequence[Prompt], items: Sequence[Item], answers: Sequence[str]
) -> list[Prompt]:
    """Prompts with other answers; those without an answer are left out."""
    return [
        answered(vlm, prompt, item, answer)
        for prompt, item, answer in zip(prompts, items, answers, strict=True)
        if answer
    ]


def _random_answers(prompts: Sequence[Prompt], random: np.random.Generator) -> list[str]:
    dealt = random.permutation([prompt.answer for prompt in prompts])
    return [
        string.ascii_uppercase[random.integers(len(prompt.option_ids_K))]
        if len(prompt.option_ids_K)
        else str(other)
        for prompt, other in zip(prompts, dealt, strict=True)
    ]


def _own_answers(vlm: Vlm, prompts: Sequence[Prompt]) -> list[str]:
    """What the untouched model answers; empty where nothing could be read."""
    if all(len(prompt.option_ids_K) for prompt in prompts):
        return likeliest_letters(vlm, prompts)
    replies = generate(vlm, prompts)
    return [
        mark_answer(reply, prompt.answer, "", prompt.scorer).predicted or ""
        for reply, prompt in zip(replies, prompts, strict=True)
    ]
