"""What a grid costs, in tokens that go once through the language model: a share of it needs no more.

Asking is one pass. Training an adapter is two, since gradients of what goes in cost as much again, and full
finetuning three (`tasktransfer.models.costs.flops_per_token`, attention's part left out). Encoding pictures is
done once for whatever is computed from them, and is not counted.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

from tasktransfer.study.item_sets import ItemSet
from tasktransfer.study.loading import Loading
from tasktransfer.study.plan import Cell, Plan
from tasktransfer.study.store import Store

__all__ = ["GridPasses", "grid_passes"]

_LOOKED_AT = 8  # items of a set that is not encoded
_PASSES = {"lora": 2.0, "qlora": 2.0, "full": 3.0}


class GridPasses(NamedTuple):
    """The finetunes of one model and variant."""

    training: dict[str, float]  # by source, all seeds
    asking: dict[str, float]  # by target, all seeds of one source

    @property
    def total(self) -> float:
        """Of the whole grid."""
        return sum(self.training.values()) + len(self.training) * sum(self.asking.values())


def grid_passes(plan: Plan, store: Store) -> dict[str, GridPasses]:
    """Passes of each model and variant of a plan."""
    loading = Loading(plan, store)

    @cache
    def tokens(model: str, items: ItemSet) -> float:
        """Mean tokens of an item, its answer included."""
        from tasktransfer.models.prompts import encode
        from tasktransfer.study.encoded import read_prompts

        path = loading.items_file(model, items, pixels=False)
        if path.is_file():
            prompts = read_prompts(path)
        else:
            drawn = plan.supplies[items.task].draw(items.split, items.n_items)[:_LOOKED_AT]
            prompts = encode(loading.vlm(model), drawn)
        return sum(prompt.n_tokens + len(prompt.target_ids_A) for prompt in prompts) / len(prompts)

    found: dict[str, GridPasses] = {}
    for cell in plan.cells:
        if cell.kind == "finetune" and cell.method and cell.optimisation:
            grid = found.setdefault(cell.label, GridPasses({}, {}))
            spent = _training(cell, tokens(cell.model, cell.training[0]))
            grid.training[cell.source] = grid.training.get(cell.source, 0.0) + spent
            if len(grid.training) == 1:  # the seeds of any other source ask as much
                for shard in cell.shards:
                    asked = shard.n_items * tokens(cell.model, shard.items)
                    grid.asking[shard.items.task] = grid.asking.get(shard.items.task, 0.0) + asked
    return found


def _training(cell: Cell, tokens: float) -> float:
    assert cell.method is not None
    assert cell.optimisation is not None
    steps = math.ceil(cell.optimisation.steps * cell.optimisation.stop)
    return _PASSES[cell.method.kind] * steps * cell.optimisation.batch * tokens
