"""What a written answer says, and what it is worth."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from tasktransfer.tasks.answers import find_letter

__all__ = ["Mark", "mark_answer", "mean_relative_accuracy"]

_ALLOWED = 1 - np.linspace(0.5, 0.95, 10)  # the floats of the reference code, which decide at the boundaries
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?", re.ASCII)


class Mark(NamedTuple):
    """An answer as understood, and its worth."""

    predicted: str | None  # letter, number or text; None where nothing could be read
    correct: bool
    score: float  # in [0, 1]


def mark_answer(text: str, answer: str, letters: str) -> Mark:
    """Read a written answer and score it.

    With options the letter is that of `tasktransfer.tasks.answers.find_letter`. A numeric answer takes the first
    number and is scored by `mean_relative_accuracy`; ``correct`` then means equal. Any other answer must match
    as text.

    >>> mark_answer("(B).", "B", "ABCD")
    Mark(predicted='B', correct=True, score=1.0)
    >>> mark_answer("about 9", "10", "")
    Mark(predicted='9', correct=False, score=0.9)
    >>> mark_answer("no idea", "A", "AB").predicted is None
    True
    """
    if letters:
        predicted = find_letter(text, letters)
        return Mark(predicted, predicted == answer, float(predicted == answer))
    if _NUMBER.fullmatch(answer):
        number = _NUMBER.search(text)
        if number is None:
            return Mark(None, False, 0.0)
        told, truth = float(number.group()), float(answer)
        return Mark(number.group(), told == truth, mean_relative_accuracy(told, truth))
    words = " ".join(text.split())
    correct = words.casefold() == " ".join(answer.split()).casefold()
    return Mark(words or None, correct, float(correct))


def mean_relative_accuracy(predicted: float, answer: float) -> float:
    r"""Share of :math:`\theta` = .50, .55 ... .95 with :math:`|\hat y - y| / |y| \le 1 - \theta` [1]_.

    Computed as the reference code does, in floats: an error of 20 % scores 0.6, though exact arithmetic
    gives 0.7. An answer of 0 is right or wrong.

    >>> [mean_relative_accuracy(x, 10) for x in (10, 9.5, 9, 8, 5.5, 5, 4)]
    [1.0, 1.0, 0.9, 0.6, 0.1, 0.1, 0.0]

    References
    ----------
    .. [1] Yang et al., "Thinking in Space", CVPR 2025.
    """
    if answer == 0:
        return float(predicted == 0)
    error = abs(predicted - answer) / abs(answer)
    return float(np.mean(error <= _ALLOWED))
