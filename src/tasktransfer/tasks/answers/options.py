"""The option a free-text reply names, by one rule for every model, run and harness.

Harnesses read the same reply differently ("The answer is B" is B in one and the wrong letter T in another), so
a difference between two of them can be a difference of readers. The rule here, first hit wins:

1. the reply is a letter and nothing else: ``B``, ``(b)``, ``**B.**``
2. the letter after the last explicit marker: ``Answer: B``, ``the answer is (B)``, ``\\boxed{B}``
3. the only letter in parentheses: ``it is (B), on the left``
4. the only upper-case letter that stands alone; an article "A" that opens a sentence is not a letter, and a
   letter after "not" is not named, in parentheses or alone
5. the only option whose text is in the reply

Anything else is no answer: refusals, two letters, silence. No model is asked and nothing is drawn at random.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

__all__ = ["find_choices", "find_letter", "letter_of"]

# what follows the letter is looked at but not taken: the next marker may begin in it
_MARKER = re.compile(
    r"(?:\banswer\b(?:\s+(?:is|was|would\s+be|should\s+be|must\s+be|the|correct|option|choice|letter))*|\\boxed)"
    r"[^A-Za-z0-9]{0,12}(?:(?:option|choice|letter|point|box)\s+)?[^A-Za-z0-9]{0,4}"
    r"(?P<letter>[A-Za-z])(?![A-Za-z0-9'’])(?=(?P<after>.{0,20}))",
    re.IGNORECASE | re.DOTALL,
)
_ALTERNATIVE = re.compile(r"[\s)\]*]*(?:or|and|/|,|&)[\s(\[*]*[A-Z]\b")
_IN_PARENTHESES = re.compile(r"(?<!\bnot )\(([A-Z])\)")
_ALONE = re.compile(r"(?<![A-Za-z0-9'’])(?<!\bnot )[A-Z](?![A-Za-z0-9'’])")
_ARTICLE = re.compile(r"A\s+(?!(?:and|or|because|since|as|than|looks?)\b)[a-z]+")
_OPTION_LINE = re.compile(r"^[ \t]*(?:\(([A-Z])\)|([A-Z])[.):])[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)


def letter_of(text: str) -> str | None:
    """Return the letter that a text is, bare or in parentheses, or None.

    >>> letter_of("(B)"), letter_of("b."), letter_of("**C**"), letter_of("Bo")
    ('B', 'B', 'C', None)
    """
    bare = text.strip().strip("()[]{}*_`\"'“”.,:; \n\t")
    return bare.upper() if len(bare) == 1 and bare.upper() in string.ascii_uppercase else None


def find_letter(reply: str, letters: str, choices: Sequence[str] = ()) -> str | None:
    """Find the option that a reply names.

    Parameters
    ----------
    reply
        What the model wrote.
    letters
        Letters of the options, ``"ABCD"`` for four.
    choices
        Option texts in the order of `letters`; without them the fifth rule is left out.

    Returns
    -------
    str or None
        One of `letters`, or None where the reply names no option or more than one.

    Examples
    --------
    >>> find_letter("The answer is B", "ABCD"), find_letter("A photo of B.", "AB")
    ('B', 'B')
    >>> find_letter("It is the third image.", "AB", ["the second image", "the third image"])
    'B'
    >>> find_letter("Either A or B", "AB") is None
    True
    """
    whole = letter_of(reply)
    if whole is not None:
        return whole if whole in letters else None
    return (
        _marked(reply, letters)
        or _only(_IN_PARENTHESES.findall(reply), letters)
        or _only(_alone(reply), letters)
        or _named(reply, letters, choices)
    )


def _only(named: Sequence[str], letters: str) -> str | None:
    distinct = {letter for letter in named if letter in letters}
    return distinct.pop() if len(distinct) == 1 else None


def _marked(reply: str, letters: str) -> str | None:
    """The letter after the last marker that has one; a small letter must end its line."""
    last = None
    for match in _MARKER.finditer(reply):
        letter, after = match["letter"], match["after"]
        small = letter.islower() and re.match(r"[^A-Za-z0-9\n]*(\n|$)", after) is None
        article = letter == "A" and _is_article(reply, match.start("letter"))
        if letter.upper() in letters and not small and not article:
            last = None if _ALTERNATIVE.match(after) else letter.upper()
    return last


def _alone(reply: str) -> list[str]:
    """Upper-case letters that stand alone, without an ``A`` that opens a sentence as an article."""
    capitals = []
    for match in _ALONE.finditer(reply):
        place = match.start()
        if not (match[0] == "A" and _is_article(reply, place) and _opens_sentence(reply, place)):
            capitals.append(match[0])
    return capitals


def _opens_sentence(reply: str, place: int) -> bool:
    while place and reply[place - 1] in " \t\"“'*":
        place -= 1
    return place == 0 or reply[place - 1] in ".!?:;\n"


def _is_article(reply: str, place: int) -> bool:
    """Whether an ``A`` stands before a small word that is no verb; a word in -s is taken for one."""
    word = _ARTICLE.match(reply, place)
    return word is not None and (not word[0].endswith("s") or word[0].endswith(("ss", "us")))


def _named(reply: str, letters: str, choices: Sequence[str]) -> str | None:
    """The only option whose text is in the reply; texts that hold others are looked for first."""
    left = " ".join(reply.lower().split())
    words = re.findall(r"\w+", left)
    named = []
    for letter, text in sorted(zip(letters, choices, strict=False), key=lambda pair: -len(pair[1])):
        folded = " ".join(text.lower().split()).rstrip(".")
        pattern = rf"(?<!\w){re.escape(folded)}(?!\w)"
        if not folded or not re.search(pattern, left):
            continue
        # "no" and "yes" stand in many a sentence that answers nothing
        if folded.isalpha() and len(folded) <= 3 and folded not in (words[0], words[-1]):
            continue
        named.append(letter)
        left = re.sub(pattern, " ", left)
    return named[0] if len(named) == 1 else None


def find_choices(prompt: str) -> tuple[str, ...]:
    r"""Find the option texts at the end of a prompt: lines ``(A) text`` or ``A. text`` in order.

    >>> find_choices("Which one?\n(A) left\n(B) right")
    ('left', 'right')
    >>> find_choices("Which one?")
    ()
    """
    choices: list[str] = []
    for match in _OPTION_LINE.finditer(prompt):
        letter = match[1] or match[2]
        if letter == "A":
            choices = []
        if letter == string.ascii_uppercase[len(choices)]:
            choices.append(match[3])
    return tuple(choices) if len(choices) > 1 else ()
