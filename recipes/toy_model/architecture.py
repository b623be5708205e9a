"""The shape of the embedded model: sixteen tokens a picture, four decoder layers of width 128.

A picture of 64 x 64 pixels is 8 x 8 patches, merged 2 x 2 to 16 tokens: one for each cell of the drawn world.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from recipes.toy_model.words import IMAGE, SPECIAL, VIDEO, VISION_END, VISION_START

__all__ = ["HIDDEN", "PATCH", "TOKENS_PER_IMAGE", "new_model", "toy_config"]

SIDE, PATCH, MERGE = 64, 8, 2
TOKENS_PER_IMAGE = (SIDE // PATCH // MERGE) ** 2
HIDDEN = 128
_EMBEDDING_SCALE = 0.3  # the default of 0.02 is far too small at this width: nothing is ever looked up


def toy_config(n_words: int) -> Qwen2_5_VLConfig:
    """Configuration for a vocabulary of `n_words`."""
    text: dict[str, Any] = {
        "vocab_size": n_words,
        "hidden_size": HIDDEN,
        "intermediate_size": 2 * HIDDEN,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": 512,
        "pad_token_id": SPECIAL.index("<|pad|>"),
        "bos_token_id": SPECIAL.index("<|user|>"),
        "eos_token_id": SPECIAL.index("<|end|>"),
        "rope_parameters": {"rope_type": "default", "mrope_section": [4, 6, 6], "rope_theta": 1e4},
    }
    vision: dict[str, Any] = {
        "depth": 4,
        "hidden_size": 96,
        "intermediate_size": 192,
        "num_heads": 4,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 1,
        "out_hidden_size": HIDDEN,
        "window_size": SIDE,
        "fullatt_block_indexes": [0, 1, 2, 3],
        "in_channels": 3,
    }
    return Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=SPECIAL.index(IMAGE),
        video_token_id=SPECIAL.index(VIDEO),
        vision_start_token_id=SPECIAL.index(VISION_START),
        vision_end_token_id=SPECIAL.index(VISION_END),
        tie_word_embeddings=True,
    )


def new_model(n_words: int, *, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    """An untrained model: matrices drawn with variance 1 / fan-in, embeddings with a deviation of 0.3."""
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(toy_config(n_words))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2:
                scale = _EMBEDDING_SCALE if "embed_tokens" in name else parameter.shape[1] ** -0.5
                parameter.mul_(scale / parameter.std())
    return model
