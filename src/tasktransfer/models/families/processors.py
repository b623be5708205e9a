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

__all__ = ["internvl_processor", "llava_onevision_processor", "llava_processor", "qwen_processor"]

Settings = dict[str, Any]


def qwen_processor(folder: Path, class_name: str = "Qwen2_5_VLProcessor") -> Any:
    """Qwen2.5-VL and Qwen3-VL: patches in the picture's own proportions."""
    return _processor(folder, class_name, "Qwen2VLImageProcessorPil", _qwen_settings)


def llava_processor(folder: Path) -> Any:
    """LLaVA-1.5: every picture one square."""
    return _processor(folder, "LlavaProcessor", "CLIPImageProcessorPil", _llava_settings)


def llava_onevision_processor(folder: Path) -> Any:
    """LLaVA-OneVision: one picture in tiles, several pictures one square each."""
    image_class = "LlavaOnevisionImageProcessorPil"
    return _processor(folder, "LlavaOnevisionProcessor", image_class, _onevision_settings)


def internvl_processor(folder: Path) -> Any:
    """InternVL: every picture in tiles."""
    return _processor(folder, "InternVLProcessor", "GotOcr2ImageProcessorPil", _internvl_settings)


def _processor(
    folder: Path, class_name: str, image_class: str, settings_of: Callable[[Path, Any], Settings]
) -> Any:
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

    named = _read(folder / "preprocessor_config.json").get("image_processor_type", "")
    name = f"{named.removesuffix('Pil').removesuffix('Fast')}Pil"
    return name if hasattr(transformers, name) else usual


def _qwen_settings(folder: Path, tokenizer: Any) -> Settings:
    words = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
    words |= {"vision_start": "<|vision_start|>", "vision_end": "<|vision_end|>"}
    return _token_settings(folder, tokenizer, words)


def _llava_settings(folder: Path, tokenizer: Any) -> Settings:
    config, said = _read(folder / "config.json"), _read(folder / "processor_config.json")
    found = {
        "patch_size": config["vision_config"]["patch_size"],
        "num_additional_image_tokens": 1,  # CLIP's class token, which the strategy "default" then drops
        "vision_feature_select_strategy": config.get("vision_feature_select_strategy", "default"),
    }
    found |= {name: said[name] for name in found if said.get(name) is not None}
    return found | _token_settings(folder, tokenizer, {"image": said.get("image_token", "<image>")})


def _onevision_settings(folder: Path, tokenizer: Any) -> Settings:
    config, said = _read(folder / "config.json"), _read(folder / "processor_config.json")
    vision = config["vision_config"]
    found = {
        "num_image_tokens": (vision["image_size"] // vision["patch_size"]) ** 2,
        "vision_feature_select_strategy": config.get("vision_feature_select_strategy", "full"),
        "vision_aspect_ratio": config.get("vision_aspect_ratio", "anyres_max_9"),
    }
    found |= {name: said[name] for name in found if said.get(name) is not None}
    words = {kind: said.get(f"{kind}_token", f"<{kind}>") for kind in ("image", "video")}
    return found | _token_settings(folder, tokenizer, words)


def _internvl_settings(folder: Path, tokenizer: Any) -> Settings:
    import re

    config, said = _read(folder / "config.json"), _read(folder / "processor_config.json")
    vision = config["vision_config"]
    side = _side(vision["image_size"]) // _side(vision["patch_size"])
    per_tile = int(side * config.get("downsample_ratio", 0.5)) ** 2
    words = {"image": "<IMG_CONTEXT>", "start_image": "<img>", "end_image": "</img>", "video": "<video>"}
    for kind, named in (("image", "context_image_token"), ("start_image", ""), ("end_image", ""), ("video", "")):
        words[kind] = getattr(tokenizer, named or f"{kind}_token", None) or words[kind]
    pattern = f"(?P<image>{re.escape(words['image'])})|(?P<video>{re.escape(words['video'])})"
    found = {"image_seq_length": said.get("image_seq_length") or per_tile}
    optional = _token_settings(folder, tokenizer, words, optional=("video",))
    return found | optional | {"multimodal_pattern": re.compile(pattern)}


def _side(size: int | list[int]) -> int:
    return size if isinstance(size, int) else size[0]


def _token_settings(
    folder: Path, tokenizer: Any, words: dict[str, str], optional: tuple[str, ...] = ("video",)
) -> Settings:
    """``image_token``, ``image_token_id`` and so on; each must be one token of the vocabulary."""
    found: Settings = {}
    vocabulary = tokenizer.get_vocab()
    for kind, word in words.items():
        if word not in vocabulary and kind not in optional:
            raise InputError(f"{folder}: the tokenizer does not know {word!r}, which stands for a {kind}")
        found |= {f"{kind}_token": word, f"{kind}_token_id": vocabulary.get(word)}
    return found


def _chat_template(folder: Path, tokenizer: Any) -> str:
    single = folder / "chat_template.jinja"
    if single.is_file():
        return single.read_text(encoding="utf-8")
    for name in ("chat_template.json", "processor_config.json"):  # where older checkpoints keep it
        template = _read(folder / name).get("chat_template")
        if template:
            return str(template)
    if tokenizer.chat_template:
        return str(tokenizer.chat_template)
    raise InputError(f"{folder}: has no chat template (chat_template.jinja); the prompt is never hand-written")


def _read(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable JSON ({error})") from error
    if not isinstance(told, dict):
        raise InputError(f"{path}: a JSON object was expected")
    return told
