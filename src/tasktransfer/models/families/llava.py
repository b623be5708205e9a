"""LLaVA-1.5: every picture one square."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasktransfer.models.families.family import (
    Checkpoint,
    Family,
    Parts,
    Text,
    Vision,
    square_tokens,
    text_settings,
    vision_settings,
)
from tasktransfer.models.families.processors import Settings, image_processor, read_json_file, token_settings

__all__ = ["FAMILY", "VISION_MODULES"]

VISION_MODULES = (
    *(f"self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "out_proj")),
    "mlp.fc1",
    "mlp.fc2",
)
_CLIP = Vision(1024, 4096, 24, 16, patch=14, merge=1, side=336)


def _processor_of(folder: Path) -> Any:
    return image_processor(folder, "LlavaProcessor", "CLIPImageProcessorPil", _settings)


def _settings(folder: Path, tokenizer: Any) -> Settings:
    config, said = read_json_file(folder / "config.json"), read_json_file(folder / "processor_config.json")
    settings = {
        "patch_size": config["vision_config"]["patch_size"],
        "num_additional_image_tokens": 1,  # CLIP's class token, which the strategy "default" then drops
        "vision_feature_select_strategy": config.get("vision_feature_select_strategy", "default"),
    }
    settings |= {name: said[name] for name in settings if said.get(name) is not None}
    return settings | token_settings(folder, tokenizer, {"image": said.get("image_token", "<image>")})


def _config(row: Checkpoint) -> Any:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    text = LlamaConfig(**(text_settings(row) | {"rms_norm_eps": 1e-5, "max_position_embeddings": 4096}))
    vision = CLIPVisionConfig(**vision_settings(row), projection_dim=768)
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=32000,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        tie_word_embeddings=row.text.tied,
    )


_CHECKPOINTS = (
    Checkpoint(
        "llava-hf/llava-1.5-7b-hf",
        "llava",
        Text(4096, 11008, 32, 32, 32, 32064),
        _CLIP,
        Parts(6_738_939_904, 20_979_712, 303_507_456),
    ),
    Checkpoint(
        "llava-hf/llava-1.5-13b-hf",
        "llava",
        Text(5120, 13824, 40, 40, 40, 32064),
        _CLIP,
        Parts(13_016_519_680, 31_467_520, 303_507_456),
    ),
)

FAMILY = Family(
    model_class="LlavaForConditionalGeneration",
    load_processor=_processor_of,
    image_inputs=("pixel_values", "image_sizes"),
    vision="model.vision_tower",
    blocks="encoder.layers",
    vision_modules=VISION_MODULES,
    projector=("model.multi_modal_projector",),
    image_tokens=square_tokens,
    config=_config,
    checkpoints=_CHECKPOINTS,
    caution="LLaVA-1.5 was taught with one picture a prompt: of several it may attend to the first alone",
)
