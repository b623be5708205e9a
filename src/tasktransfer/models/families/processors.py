"""Processors without torchvision: pictures go through the PIL backend, on a CPU and beside a GPU alike.

`AutoProcessor` is not used: without torchvision it silently gives a bare tokenizer. What a processor needs to know
stands in ``processor_config.json``; older checkpoints leave it out, and then it follows from the model's config.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from tasktransfer.errors import InputError

__all__ = ["Settings", "image_processor", "read_json_file", "token_settings"]

Settings = dict[str, Any]


def image_processor(
    folder: Path, class_name: str, image_class: str, settings_of: Callable[[Path, Any], Settings]
) -> Any:
    """A processor with its tokenizer and its images, from a folder.

    Parameters
    ----------
    folder
        A checkpoint's.
    class_name, image_class
        In transformers; the second where the checkpoint names none.
    settings_of
        ``(folder, tokenizer)`` -> attributes that the processor needs.
    """
    import transformers
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    images = getattr(transformers, _pil_class(folder, image_class)).from_pretrained(folder)
    made = _image_only(getattr(transformers, class_name))
    settings = settings_of(folder, tokenizer)
    return made(images, tokenizer, chat_template=_chat_template(folder, tokenizer), settings=settings)


@lru_cache(maxsize=8)
def _image_only(original: type) -> type:
    """The processor of a family without its video processor, which needs torchvision."""
    from transformers.processing_utils import ProcessorMixin

    class ImageOnlyProcessor(original):  # type: ignore[misc]
        def __init__(
            self,
            image_processor: Any = None,
            tokenizer: Any = None,
            chat_template: Any = None,
            settings: Settings | None = None,
        ) -> None:
            for name, value in (settings or {}).items():
                setattr(self, name, value)
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    return ImageOnlyProcessor


def _pil_class(folder: Path, usual: str) -> str:
    """The PIL class of the image processor that the checkpoint names, ``...Fast`` or not; else the usual one."""
    import transformers

    named = read_json_file(folder / "preprocessor_config.json").get("image_processor_type", "")
    name = f"{named.removesuffix('Pil').removesuffix('Fast')}Pil"
    return name if hasattr(transformers, name) else usual


def token_settings(
    folder: Path, tokenizer: Any, words: dict[str, str], optional: tuple[str, ...] = ("video",)
) -> Settings:
    """``image_token``, ``image_token_id`` and so on; each must be one token of the vocabulary.

    Parameters
    ----------
    folder
        A checkpoint's, for the message.
    tokenizer
        Its tokenizer.
    words
        What stands for what, such as ``{"image": "<image>"}``.
    optional
        Those of `words` that the vocabulary may lack; their id is None then.

    Raises
    ------
    InputError
        The vocabulary lacks another one.
    """
    settings: Settings = {}
    vocabulary = tokenizer.get_vocab()
    for kind, word in words.items():
        if word not in vocabulary and kind not in optional:
            raise InputError(f"{folder}: the tokenizer does not know {word!r}, which stands for a {kind}")
        settings |= {f"{kind}_token": word, f"{kind}_token_id": vocabulary.get(word)}
    return settings


def _chat_template(folder: Path, tokenizer: Any) -> str:
    single = folder / "chat_template.jinja"
    if single.is_file():
        return single.read_text(encoding="utf-8")
    for name in ("chat_template.json", "processor_config.json"):  # where older checkpoints keep it
        template = read_json_file(folder / name).get("chat_template")
        if template:
            return str(template)
    if tokenizer.chat_template:
        return str(tokenizer.chat_template)
    raise InputError(f"{folder}: has no chat template (chat_template.jinja); the prompt is never hand-written")


def read_json_file(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: a JSON object was expected")
    return content
