"""The language model as a whole: trained in full, and with less memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import SettingsError
from tasktransfer.models.shards import like

if TYPE_CHECKING:
    from tasktransfer.models.vlm import Vlm

__all__ = ["activation_checkpointing", "decoder_weights", "whole_decoder"]


@contextmanager
def whole_decoder(vlm: Vlm, weights: Path | None = None) -> Iterator[dict[str, Any]]:
    """Unfreeze the whole language model for the time of the block, or replace it by saved weights.

    Yields the parameters of the decoder and its head by name. What they were before comes back afterwards; until
    then it is kept in main memory.

    Raises
    ------
    SettingsError
        The model is in 4 bits: such weights are neither trained nor replaced.
    """
    import torch
    from safetensors.torch import load_file

    if vlm.quantised:
        raise SettingsError(
            "a model in 4 bits cannot be finetuned in full: train an adapter, or load it unquantised"
        )
    named = decoder_weights(vlm)
    before = {name: weight.detach().to("cpu", copy=True) for name, weight in named.items()}
    try:
        if weights is not None:
            with torch.no_grad():
                for name, weight in load_file(weights).items():
                    named[name].copy_(like(weight, named[name]))
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


@contextmanager
def activation_checkpointing(vlm: Vlm) -> Iterator[None]:
    """Keep the input of each layer only and compute the rest again in the backward pass, while in training mode.

    About a third more time; memory for activations falls from all of a layer to its input.
    """
    model, settings = vlm.model, {"use_reentrant": False}  # the other kind needs inputs that have gradients
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable(activation_checkpointing_kwargs=settings)
        stop = model.activation_checkpointing_disable
    else:  # transformers before the new name
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=settings)
        stop = model.gradient_checkpointing_disable
    try:
        yield
    finally:
        stop()
