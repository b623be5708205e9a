"""What a study of known checkpoints will cost, before anything is here: memory, disk and hours.

Tokens are counted from the pictures where they are on this machine, from their usual size where they are not.
Hours are operations divided by a rate that a device keeps up, which is an assumption that the reader can replace.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from tasktransfer.models.cost import (
    feature_bytes,
    flops_per_image_token,
    flops_per_token,
    lora_parameters,
    memory,
)
from tasktransfer.models.families import Pixels
from tasktransfer.models.families.family import Checkpoint
from tasktransfer.models.families.registry import checkpoint, image_tokens
from tasktransfer.study.item_sets import ItemSet
from tasktransfer.study.plan import Cell, Plan
from tasktransfer.tasks.benchmarks.registry import benchmark_of, find_task
from tasktransfer.tasks.open_form import closed_name

__all__ = ["Estimate", "estimates"]

TFLOPS = 200.0  # kept up by one device in bfloat16, assumed
_TEXT = 140  # tokens of a usual question, its options and the wording around them
_LOOKED_AT = 12  # items of a task whose pictures are measured
_PICTURE = (640, 480)  # where nothing is known


class Estimate(NamedTuple):
    """One model of a study."""

    model: str
    n_trained: int  # finetunes and controls
    memory: float  # GB on a device, of the heaviest step
    recomputed: float  # the same with activation checkpointing
    disk: float  # GB: weights, kept image features, adapters or whole language models
    training: float  # hours of one device
    asking: float
    counted: bool  # from the pictures themselves
    adapters: tuple[str, ...]  # what each kind of adapter wraps of the language model


def estimates(plan: Plan, *, tflops: float = TFLOPS) -> Iterator[Estimate]:
    """Cost of each model of a plan whose checkpoint is known; nothing for the others.

    Parameters
    ----------
    plan
        A plan, with everything at hand or not.
    tflops
        Operations that one device keeps up, in 10^12 a second.
    """
    for model, choice in plan.study.models.items():
        row = checkpoint(choice.weights)
        if row is not None:
            yield _Counter(plan, model, row).estimate(tflops * 1e12 * 3600)


class _Counter:
    def __init__(self, plan: Plan, model: str, row: Checkpoint) -> None:
        self.plan, self.model, self.row = plan, model, row
        choice = plan.study.models[model]
        self.dtype = choice.dtype
        self.pixels = Pixels(choice.min_pixels, choice.max_pixels, choice.max_tiles)
        self.cells = [cell for cell in plan.unique_cells if cell.model == model]
        self.image_tokens = lru_cache(maxsize=None)(self._image_tokens)
        self.counted = True
        self.recomputing = plan.study.compute.activation_checkpointing

    def estimate(self, per_hour: float) -> Estimate:
        """All of the model's cells together."""
        trained = [cell for cell in self.cells if cell.method]
        sets = {items.key: items for model, items in self.plan.item_sets if model == self.model}.values()
        seen = sum(items.n_items * self.image_tokens(items) for items in sets)
        asking = sum(self._asking(cell) for cell in self.cells) + seen * flops_per_image_token(self.row)
        disk = self.row.parameters.all * 2 + sum(map(self._saved, trained))
        if self.plan.study.compute.keep_features:
            disk += feature_bytes(self.row, round(seen), self.dtype)
        return Estimate(
            self.model,
            len(trained),
            max(self._memory(cell, self.recomputing) for cell in self.cells) / 1e9,
            max(self._memory(cell, True) for cell in self.cells) / 1e9,
            disk / 1e9,
            sum(map(self._training, trained)) / per_hour,
            asking / per_hour,
            self.counted,
            tuple(dict.fromkeys(map(self._adapter, trained))),
        )

    def _adapter(self, cell: Cell) -> str:
        assert cell.method is not None
        if cell.method.kind == "full":
            return f"full: all {self.row.parameters.language / 1e9:.2f} B parameters of the language model"
        parameters, maps = lora_parameters(self.row, cell.method.r, cell.method.layers)
        more = [part for part in ("projector", "vision") if getattr(cell.method, part)]
        also = f", and those of {' and '.join(more)}" if more else ""
        return f"{cell.method.kind}: {maps} maps of the language model, {parameters / 1e6:.2f} M parameters{also}"

    def _tokens(self, items: ItemSet) -> float:
        return self.image_tokens(items) + _TEXT

    def _image_tokens(self, items: ItemSet) -> float:
        """Tokens of the pictures of one item, on average."""
        sizes = self._sizes(items)
        return sum(image_tokens(self.row, pictures, self.pixels) for pictures in sizes) / len(sizes)

    def _sizes(self, items: ItemSet) -> list[list[tuple[int, int]]]:
        """Pictures of some items, or of a usual one."""
        supply = self.plan.supplies.get(items.task)
        if supply is not None and items.digest != "not here":
            drawn = supply.draw(items.split, min(items.n_items, _LOOKED_AT))
            return [[image.size for image in islice(item.images, 64)] for item in drawn]
        self.counted = False
        name = closed_name(items.task)
        if benchmark := benchmark_of(name):
            return [benchmark.expected(name, self.plan.study.video.frames).pictures]
        task = find_task(name)
        return [[_PICTURE] * ((task.n_images if task else 1) or 1)]

    def _training(self, cell: Cell) -> float:
        """Operations of a finetune."""
        assert cell.method is not None
        assert cell.optimisation is not None
        counts = cell.counts or (1,) * len(cell.training)
        length = sum(n * self._tokens(items) for n, items in zip(counts, cell.training, strict=True)) / sum(counts)
        each = flops_per_token(
            self.row,
            context=round(length / 2),
            method=cell.method.kind,
            checkpointing=self.plan.study.compute.activation_checkpointing,
        )
        n_items = math.ceil(cell.optimisation.steps * cell.optimisation.stop) * cell.optimisation.batch
        again = 3 * self.image_tokens(cell.training[0]) * flops_per_image_token(self.row)
        return n_items * (length * each + (again if cell.method.changes_vision else 0))

    def _asking(self, cell: Cell) -> float:
        """Operations of all answers of a cell."""
        return sum(
            shard.n_items * self._tokens(shard.items)
            * flops_per_token(self.row, context=round(self._tokens(shard.items) / 2))
            for shard in cell.shards
        )  # fmt: skip

    def _memory(self, cell: Cell, recomputing: bool) -> float:
        """Bytes of the heaviest step: a portion of a batch, or one item that is longer than it."""
        method = cell.method
        asked = self.plan.study.compute.tokens
        if method is None or cell.optimisation is None:
            longest = max(self._tokens(shard.items) for shard in cell.shards)
            return memory(self.row, "none", round(max(asked, longest)), self.dtype).total
        batch = cell.optimisation.batch * max(map(self._tokens, cell.training))
        longest = max(map(self._tokens, cell.training))
        return memory(
            self.row,
            method.kind,
            round(max(min(asked, batch), longest)),
            self.dtype,
            r=method.r,
            layers=method.layers,
            checkpointing=recomputing,
            answers=3 * cell.optimisation.batch,
        ).total

    def _saved(self, cell: Cell) -> int:
        """Bytes of what is kept of a finetune."""
        assert cell.method is not None
        if cell.method.kind == "full":
            return self.row.parameters.language * (2 if self.dtype == "bfloat16" else 4)
        return 4 * lora_parameters(self.row, cell.method.r, cell.method.layers)[0]
