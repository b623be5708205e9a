"""Weights of which every process holds a share (FSDP2 [1]_), so that a model may be larger than one device.

The layers of the decoder are shared out: a layer's weights are gathered when it is needed and dropped afterwards.
Embeddings, head and vision tower are held by every process, as are adapters, which are attached later. All
processes must go through the layers equally often, in the same order; each waits for the others there.

References
----------
.. [1] https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasktransfer.models.vlm import Vlm

__all__ = ["full_tensor", "is_share", "like", "shard_layers"]


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

    return distribute_tensor(moved, weight.device_mesh, weight.placements, src_data_rank=None)
