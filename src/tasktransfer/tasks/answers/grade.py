"""What a written answer says, and what it is worth."""

from __future__ import annotations

import re
from typing import NamedTuple

from tasktransfer.tasks.answers.normal_text import find_number
from tasktransfer.tasks.answers.options import find_letter
from tasktransfer.tasks.answers.scoring import find_scorer, mean_relative_accuracy, wants_number

__all__ = ["Mark", "mark_answer", "mean_relative_accuracy"]

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?", re.ASCII)


class Mark(NamedTuple):
    """An answer as understood, and its worth."""

    predicted: str | None  # letter, number or text; None where nothing could be read
    correct: bool
    score: float  # in [0, 1]


def mark_answer(text: str, answer: str, letters: str, scorer: str = "") -> Mark:
    """Read a written answer and score it.

    With options the letter is that of `tasktransfer.tasks.answers.options.find_letter`. Without, `scorer` is a
    word of `tasktransfer.tasks.answers.scoring`; where it is empty, a numeric answer takes the first number in
    digits and is scored by `mean_relative_accuracy`, and any other must match as text. ``correct`` means a full
    score, and for relative accuracies that the numbers are equal.

    Parameters
    ----------
    text
        What the model wrote.
    answer
        The right answer: a letter where there are options, else a number or text.
    letters
        Letters of the options, ``"ABCD"`` for four; empty without options.
    scorer
        A word for items without options; not used with options.

    Returns
    -------
    Mark
        The answer as understood, whether it is right, and its score in [0, 1].

    Examples
    --------
    >>> mark_answer("(B).", "B", "ABCD")
    Mark(predicted='B', correct=True, score=1.0)
    >>> mark_answer("about 9", "10", "")
    Mark(predicted='9', correct=False, score=0.9)
    >>> mark_answer("There are nine.", "9", "", "number")
    Mark(predicted='9', correct=True, score=1.0)
    >>> mark_answer("no idea", "A", "AB").predicted is None
    True
    """
    if letters:
        predicted = find_letter(text, letters)
        return Mark(predicted, predicted == answer, float(predicted == answer))
    if scorer:
        return _scored(text, answer, scorer)
    if _NUMBER.fullmatch(answer):
        number = _NUMBER.search(text)
        if number is None:
            return Mark(None, False, 0.0)
        value, truth = float(number.group()), float(answer)
        return Mark(number.group(), value == truth, mean_relative_accuracy(value, truth))
    words = " ".join(text.split())
    correct = words.casefold() == " ".join(answer.split()).casefold()
    return Mark(words or None, correct, float(correct))


def _scored(text: str, answer: str, scorer: str) -> Mark:
    """The mark of a named scorer."""
    score = find_scorer(scorer)(text, answer)
    if not wants_number(scorer):
        return Mark(" ".join(text.split()) or None, score == 1, score)
    number = find_number(text)
    equal = number is not None and float(number) == float(find_number(answer) or "nan")  # NaN equals nothing
    return Mark(number, equal if scorer.startswith("mra") else score == 1, score)
