"""LoRA adapters on a model: attached for the time of a block, and gone without a trace.

Targets are found from the modules themselves and counted: matching by suffix would reach from the language model
into the vision tower of most families. Adapter weights are kept in float32 whatever the model is in, so that small
steps are not lost to rounding; what they add is computed in float32 and brought to the model's format.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from tasktransfer.errors import InputError, SettingsError, closest

if TYPE_CHECKING:
    from tasktransfer.models.vlm import Vlm

__all__ = ["Targets", "adapter_targets", "lora", "require_wrapped", "unwrap", "without_foreign_warnings"]


class Targets(NamedTuple):
    """The linear maps that an adapter wraps: an anchored pattern of their names, and how many of each part."""

    pattern: str
    decoder: int
    projector: int = 0
    vision: int = 0

    @property
    def n(self) -> int:
        """All of them."""
        return self.decoder + self.projector + self.vision

    def __str__(self) -> str:
        parts = {"language model": self.decoder, "projector": self.projector, "vision tower": self.vision}
        return ", ".join(f"{count} maps of the {part}" for part, count in parts.items() if count)


def adapter_targets(vlm: Vlm, layers: str, *, projector: bool = False, vision: bool = False) -> Targets:
    """The maps of the decoder's layers that an adapter wraps, and those of the projector and the vision tower.

    Parameters
    ----------
    vlm
        The model, without an adapter.
    layers
        Which maps of a decoder layer: a key of its family's ``layer_modules``, such as ``attention+mlp``.
    projector, vision
        Whether those of the projector, and of the vision tower's blocks, are among them.

    Raises
    ------
    SettingsError
        `layers` is no word of the family.
    InputError
        The modules found are not as many as the model's shape says.
    """
    if layers not in vlm.family.layer_modules:
        known = ", ".join(vlm.family.layer_modules)
        raise SettingsError(f"layers {layers!r}{closest(layers, vlm.family.layer_modules)}: accepted are {known}")
    maps = [name for name, module in vlm.model.named_modules() if _is_linear(module)]
    decoder, n_decoder = _layer_pattern(_name_of(vlm, vlm.decoder), vlm, layers)
    wanted = {decoder: n_decoder}
    if projector:
        inside = [name for name in maps if name.startswith(tuple(f"{p}." for p in vlm.family.projector))]
        wanted["|".join(re.escape(name) for name in inside)] = max(len(inside), 1)
    if vision:
        pattern, n_vision = _block_pattern(vlm)
        wanted[pattern] = n_vision
    counts = []
    for pattern, expected in wanted.items():
        n_maps = sum(re.fullmatch(pattern, name) is not None for name in maps)
        if n_maps != expected:
            raise InputError(f"the adapter would wrap {n_maps} maps of {pattern}, {expected} were expected")
        counts.append(n_maps)
    n_vision = counts.pop() if vision else 0
    return Targets("|".join(wanted), counts[0], counts[1] if projector else 0, n_vision)


def _is_linear(module: Any) -> bool:
    """A linear map, in 4 bits too."""
    import torch

    return isinstance(module, torch.nn.Linear)


def _name_of(vlm: Vlm, wanted: Any) -> str:
    names: list[str] = [name for name, module in vlm.model.named_modules() if module is wanted]
    return names[0]


def _layer_pattern(decoder: str, vlm: Vlm, layers: str) -> tuple[str, int]:
    parts = vlm.family.layer_modules[layers]
    names = "|".join(re.escape(name) for name in parts)
    return rf"{re.escape(decoder)}\.layers\.\d+\.({names})", len(vlm.decoder.layers) * len(parts)


def _block_pattern(vlm: Vlm) -> tuple[str, int]:
    """The maps of those blocks of the vision tower whose output is used."""
    family, config = vlm.family, vlm.model.config
    lists = [
        (name, module)
        for name, module in vlm.model.named_modules()
        if name.startswith(f"{family.vision}.") and name.endswith(f".{family.blocks}")
    ]
    if len(lists) != 1:
        raise InputError(f"{len(lists)} lists of blocks were found in {family.vision}, one was expected")
    name, blocks = lists[0]
    layer = getattr(config, "vision_feature_layer", None)
    n_used = len(blocks) if not isinstance(layer, int) or layer >= 0 else len(blocks) + 1 + layer
    if isinstance(layer, int) and layer >= 0:
        n_used = layer  # hidden state 0 is what goes into the first block
    numbers = "|".join(map(str, range(n_used)))
    parts = "|".join(re.escape(part) for part in family.vision_modules)
    return rf"{re.escape(name)}\.({numbers})\.({parts})", n_used * len(family.vision_modules)


@contextmanager
def lora(
    vlm: Vlm,
    *,
    r: int,
    alpha: float,
    dropout: float,
    layers: str,
    name: str,
    projector: bool = False,
    vision: bool = False,
) -> Iterator[Any]:
    """Attach a fresh LoRA adapter for the time of the block; the model is untouched afterwards.

    Yields the PEFT model, whose ``save_pretrained`` writes a plain adapter folder.

    Parameters
    ----------
    vlm
        The model, without an adapter.
    r, alpha
        Rank, and the scale alpha / r of what is added.
    dropout
        Share of what goes into the adapter that is dropped in training, in [0, 1).
    layers
        Which maps of a decoder layer: a key of its family's ``layer_modules``.
    name
        The model that the adapter says it belongs to.
    projector, vision
        Adapt these parts too. Image features then depend on what is trained: prompts must be encoded with
        ``keep_pixels``.

    Raises
    ------
    SettingsError, InputError
        As `adapter_targets`, or PEFT wraps other maps than these.
    """
    from peft import LoraConfig, get_peft_model

    targets = adapter_targets(vlm, layers, projector=projector, vision=vision)
    config = LoraConfig(r=r, lora_alpha=alpha, lora_dropout=dropout, target_modules=targets.pattern)
    with without_foreign_warnings():
        wrapped = get_peft_model(vlm.model, config, autocast_adapter_dtype=True)
    config.base_model_name_or_path = name  # get_peft_model puts the path of the weights there
    try:
        require_wrapped(wrapped, targets.n)
        yield wrapped
    finally:
        unwrap(vlm, wrapped)


@contextmanager
def without_foreign_warnings() -> Iterator[None]:
    """Without what libraries say about one another."""
    with warnings.catch_warnings():  # peft asks transformers by a name that transformers has renamed
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def require_wrapped(wrapped: Any, n_wanted: int) -> None:
    """Raise where an adapter wraps more or fewer maps than it is to."""
    n_wrapped = sum("lora_A" in name and name.endswith("weight") for name, _ in wrapped.named_parameters())
    if n_wrapped != n_wanted:
        raise InputError(f"the adapter wrapped {n_wrapped} maps, {n_wanted} were expected")


def unwrap(vlm: Vlm, wrapped: Any) -> None:
    """Take adapters off a model."""
    wrapped.unload()
    vlm.model.eval().requires_grad_(False)
