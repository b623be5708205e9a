"""Pictures and text of the embedded model: how they are saved beside the weights, and loaded again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from tasktransfer.models.families import FAMILIES

__all__ = ["load_processor", "new_image_processor", "save_processor"]

_AREA = 64 * 64


def new_image_processor() -> Any:
    """Pixels to [-1, 1]; a picture of another size is brought to the area of 64 x 64."""
    return Qwen2VLImageProcessorPil(
        patch_size=8,
        merge_size=2,
        temporal_patch_size=1,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        size={"shortest_edge": _AREA, "longest_edge": _AREA},
    )


def save_processor(tokenizer: Any, folder: Path) -> None:
    """Write tokenizer, chat template and image settings beside the weights."""
    new_image_processor().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def load_processor(folder: Path) -> Any:
    """The processor of a folder written by `save_processor`, by the code that loads any Qwen2.5-VL."""
    return FAMILIES["qwen2_5_vl"].load_processor(folder)
