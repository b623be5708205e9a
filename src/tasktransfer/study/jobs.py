"""What is missing of a plan, as jobs: the units that an engine hands out.

A job is either items to be encoded or a cell to be finished, by name, so that any process that has the plan can do
it; doing one twice gives the same files. Jobs come in stages: items, then cells, then what is merged of cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from tasktransfer.study.plan import Cell, Plan
from tasktransfer.study.store import Store

__all__ = ["Job", "Outcome", "missing_jobs", "work_of"]

_ITEMS_JOB = 64  # encoding items is about as much work as asking so many


class Job(NamedTuple):
    """Something to do, by name."""

    kind: str  # "items", "pixels" (items that keep their pixels) or "cell"
    model: str
    key: str


class Outcome(NamedTuple):
    """How a job ended; `error` is empty where it ended well."""

    job: Job
    error: str = ""
    fatal: bool = False  # nothing else can succeed either


def missing_jobs(plan: Plan, store: Store, missing: Sequence[Cell]) -> list[list[Job]]:
    """Jobs for cells that are not done, in stages: each needs all that was before it.

    Parameters
    ----------
    plan
        The plan of the study.
    store
        Its folder, which says what is encoded and trained already.
    missing
        Cells of the plan that are not done.

    Returns
    -------
    list of list of Job
        Items to encode, then cells, then merges; stages without jobs are left out.
    """
    items = _item_jobs(plan, store, missing)
    cells, merges = (
        [Job("cell", cell.model, cell.key) for cell in missing if (cell.merged is not None) == merged]
        for merged in (False, True)
    )
    return [stage for stage in (items, cells, merges) if stage]


def _item_jobs(plan: Plan, store: Store, missing: Sequence[Cell]) -> list[Job]:
    """Items that a missing cell needs and that are not encoded yet."""
    needed = {
        Job("pixels" if _keeps_pixels(plan, cell) else "items", cell.model, items.key)
        for cell in missing
        for items in (
            *(cell.training if not store.is_trained(cell) else ()),
            *(shard.items for shard in store.missing_shards(cell)),
        )
    }
    jobs = [
        (Job(kind, model, items.key), store.items_file(model, plan.sees(model), items, pixels=kind == "pixels"))
        for kind in ("items", "pixels")
        for model, items in plan.item_sets
    ]
    return [job for job, file in jobs if job in needed and not file.is_file()]


def _keeps_pixels(plan: Plan, cell: Cell) -> bool:
    """Whether images go through the vision tower each time; for adapters from elsewhere only loading shows it."""
    return bool(cell.method and cell.method.changes_vision) or not plan.study.compute.keep_features


def work_of(cell: Cell | None, store: Store) -> float:
    """Roughly how many items go through the language model; a step back counts twice a step forth."""
    if cell is None:
        return 2.0 * _ITEMS_JOB
    training = 0.0
    if cell.optimisation is not None and not store.is_trained(cell):
        training = 3.0 * math.ceil(cell.optimisation.steps * cell.optimisation.stop) * cell.optimisation.batch
    return 1 + training + sum(shard.n_items for shard in store.missing_shards(cell))
