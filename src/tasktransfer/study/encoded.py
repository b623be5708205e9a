"""Items as a model sees them, kept in a file so that all cells and processes share them.

Nothing in them depends on an adapter of the language model: the vision tower is frozen, so each image goes through
it once a study. Where it learns, the file holds the prepared pixels instead. A file is mapped, not read: what is
not asked for stays on disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import InputError
from tasktransfer.files import written_whole

if TYPE_CHECKING:
    import torch

    from tasktransfer.models.prompts import Prompt

__all__ = ["read_prompts", "write_prompts"]

_FORM = 3  # of the file; raised when it changes
# field of Prompt -> the axis along which items differ in length
_RAGGED = {"ids_L": 0, "positions_PL": 1, "option_ids_K": 0, "target_ids_A": 0}


def write_prompts(prompts: Sequence[Prompt], path: Path) -> None:
    """Write prompts as one safetensors file, under a temporary name first."""
    import torch
    from safetensors.torch import save_file

    flat = [one for prompt in prompts for one in (prompt, *prompt.rotated)]
    tensors: dict[str, torch.Tensor] = {}
    for field, axis in _RAGGED.items():
        parts = [getattr(prompt, field) for prompt in flat]
        tensors[field] = torch.cat(parts, dim=axis).contiguous() if parts else torch.empty(0, dtype=torch.long)
        tensors[f"{field}.ends"] = torch.tensor([0, *(part.shape[axis] for part in parts)]).cumsum(0)
    for number, prompt in enumerate(prompts):  # rotations share the images of their item
        tensors |= {name: value.contiguous() for name, value in _images(number, prompt)}
    rows = [[p.item, [p.answer, *(one.answer for one in p.rotated)], p.scorer] for p in prompts]
    metadata = {"items": json.dumps({"form": _FORM, "rows": rows})}  # safetensors takes texts only
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as partial:
        save_file(tensors, partial, metadata=metadata)


def _images(number: int, prompt: Prompt) -> Iterator[tuple[str, torch.Tensor]]:
    if prompt.features_NDH is not None:
        yield f"features.{number}", prompt.features_NDH
    for name, value in (prompt.pixels or {}).items():
        yield f"pixels.{number}.{name}", value


def read_prompts(path: Path) -> list[Prompt]:
    """Read what `write_prompts` wrote.

    Raises
    ------
    InputError
        The file is damaged, or of an older version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as handle:
            header = json.loads((handle.metadata() or {}).get("items", "[]"))
            if not isinstance(header, dict) or header.get("form") != _FORM:
                raise InputError(f"{path}: the encoded items are of another version; delete the file")
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
            return _prompts(header["rows"], tensors)
    except (SafetensorError, OSError, KeyError, TypeError, IndexError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: the encoded items cannot be read ({error}); delete the file") from error


def _prompts(rows: list[Any], tensors: dict[str, torch.Tensor]) -> list[Prompt]:
    from tasktransfer.models.prompts import Prompt

    columns = {}
    for field, axis in _RAGGED.items():
        ends = tensors[f"{field}.ends"].tolist()
        columns[field] = [tensors[field].narrow(axis, low, high - low) for low, high in pairwise(ends)]
    pixels: dict[int, dict[str, torch.Tensor]] = {}
    for name in tensors:
        if name.startswith("pixels."):
            _, digits, key = name.split(".", 2)
            pixels.setdefault(int(digits), {})[key] = tensors[name]
    prompts, place = [], 0
    for number, (item, answers, scorer) in enumerate(rows):
        features = tensors.get(f"features.{number}")
        kept = None if features is not None else pixels.get(number, {})
        group: list[Prompt] = []
        for answer in reversed(answers):  # the first last: it holds the others
            fields = {field: columns[field][place + len(answers) - 1 - len(group)] for field in _RAGGED}
            rotated = tuple(reversed(group)) if len(group) == len(answers) - 1 else ()
            images = {"features_NDH": features, "pixels": kept}
            group.append(Prompt(item=item, answer=answer, rotated=rotated, scorer=scorer, **images, **fields))
        prompts.append(group[-1])
        place += len(answers)
    return prompts
