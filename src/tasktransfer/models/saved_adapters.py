"""Saved adapters of any trainer: read, brought to this model's module names, and tried.

An adapter that belongs to another model, or that changes nothing, would give a row of numbers like any other. So
each is read before it is used: every weight must have its module here, in its shape. Adapters that were trained
before transformers 4.52 carry the module names of that time and are renamed.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import InputError
from tasktransfer.peft_folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS

if TYPE_CHECKING:
    import torch

    from tasktransfer.models.vlm import Vlm

__all__ = ["AdapterFile", "check_adapter", "read_adapter"]

_KEY = re.compile(
    r"base_model\.model\.(?P<module>.+)\.(?P<part>lora_[AB]|lora_magnitude_vector)(\.default)?(\.weight)?"
)
# module names of older transformers -> of now, tried in order until one names a module
_RENAMINGS = (
    (r"^", ""),
    (r"^language_model\.model\.", "model.language_model."),
    (r"^language_model\.lm_head", "lm_head"),
    (r"^model\.(?=layers\.)", "model.language_model."),
    (r"^(?=visual\.|vision_tower\.|multi_modal_projector\.)", "model."),
)
_TOWERS = (("vision_tower.vision_model.", "vision_tower."), ("vision_tower.", "vision_tower.vision_model."))
_INITIALISATIONS = (True, False, None, "gaussian", "orthogonal", "eva")  # which leave the base as it is


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
        It is no LoRA adapter, cannot be read, or does not belong to this model.
    """
    config = _config(folder)
    modules = dict(vlm.model.named_modules())
    weights: dict[str, torch.Tensor] = {}
    parts: dict[str, set[str]] = {}
    for module, part, tensor in _tensors(folder):
        here = _renamed(module, modules)
        if here is None:
            raise InputError(f"{folder}: belongs to another model: there is no {module} here")
        _check_shape(folder, here, modules[here], part, tensor)
        weights[f"base_model.model.{here}.{part}" + (".weight" if "vector" not in part else "")] = tensor
        parts.setdefault(here, set()).add(part)
    lone = [module for module, found in parts.items() if not {"lora_A", "lora_B"} <= found]
    if lone:
        raise InputError(f"{folder}: {lone[0]} has only one of the two matrices of an adapter")
    counts = _counts(vlm, parts)
    config.target_modules = set(parts)
    ranks = {name: weights[f"base_model.model.{name}.lora_A.weight"].shape[0] for name in parts}
    config.rank_pattern = {re.escape(name): rank for name, rank in ranks.items() if rank != config.r}
    config.alpha_pattern = _alphas(folder, config.alpha_pattern or {}, parts)
    config.exclude_modules = config.layers_to_transform = config.layers_pattern = None
    config.init_lora_weights, config.inference_mode = True, True
    scaled, decomposed = config.use_rslora, config.use_dora
    kind = f"{'rs' if scaled else ''}{'DoRA' if decomposed else 'LoRA'}"
    base = str(config.base_model_name_or_path or "")
    return AdapterFile(folder, kind, config.r, config.lora_alpha, base, *counts, config, weights)


def check_adapter(vlm: Vlm, folder: Path) -> AdapterFile:
    """Read an adapter, and see that the model answers otherwise with it than without.

    Raises
    ------
    InputError
        It does not belong to this model, or changes nothing.
    """
    import numpy as np

    from tasktransfer.models.answering import option_likelihoods
    from tasktransfer.models.lora import saved_lora
    from tasktransfer.models.prompts import encode

    found = read_adapter(folder, vlm)
    if not any(bool(tensor.any()) for name, tensor in found.weights.items() if ".lora_B" in name):
        raise InputError(f"{folder}: changes nothing (every B matrix is zero: was it saved before training?)")
    prompts = encode(vlm, [_probe()], keep_pixels=True)
    before = option_likelihoods(vlm, prompts)[0]
    with saved_lora(vlm, folder):
        after = option_likelihoods(vlm, prompts)[0]
    if not np.isfinite(after).all():
        raise InputError(f"{folder}: the model gives no finite likelihoods with it (broken weights)")
    if np.array_equal(before, after):
        raise InputError(f"{folder}: changes nothing: a question is answered with the same likelihoods")
    return found


def _probe() -> Any:
    """A question about a picture in which no two rows or columns are alike."""
    import numpy as np
    from PIL import Image

    from tasktransfer.tasks.item import Item

    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return Item("probe", (Image.fromarray(pixels),), "Which is it?", ("one", "two", "three", "four"), "A")


def _config(folder: Path) -> Any:
    from peft import PeftConfig

    path = folder / ADAPTER_CONFIG
    try:
        kind = json.loads(path.read_text(encoding="utf-8")).get("peft_type")
        if kind != "LORA":
            raise InputError(f"{folder}: a {kind} adapter; LoRA is supported, with DoRA and rsLoRA")
        with warnings.catch_warnings():  # settings of a newer peft, all of them without effect here
            warnings.filterwarnings("ignore", "Unexpected keyword arguments", UserWarning)
            config = PeftConfig.from_pretrained(str(folder))
    except FileNotFoundError as error:
        raise InputError(f"{folder}: is no adapter folder (no {ADAPTER_CONFIG})") from error
    except InputError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if config.init_lora_weights not in _INITIALISATIONS:
        how = config.init_lora_weights
        raise InputError(f"{folder}: initialised by {how!r}, which changes the base too; convert it to plain LoRA")
    if config.modules_to_save or config.bias != "none":
        what = f"modules_to_save={config.modules_to_save}" if config.modules_to_save else f"bias={config.bias!r}"
        raise InputError(f"{folder}: holds more than low-rank matrices ({what}), which is not supported")
    return config


def _tensors(folder: Path) -> Iterator[tuple[str, str, torch.Tensor]]:
    """Module as it is called there, part and weight."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / ADAPTER_WEIGHTS
    if not path.is_file():
        hint = "; pickled weights are not read" if (folder / "adapter_model.bin").is_file() else ""
        raise InputError(f"{folder}: holds no weights (no {ADAPTER_WEIGHTS}{hint})")
    try:
        loaded = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not loaded:
        raise InputError(f"{path}: is empty")
    for name, tensor in loaded.items():
        match = _KEY.fullmatch(name)
        if match is None:
            raise InputError(f"{path}: {name!r} is no weight of a LoRA adapter")
        yield match["module"], match["part"], tensor


def _renamed(module: str, modules: Mapping[str, Any]) -> str | None:
    """The name of a module here; None where there is none."""
    for pattern, replacement in _RENAMINGS:
        name = re.sub(pattern, replacement, module, count=1)
        for candidate in (name, *(name.replace(*tower, 1) for tower in _TOWERS)):
            if candidate in modules:
                return candidate
    return None


def _alphas(folder: Path, told: Mapping[str, float], parts: Mapping[str, Any]) -> dict[str, float]:
    """Scales of single maps, by names or patterns of older transformers too; one that fits nothing is refused."""
    found: dict[str, float] = {}
    for pattern, alpha in told.items():
        older = next((then for old, new in _RENAMINGS if (then := re.sub(old, new, pattern)) in parts), pattern)
        if not any(re.match(rf"(.*\.)?({older})$", name) for name in parts):
            raise InputError(f"{folder}: its alpha_pattern names {pattern!r}, and it wraps no such map")
        found[older] = alpha
    return found


def _check_shape(folder: Path, name: str, module: Any, part: str, tensor: torch.Tensor) -> None:
    n_in, n_out = getattr(module, "in_features", None), getattr(module, "out_features", None)
    if n_in is None or n_out is None:
        raise InputError(f"{folder}: {name} is a {type(module).__name__} here, not a linear map")
    is_first = part == "lora_A"
    given, wanted = tensor.shape[1 if is_first and tensor.ndim == 2 else 0], n_in if is_first else n_out
    if given != wanted:
        raise InputError(f"{folder}: belongs to another model: {name} has {wanted} features here, {given} there")


def _counts(vlm: Vlm, parts: Mapping[str, Any]) -> tuple[int, int, int]:
    """Maps of the decoder, the projector and the vision tower."""
    projector = sum(name.startswith(vlm.family.projector) for name in parts)
    inside = sum(name.startswith((vlm.family.vision, *vlm.family.projector)) for name in parts)
    return len(parts) - inside, projector, inside - projector
