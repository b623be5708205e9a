"""Saved adapters of any trainer: brought to this model, attached, and tried.

An adapter that belongs to another model, or that changes nothing, would give a row of numbers like any other. So
each is read before it is used (`tasktransfer.peft_folder`): every weight must have its module here, in its shape.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import InputError, quoted
from tasktransfer.models.lora import require_wrapped, unwrap, without_foreign_warnings
from tasktransfer.peft_folder import PeftFolder, names_now, read_peft_folder

if TYPE_CHECKING:
    import torch

    from tasktransfer.models.vlm import Vlm

__all__ = ["AdapterFile", "check_adapter", "read_adapter", "saved_lora"]


@dataclass(frozen=True)
class AdapterFile:
    """A saved adapter that fits a model."""

    folder: Path
    kind: str  # "LoRA", "DoRA", "rsLoRA" or "rsDoRA"
    r: int
    alpha: float
    base: str  # what it says it was trained on
    decoder: int  # maps it changes, by part
    projector: int
    vision: int
    config: Any  # PEFT's, with this model's module names
    weights: Mapping[str, torch.Tensor]

    @property
    def n(self) -> int:
        """Maps it changes."""
        return self.decoder + self.projector + self.vision

    @property
    def reaches_pixels(self) -> bool:
        """Image features depend on it: prompts must be encoded with ``keep_pixels``."""
        return self.projector + self.vision > 0


def read_adapter(folder: Path, vlm: Vlm) -> AdapterFile:
    """Read a PEFT adapter folder for a model.

    Raises
    ------
    InputError
        It is no LoRA adapter, cannot be read, holds more than low-rank factors, or does not belong to this model.
    """
    adapter = read_peft_folder(folder)
    if adapter.beside:
        raise InputError(f"{folder}: holds more than low-rank matrices ({quoted(adapter.beside)}): not supported")
    modules = dict(vlm.model.named_modules())
    here = {name: _module_here(folder, name, modules) for name in adapter.maps}
    stored = _load(adapter)
    weights: dict[str, torch.Tensor] = {}
    for (name, part), place in adapter.tensors.items():
        _check_shape(folder, here[name], modules[here[name]], part, place.shape)
        ending = "" if "vector" in part else ".weight"
        weights[f"base_model.model.{here[name]}.{part}{ending}"] = stored[place.name]
    config = _peft_config(adapter, here)
    counts = _counts(vlm, here.values())
    base = str(config.base_model_name_or_path or "")
    return AdapterFile(folder, adapter.kind, config.r, config.lora_alpha, base, *counts, config, weights)


@contextmanager
def saved_lora(vlm: Vlm, folder: Path) -> Iterator[AdapterFile]:
    """Attach a saved adapter for the time of the block: ours, or the plain PEFT folder of any trainer."""
    from peft import PeftModel, set_peft_model_state_dict

    adapter = read_adapter(folder, vlm)
    with without_foreign_warnings():
        wrapped = PeftModel(vlm.model, adapter.config, autocast_adapter_dtype=True)
    try:
        require_wrapped(wrapped, adapter.n)
        loaded = set_peft_model_state_dict(wrapped, adapter.weights)
        if loaded.unexpected_keys:
            raise InputError(f"{folder}: no place was found for {loaded.unexpected_keys[0]}")
        wrapped.eval().requires_grad_(False)
        yield adapter
    finally:
        unwrap(vlm, wrapped)


def check_adapter(vlm: Vlm, folder: Path) -> AdapterFile:
    """Read an adapter, and see that the model answers otherwise with it than without.

    Raises
    ------
    InputError
        It does not belong to this model, or changes nothing.
    """
    import numpy as np

    from tasktransfer.models.answering import option_likelihoods
    from tasktransfer.models.prompts import encode

    adapter = read_adapter(folder, vlm)
    if not any(bool(tensor.any()) for name, tensor in adapter.weights.items() if ".lora_B" in name):
        raise InputError(f"{folder}: changes nothing (every B matrix is zero: was it saved before training?)")
    # with pixels: an adapter of the vision tower acts before the features
    prompts = encode(vlm, [_probe()], keep_pixels=True)
    before = option_likelihoods(vlm, prompts)[0]
    with saved_lora(vlm, folder):
        after = option_likelihoods(vlm, prompts)[0]
    if not np.isfinite(after).all():
        raise InputError(f"{folder}: the model gives no finite likelihoods with it (broken weights)")
    if np.array_equal(before, after):
        raise InputError(f"{folder}: changes nothing: a question is answered with the same likelihoods")
    return adapter


def _probe() -> Any:
    """A question about a picture in which no two rows or columns are alike."""
    import numpy as np
    from PIL import Image

    from tasktransfer.tasks.item import Item

    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Item("probe", (Image.fromarray(pixels),), "Which is it?", ("one", "two", "three", "four"), "A")


def _load(adapter: PeftFolder) -> dict[str, torch.Tensor]:
    """The tensors by their names in the file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(adapter.file)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{adapter.file}: cannot be read ({error})") from error


def _module_here(folder: Path, name: str, modules: Mapping[str, Any]) -> str:
    for candidate in names_now(name):
        if candidate in modules:
            return candidate
    raise InputError(f"{folder}: belongs to another model: there is no {name} here")


def _peft_config(adapter: PeftFolder, here: Mapping[str, str]) -> Any:
    """PEFT's config with this model's module names, each map by itself: patterns of the trainer's names go."""
    from peft import PeftConfig

    try:
        with warnings.catch_warnings():  # settings of a newer peft, all of them without effect here
            warnings.filterwarnings("ignore", "Unexpected keyword arguments", UserWarning)
            config = PeftConfig.from_pretrained(str(adapter.folder))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{adapter.folder}: its config cannot be read ({error})") from error
    config.target_modules = set(here.values())
    ranks = {here[name]: adapter.rank(name) for name in here}
    config.rank_pattern = {re.escape(name): rank for name, rank in ranks.items() if rank != config.r}
    alphas = {here[name]: adapter.alpha(name) for name in here}
    config.alpha_pattern = {re.escape(name): alpha for name, alpha in alphas.items() if alpha != config.lora_alpha}
    config.exclude_modules = config.layers_to_transform = config.layers_pattern = None
    config.init_lora_weights, config.inference_mode = True, True
    return config


def _check_shape(folder: Path, name: str, module: Any, part: str, shape: tuple[int, ...]) -> None:
    n_in, n_out = getattr(module, "in_features", None), getattr(module, "out_features", None)
    if n_in is None or n_out is None:
        raise InputError(f"{folder}: {name} is a {type(module).__name__} here, not a linear map")
    is_first = part == "lora_A"
    given, wanted = shape[1 if is_first and len(shape) == 2 else 0], n_in if is_first else n_out
    if given != wanted:
        raise InputError(f"{folder}: belongs to another model: {name} has {wanted} features here, {given} there")


def _counts(vlm: Vlm, maps: Iterable[str]) -> tuple[int, int, int]:
    """Maps of the decoder, the projector and the vision tower."""
    names = list(maps)
    projector = sum(name.startswith(vlm.family.projector) for name in names)
    inside = sum(name.startswith((vlm.family.vision, *vlm.family.projector)) for name in names)
    return len(names) - inside, projector, inside - projector
