"""What differs between families of vision-language models: facts, one row each.

A family is found by the ``model_type`` of a checkpoint's config. Everything else in this room is written once,
against the names below. A family that is not here is a `Family` of one's own, named ``my_lab.models:GEMMA``.

Shape letters: L tokens, P position axes (3 or 1), N image features, D depths, H hidden size.
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tasktransfer.errors import InputError, SettingsError, closest
from tasktransfer.models.families.processors import (
    internvl_processor,
    llava_onevision_processor,
    llava_processor,
    qwen_processor,
)
from tasktransfer.models.families.video import qwen2_5_video, qwen3_video

if TYPE_CHECKING:
    import torch

__all__ = ["FAMILIES", "Family", "Pixels", "family_named", "family_of"]

Inputs = Mapping[str, Any]  # what a processor returned for one item

_ATTENTION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
_MLP = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
_LLAVA_VISION = (
    *(f"self_attn.{name}" for name in ("q_proj", "k_proj", "v_proj", "out_proj")),
    "mlp.fc1",
    "mlp.fc2",
)


class Pixels(NamedTuple):
    """How much of a picture is seen; None leaves it to the checkpoint."""

    least: int | None = None  # pixels of a picture that is brought up to this (Qwen)
    most: int | None = None  # and down to this
    tiles: int | None = None  # a picture is cut into at most so many (InternVL, LLaVA-OneVision)


def _plain_positions(model: Any, inputs: Inputs) -> torch.Tensor:  # noqa: ARG001
    import torch

    return torch.arange(inputs["input_ids"].shape[1])[None]


def _multimodal_positions(model: Any, inputs: Inputs) -> torch.Tensor:
    keys = ("mm_token_type_ids", "image_grid_thw", "video_grid_thw", "second_per_grid_ts")
    told = {key: inputs[key] for key in keys if key in inputs}
    positions_PBL: torch.Tensor
    positions_PBL, _ = model.model.get_rope_index(inputs["input_ids"], **told)
    return positions_PBL[:, 0]


def _features(model: Any, inputs: Inputs) -> torch.Tensor:
    """``(N, 1, H)``: what stands at the image places."""
    import torch

    made = model.get_image_features(**inputs).pooler_output
    made_NH = made.flatten(0, 1) if isinstance(made, torch.Tensor) else torch.cat(list(made))
    return made_NH[:, None]


def _stacked_features(model: Any, inputs: Inputs) -> torch.Tensor:
    """``(N, D, H)``: the features, then what DeepStack adds after each of the first decoder layers."""
    import torch

    made = model.get_image_features(**inputs)
    depths = [made.pooler_output, *made.deepstack_features]
    return torch.stack([torch.cat(list(depth)) for depth in depths], dim=1)


def _limit_area(processor: Any, config: Any, pixels: Pixels) -> None:  # noqa: ARG001
    images = processor.image_processor
    least = pixels.least or images.size["shortest_edge"]
    most = pixels.most or images.size["longest_edge"]
    if least > most:
        raise SettingsError(
            f"pixels: at least {least} and at most {most} pixels cannot both be; set the other too"
        )
    images.size = type(images.size)(shortest_edge=least, longest_edge=most)


def _limit_tiles(processor: Any, config: Any, pixels: Pixels) -> None:  # noqa: ARG001
    if pixels.tiles:
        processor.image_processor.max_patches = pixels.tiles
        processor.image_processor.min_patches = min(processor.image_processor.min_patches, pixels.tiles)


def _limit_grid(processor: Any, config: Any, pixels: Pixels) -> None:
    """Model and processor both choose from the list of grids, and must choose alike."""
    if pixels.tiles:
        side = config.vision_config.image_size
        grids = [[h, w] for h, w in config.image_grid_pinpoints if h * w <= pixels.tiles * side * side]
        if not grids:
            raise SettingsError(f"pixels: none of the model's grids is of at most {pixels.tiles} tiles")
        config.image_grid_pinpoints = processor.image_processor.image_grid_pinpoints = grids


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
    caution: str = ""
    layer_modules: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"attention": _ATTENTION, "attention+mlp": (*_ATTENTION, *_MLP)}
    )  # linear maps of one decoder layer, by the study's word for them


FAMILIES: dict[str, Family] = {
    "qwen2_5_vl": Family(
        model_class="Qwen2_5_VLForConditionalGeneration",
        load_processor=qwen_processor,
        image_inputs=("pixel_values", "image_grid_thw"),
        vision="model.visual",
        blocks="blocks",
        vision_modules=("attn.qkv", "attn.proj", *_MLP),
        projector=("model.visual.merger",),
        video=qwen2_5_video,
        positions=_multimodal_positions,
        limit_pixels=_limit_area,
        pixel_settings=("least", "most"),
    ),
    "qwen3_vl": Family(
        model_class="Qwen3VLForConditionalGeneration",
        load_processor=partial(qwen_processor, class_name="Qwen3VLProcessor"),
        image_inputs=("pixel_values", "image_grid_thw"),
        vision="model.visual",
        blocks="blocks",
        vision_modules=("attn.qkv", "attn.proj", "mlp.linear_fc1", "mlp.linear_fc2"),
        projector=("model.visual.merger", "model.visual.deepstack_merger_list"),
        positions=_multimodal_positions,
        features=_stacked_features,
        deep_arguments=("visual_pos_masks", "deepstack_visual_embeds"),
        video=qwen3_video,
        limit_pixels=_limit_area,
        pixel_settings=("least", "most"),
    ),
    "llava": Family(
        model_class="LlavaForConditionalGeneration",
        load_processor=llava_processor,
        image_inputs=("pixel_values", "image_sizes"),
        vision="model.vision_tower",
        blocks="encoder.layers",
        vision_modules=_LLAVA_VISION,
        projector=("model.multi_modal_projector",),
        caution="LLaVA-1.5 was taught with one picture a prompt: of several it may attend to the first alone",
    ),
    "llava_onevision": Family(
        model_class="LlavaOnevisionForConditionalGeneration",
        load_processor=llava_onevision_processor,
        image_inputs=("pixel_values", "image_sizes", "batch_num_images"),
        vision="model.vision_tower",
        blocks="encoder.layers",
        vision_modules=_LLAVA_VISION,
        projector=("model.multi_modal_projector",),
        limit_pixels=_limit_grid,
        pixel_settings=("tiles",),
        images_nested=True,
    ),
    "internvl": Family(
        model_class="InternVLForConditionalGeneration",
        load_processor=internvl_processor,
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
    ),
}


def family_of(folder: Path, name: str | None = None) -> Family:
    """The family of the checkpoint in a folder, or the one that is named.

    Raises
    ------
    InputError
        There is no readable ``config.json``, or its ``model_type`` is none of `FAMILIES`.
    """
    config = folder / "config.json"
    try:
        told = json.loads(config.read_text(encoding="utf-8"))
        model_type = str(told.get("model_type"))
    except FileNotFoundError as error:
        raise InputError(f"{folder}: holds no model (no config.json)") from error
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{config}: not a readable model config ({error})") from error
    if name is not None:
        return family_named(name)
    if model_type in FAMILIES:
        return FAMILIES[model_type]
    hint, known = closest(model_type, FAMILIES), ", ".join(FAMILIES)
    if not any("vision" in key for key in told):
        raise InputError(f"{config}: {model_type!r} is a model without vision; known with vision are {known}")
    raise InputError(f"{config}: model_type {model_type!r}{hint} is not supported; known are {known}")


def family_named(name: str) -> Family:
    """A family by its key in `FAMILIES`, or by the importable name of one's own: ``module:NAME``."""
    if ":" not in name:
        if name not in FAMILIES:
            known = ", ".join(FAMILIES)
            raise InputError(f"family {name!r}{closest(name, FAMILIES)}: known are {known}, or module:NAME")
        return FAMILIES[name]
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"family {name!r} cannot be imported ({error})") from error
    if not isinstance(found, Family):
        raise InputError(f"family {name!r} is a {type(found).__name__}, not a tasktransfer.models.families.Family")
    return found
