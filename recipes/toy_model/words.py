"""The words that the embedded model knows, its tokenizer and its chat template.

One token a word: text is split at white space and before punctuation. ``(A)`` is a token of its own, and so is
the bare ``A`` of an answer. The template puts the images' ordinals before them, so that "the second image" can be
looked up; an assistant turn is one answer and ``<|end|>``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tasktransfer.tasks.toyworld.layout import CHANNELS, GRID, ORDINALS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CHAT_TEMPLATE",
    "END",
    "IMAGE",
    "SPECIAL",
    "VIDEO",
    "new_tokenizer",
    "prompt_text",
    "split_words",
    "vocabulary",
]

IMAGE, VIDEO, VISION_START, VISION_END = "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"
USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL = ("<|pad|>", "<|unk|>", USER, ASSISTANT, END, VISION_START, VISION_END, IMAGE, VIDEO)

_PUNCTUATION = r"[?.,:;!]"
_MOST_COUNTED = 20

CHAT_TEMPLATE = (
    "{%- set ordinals = " + repr(list(ORDINALS)) + " -%}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'assistant' -%}<|assistant|> "
    "{%- else -%}<|user|> {% endif -%}"
    "{%- if message['content'] is string -%}{{ message['content'] }} "
    "{%- else -%}"
    "{%- set seen = namespace(images=0) -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}"
    "{{ ordinals[seen.images] if seen.images < 4 else 'another' }} <|vision_start|><|image_pad|><|vision_end|> "
    "{%- set seen.images = seen.images + 1 -%}"
    "{%- elif part['type'] == 'text' -%}{{ part['text'] }} "
    "{%- endif -%}{%- endfor -%}{%- endif -%}"
    "{%- if message['role'] == 'assistant' -%}<|end|> {% endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|> {% endif -%}"
)


def split_words(text: str) -> list[str]:
    """The words of a text as the tokenizer splits it.

    >>> split_words("Which point is closer?\\n(A) point A")
    ['Which', 'point', 'is', 'closer', '?', '(A)', 'point', 'A']
    """
    return re.sub(f"({_PUNCTUATION})", r" \1 ", text).split()


def vocabulary(texts: Iterable[str]) -> list[str]:
    """Special tokens, the words of every channel, letters, ordinals and numbers, then the words of `texts`."""
    words = [word for channel in CHANNELS.values() for word in channel]
    words += [f"{axis}{i}" for axis in "xy" for i in range(GRID)]
    words += ["A", "B", "C", "D", "(A)", "(B)", "(C)", "(D)", "yes", "no", "same", *ORDINALS, "another"]
    words += [str(n) for n in range(_MOST_COUNTED + 1)]
    words += sorted({word for text in texts for word in split_words(text)})
    return list(dict.fromkeys((*SPECIAL, *words)))


def new_tokenizer(words: list[str]) -> Any:
    """A fast tokenizer of these words that pads on the left."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<|unk|>"))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(_PUNCTUATION), "isolated"), pre_tokenizers.WhitespaceSplit()]
    )
    core.add_special_tokens(list(SPECIAL))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<|pad|>",
        unk_token="<|unk|>",
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT, VISION_START, VISION_END, IMAGE, VIDEO],
        padding_side="left",
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def prompt_text(question: str, choices: tuple[str, ...]) -> str:
    """The question and one line for each option, as the user's turn has it after the images."""
    return "\n".join(
        (question, *(f"({letter}) {text}" for letter, text in zip("ABCDEFGH", choices, strict=False)))
    )
