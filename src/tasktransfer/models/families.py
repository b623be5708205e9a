"""What differs between families of vision-language models: facts, one row each.

A family is found by the ``model_type`` of a checkpoint's config. Everything else in this room is written once,
against the names below.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import InputError, closest

if TYPE_CHECKING:
    import torch

__all__ = ["FAMILIES", "Family", "family_of"]


@dataclass(frozen=True)
class Family:
    """One architecture.

    Parameters
    ----------
    model_class
        Name of its class in transformers.
    load_processor
        Folder -> processor, without torchvision.
    positions
        ``(model, ids_L, types_L, grids)`` -> position ids ``(P, L)``: P is 3 for multimodal rotary positions.
    layer_modules
        Names of the linear maps of one decoder layer, by the study's word for them.
    """

    model_class: str
    load_processor: Callable[[Path], Any]
    positions: Callable[[Any, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
    layer_modules: dict[str, tuple[str, ...]]


_ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
_MLP = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")


@lru_cache(maxsize=1)
def _qwen2_5_vl_processor_class() -> type:
    from transformers import Qwen2_5_VLProcessor
    from transformers.processing_utils import ProcessorMixin

    class ImageOnlyProcessor(Qwen2_5_VLProcessor):  # type: ignore[misc]
        """Without the video processor, which needs torchvision; frames of a video go in as images."""

        def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None) -> None:
            self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
            self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
            self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
            ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    return ImageOnlyProcessor


def _qwen2_5_vl_processor(folder: Path) -> Any:
    from transformers import PreTrainedTokenizerFast
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    images = Qwen2VLImageProcessorPil.from_pretrained(folder)
    return _qwen2_5_vl_processor_class()(images, tokenizer, chat_template=_chat_template(folder, tokenizer))


def _chat_template(folder: Path, tokenizer: Any) -> str:
    single = folder / "chat_template.jinja"
    if single.is_file():
        return single.read_text(encoding="utf-8")
    older = folder / "chat_template.json"
    if older.is_file():
        return str(json.loads(older.read_text(encoding="utf-8"))["chat_template"])
    if tokenizer.chat_template:
        return str(tokenizer.chat_template)
    raise InputError(f"{folder}: has no chat template (chat_template.jinja); the prompt is never hand-written")


def _multimodal_positions(
    model: Any, ids_L: torch.Tensor, types_L: torch.Tensor, grids: torch.Tensor
) -> torch.Tensor:
    positions_PBL: torch.Tensor
    positions_PBL, _ = model.model.get_rope_index(
        ids_L[None], mm_token_type_ids=types_L[None], image_grid_thw=grids
    )
    return positions_PBL[:, 0]


FAMILIES: dict[str, Family] = {
    "qwen2_5_vl": Family(
        model_class="Qwen2_5_VLForConditionalGeneration",
        load_processor=_qwen2_5_vl_processor,
        positions=_multimodal_positions,
        layer_modules={"attention": _ATTENTION, "attention+mlp": (*_ATTENTION, *_MLP)},
    ),
}


def family_of(folder: Path) -> Family:
    """The family of the checkpoint in a folder.

    Raises
    ------
    InputError
        There is no readable ``config.json``, or its ``model_type`` is none of `FAMILIES`.
    """
    config = folder / "config.json"
    try:
        model_type = str(json.loads(config.read_text(encoding="utf-8")).get("model_type"))
    except FileNotFoundError as error:
        raise InputError(f"{folder}: holds no model (no config.json)") from error
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{config}: not a readable model config ({error})") from error
    if model_type not in FAMILIES:
        hint = closest(model_type, FAMILIES)
        raise InputError(
            f"{config}: model_type {model_type!r}{hint} is not supported; known are {', '.join(FAMILIES)}"
        )
    return FAMILIES[model_type]
