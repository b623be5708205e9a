"""The weights of a cell: which of a model learn, how they are saved, and how saved ones are put back.

A LoRA adapter is saved as PEFT does it, a fully trained decoder as safetensors. A merge has no weights of its own:
it is made of its parts' adapters whenever it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasktransfer.errors import InputError
from tasktransfer.models.decoder import full_tensor

if TYPE_CHECKING:
    from tasktransfer.models.vlm import Vlm
    from tasktransfer.study.plan import Cell, Merged
    from tasktransfer.study.spec import Method
    from tasktransfer.study.store import Store

__all__ = ["adapted", "learning"]

Learner = tuple[dict[str, Any], Callable[[Path | None], None]]
_DECODER = "weights/model.safetensors"


@contextmanager
def learning(
    vlm: Vlm, method: Method, *, seed: np.random.SeedSequence, of: str, recomputing: bool = False
) -> Iterator[Learner]:
    """The parameters that learn, by name, and a function that saves them where it is given a folder.

    Parameters
    ----------
    vlm
        The untouched model; it is that again after the block.
    method
        What is trained.
    seed
        Of an adapter's first weights.
    of
        The model that an adapter says it belongs to.
    recomputing
        Keep no activations for the way back: less memory, about a third more time.
    """
    from tasktransfer.models.decoder import activation_checkpointing

    saving = activation_checkpointing(vlm) if recomputing else nullcontext()
    learner = _whole_decoder(vlm) if method.kind == "full" else _lora(vlm, method, seed, of)
    with learner as weights_and_save, saving:
        yield weights_and_save


@contextmanager
def _whole_decoder(vlm: Vlm) -> Iterator[Learner]:
    from safetensors.torch import save_file

    from tasktransfer.models.decoder import whole_decoder

    with whole_decoder(vlm) as named:

        def save(folder: Path | None) -> None:
            # every process gives its share, the one with a folder writes
            tensors = {name: full_tensor(weight.detach()).cpu() for name, weight in named.items()}
            if folder:
                (folder / _DECODER).parent.mkdir()
                save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / _DECODER)

        yield named, save


@contextmanager
def _lora(vlm: Vlm, method: Method, seed: np.random.SeedSequence, of: str) -> Iterator[Learner]:
    import torch

    from tasktransfer.models.lora import lora

    torch.manual_seed(int(seed.generate_state(1)[0]))  # PEFT draws A from the global generator
    with lora(
        vlm,
        r=method.r,
        alpha=method.alpha,
        dropout=method.dropout,
        layers=method.layers,
        projector=method.projector,
        vision=method.vision,
        name=of,
    ) as wrapped:
        named = {name: weight for name, weight in wrapped.named_parameters() if weight.requires_grad}

        def save(folder: Path | None) -> None:
            if folder:
                wrapped.save_pretrained(folder / "adapter", save_embedding_layers=False)

        yield named, save


def adapted(vlm: Vlm, cell: Cell, store: Store, *, seed: np.random.SeedSequence) -> AbstractContextManager[Any]:
    """The model with the saved weights of a cell, for the time of a block.

    Parameters
    ----------
    vlm
        The untouched model.
    cell, store
        Whose weights, and where they lie.
    seed
        Of what a way of merging draws.

    Raises
    ------
    InputError
        An adapter is not there, or is none of this model.
    """
    from tasktransfer.models.decoder import whole_decoder
    from tasktransfer.models.saved_adapters import check_adapter, saved_lora

    if cell.merged is not None:
        return _merged(vlm, cell.merged, store, seed)
    if cell.adapter is not None:
        check_adapter(vlm, _adapter_folder(cell, store))
        return saved_lora(vlm, _adapter_folder(cell, store))
    if cell.method is None:
        return nullcontext()
    if cell.method.kind == "full":
        return whole_decoder(vlm, store.folder(cell) / _DECODER)
    return saved_lora(vlm, _adapter_folder(cell, store))


def _merged(vlm: Vlm, merged: Merged, store: Store, seed: np.random.SeedSequence) -> AbstractContextManager[Any]:
    from tasktransfer.models.merging import merged_lora

    missing = [part.key for part in merged.parts if not store.is_trained(part)]
    if missing:
        raise InputError(f"there is no adapter to merge of {', '.join(missing[:3])}: its training failed")
    return merged_lora(
        vlm,
        [_adapter_folder(part, store) for part in merged.parts],
        merged.weights,
        how=merged.how,
        density=merged.density,
        seed=int(seed.generate_state(1)[0]),
    )


def _adapter_folder(cell: Cell, store: Store) -> Path:
    """Where the adapter of a cell lies, trained here or elsewhere."""
    return Path(cell.adapter.place) if cell.adapter else store.folder(cell) / "adapter"
