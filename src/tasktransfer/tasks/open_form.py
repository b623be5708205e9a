"""The same item asked openly: its options taken away, its answer the text of the right one.

An item can be asked openly when every option says by itself what is in the picture. It cannot when an option only
points: a letter (``A``, ``A is closer``), an ordinal (``second``), or a word for a place or picture with one of
these or a number (``point A``, ``the second image``, ``image 2``), nor when one speaks of the others (``none of
the above``).
Asked openly the answer would still be a letter, so the same choice would be asked again in other words.

Options that are listed at the end of a question go, and so does a last sentence that says to choose among them.

What the rule cannot see is a question whose options say what it is about, such as which of two things came first.
Such drawn tasks are listed in `NEEDS_OPTIONS`; with tasks of your own, look at the questions.
"""

from __future__ import annotations

import re
from dataclasses import replace

from tasktransfer.errors import InputError, quoted
from tasktransfer.tasks.answers.normal_text import normal_text
from tasktransfer.tasks.answers.options import find_choices
from tasktransfer.tasks.item import Item

__all__ = ["NEEDS_OPTIONS", "OPEN_SUFFIX", "as_open", "closed_name", "is_pointer"]

OPEN_SUFFIX = " (open)"
NEEDS_OPTIONS = {"toy_appearance_order": "its options say which two of the objects are compared"}

_PLACE = r"(?:point|box|image|picture|photo|photograph|frame|region|panel|view|option|choice|candidate|mark)"
_ORDINAL = r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|\d+(?:st|nd|rd|th))"
_NAME = rf"(?:[a-z]|{_ORDINAL})"
_POINTER = re.compile(
    rf"(?:the )?(?:{_NAME}|(?:[b-z]|{_ORDINAL}) {_PLACE}|{_PLACE} (?:{_NAME}|ref|\d+)"
    rf"|(?:left|right|upper|lower|top|bottom) {_PLACE})"
    r"|[a-z] is .*"  # A is closer
    r"|(?:all|none|both|neither|either)(?: of)?(?: the above| these| them)?"
)
_TO_CHOOSE = re.compile(
    r"(?:(?<=[.?!:\n])|^)\s*(?:please )?(?:select|choose|pick|answer)\b[^.?!\n]*"
    r"\b(?:choices|options|alternatives|letter)\b[^.?!\n]*[.:]?\s*\Z",
    re.IGNORECASE,
)


def closed_name(name: str) -> str:
    """The name of the task that is asked openly under a name; other names as they are.

    >>> closed_name("toy_counting (open)"), closed_name("toy_counting")
    ('toy_counting', 'toy_counting')
    """
    return name.removesuffix(OPEN_SUFFIX)


def is_pointer(option: str) -> bool:
    """Whether an option says nothing without the picture's marks, its order or the other options.

    >>> [is_pointer(text) for text in ("point A", "the second image", "(C)", "left image", "none of the above")]
    [True, True, True, True, True]
    >>> [is_pointer(text) for text in ("3", "yes", "left", "a photo", "about the same")]
    [False, False, False, False, False]
    """
    return _POINTER.fullmatch(" ".join(re.findall(r"\w+", option.casefold()))) is not None


def as_open(item: Item) -> Item:
    """The item without its options, to be answered in words.

    Its `scorer` stays where it names one; else it is ``number`` where all options are numbers, ``text`` otherwise.
    The id stays, so that both forms can be paired.

    Raises
    ------
    InputError
        The item has no options, they only point, or two of them are the same words.
    """
    texts = [normal_text(option) for option in item.choices]
    if not texts:
        raise InputError(f"item {item.id!r} has no options: it is asked openly as it is")
    pointers = [option for option in item.choices if is_pointer(option)]
    if pointers:
        raise InputError(
            f"item {item.id!r} cannot be asked openly: the options {quoted(pointers)} only point to a place, a "
            f"picture or another option, so the answer would still be a choice among them"
        )
    if len(set(texts)) < len(texts):
        raise InputError(f"item {item.id!r} cannot be asked openly: options {quoted(item.choices)} read the same")
    if any("|" in option for option in item.choices):
        raise InputError(f"item {item.id!r} cannot be asked openly: '|' in an option would part two answers")
    numbers = all(re.fullmatch(r"-?\d+(\.\d+)?", text) for text in texts)
    return replace(
        item,
        question=_without_options(item.question, item.choices),
        choices=(),
        answer=item.choices[item.letters.index(item.answer)],
        scorer=item.scorer or ("number" if numbers else "text"),
    )


def _without_options(question: str, choices: tuple[str, ...]) -> str:
    """A question without its options, where its text lists them, and without the request to choose."""
    kept = question
    if tuple(map(normal_text, find_choices(question))) == tuple(map(normal_text, choices)):
        lines = question.rstrip().splitlines()
        kept = "\n".join(line for line in lines if not re.match(r"\s*(?:\([A-Z]\)|[A-Z][.):])\s*\S", line))
    return _TO_CHOOSE.sub("", kept).rstrip() or kept
