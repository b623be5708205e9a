"""Qwen3-VL: as Qwen2.5-VL, with features of three depths and the time of frames in words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tasktransfer.models.families.family import (
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
from tasktransfer.models.families.qwen2_5_vl import (
    area_tokens,
    limit_area,
    multimodal_positions,
    qwen_processor,
    vision_settings,
)
from tasktransfer.models.families.video import END, PLACE, START, places_of_a_step

if TYPE_CHECKING:
    import torch

__all__ = ["FAMILY"]

_AREA = (256 * 256, 4096 * 4096)  # the checkpoints' own limits, pixels
_TOWER = Vision(1024, 4096, 24, 16, patch=16, merge=2, deepstack=(5, 11, 17))
_LARGE_TOWER = Vision(1152, 4304, 27, 16, patch=16, merge=2, deepstack=(8, 16, 24))


def _stacked_features(model: Any, inputs: Inputs) -> torch.Tensor:
    """``(N, D, H)``: the features, then what DeepStack adds after each of the first decoder layers."""
    import torch

    made = model.get_image_features(**inputs)
    depths = [made.pooler_output, *made.deepstack_features]
    return torch.stack([torch.cat(list(depth)) for depth in depths], dim=1)


def _image_tokens(row: Checkpoint, sizes: Sequence[Size], pixels: Pixels) -> int:
    return area_tokens(row, sizes, pixels.least or _AREA[0], pixels.most or _AREA[1])


def _video(processor: Any, grid: Sequence[int], seconds: float) -> tuple[str, dict[str, Any]]:
    """The places of each step by themselves, after its time in words: midway between its first and last frame."""
    frames = processor.image_processor.temporal_patch_size
    places = START + PLACE * places_of_a_step(processor, grid) + END
    times = [(step * frames + (frames - 1) / 2) * seconds for step in range(grid[0])]
    return "".join(f"<{time:.1f} seconds>{places}" for time in times), {}


def _config(row: Checkpoint) -> Any:
    from transformers import Qwen3VLConfig

    rope = {"rope_type": "default", "mrope_section": [24, 20, 20], "rope_theta": 5e6, "mrope_interleaved": True}
    more = {"num_position_embeddings": 2304, "deepstack_visual_indexes": list(row.vision.deepstack)}
    return Qwen3VLConfig(
        text_config=text_settings(row) | {"rope_parameters": rope},
        vision_config=vision_settings(row) | more,
        tie_word_embeddings=row.text.tied,
    )


_CHECKPOINTS = (
    Checkpoint(
        "Qwen/Qwen3-VL-2B-Instruct",
        "qwen3_vl",
        Text(2048, 6144, 28, 16, 8, 151936, tied=True),
        _TOWER,
        Parts(1_720_574_976, 100_714_496, 306_242_560),
    ),
    Checkpoint(
        "Qwen/Qwen3-VL-4B-Instruct",
        "qwen3_vl",
        Text(2560, 9728, 36, 32, 8, 151936, tied=True),
        _TOWER,
        Parts(4_022_468_096, 109_105_152, 306_242_560),
    ),
    Checkpoint(
        "Qwen/Qwen3-VL-8B-Instruct",
        "qwen3_vl",
        Text(4096, 12288, 36, 32, 8, 151936),
        _LARGE_TOWER,
        Parts(8_190_735_360, 160_496_896, 415_891_440),
    ),
    Checkpoint(
        "Qwen/Qwen3-VL-32B-Instruct",
        "qwen3_vl",
        Text(5120, 25600, 64, 64, 8, 151936),
        _LARGE_TOWER,
        Parts(32_762_123_264, 179_375_360, 415_891_440),
    ),
)

FAMILY = Family(
    model_class="Qwen3VLForConditionalGeneration",
    load_processor=partial(qwen_processor, class_name="Qwen3VLProcessor"),
    image_inputs=("pixel_values", "image_grid_thw"),
    vision="model.visual",
    blocks="blocks",
    vision_modules=("attn.qkv", "attn.proj", "mlp.linear_fc1", "mlp.linear_fc2"),
    projector=("model.visual.merger", "model.visual.deepstack_merger_list"),
    positions=multimodal_positions,
    features=_stacked_features,
    deep_arguments=("visual_pos_masks", "deepstack_visual_embeds"),
    video=_video,
    limit_pixels=limit_area,
    pixel_settings=("least", "most"),
    image_tokens=_image_tokens,
    config=_config,
    checkpoints=_CHECKPOINTS,
)
