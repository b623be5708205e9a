"""One question about one or more pictures, in the form every benchmark is read into."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Item"]


@dataclass(frozen=True)
class Item:
    """A question, its pictures and its answer.

    Parameters
    ----------
    id
        Stable and unique within its task: paired tests depend on it.
    images
        RGB, in the order in which the question names them; frames in order of time when `is_video`. Decoded
        ones, or a sequence that decodes them when it is read.
    question
        Text without the options.
    choices
        Option texts without letters; empty when the answer is a number or open text.
    answer
        The letter of the right option, else the number or text as written.
    is_video
        The images are frames of one video.
    scorer
        How an answer without options is scored, a word of `tasktransfer.tasks.answers.scoring`; empty for its
        default.
    cluster
        What the item shares with others, one scene or one image: they are drawn and tested together. Either all
        items of a task name one or none.
    """

    id: str
    images: Sequence[Image]
    question: str
    choices: tuple[str, ...]
    answer: str
    is_video: bool = False
    scorer: str = ""
    cluster: str = ""

    @property
    def letters(self) -> str:
        """Letters of the options, ``"ABCD"`` for four; empty without options."""
        return string.ascii_uppercase[: len(self.choices)]
