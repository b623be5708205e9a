"""Image features in large batches: all pictures have one size, so attention needs no loop over them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as qwen

from recipes.toy_model.architecture import HIDDEN, MERGE, PATCH, SIDE, TOKENS_PER_IMAGE

__all__ = ["batched_attention", "image_features", "patches"]

_PATCHES = (SIDE // PATCH) ** 2


def patches(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """(N, 64, 64, 3) to (N * 64, 192): what the image processor gives, for many pictures at once."""
    cells = SIDE // PATCH // MERGE
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    blocks = values.reshape(-1, 3, cells, MERGE, PATCH, cells, MERGE, PATCH)
    return blocks.permute(0, 2, 5, 3, 6, 1, 4, 7).reshape(-1, 3 * PATCH * PATCH)


def _attend(self: Any, hidden_states: Any, *_: Any, position_embeddings: Any = None, **__: Any) -> Any:
    n = hidden_states.shape[0]
    q, k, v = self.qkv(hidden_states).reshape(n, 3, self.num_heads, -1).permute(1, 0, 2, 3).unbind(0)
    q, k = qwen.apply_rotary_pos_emb_vision(q, k, *position_embeddings)
    q, k, v = (t.reshape(-1, _PATCHES, self.num_heads, t.shape[-1]).transpose(1, 2) for t in (q, k, v))
    return self.proj(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, -1))


@contextmanager
def batched_attention() -> Iterator[None]:
    """While open, the vision tower attends within all pictures in one call; transformers loops over them."""
    original = qwen.Qwen2_5_VLVisionAttention.forward
    qwen.Qwen2_5_VLVisionAttention.forward = _attend
    try:
        yield
    finally:
        qwen.Qwen2_5_VLVisionAttention.forward = original


def image_features(model: Any, pixels: NDArray[np.uint8], *, batch: int = 64) -> torch.Tensor:
    """Features of N pictures, (N, 16, width); with gradients if they are enabled."""
    told = []
    with batched_attention():
        for start in range(0, len(pixels), batch):
            part = pixels[start : start + batch]
            grid = torch.tensor([[1, SIDE // PATCH, SIDE // PATCH]] * len(part))
            told.append(model.model.visual(patches(part), grid_thw=grid).pooler_output)
    return torch.cat(told).view(-1, TOKENS_PER_IMAGE, HIDDEN)
