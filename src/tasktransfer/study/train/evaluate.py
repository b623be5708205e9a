"""What a model answers to the items of one target, as rows of the predictions table."""

from __future__ import annotations

import string
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasktransfer.models.answering import generate, option_likelihoods
from tasktransfer.models.budget import halved_once
from tasktransfer.tasks.answers.grade import mark_answer

if TYPE_CHECKING:
    from tasktransfer.models.prompts import Prompt
    from tasktransfer.models.vlm import Vlm

__all__ = ["LIKELIHOOD_DIGITS", "evaluate", "likeliest_letters"]

LIKELIHOOD_DIGITS = 4  # what batching cannot change


def evaluate(
    vlm: Vlm,
    prompts: Sequence[Prompt],
    scorer: str,
    *,
    max_new_tokens: int = 8,
    rotations: bool = False,
    tokens: int = 16384,
) -> list[dict[str, Any]]:
    """Ask a model; one row a prompt, with the columns of the predictions table that depend on the answer.

    Parameters
    ----------
    vlm
        The model, with or without an adapter.
    prompts
        Items of one target.
    scorer
        ``likelihood``: the likeliest option letter in one forward pass; ``generation``: what is written, read by
        `tasktransfer.tasks.answers.grade.mark_answer`.
    max_new_tokens
        Length of a written answer.
    rotations
        The likelihood of an option is the mean over all cyclic orders of the options.
    tokens
        At most so many at once; halved once where the memory does not suffice. Changes no answer.
    """
    if scorer == "likelihood":
        logps = halved_once(
            lambda n: option_likelihoods(vlm, prompts, tokens=n, rotations=rotations), tokens, say=_say
        )
        return [_likelihood_row(prompt, logp_K) for prompt, logp_K in zip(prompts, logps, strict=True)]
    replies = halved_once(
        lambda n: generate(vlm, prompts, max_new_tokens=max_new_tokens, tokens=n), tokens, say=_say
    )
    return [_generation_row(prompt, reply) for prompt, reply in zip(prompts, replies, strict=True)]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def likeliest_letters(vlm: Vlm, prompts: Sequence[Prompt]) -> list[str]:
    """The option letter that a model would answer, per prompt."""
    return [_letter(logp_K) for logp_K in option_likelihoods(vlm, prompts)]


def _letter(logp_K: np.ndarray) -> str:
    return string.ascii_uppercase[int(np.argmax(logp_K))]


def _likelihood_row(prompt: Prompt, logp_K: np.ndarray) -> dict[str, Any]:
    predicted = _letter(logp_K)
    return {
        "item": prompt.item,
        "answer": prompt.answer,
        "predicted": predicted,
        "correct": predicted == prompt.answer,
        "score": float(predicted == prompt.answer),
        "option_loglikelihoods": [round(float(value), LIKELIHOOD_DIGITS) for value in logp_K],
        "reply": None,
        "parse_ok": True,
    }


def _generation_row(prompt: Prompt, reply: str) -> dict[str, Any]:
    letters = string.ascii_uppercase[: len(prompt.option_ids_K)]
    mark = mark_answer(reply, prompt.answer, letters, prompt.scorer)
    return {
        "item": prompt.item,
        "answer": prompt.answer,
        "predicted": mark.predicted,
        "correct": mark.correct,
        "score": mark.score,
        "option_loglikelihoods": None,
        "reply": reply,
        "parse_ok": mark.predicted is not None,
    }
