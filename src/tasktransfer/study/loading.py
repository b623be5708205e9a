"""The models of a study and its items as they see them, loaded when first asked for and kept."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.models.decoder import shard_layers
from tasktransfer.models.toy import EMBEDDED
from tasktransfer.study.devices import is_first, together, world
from tasktransfer.study.item_sets import ItemSet
from tasktransfer.study.plan import Cell, Plan
from tasktransfer.study.store import Store

if TYPE_CHECKING:
    from tasktransfer.models.prompts import Prompt
    from tasktransfer.models.vlm import Vlm

__all__ = ["Loading"]

_SMALL = 200 * 2**20  # bytes of weights up to which a model is fastest on one thread


class Loading:
    """What the cells of a plan share in one process."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self.plan, self.store = plan, store
        self._vlm: tuple[tuple[str, bool, bool], Vlm] | None = None
        # a cache of this object's own: one on the method would be shared and keep every object alive
        self._read = lru_cache(maxsize=64)(self._read_prompts)

    def vlm(self, name: str, *, quantised: bool = False) -> Vlm:
        """A model of the study, untouched; one at a time is kept."""
        return self._kept(name, quantised, whole=False)

    def vlm_of(self, cell: Cell) -> Vlm:
        """The model of a cell, untouched."""
        whole = world() > 1 and cell.method is not None and cell.method.kind == "full"
        return self._kept(cell.model, cell.quantised, whole)

    def _kept(self, name: str, quantised: bool, whole: bool) -> Vlm:
        if self._vlm is None or self._vlm[0] != (name, quantised, whole):
            self._vlm = None  # room for the next one
            vlm = self._load(name, quantised)
            if world() > 1:
                vlm.decoder.requires_grad_(whole)  # what is shared out must be known to learn
                shard_layers(vlm, world())
            self._vlm = (name, quantised, whole), vlm
        return self._vlm[1]

    def _load(self, name: str, quantised: bool) -> Vlm:
        from tasktransfer.models.families import Pixels
        from tasktransfer.models.vlm import load_model

        choice = self.plan.study.models[name]
        return load_model(
            self._folder(name),
            dtype=choice.dtype,
            device=self.device(name),
            attention=choice.attention,
            pixels=Pixels(choice.min_pixels, choice.max_pixels, choice.max_tiles),
            quantised=quantised,
            family=choice.family,
        )

    def _folder(self, name: str) -> Path:
        from tasktransfer.models.vlm import locate_weights

        choice = self.plan.study.models[name]
        return locate_weights(choice.weights, choice.revision)

    def device(self, name: str) -> str:
        """Where a model is computed; the embedded one is fastest on a processor."""
        import torch

        asked = self.plan.study.compute.device
        if asked == "auto":
            on_gpu = self.plan.study.models[name].weights != EMBEDDED and torch.cuda.is_available()
            asked = "cuda" if on_gpu else "cpu"
        if asked == "cuda" and world() > 1:
            return f"cuda:{os.environ['LOCAL_RANK']}"
        if asked.startswith("cuda") and not torch.cuda.is_available():
            raise SettingsError(f"compute.device is {asked!r}; no CUDA device is here (torch {torch.__version__})")
        return asked

    def is_small(self, name: str) -> bool:
        """Whether a model is fastest on one thread."""
        return sum(path.stat().st_size for path in self._folder(name).glob("*.safetensors")) < _SMALL

    def prepare(self, model: str, items: ItemSet, *, pixels: bool) -> None:
        """Encode items, where that is not done.

        Parameters
        ----------
        model
            Its name in the study.
        items
            What is encoded, into the file `items_file`.
        pixels
            Keep what the processor made of the images instead of their features.
        """
        from tasktransfer.study.encoded import write_prompts

        path = self.items_file(model, items, pixels=pixels)
        if is_first() and not path.is_file():
            rotations = self.plan.study.evaluation.rotations and items.split == "test"
            write_prompts(self.encode(model, self.draw(items), pixels=pixels, rotations=rotations), path)

        together()

    def encode(
        self, model: str, items: list[Any], *, pixels: bool, rotations: bool = False, vlm: Vlm | None = None
    ) -> list[Prompt]:
        """Items as a model of the study sees them.

        Parameters
        ----------
        model
            Its name in the study.
        items
            `tasktransfer.tasks.item.Item`.
        pixels
            Keep what the processor made of the images instead of their features.
        rotations
            Encode each item in every cyclic order of its options too.
        vlm
            That model, where it is at hand; loaded otherwise.
        """
        from tasktransfer.models.prompts import encode

        frame_seconds = self.plan.study.models[model].frame_seconds
        seeing = self.vlm(model) if vlm is None else vlm
        return encode(seeing, items, keep_pixels=pixels, rotations=rotations, frame_seconds=frame_seconds)

    def prompts(self, cell: Cell, items: ItemSet) -> list[Prompt]:
        """Items as the model of a cell sees them."""
        return self._read(cell.model, items, self.needs_pixels(cell))

    def needs_pixels(self, cell: Cell) -> bool:
        """Whether images must go through the vision tower each time: what it makes of them depends on the cell."""
        if cell.method and cell.method.changes_vision:
            return True
        if cell.merged and any(map(self.needs_pixels, cell.merged.parts)):
            return True
        if cell.adapter and self.adapter(cell).reaches_pixels:
            return True
        return not self.plan.study.compute.keep_features

    def adapter(self, cell: Cell) -> Any:
        """What the adapter of a cell that was trained elsewhere says of itself."""
        from tasktransfer.models.saved_adapters import read_adapter

        assert cell.adapter is not None
        return read_adapter(Path(cell.adapter.place), self.vlm_of(cell))

    def draw(self, items: ItemSet) -> list[Any]:
        """The items themselves."""
        return self.plan.supplies[items.task].draw(items.split, items.n_items)

    def items_file(self, model: str, items: ItemSet, *, pixels: bool) -> Path:
        """Where encoded items lie.

        Parameters
        ----------
        model
            Its name in the study.
        items
            Which items.
        pixels
            The file with prepared images, not the one with their features.
        """
        return self.store.items_file(model, self.plan.sees(model), items, pixels=pixels)

    def _read_prompts(self, model: str, items: ItemSet, pixels: bool) -> list[Prompt]:
        from tasktransfer.study.encoded import read_prompts

        path = self.items_file(model, items, pixels=pixels)
        self.prepare(model, items, pixels=pixels)
        try:
            return read_prompts(path)
        except InputError:  # damaged since: made again, as anything else would be
            path.unlink()
            self.prepare(model, items, pixels=pixels)
            return read_prompts(path)
