"""What is done of a long finetune, so that a killed one goes on where it was: the same weights, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasktransfer.files import written_whole
from tasktransfer.models.decoder import full_tensor, like
from tasktransfer.study.devices import is_first

if TYPE_CHECKING:
    import torch

__all__ = ["Checkpoint"]

_OPTIMIZER = ("step", "exp_avg", "exp_avg_sq")  # of AdamW


class Checkpoint:
    """One safetensors file: weights, the optimiser's state, the generators' state, the curve so far.

    Parameters
    ----------
    path
        The file; its folder is that of the cell, whose name holds a digest of all that decides its weights.
    every
        Steps between two savings.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every

    def is_due(self, step: int) -> bool:
        """Whether to save after so many steps."""
        return step % self.every == 0

    def save(
        self, weights: Mapping[str, Any], optimizer: torch.optim.Optimizer, curve: list[dict[str, float]]
    ) -> None:
        """Replace the file by the state of now.

        Parameters
        ----------
        weights
            The parameters that learn, by name.
        optimizer
            AdamW over them, after at least one step.
        curve
            What `finetune` measured, a row for each step so far.
        """
        import torch
        from safetensors.torch import save_file

        tensors = {"generator.cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            tensors["generator.cuda"] = torch.cuda.get_rng_state()
        # shares are gathered from all processes, so those that do not write take part too
        for name, weight in weights.items():
            tensors[f"weight.{name}"] = full_tensor(weight.detach()).contiguous()
            for part in _OPTIMIZER:
                tensors[f"{part}.{name}"] = full_tensor(optimizer.state[weight][part]).contiguous()
        if not is_first():
            return
        with written_whole(self.path) as partial:
            save_file(tensors, partial, metadata={"curve": json.dumps(curve)})

    def restore(self, weights: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
        """Put the saved state in place; the curve so far, empty where nothing usable was saved."""
        import torch
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="pt") as handle:
                curve: list[dict[str, float]] = json.loads(handle.metadata()["curve"])
                tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, TypeError, KeyError, ValueError):
            return []
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(like(tensors[f"weight.{name}"], weight))
                moments = {part: like(tensors[f"{part}.{name}"], weight) for part in _OPTIMIZER[1:]}
                optimizer.state[weight] = {"step": tensors[f"step.{name}"], **moments}
        torch.set_rng_state(tensors["generator.cpu"])
        if "generator.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["generator.cuda"])
        return curve

    def remove(self) -> None:
        """Forget it: the finetune is finished."""
        self.path.unlink(missing_ok=True)
