"""Qwen2.5-VL: patches in the picture's own proportions, positions along three axes, frames in pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import SettingsError
from tasktransfer.models.families.family import (
    MLP,
    Checkpoint,
    Family,
    Inputs,
    Parts,
    Pixels,
    Size,
    Text,
    Vision,
    text_settings,
)
from tasktransfer.models.families.processors import Settings, image_processor, token_settings
from tasktransfer.models.families.video import END, PLACE, START, places_of_a_step

if TYPE_CHECKING:
    import torch

__all__ = [
    "FAMILY",
    "area_tokens",
    "limit_area",
    "multimodal_positions",
    "qwen_processor",
    "vision_settings",
]

_AREA = (56 * 56, 3584 * 3584)  # the checkpoints' own limits, pixels
_TOWER = Vision(1280, 3420, 32, 16, patch=14, merge=2)
_LARGE_TOWER = replace(_TOWER, intermediate=3456)


def qwen_processor(folder: Path, class_name: str = "Qwen2_5_VLProcessor") -> Any:
    """The processor of Qwen2.5-VL, and under another name of Qwen3-VL."""
    return image_processor(folder, class_name, "Qwen2VLImageProcessorPil", _qwen_settings)


def _qwen_settings(folder: Path, tokenizer: Any) -> Settings:
    words = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
    words |= {"vision_start": "<|vision_start|>", "vision_end": "<|vision_end|>"}
    return token_settings(folder, tokenizer, words)


def multimodal_positions(model: Any, inputs: Inputs) -> torch.Tensor:
    """Positions in time, height and width, as the model counts them."""
    keys = ("mm_token_type_ids", "image_grid_thw", "video_grid_thw", "second_per_grid_ts")
    given = {key: inputs[key] for key in keys if key in inputs}
    positions_PBL: torch.Tensor
    positions_PBL, _ = model.model.get_rope_index(inputs["input_ids"], **given)
    return positions_PBL[:, 0]


def limit_area(processor: Any, config: Any, pixels: Pixels) -> None:  # noqa: ARG001
    """Bring a picture's area between limits.

    Parameters
    ----------
    processor
        Its image processor is changed.
    config
        Not used.
    pixels
        `least` and `most`, pixels of a picture; where None the processor's own stays.

    Raises
    ------
    SettingsError
        The lower limit is above the upper one.
    """
    images = processor.image_processor
    least = pixels.least or images.size["shortest_edge"]
    most = pixels.most or images.size["longest_edge"]
    if least > most:
        raise SettingsError(
            f"pixels: at least {least} and at most {most} pixels cannot both be; set the other too"
        )
    images.size = type(images.size)(shortest_edge=least, longest_edge=most)


def area_tokens(row: Checkpoint, sizes: Sequence[Size], least: int, most: int) -> int:
    """Tokens of pictures whose area is brought between two limits, with the marks around each.

    Parameters
    ----------
    row
        A known checkpoint.
    sizes
        Width and height of each picture, pixels.
    least, most
        The limits, pixels.
    """
    unit = row.vision.patch * row.vision.merge
    return sum(_area_tokens(size, unit, least, most) for size in sizes) + 2 * len(sizes)


def _area_tokens(size: Size, unit: int, least: int, most: int) -> int:
    """Both sides to whole units; the area brought between the limits, proportions kept: Qwen's `smart_resize`."""
    width, height = (max(unit, round(side / unit) * unit) for side in size)
    area = size[0] * size[1]
    if width * height > most:
        shrink = math.sqrt(area / most)
        width, height = (max(unit, math.floor(side / shrink / unit) * unit) for side in size)
    elif width * height < least:
        grow = math.sqrt(least / area)
        width, height = (math.ceil(side * grow / unit) * unit for side in size)
    return (width // unit) * (height // unit)


def _image_tokens(row: Checkpoint, sizes: Sequence[Size], pixels: Pixels) -> int:
    return area_tokens(row, sizes, pixels.least or _AREA[0], pixels.most or _AREA[1])


def _video(processor: Any, grid: Sequence[int], seconds: float) -> tuple[str, dict[str, Any]]:
    """All places together; time goes into their positions."""
    import torch

    text = START + PLACE * (grid[0] * places_of_a_step(processor, grid)) + END
    return text, {"second_per_grid_ts": torch.tensor([processor.image_processor.temporal_patch_size * seconds])}


def vision_settings(row: Checkpoint) -> dict[str, Any]:
    """What the configs of Qwen's vision towers say."""
    tower = row.vision
    return {
        "hidden_size": tower.hidden,
        "intermediate_size": tower.intermediate,
        "depth": tower.layers,
        "num_heads": tower.heads,
        "patch_size": tower.patch,
        "spatial_merge_size": tower.merge,
        "temporal_patch_size": 2,
        "in_channels": 3,
        "out_hidden_size": row.text.hidden,
    }


def _config(row: Checkpoint) -> Any:
    from transformers import Qwen2_5_VLConfig

    rope = {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6}
    blocks = {"window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31], "tokens_per_second": 2}
    return Qwen2_5_VLConfig(
        text_config=text_settings(row) | {"rope_parameters": rope},
        vision_config=vision_settings(row) | blocks,
        tie_word_embeddings=row.text.tied,
    )


_CHECKPOINTS = (
    Checkpoint(
        "Qwen/Qwen2.5-VL-3B-Instruct",
        "qwen2_5_vl",
        Text(2048, 11008, 36, 16, 2, 151936, tied=True),
        _TOWER,
        Parts(3_085_938_688, 36_708_608, 631_975_680),
    ),
    Checkpoint(
        "Qwen/Qwen2.5-VL-7B-Instruct",
        "qwen2_5_vl",
        Text(3584, 18944, 28, 28, 4, 152064),
        _TOWER,
        Parts(7_615_616_512, 44_574_464, 631_975_680),
    ),
    Checkpoint(
        "Qwen/Qwen2.5-VL-32B-Instruct",
        "qwen2_5_vl",
        Text(5120, 27648, 64, 40, 8, 152064),
        _LARGE_TOWER,
        Parts(32_763_876_352, 52_440_320, 636_401_664),
    ),
    Checkpoint(
        "Qwen/Qwen2.5-VL-72B-Instruct",
        "qwen2_5_vl",
        Text(8192, 29568, 80, 64, 8, 152064),
        _LARGE_TOWER,
        Parts(72_706_203_648, 68_172_032, 636_401_664),
    ),
)

FAMILY = Family(
    model_class="Qwen2_5_VLForConditionalGeneration",
    load_processor=qwen_processor,
    image_inputs=("pixel_values", "image_grid_thw"),
    vision="model.visual",
    blocks="blocks",
    vision_modules=("attn.qkv", "attn.proj", *MLP),
    projector=("model.visual.merger",),
    video=_video,
    positions=multimodal_positions,
    limit_pixels=limit_area,
    pixel_settings=("least", "most"),
    image_tokens=_image_tokens,
    config=_config,
    checkpoints=_CHECKPOINTS,
)
