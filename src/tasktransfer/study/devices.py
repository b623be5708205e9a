"""One finetune across the devices of a machine: several processes that do the same job together.

Every process holds a share of the decoder (`tasktransfer.models.decoder`) and takes a share of each batch; the
gradients are added up. Asking is done by all alike. Only the first process writes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from tasktransfer.models.decoder import full_tensor, is_share

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "add_gradients",
    "added",
    "agreed",
    "gradient_norm",
    "is_first",
    "joined_processes",
    "launch_command",
    "rank",
    "together",
    "world",
]

T = TypeVar("T")
_PATIENCE = timedelta(hours=24)  # one process encodes, the others wait


def world() -> int:
    """How many processes share a finetune."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Number of this process among them."""
    return int(os.environ.get("RANK", "0"))


def is_first() -> bool:
    """Whether this process writes."""
    return rank() == 0


def launch_command(python: str, gpus: int, module: str, root: Path) -> list[str]:
    """What starts a module in as many processes as there are devices to a finetune.

    Parameters
    ----------
    python
        Path of the interpreter.
    gpus
        Devices that share one finetune, from 1.
    module
        Importable name of what the processes run.
    root
        Folder of the study: the module's one argument.

    Returns
    -------
    list of str
        The command, program first; with several devices the launcher of torch goes before the module.
    """
    if gpus == 1:
        return [python, "-m", module, str(root)]
    launcher = [python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(gpus)]
    return [*launcher, "-m", module, str(root)]


@contextmanager
def joined_processes(device: str) -> Iterator[None]:
    """Connect the processes for the time of the block; nothing for one process alone."""
    if world() == 1:
        yield
        return
    import torch
    import torch.distributed as dist

    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # a launcher that is killed outright ends no child: each would wait for the others in a collective
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    # NCCL moves tensors of GPUs alone; what is agreed on goes through main memory, over gloo
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def agreed(value: T) -> T:
    """What the first process says, in all of them."""
    if world() == 1:
        return value
    import torch.distributed as dist

    said = [value]
    dist.broadcast_object_list(said, src=0, device=_cpu())
    return said[0]


def together() -> None:
    """Wait until all processes are here."""
    agreed(None)


def _cpu() -> Any:
    import torch

    return torch.device("cpu")


def add_gradients(weights: Iterable[Any]) -> None:
    """Add up the gradients of all processes: those of what each holds whole, and those of shares."""
    if world() == 1:
        return
    import torch
    import torch.distributed as dist

    for weight in weights:
        if is_share(weight):
            weight.grad.mul_(world())  # added up on the way back, and divided by the number of processes
            continue
        # all processes must take part, those whose portions left no gradient too
        weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        dist.all_reduce(weight.grad)


def added(value: Any) -> float:
    """A number of each process, added up."""
    if world() > 1:
        import torch.distributed as dist

        dist.all_reduce(value)
    return float(value)


def gradient_norm(weights: Sequence[Any]) -> Any:
    """Norm of all gradients together, of shares too."""
    import torch

    norms = [full_tensor(torch.linalg.vector_norm(weight.grad)) for weight in weights if weight.grad is not None]
    return torch.linalg.vector_norm(torch.stack(norms))
