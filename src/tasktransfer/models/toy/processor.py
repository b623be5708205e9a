"""A Qwen2.5-VL processor that needs no torchvision: Pillow for the images, no video processor.

A video is given as its frames in order: as images.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.processing_utils import ProcessorMixin

from tasktransfer.models.toy.words import IMAGE, VIDEO

__all__ = ["ToyProcessor", "load_processor", "new_image_processor", "save_processor"]

_AREA = 64 * 64


class ToyProcessor(Qwen2_5_VLProcessor):  # type: ignore[misc]
    """Images and text to the model's inputs; the parts are read from the signature, so no video part is wanted."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None
    ) -> None:
        self.image_token, self.video_token = IMAGE, VIDEO
        self.image_token_id, self.video_token_id = tokenizer.convert_tokens_to_ids([IMAGE, VIDEO])
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


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


def load_processor(folder: Path) -> ToyProcessor:
    """The processor of a folder written by `save_processor`."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    images = Qwen2VLImageProcessorPil.from_pretrained(folder)
    return ToyProcessor(images, tokenizer, chat_template=tokenizer.chat_template)
