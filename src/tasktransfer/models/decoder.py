"""The language model as a whole: trained in full, and with less memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import SettingsError

if TYPE_CHECKING:
    from tasktransfer.models.vlm import Vlm

__all__ = [
    "activation_checkpointing",
    "decoder_weights",
    "full_tensor",
    "is_share",
    "like",
    "shard_layers",
    "whole_decoder",
]


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


def shard_layers(vlm: Vlm, n_processes: int) -> None:
    """Leave a share of the weights of each decoder layer in this process; the processes are connected already."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(vlm.device.type, (n_processes,))
    for layer in vlm.decoder.layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)  # by default not for a layer that stands alone


def is_share(tensor: Any) -> bool:
    """Whether this process holds but a share of it."""
    return hasattr(tensor, "full_tensor")


def full_tensor(tensor: Any) -> Any:
    """A tensor whole, from the shares of all processes; they must all ask."""
    return tensor.full_tensor() if is_share(tensor) else tensor


def like(tensor: Any, weight: Any) -> Any:
    """A whole tensor in the form of a weight: on its device, and this process's share where it is shared."""
    moved = tensor.to(weight.device)
    if not is_share(weight):
        return moved
    from torch.distributed.tensor import distribute_tensor

    # every process has the whole tensor: without a source rank nothing is sent
    return distribute_tensor(moved, weight.device_mesh, weight.placements, src_data_rank=None)
