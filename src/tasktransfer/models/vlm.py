"""A vision-language model: loaded by its family, with or without an adapter on its language model.

The vision tower is frozen throughout, so what it makes of an image never changes and is computed once
(`tasktransfer.models.prompts`); every later pass starts from embeddings and runs the language model alone.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import InputError
from tasktransfer.models.families import Family, family_of
from tasktransfer.models.toy import WEIGHTS

if TYPE_CHECKING:
    import torch

__all__ = [
    "TOY",
    "Vlm",
    "adapter_pattern",
    "decoder_weights",
    "load_model",
    "locate_weights",
    "lora",
    "saved_lora",
    "weights_digest",
    "whole_decoder",
]

TOY = "toy"
# what decides an answer, beside the code: weights, shapes, words, pixels, prompt
_DECISIVE = ("*.safetensors", "config.json", "tokenizer*.json", "preprocessor_config.json", "chat_template.*")


@dataclass(frozen=True)
class Vlm:
    """A loaded model, in evaluation mode, every weight frozen."""

    model: Any
    processor: Any
    family: Family

    @property
    def decoder(self) -> Any:
        """The language model: embeddings in, last hidden states out."""
        return self.model.get_decoder()

    @property
    def head(self) -> Any:
        """Hidden states to logits."""
        return self.model.get_output_embeddings()

    @property
    def image_token(self) -> int:
        """The placeholder that stands for one image feature."""
        return int(self.model.config.image_token_id)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        device: torch.device = self.head.weight.device
        return device


def locate_weights(name: str, revision: str | None = None) -> Path:
    """The folder of a model: ``toy`` is the embedded one, a folder is itself, anything else a Hub id.

    Only a Hub id reaches the network, and only where its files are not in the local cache.
    """
    if name == TOY:
        return WEIGHTS
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[*_DECISIVE, "*.json"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        told = str(error).strip().splitlines()[0]
        raise InputError(f"model {name!r} is no folder, and could not be had from the Hub ({told})") from error


def weights_digest(folder: Path) -> str:
    """SHA-256 over every file that decides an answer; names count, the place does not."""
    files = sorted({path for pattern in _DECISIVE for path in folder.glob(pattern)})
    if not any(path.suffix == ".safetensors" for path in files):
        raise InputError(f"{folder}: holds no weights (no .safetensors file; pickled weights are not read)")
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as handle:
            whole.update(f"{path.name} {hashlib.file_digest(handle, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def load_model(folder: Path, *, dtype: str = "float32", device: str = "cpu") -> Vlm:
    """Load a checkpoint of any known family, the embedded model and a Hub checkpoint alike.

    Raises
    ------
    InputError
        The folder holds no model of a known family, or files that cannot be read.
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    family = family_of(folder)
    loader = getattr(transformers, family.model_class)
    transformers.utils.logging.disable_progress_bar()
    try:
        model = loader.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
        )
        processor = family.load_processor(folder)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{folder}: the model cannot be loaded ({str(error).splitlines()[0]})") from error
    model.requires_grad_(False)
    return Vlm(model.eval().to(device), processor, family)


def adapter_pattern(vlm: Vlm, layers: str) -> tuple[str, int]:
    """An anchored regular expression for the maps of the decoder that an adapter wraps, and how many they are.

    Found from the decoder itself: matching by suffix would reach into the vision tower of most families.
    """
    decoder = next(name for name, module in vlm.model.named_modules() if module is vlm.decoder)
    parts = "|".join(re.escape(name) for name in vlm.family.layer_modules[layers])
    pattern = rf"{re.escape(decoder)}\.layers\.\d+\.({parts})"
    n_found = sum(re.fullmatch(pattern, name) is not None for name, _ in vlm.model.named_modules())
    n_wanted = len(vlm.decoder.layers) * len(vlm.family.layer_modules[layers])
    if n_found != n_wanted:
        raise InputError(f"the adapter would wrap {n_found} maps of the language model, {n_wanted} were expected")
    return pattern, n_found


@contextmanager
def lora(vlm: Vlm, *, r: int, alpha: float, dropout: float, layers: str, name: str) -> Iterator[Any]:
    """Attach a fresh LoRA adapter for the time of the block; the model is untouched afterwards.

    Yields the PEFT model, whose ``save_pretrained`` writes a plain adapter folder. `name` is what the
    adapter says it belongs to.
    """
    from peft import LoraConfig, get_peft_model

    pattern, n_wanted = adapter_pattern(vlm, layers)
    config = LoraConfig(r=r, lora_alpha=alpha, lora_dropout=dropout, target_modules=pattern)
    with _without_foreign_warnings():
        wrapped = get_peft_model(vlm.model, config)
    config.base_model_name_or_path = name  # get_peft_model puts the path of the weights there
    try:
        _require_wrapped(wrapped, n_wanted)
        yield wrapped
    finally:
        _unwrap(vlm, wrapped)


@contextmanager
def saved_lora(vlm: Vlm, folder: Path) -> Iterator[None]:
    """Attach a saved adapter for the time of the block."""
    from peft import PeftModel

    with _without_foreign_warnings():
        wrapped = PeftModel.from_pretrained(vlm.model, folder)
    try:
        yield
    finally:
        _unwrap(vlm, wrapped)


@contextmanager
def _without_foreign_warnings() -> Iterator[None]:
    with warnings.catch_warnings():  # peft asks transformers by a name that transformers has renamed
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


def _require_wrapped(wrapped: Any, n_wanted: int) -> None:
    n_wrapped = sum("lora_A" in name and name.endswith("weight") for name, _ in wrapped.named_parameters())
    if n_wrapped != n_wanted:
        raise InputError(f"the adapter wrapped {n_wrapped} maps, {n_wanted} were expected")


def _unwrap(vlm: Vlm, wrapped: Any) -> None:
    wrapped.unload()
    vlm.model.eval().requires_grad_(False)


@contextmanager
def whole_decoder(vlm: Vlm, weights: Path | None = None) -> Iterator[dict[str, Any]]:
    """Unfreeze the whole language model for the time of the block, or replace it by saved weights.

    Yields the parameters of the decoder and its head by name. What they were before comes back afterwards.
    """
    import torch
    from safetensors.torch import load_file

    named = decoder_weights(vlm)
    before = {name: weight.detach().clone() for name, weight in named.items()}
    try:
        if weights is not None:
            with torch.no_grad():
                for name, weight in load_file(weights).items():
                    named[name].copy_(weight)
        for weight in named.values():
            weight.requires_grad_(weights is None)
        yield named
    finally:
        with torch.no_grad():
            for name, weight in named.items():
                weight.copy_(before[name])
        vlm.model.eval().requires_grad_(False)


def decoder_weights(vlm: Vlm) -> dict[str, Any]:
    """The parameters of the language model and its head by name; shared ones once."""
    own = {id(weight) for part in (vlm.decoder, vlm.head) for weight in part.parameters()}
    return {name: weight for name, weight in vlm.model.named_parameters() if id(weight) in own}
