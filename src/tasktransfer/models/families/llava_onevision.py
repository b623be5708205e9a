"""LLaVA-OneVision: one picture in tiles, several pictures one square each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasktransfer.errors import SettingsError
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
from tasktransfer.models.families.llava import VISION_MODULES
from tasktransfer.models.families.processors import Settings, image_processor, read_json_file, token_settings

__all__ = ["FAMILY"]

_SIGLIP = Vision(1152, 4304, 26, 16, patch=14, merge=1, side=384)
_GRID_SIDE = 6  # grids are of 1 to 6 tiles a side
_MOST_FEATURES = 9  # tiles' worth; larger grids are averaged down to it


def _processor_of(folder: Path) -> Any:
    image_class = "LlavaOnevisionImageProcessorPil"
    return image_processor(folder, "LlavaOnevisionProcessor", image_class, _settings)


def _settings(folder: Path, tokenizer: Any) -> Settings:
    config, said = read_json_file(folder / "config.json"), read_json_file(folder / "processor_config.json")
    vision = config["vision_config"]
    settings = {
        "num_image_tokens": (vision["image_size"] // vision["patch_size"]) ** 2,
        "vision_feature_select_strategy": config.get("vision_feature_select_strategy", "full"),
        "vision_aspect_ratio": config.get("vision_aspect_ratio", "anyres_max_9"),
    }
    settings |= {name: said[name] for name in settings if said.get(name) is not None}
    words = {kind: said.get(f"{kind}_token", f"<{kind}>") for kind in ("image", "video")}
    return settings | token_settings(folder, tokenizer, words)


def _limit_grid(processor: Any, config: Any, pixels: Pixels) -> None:
    """Model and processor both choose from the list of grids, and must choose alike."""
    if pixels.tiles:
        side = config.vision_config.image_size
        grids = [[h, w] for h, w in config.image_grid_pinpoints if h * w <= pixels.tiles * side * side]
        if not grids:
            raise SettingsError(f"pixels: none of the model's grids is of at most {pixels.tiles} tiles")
        config.image_grid_pinpoints = processor.image_processor.image_grid_pinpoints = grids


def _image_tokens(row: Checkpoint, sizes: Sequence[Size], pixels: Pixels) -> int:
    tile = per_tile(row.vision)
    if len(sizes) != 1:
        return len(sizes) * (tile + 1)
    # as the processor's `_get_unpadded_features` in transformers, its rounding and its 1.1 included
    (width, height), side = sizes[0], math.isqrt(tile)
    down, across = _best_grid(row, sizes[0], pixels.tiles)
    rows, columns = down * side, across * side
    if width / height > columns / rows:
        rows -= 2 * ((rows - int(round(height * columns / width, 7))) // 2)
    else:
        columns -= 2 * ((columns - int(round(width * rows / height, 7))) // 2)
    shrink = math.sqrt(rows * columns / (_MOST_FEATURES * tile))
    if shrink > 1.1:
        rows, columns = int(rows // shrink), int(columns // shrink)
    return tile + rows * (columns + 1)


def _best_grid(row: Checkpoint, size: Size, most: int | None) -> tuple[int, int]:
    """Tiles down and across of the grid that keeps most of the picture and wastes least."""
    width, height = size
    unit = row.vision.side or 0
    best, kept_most, waste_least = (1, 1), 0, math.inf
    for down in range(1, _GRID_SIDE + 1):
        for across in range(1, _GRID_SIDE + 1):
            if most is not None and down * across > most:
                continue
            scale = min(across * unit / width, down * unit / height)
            kept = min(int(width * scale) * int(height * scale), width * height)
            waste = across * down * unit * unit - kept
            if kept > kept_most or (kept == kept_most and waste < waste_least):
                best, kept_most, waste_least = (down, across), kept, waste
    return best


def _config(row: Checkpoint) -> Any:
    from transformers import LlavaOnevisionConfig, Qwen2Config, SiglipVisionConfig

    sides = range(384, 2305, 384)
    return LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(**vision_settings(row), vision_use_head=False),
        text_config=Qwen2Config(**text_settings(row)),
        image_token_index=151646,
        video_token_index=151647,
        image_grid_pinpoints=[[height, width] for height in sides for width in sides],
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=row.text.tied,
    )


_CHECKPOINTS = (
    Checkpoint(
        "llava-hf/llava-onevision-qwen2-0.5b-ov-hf",
        "llava_onevision",
        Text(896, 4864, 24, 14, 2, 152000, tied=True, head_size=64),
        _SIGLIP,
        Parts(494_090_112, 1_837_696, 397_747_744),
    ),
    Checkpoint(
        "llava-hf/llava-onevision-qwen2-7b-ov-hf",
        "llava_onevision",
        Text(3584, 18944, 28, 28, 4, 152128),
        _SIGLIP,
        Parts(7_616_075_264, 16_984_576, 397_747_744),
    ),
)

FAMILY = Family(
    model_class="LlavaOnevisionForConditionalGeneration",
    load_processor=_processor_of,
    image_inputs=("pixel_values", "image_sizes", "batch_num_images"),
    vision="model.vision_tower",
    blocks="encoder.layers",
    vision_modules=VISION_MODULES,
    projector=("model.multi_modal_projector",),
    limit_pixels=_limit_grid,
    pixel_settings=("tiles",),
    images_nested=True,
    image_tokens=_image_tokens,
    config=_config,
    checkpoints=_CHECKPOINTS,
)
