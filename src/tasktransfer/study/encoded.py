"""Items as a model sees them, kept in a file so that all cells and processes share them.

Nothing in them depends on an adapter: the vision tower is frozen, so each image goes through it once a study.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from tasktransfer.errors import InputError, OutputError

if TYPE_CHECKING:
    import torch

    from tasktransfer.models.prompts import Prompt

__all__ = ["read_prompts", "write_prompts"]

# field of Prompt -> the axis along which items differ in length
_RAGGED = {"ids_L": 0, "positions_PL": 1, "features_NH": 0, "option_ids_K": 0, "target_ids_A": 0}


def write_prompts(prompts: Sequence[Prompt], path: Path) -> None:
    """Write prompts as one safetensors file, under a temporary name first."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    for field, axis in _RAGGED.items():
        parts = [getattr(prompt, field) for prompt in prompts]
        tensors[field] = torch.cat(parts, dim=axis).contiguous()
        tensors[f"{field}.ends"] = torch.tensor([0, *(part.shape[axis] for part in parts)]).cumsum(0)
    told = {"items": json.dumps([[prompt.item, prompt.answer, prompt.scorer] for prompt in prompts])}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        save_file(tensors, partial, metadata=told)
        partial.replace(path)
    except SafetensorError as error:
        raise OutputError(f"{path}: cannot be written ({error})") from error
    finally:
        partial.unlink(missing_ok=True)


def read_prompts(path: Path) -> list[Prompt]:
    """Read what `write_prompts` wrote.

    Raises
    ------
    InputError
        The file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    from tasktransfer.models.prompts import Prompt

    try:
        with safe_open(path, framework="pt") as handle:
            named = json.loads(handle.metadata()["items"])
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: the encoded items cannot be read ({error}); delete the file") from error
    columns = {}
    for field, axis in _RAGGED.items():
        ends = tensors[f"{field}.ends"].tolist()
        columns[field] = [tensors[field].narrow(axis, low, high - low) for low, high in pairwise(ends)]
    return [
        Prompt(item, answer, **{field: columns[field][number] for field in _RAGGED}, scorer="".join(scorer))
        for number, (item, answer, *scorer) in enumerate(named)  # written before there were scorers: none
    ]
