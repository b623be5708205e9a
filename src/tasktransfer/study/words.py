"""A planned study in words: its cells, what it costs, what is not on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasktransfer.study.estimate import estimates
from tasktransfer.study.plan import Cell, Plan
from tasktransfer.study.progress import duration
from tasktransfer.study.store import Store

__all__ = ["cost_lines", "missing_lines", "plan_lines"]


def missing_lines(planned: Plan) -> Iterator[str]:
    """What is not on this machine: what a run gets by itself, and what has to be there before it."""
    own = [sentence for sentence in planned.missing if sentence not in planned.fetched]
    for title, sentences in (
        ("Not on this machine; `run` downloads these from the Hub by itself (or you, before):", planned.fetched),
        ("Not on this machine, and `run` does not get these; they have to be there before:", own),
    ):
        if sentences:
            yield f"\n{title}"
        for sentence in sentences:
            yield f"  {sentence}"


def cost_lines(planned: Plan, tflops: float) -> Iterator[str]:
    """Memory, disk and hours of the models whose checkpoint is known."""
    for cost in estimates(planned, tflops=tflops):
        whence = "counted from the pictures" if cost.counted else "pictures of the usual size assumed"
        yield (
            f"{cost.model}: {cost.memory:.0f} GB on a device for the heaviest step, {cost.disk:.0f} GB of disk; "
            f"{duration(3600 * cost.training)} to train {cost.n_trained} cells and {duration(3600 * cost.asking)} "
            f"to ask, on one device at {tflops:g} TFLOP/s ({whence}; an estimate)"
        )
        if cost.recomputed < 0.9 * cost.memory:
            yield f"  with compute.activation_checkpointing: true, {cost.recomputed:.0f} GB"
        for adapter in cost.adapters:
            yield f"  {adapter}"


def plan_lines(planned: Plan, store: Store | None = None) -> Iterator[str]:
    """How many cells of each kind, and each cell by name; with a store, what of them is finished or failed."""
    cells = planned.unique_cells
    states = _states(cells, store) if store is not None else {}
    for kind, word in (
        ("base", "untouched models"),
        ("finetune", "finetunes"),
        ("control", "controls"),
        ("mixture", "mixtures"),
    ):
        of_kind = [cell for cell in cells if cell.kind == kind]
        words = [states[cell.key].partition(":")[0] for cell in of_kind] if states else []
        done = f", {words.count('finished')} finished" if store is not None else ""
        failed = f", {words.count('failed')} failed" if "failed" in words else ""
        yield f"{len(of_kind):5d} {word}{done}{failed}"
    yield (f"{planned.n_shards:5d} shards of answers, {sum(s.n_items for c in cells for s in c.shards)} answers")
    for cell in cells:
        state, _, why = states.get(cell.key, "").partition(":")
        yield f"  {f'{state:10}' if states else ''}{cell.key}{why and f': {why}'}"


def _states(cells: Sequence[Cell], store: Store) -> dict[str, str]:
    """``finished``, ``to do``, or ``failed:`` with the first line of why, by key; each cell is looked at once."""
    states = {}
    for cell in cells:
        if store.is_done(cell):
            states[cell.key] = "finished"
            continue
        message = str((store.error(cell) or {}).get("error", ""))
        states[cell.key] = f"failed:{message.splitlines()[0]}" if message else "to do"
    return states
