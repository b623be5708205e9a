"""What differs between families of vision-language models: one row each, in a file of its own.

A family is found by the ``model_type`` of a checkpoint's config. Everything else in this room is written once,
against the names below. A family that is not here is a `Family` of one's own, named ``my_lab.models:GEMMA``.

Shapes of checkpoints are those of the published configs; parameters are those of the class at this shape, counted
on torch's meta device, and a test counts them again. With them a study is planned without a download.

Shape letters: L tokens, P position axes (3 or 1), N image features, D depths, H hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

__all__ = [
    "ATTENTION",
    "MLP",
    "Checkpoint",
    "Family",
    "Inputs",
    "Parts",
    "Pixels",
    "Size",
    "Text",
    "Vision",
    "per_tile",
    "square_tokens",
    "text_settings",
    "vision_settings",
]

Inputs = Mapping[str, Any]  # what a processor returned for one item
Size = tuple[int, int]  # width, height

ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
MLP = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")


class Pixels(NamedTuple):
    """How much of a picture is seen; None leaves it to the checkpoint."""

    least: int | None = None  # pixels of a picture that is brought up to this (Qwen)
    most: int | None = None  # and down to this
    tiles: int | None = None  # a picture is cut into at most so many (InternVL, LLaVA-OneVision)


@dataclass(frozen=True)
class Text:
    """Shape of a language model."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool = False  # embeddings and head are one matrix
    head_size: int = 128


@dataclass(frozen=True)
class Vision:
    """Shape of a vision tower."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    patch: int  # side of a patch, pixels
    merge: int  # patches that become one image token, along each side
    side: int | None = None  # side of the square (or tile) that a picture is brought to; None keeps proportions
    deepstack: tuple[int, ...] = ()


@dataclass(frozen=True)
class Parts:
    """Parameters by part."""

    language: int  # layers, embeddings and head
    projector: int
    vision: int

    @property
    def all(self) -> int:
        """The whole model."""
        return self.language + self.projector + self.vision


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint."""

    hub_id: str
    family: str
    text: Text
    vision: Vision
    parameters: Parts


def _plain_positions(model: Any, inputs: Inputs) -> torch.Tensor:  # noqa: ARG001
    import torch

    return torch.arange(inputs["input_ids"].shape[1])[None]


def _features(model: Any, inputs: Inputs) -> torch.Tensor:
    """``(N, 1, H)``: what stands at the image places."""
    import torch

    made = model.get_image_features(**inputs).pooler_output
    made_NH = made.flatten(0, 1) if isinstance(made, torch.Tensor) else torch.cat(list(made))
    return made_NH[:, None]


@dataclass(frozen=True)
class Family:
    """One architecture."""

    model_class: str  # in transformers
    load_processor: Callable[[Path], Any]  # folder -> processor, without torchvision
    image_inputs: tuple[str, ...]  # what the processor may return beside text, all of it for the vision tower
    vision: str  # module name of the vision tower
    blocks: str  # its list of blocks, by the end of the name
    vision_modules: tuple[str, ...]  # the linear maps of one of them
    projector: tuple[str, ...]  # modules between the tower and the language model
    positions: Callable[[Any, Inputs], torch.Tensor] = _plain_positions  # (model, inputs) -> (P, L)
    features: Callable[[Any, Inputs], torch.Tensor] = _features  # (model, image inputs) -> (N, D, H)
    deep_arguments: tuple[str, str] | None = (
        None  # the decoder's, for the places and the features beyond the first
    )
    limit_pixels: Callable[[Any, Any, Pixels], None] | None = None  # (processor, config, pixels)
    pixel_settings: tuple[str, ...] = ()  # which of `Pixels` it has
    images_nested: bool = False  # a list of lists: a flat list would mean several items of one picture each
    # (processor, grid, seconds from frame to frame) -> text of a video's places, and what else the model is given
    video: Callable[[Any, Sequence[int], float], tuple[str, dict[str, Any]]] | None = None
    # (checkpoint, width and height of each picture of an item, limits) -> tokens, with the marks around each
    image_tokens: Callable[[Checkpoint, Sequence[Size], Pixels], int] | None = None
    config: Callable[[Checkpoint], Any] | None = None  # the transformers config of a known checkpoint
    checkpoints: tuple[Checkpoint, ...] = ()  # those that are known
    caution: str = ""
    layer_modules: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"attention": ATTENTION, "attention+mlp": (*ATTENTION, *MLP)}
    )  # linear maps of one decoder layer, by the study's word for them


def square_tokens(row: Checkpoint, sizes: Sequence[Size], pixels: Pixels) -> int:  # noqa: ARG001
    """Every picture one square.

    Parameters
    ----------
    row
        A checkpoint whose vision tower has a `side`.
    sizes
        Of the pictures of one item; only how many there are counts.
    pixels
        Not used: a square has no limits.
    """
    return len(sizes) * per_tile(row.vision)


def per_tile(vision: Vision) -> int:
    """Tokens of a square, or of a tile."""
    assert vision.side is not None
    return (vision.side // vision.patch // vision.merge) ** 2


def text_settings(row: Checkpoint) -> dict[str, Any]:
    """What the configs of all language models say."""
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


def vision_settings(row: Checkpoint) -> dict[str, Any]:
    """What the configs of all vision towers but Qwen's say."""
    tower = row.vision
    return {
        "hidden_size": tower.hidden,
        "intermediate_size": tower.intermediate,
        "num_hidden_layers": tower.layers,
        "num_attention_heads": tower.heads,
        "patch_size": tower.patch,
        "image_size": tower.side,
    }
