"""InternVL3: every picture in tiles."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasktransfer.models.families.family import (
    Checkpoint,
    Family,
    Parts,
    Pixels,
    Size,
    Text,
    Vision,
    per_tile,
    text_settings,
    vision_settings,
)
from tasktransfer.models.families.processors import Settings, image_processor, read_json_file, token_settings

__all__ = ["FAMILY"]

_INTERN_VIT = Vision(1024, 4096, 24, 16, patch=14, merge=2, side=448)
_MOST_TILES = 12  # the checkpoints' own limit


def _processor_of(folder: Path) -> Any:
    return image_processor(folder, "InternVLProcessor", "GotOcr2ImageProcessorPil", _settings)


def _settings(folder: Path, tokenizer: Any) -> Settings:
    config, said = read_json_file(folder / "config.json"), read_json_file(folder / "processor_config.json")
    vision = config["vision_config"]
    side = _side(vision["image_size"]) // _side(vision["patch_size"])
    tile_tokens = int(side * config.get("downsample_ratio", 0.5)) ** 2
    words = {"image": "<IMG_CONTEXT>", "start_image": "<img>", "end_image": "</img>", "video": "<video>"}
    for kind, named in (("image", "context_image_token"), ("start_image", ""), ("end_image", ""), ("video", "")):
        words[kind] = getattr(tokenizer, named or f"{kind}_token", None) or words[kind]
    pattern = f"(?P<image>{re.escape(words['image'])})|(?P<video>{re.escape(words['video'])})"
    settings = {"image_seq_length": said.get("image_seq_length") or tile_tokens}
    optional = token_settings(folder, tokenizer, words, optional=("video",))
    return settings | optional | {"multimodal_pattern": re.compile(pattern)}


def _side(size: int | list[int]) -> int:
    return size if isinstance(size, int) else size[0]


def _limit_tiles(processor: Any, config: Any, pixels: Pixels) -> None:  # noqa: ARG001
    if pixels.tiles:
        processor.image_processor.max_patches = pixels.tiles
        processor.image_processor.min_patches = min(processor.image_processor.min_patches, pixels.tiles)


def _image_tokens(row: Checkpoint, sizes: Sequence[Size], pixels: Pixels) -> int:
    most = pixels.tiles or _MOST_TILES
    return sum(_n_tiles(row, size, most) * per_tile(row.vision) + 2 for size in sizes)


def _n_tiles(row: Checkpoint, size: Size, most: int) -> int:
    """The grid nearest in proportion, of equals a larger one that the picture half fills; and an overview."""
    # as `get_optimal_tiled_canvas` of transformers, which tries the grids from few tiles to many
    width, height = size
    assert row.vision.side is not None
    grids = [(across, down) for across in range(1, most + 1) for down in range(1, most // across + 1)]
    best, nearest = (1, 1), math.inf
    for across, down in sorted(grids, key=lambda grid: grid[0] * grid[1]):
        off = abs(width / height - across / down)
        if off < nearest or (off == nearest and width * height > 0.5 * row.vision.side**2 * across * down):
            best, nearest = (across, down), min(off, nearest)
    tiles = best[0] * best[1]
    return tiles + (tiles > 1)


def _config(row: Checkpoint) -> Any:
    from transformers import InternVLConfig, InternVLVisionConfig, Qwen2Config

    settings = vision_settings(row)
    settings |= {name: [settings[name]] * 2 for name in ("image_size", "patch_size")}
    return InternVLConfig(
        vision_config=InternVLVisionConfig(**settings, attention_bias=True, norm_type="layer_norm"),
        text_config=Qwen2Config(**text_settings(row)),
        image_token_id=151667,
        downsample_ratio=0.5,
        tie_word_embeddings=row.text.tied,
    )


_CHECKPOINTS = (
    Checkpoint(
        "OpenGVLab/InternVL3-1B-hf",
        "internvl",
        Text(896, 4864, 24, 14, 2, 151674, head_size=64),
        _INTERN_VIT,
        Parts(629_697_920, 4_482_816, 304_012_288),
    ),
    Checkpoint(
        "OpenGVLab/InternVL3-2B-hf",
        "internvl",
        Text(1536, 8960, 28, 12, 2, 151674),
        _INTERN_VIT,
        Parts(1_776_283_136, 8_662_016, 304_012_288),
    ),
    Checkpoint(
        "OpenGVLab/InternVL3-8B-hf",
        "internvl",
        Text(3584, 18944, 28, 28, 4, 151674),
        _INTERN_VIT,
        Parts(7_612_820_992, 27_540_480, 304_012_288),
    ),
)

FAMILY = Family(
    model_class="InternVLForConditionalGeneration",
    load_processor=_processor_of,
    image_inputs=("pixel_values",),
    vision="model.vision_tower",
    blocks="encoder.layer",
    vision_modules=(
        *(f"attention.{name}" for name in ("q_proj", "k_proj", "v_proj", "projection_layer")),
        "mlp.fc1",
        "mlp.fc2",
    ),
    projector=("model.multi_modal_projector",),
    limit_pixels=_limit_tiles,
    pixel_settings=("tiles",),
    image_tokens=_image_tokens,
    config=_config,
    checkpoints=_CHECKPOINTS,
)
