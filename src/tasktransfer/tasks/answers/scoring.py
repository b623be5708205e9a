"""What a written answer without options is worth, by the word that its item names.

=============== =============================================================================================
exact           1 where the reply is the answer, white space at its ends aside
text            1 where both are the same words: case, articles, punctuation, forms of a sign and number words do
                not count, nor does "the answer is" before them; of ``yes`` and ``no`` the first word decides;
                ``red | crimson`` accepts either
number          1 where the first number of the reply equals the answer; ``number:0.05`` allows 5 % of the answer
mra             mean relative accuracy as the reference code of VSI-Bench computes it
mra-strict      the same as its paper prints it: strictly smaller, in exact arithmetic
module:function ``function(reply, answer) -> float`` in [0, 1], of one's own
=============== =============================================================================================

A number is taken from digits, else from number words up to ninety-nine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache, partial

from tasktransfer.errors import InputError, closest
from tasktransfer.tasks.answers.normal_text import NUMBER, find_number, normal_text
from tasktransfer.tasks.own.function import find_function, is_function

__all__ = [
    "SCORERS",
    "Score",
    "accepted_answers",
    "answer_fault",
    "find_scorer",
    "mean_relative_accuracy",
    "wants_number",
]

Score = Callable[[str, str], float]

_STRICT = [Fraction(k, 20) for k in range(1, 11)]  # 1 - theta; in floats 1 - 0.95 is not 0.05
# of a text in normal form, which has no articles and no apostrophes
_LEAD_IN = re.compile(
    r"(?:so )?(?:(?:(?:my|final|correct) )*answer(?: is| would be)?|it is|its|there (?:is|are)) "
)


def score_exact(reply: str, answer: str) -> float:
    """1 where the reply is the answer, sign by sign.

    >>> score_exact(" left\\n", "left"), score_exact("Left", "left")
    (1.0, 0.0)
    """
    return float(reply.strip() == answer.strip())


def score_text(reply: str, answer: str) -> float:
    """1 where the reply is one of the accepted texts, in normal form.

    >>> score_text("The answer is: two Red cars.", "2 red cars | 2 cars"), score_text("not red", "red")
    (1.0, 0.0)
    >>> score_text("Yes, it is left of the other.", "yes"), score_text("No", "yes")
    (1.0, 0.0)
    """
    words = normal_text(reply)
    accepted = {normal_text(text) for text in accepted_answers(answer, "text")}
    if accepted <= {"yes", "no"} and words.split(" ")[0] in {"yes", "no"}:
        return float(words.split(" ")[0] in accepted)
    return float(words in accepted or _LEAD_IN.sub("", words, count=1) in accepted)


def score_number(reply: str, answer: str, tolerance: Fraction = Fraction(0)) -> float:
    """1 where the first number of the reply lies within `tolerance`, a share of the answer.

    >>> score_number("There are three.", "3"), score_number("1.05", "1")
    (1.0, 0.0)
    >>> score_number("1.05", "1", Fraction("0.05"))
    1.0
    """
    number, truth = find_number(reply), Fraction(_number(answer))
    return float(number is not None and abs(Fraction(number) - truth) <= tolerance * abs(truth))


def score_mra(reply: str, answer: str, *, strict: bool = False) -> float:
    """Mean relative accuracy of the first number; 0 where there is none.

    >>> score_mra("about 8 m", "10"), score_mra("9.5", "10"), score_mra("9.5", "10", strict=True)
    (0.6, 1.0, 0.9)
    """
    number, truth = find_number(reply), _number(answer)
    if number is None:
        return 0.0
    return _strict_accuracy(number, truth) if strict else mean_relative_accuracy(float(number), float(truth))


def _number(answer: str) -> str:
    """A right answer that must be a number."""
    number = find_number(answer)
    if number is None:
        raise InputError(f"answer {answer!r} is no number, as its scorer needs")
    return number


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
    import numpy as np

    allowed = 1 - np.linspace(0.5, 0.95, 10)  # the floats of the reference code, which decide at the boundaries
    return float(np.mean(error <= allowed))


def _strict_accuracy(predicted: str, answer: str) -> float:
    """The same with < for <=, in fractions of whole numbers."""
    value, truth = Fraction(predicted), Fraction(answer)
    if truth == 0:
        return float(value == 0)
    error = abs(value - truth) / abs(truth)
    return sum(error < allowed for allowed in _STRICT) / len(_STRICT)


SCORERS: dict[str, Score] = {
    "exact": score_exact,
    "text": score_text,
    "number": score_number,
    "mra": score_mra,
    "mra-strict": partial(score_mra, strict=True),
}


@lru_cache(maxsize=256)
def find_scorer(word: str) -> Score:
    """The function that a word names.

    Raises
    ------
    InputError
        There is no such scorer, its tolerance is no share, or its function cannot be imported.
    """
    if word in SCORERS:
        return SCORERS[word]
    kind, _, rest = word.partition(":")
    if kind == "number":
        return partial(score_number, tolerance=_tolerance(word, rest))
    if is_function(word):
        return partial(_own_score, word, _resolved(word))
    accepted = f"{', '.join(SCORERS)}, number:TOLERANCE and module:function"
    raise InputError(f"unknown scorer {word!r}{closest(word, SCORERS)}; accepted are {accepted}")


def _tolerance(word: str, share: str) -> Fraction:
    if not re.fullmatch(r"\d+(\.\d+)?|\.\d+", share, re.ASCII):
        raise InputError(f"scorer {word!r}: {share!r} is no tolerance; 0.05 allows 5 % of the answer")
    return Fraction(share)


def _resolved(name: str) -> Score:
    function = find_function(name, f"scorer {name!r}")
    if not callable(function):
        raise InputError(f"scorer {name!r} is no function but a {type(function).__name__}")
    score: Score = function
    return score


def _own_score(name: str, function: Score, reply: str, answer: str) -> float:
    """One's own score, checked: a value outside [0, 1] would pass for transfer."""
    try:
        score = float(function(reply, answer))
    except Exception as error:
        raise InputError(f"scorer {name!r} failed on reply {reply!r}, answer {answer!r}: {error}") from error
    if not 0 <= score <= 1:
        raise InputError(f"scorer {name!r} gave {score} for reply {reply!r}; accepted are numbers in [0, 1]")
    return score


def wants_number(word: str) -> bool:
    """Whether a scorer reads a number."""
    return word.partition(":")[0] in {"number", "mra", "mra-strict"}


def accepted_answers(answer: str, word: str) -> tuple[str, ...]:
    """The answers that count as right, the one to be learned first.

    >>> accepted_answers("red | crimson", "text"), accepted_answers("a | b", "exact")
    (('red', 'crimson'), ('a | b',))
    """
    return tuple(text.strip() for text in answer.split("|")) if word == "text" else (answer,)


def answer_fault(answer: str, word: str) -> str | None:
    """What is wrong with an answer for its scorer, or None."""
    if wants_number(word) and not NUMBER.fullmatch(answer):
        return f"{answer!r} is no number, as scorer {word!r} needs"
    if word == "text" and not all(map(normal_text, accepted_answers(answer, word))):
        return f"{answer!r} holds an answer without a word; scorer 'text' takes 'red' or 'red | crimson'"
    return None
