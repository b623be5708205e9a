"""Configs of known checkpoints at their real size, without a download.

For models on torch's meta device, which have a shape and no weights, and for random weights at real size.
"""

from __future__ import annotations

from typing import Any

from tasktransfer.errors import InputError, closest
from tasktransfer.models.families.checkpoints import CHECKPOINTS, Checkpoint, checkpoint

__all__ = ["real_config"]


def real_config(hub_id: str) -> Any:
    """The transformers config of a known checkpoint.

    Raises
    ------
    InputError
        The checkpoint is not known.
    """
    row = checkpoint(hub_id)
    if row is None:
        hint = closest(hub_id, CHECKPOINTS)
        raise InputError(f"{hub_id!r}{hint}: the shape of this checkpoint is not known; {len(CHECKPOINTS)} are")
    return _CONFIGS[row.family](row)


def _text_settings(row: Checkpoint) -> dict[str, Any]:
    text = row.text
    return {
        "hidden_size": text.hidden,
        "intermediate_size": text.intermediate,
        "num_hidden_layers": text.layers,
        "num_attention_heads": text.heads,
        "num_key_value_heads": text.kv_heads,
        "head_dim": text.head_size,
        "vocab_size": text.vocabulary,
        "tie_word_embeddings": text.tied,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
    }


def _vision_settings(row: Checkpoint) -> dict[str, Any]:
    tower = row.vision
    return {
        "hidden_size": tower.hidden,
        "intermediate_size": tower.intermediate,
        "num_hidden_layers": tower.layers,
        "num_attention_heads": tower.heads,
        "patch_size": tower.patch,
        "image_size": tower.side,
    }


def _qwen_vision_settings(row: Checkpoint) -> dict[str, Any]:
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


def _qwen2_5_config(row: Checkpoint) -> Any:
    from transformers import Qwen2_5_VLConfig

    rope = {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6}
    blocks = {"window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31], "tokens_per_second": 2}
    return Qwen2_5_VLConfig(
        text_config=_text_settings(row) | {"rope_parameters": rope},
        vision_config=_qwen_vision_settings(row) | blocks,
        tie_word_embeddings=row.text.tied,
    )


def _qwen3_config(row: Checkpoint) -> Any:
    from transformers import Qwen3VLConfig

    rope = {"rope_type": "default", "mrope_section": [24, 20, 20], "rope_theta": 5e6, "mrope_interleaved": True}
    more = {"num_position_embeddings": 2304, "deepstack_visual_indexes": list(row.vision.deepstack)}
    return Qwen3VLConfig(
        text_config=_text_settings(row) | {"rope_parameters": rope},
        vision_config=_qwen_vision_settings(row) | more,
        tie_word_embeddings=row.text.tied,
    )


def _llava_config(row: Checkpoint) -> Any:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    text = LlamaConfig(**(_text_settings(row) | {"rms_norm_eps": 1e-5, "max_position_embeddings": 4096}))
    vision = CLIPVisionConfig(**_vision_settings(row), projection_dim=768)
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=32000,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
        tie_word_embeddings=row.text.tied,
    )


def _onevision_config(row: Checkpoint) -> Any:
    from transformers import LlavaOnevisionConfig, Qwen2Config, SiglipVisionConfig

    sides = range(384, 2305, 384)
    return LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(**_vision_settings(row), vision_use_head=False),
        text_config=Qwen2Config(**_text_settings(row)),
        image_token_index=151646,
        video_token_index=151647,
        image_grid_pinpoints=[[height, width] for height in sides for width in sides],
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=row.text.tied,
    )


def _internvl_config(row: Checkpoint) -> Any:
    from transformers import InternVLConfig, InternVLVisionConfig, Qwen2Config

    settings = _vision_settings(row)
    settings |= {name: [settings[name]] * 2 for name in ("image_size", "patch_size")}
    return InternVLConfig(
        vision_config=InternVLVisionConfig(**settings, attention_bias=True, norm_type="layer_norm"),
        text_config=Qwen2Config(**_text_settings(row)),
        image_token_id=151667,
        downsample_ratio=0.5,
        tie_word_embeddings=row.text.tied,
    )


_CONFIGS = {
    "qwen2_5_vl": _qwen2_5_config,
    "qwen3_vl": _qwen3_config,
    "llava": _llava_config,
    "llava_onevision": _onevision_config,
    "internvl": _internvl_config,
}
