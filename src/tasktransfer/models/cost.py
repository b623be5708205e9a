"""What a known checkpoint costs, before it is there: memory of a step and of a question, operations of a token.

Memory counts weights, what is trained (gradients and AdamW's two moments with it) and what a training step keeps
for its backward pass. It leaves out the workspace of kernels, the allocator's slack and what other programs hold:
a tenth to a fifth should stay free. Operations are those of linear maps and attention; a multiply-add is two.

What a decoder layer keeps for the backward pass was measured through saved-tensor hooks on random Qwen2.5-VL
decoders with masked attention (torch 2.13, transformers 5.23, CPU): so many bytes per token for each unit of the
hidden and of the intermediate size. A test measures it again.
"""

from __future__ import annotations

from typing import NamedTuple

from tasktransfer.errors import SettingsError
from tasktransfer.models.families.family import Checkpoint, Text

__all__ = ["Memory", "feature_bytes", "flops_per_image_token", "flops_per_token", "lora_parameters", "memory"]

METHODS = ("none", "lora", "qlora", "full")
_BYTES = {"float32": 4, "bfloat16": 2}
_NF4_BYTES = 0.5 + 0.127 / 8  # 4 bits, and scales that are themselves in 8 bits
# (format, what is trained) -> bytes that one token leaves in a layer, per unit of hidden and intermediate size
_KEPT = {
    ("bfloat16", "full"): (24, 8),
    ("bfloat16", "attention+mlp"): (40, 10),
    ("bfloat16", "attention"): (32, 6),
    ("float32", "full"): (40, 16),
    ("float32", "attention+mlp"): (32, 16),
    ("float32", "attention"): (28, 12),
}


class Memory(NamedTuple):
    """Bytes on the device."""

    weights: int
    trained: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.trained + self.activations


def memory(
    row: Checkpoint,
    method: str,
    tokens: int,
    dtype: str = "bfloat16",
    *,
    r: int = 8,
    layers: str = "attention+mlp",
    checkpointing: bool = False,
    answers: int = 64,
) -> Memory:
    """Memory of a training step, or of asking where `method` is ``none``.

    Parameters
    ----------
    row
        A known checkpoint.
    method
        ``none``, ``lora``, ``qlora`` or ``full``.
    tokens
        Of one batch (one micro-batch, where gradients are accumulated), padding included.
    dtype
        Of the weights; adapters are in float32.
    r, layers
        Of the adapter.
    checkpointing
        Whether layers are computed again in the backward pass.
    answers
        Tokens of the batch at which words are compared: its answers.
    """
    if method not in METHODS:
        raise SettingsError(f"method {method!r}: accepted are {', '.join(METHODS)}")
    size, text = _BYTES[dtype], row.text
    maps = _layer_parameters(text) * text.layers
    weights = row.parameters.all * size - (int(maps * (size - _NF4_BYTES)) if method == "qlora" else 0)
    trained = {
        "none": 0,
        # gradient and two moments in float32; beside weights in bfloat16 also the weight and its own gradient
        "full": row.parameters.language * (12 if dtype == "float32" else 18),
    }.get(method, 16 * lora_parameters(row, r, layers)[0])  # weight, gradient and two moments in float32
    words = answers * text.vocabulary * (size + 12)  # logits, and in float32 those, their softmax and its gradient
    wide = max(text.hidden, text.heads * text.head_size)
    if method == "none":
        running = tokens * size * (6 * wide + 3 * text.intermediate)  # one layer at work
        return Memory(weights, 0, running + words)
    per_hidden, per_intermediate = _KEPT[dtype, "full" if method == "full" else layers]
    layer = tokens * (per_hidden * wide + per_intermediate * text.intermediate)
    kept = layer + text.layers * tokens * text.hidden * size if checkpointing else text.layers * layer
    return Memory(weights, trained, kept + words)


def lora_parameters(row: Checkpoint, r: int, layers: str = "attention+mlp") -> tuple[int, int]:
    """Parameters of an adapter of the language model, and how many maps it wraps.

    Parameters
    ----------
    row
        A known checkpoint.
    r
        Rank of the adapter.
    layers
        ``attention`` or ``attention+mlp``.
    """
    shapes = _attention_maps(row.text) + (_mlp_maps(row.text) if layers == "attention+mlp" else [])
    return r * row.text.layers * sum(n_in + n_out for n_in, n_out in shapes), row.text.layers * len(shapes)


def flops_per_token(
    row: Checkpoint, *, context: int = 0, method: str = "none", checkpointing: bool = False
) -> float:
    """Operations that one token costs in the language model.

    Parameters
    ----------
    row
        A known checkpoint.
    context
        Mean number of tokens that a token attends to: half of an item's length.
    method
        ``none`` for asking; an adapter needs gradients of what goes in, as much again; full finetuning also those
        of the weights.
    checkpointing
        One more pass forward.
    """
    text = row.text
    attention = 4 * context * text.heads * text.head_size
    forward = text.layers * (2 * _layer_parameters(text) + attention)
    passes = {"none": 1, "lora": 2, "qlora": 2, "full": 3}[method]
    # attention has no weights: its backward pass is two forward ones whatever is trained
    more = text.layers * attention if method in ("lora", "qlora") else 0
    return float(passes * forward + more + (forward if checkpointing and method != "none" else 0))


def flops_per_image_token(row: Checkpoint) -> float:
    """Operations of the vision tower and the projector for one image token, attention between patches left out.

    Once a study for each picture, while both are frozen.
    """
    return float(2 * row.parameters.vision * row.vision.merge**2 + 2 * row.parameters.projector)


def feature_bytes(row: Checkpoint, n_image_tokens: int, dtype: str = "bfloat16") -> int:
    """What the kept features of so many image tokens take on disk.

    Parameters
    ----------
    row
        A known checkpoint; with DeepStack a token has features of several depths.
    n_image_tokens
        Image tokens of all items together.
    dtype
        ``float32`` or ``bfloat16``.
    """
    return n_image_tokens * (1 + len(row.vision.deepstack)) * row.text.hidden * _BYTES[dtype]


def _attention_maps(text: Text) -> list[tuple[int, int]]:
    """Inputs and outputs of q, k, v and o."""
    wide, narrow = text.heads * text.head_size, text.kv_heads * text.head_size
    return [(text.hidden, wide), (text.hidden, narrow), (text.hidden, narrow), (wide, text.hidden)]


def _mlp_maps(text: Text) -> list[tuple[int, int]]:
    return [(text.hidden, text.intermediate)] * 2 + [(text.intermediate, text.hidden)]


def _layer_parameters(text: Text) -> int:
    return sum(n_in * n_out for n_in, n_out in _attention_maps(text) + _mlp_maps(text))
