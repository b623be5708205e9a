"""What an analysis says in words: one finding a sentence, what limits it beside it."""

from typing import NamedTuple

__all__ = ["Finding"]


class Finding(NamedTuple):
    """One sentence to remember and the one that belongs beside it."""

    title: str  # the claim, a few words
    text: str  # the numbers
    explanation: str  # what explains or limits it; may be empty
    section: str  # id of the report section that shows it
