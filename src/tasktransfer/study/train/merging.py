"""Cells that are merged from the adapters of other cells and asked without training."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasktransfer.errors import InputError

if TYPE_CHECKING:
    from tasktransfer.models.vlm import Vlm
    from tasktransfer.study.plan import Cell, Merged
    from tasktransfer.study.store import Store

__all__ = ["adapter_folder", "merged_adapters"]


def merged_adapters(
    vlm: Vlm, merged: Merged, store: Store, *, seed: np.random.SeedSequence
) -> AbstractContextManager[Any]:
    """The model with the adapters of other cells put together, for the time of a block.

    Raises
    ------
    InputError
        One of them is not there.
    """
    from tasktransfer.models.merging import merged_lora

    missing = [part.key for part in merged.parts if not store.is_trained(part)]
    if missing:
        raise InputError(f"there is no adapter to merge of {', '.join(missing[:3])}: its training failed")
    return merged_lora(
        vlm,
        [adapter_folder(part, store) for part in merged.parts],
        merged.weights,
        how=merged.how,
        density=merged.density,
        seed=int(seed.generate_state(1)[0]),
    )


def adapter_folder(cell: Cell, store: Store) -> Path:
    """Where the adapter of a cell lies, trained here or elsewhere."""
    return Path(cell.adapter.place) if cell.adapter else store.folder(cell) / "adapter"
