"""Free text in a normal form, so that what counts as the same answer is the same text."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["NUMBER", "find_number", "normal_text"]

# not within a word or a longer number (B2, 1.2.3); commas only where they part thousands
NUMBER = re.compile(r"(?<![A-Za-z_\d.])[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?", re.ASCII)
_UNITS = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_NUMBER_WORDS = re.compile(rf"\b({'|'.join(_TENS)})(?: ({'|'.join(_UNITS[1:10])}))?\b|\b({'|'.join(_UNITS)})\b")
_ARTICLES = {"a", "an", "the"}


def find_number(text: str) -> str | None:
    """The first number of a text, in digits; number words are looked for where there are no digits.

    >>> find_number("about 1,200 of them"), find_number("twenty-one, I think"), find_number("no idea")
    ('1200', '21', None)
    """
    plain = _plain(text)
    if match := NUMBER.search(plain):
        return match.group().replace(",", "")
    named = _NUMBER_WORDS.search(plain.casefold().replace("-", " "))
    return _digits(named) if named else None


def normal_text(text: str) -> str:
    """A text in normal form, words one space apart.

    >>> normal_text("The  Twenty-two cafés, on a ‘left’ side: 4.0 m!")
    '22 cafés on left side 4 m'
    """
    folded = re.sub(r"['’‘`]|(?<=\d),(?=\d{3}(?!\d))", "", _plain(text).casefold())
    spaced = "".join(map(_space_for_punctuation, re.split(r"((?<![\w.])-?\d+(?:\.\d+)?)", folded)))
    # after punctuation has gone, so that "twenty-two" is two words here
    counted = _NUMBER_WORDS.sub(_digits, " ".join(spaced.split()))
    words = [_shortest(word) if NUMBER.fullmatch(word) else word for word in counted.split()]
    return " ".join([word for word in words if word not in _ARTICLES] or words)


def _plain(text: str) -> str:
    """One form of each sign, one minus, and a zero before a bare decimal point."""
    return re.sub(r"(?<!\d)\.(?=\d)", "0.", unicodedata.normalize("NFKC", text).replace("\u2212", "-"))


def _space_for_punctuation(part: str) -> str:
    """Spaces for punctuation except in a number; symbols such as degrees and per cent stay."""
    if NUMBER.fullmatch(part):
        return part
    return "".join(" " if unicodedata.category(s)[0] == "P" and s not in "%&" else s for s in part)


def _digits(match: re.Match[str]) -> str:
    tens, unit, alone = match.groups()
    if alone:
        return str(_UNITS.index(alone))
    return str(10 * (_TENS.index(tens) + 2) + (_UNITS.index(unit) if unit else 0))


def _shortest(number: str) -> str:
    """Digits without what does not count.

    >>> _shortest("+04.50"), _shortest("-0.0"), _shortest("10")
    ('4.5', '0', '10')
    """
    text = re.sub(r"^([-+]?)0+(?=\d)", r"\1", number).removeprefix("+")
    text = text.rstrip("0").removesuffix(".") if "." in text else text
    return "0" if text == "-0" else text
