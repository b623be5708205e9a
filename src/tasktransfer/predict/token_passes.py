"""What a grid costs, in tokens that go once through the language model: a share of it needs no more.

Asking is one pass. Training an adapter is two, since gradients of what goes in cost as much again, and full
finetuning three (`tasktransfer.models.cost.flops_per_token`, attention's part left out). Encoding pictures is
done once for whatever is computed from them, and is not counted.
"""

from __future__ import annotations

import math
from functools import cache

from tasktransfer.study.item_sets import ItemSet
from tasktransfer.study.loading import Loading
from tasktransfer.study.plan import Cell, Plan
from tasktransfer.study.store import Store

__all__ = ["GridPasses", "grid_passes"]

# by source, and by source and target, all seeds; adapters that are there are asked but not trained
GridPasses = tuple[dict[str, float], dict[str, dict[str, float]]]
_LOOKED_AT = 8  # items of a set that is not encoded
_PASSES = {"lora": 2.0, "qlora": 2.0, "full": 3.0}


def grid_passes(plan: Plan, store: Store) -> dict[str, GridPasses]:
    """Passes of the finetunes of each model and variant of a plan."""
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

    grids: dict[str, GridPasses] = {}
    for cell in plan.cells:
        if cell.kind != "finetune":
            continue
        training, asking = grids.setdefault(cell.label, ({}, {}))
        spent = _training(cell, tokens(cell.model, cell.training[0])) if cell.training else 0.0
        training[cell.source] = training.get(cell.source, 0.0) + spent
        asked = asking.setdefault(cell.source, {})
        for shard in cell.shards:
            passes = shard.n_items * tokens(cell.model, shard.items)
            asked[shard.items.task] = asked.get(shard.items.task, 0.0) + passes
    return grids


def _training(cell: Cell, tokens: float) -> float:
    assert cell.method is not None
    assert cell.optimisation is not None
    steps = math.ceil(cell.optimisation.steps * cell.optimisation.stop)
    return _PASSES[cell.method.kind] * steps * cell.optimisation.batch * tokens
