"""Is it trained? A cell whose loss did not fall, or that did not help its own task, says nothing about others.

Before training: which items it ends before reaching, which is no fault, but to be known.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasktransfer.errors import quoted
from tasktransfer.peft_folder import ADAPTER_WEIGHTS

if TYPE_CHECKING:
    from tasktransfer.study.plan import Cell, Plan
    from tasktransfer.study.store import Store

__all__ = ["Check", "check_training", "checks_csv", "unhelped", "unseen_items"]

_FELL = 0.95  # the loss of the last quarter of the steps, as a share of that of the first


class Check(NamedTuple):
    """What one trained cell shows of its training."""

    model: str
    kind: str
    source: str
    seed: str
    first_loss: float  # mean over the first quarter of the steps
    last_loss: float  # over the last
    baseline: float  # accuracy of the untouched model on the source; NaN where it is no target
    accuracy: float  # of the cell
    maps: int  # linear maps that its adapter wraps; 0 without one of ours
    flag: str  # empty, "loss did not fall" or "no self-transfer"


def check_training(plan: Plan, store: Store) -> list[Check]:
    """Look at every trained cell of a plan."""
    base = {cell.label: cell for cell in plan.cells if cell.kind == "base"}
    return [
        _check(store, cell, base[cell.label])
        for cell in plan.cells
        if cell.kind != "base" and store.is_trained(cell)
    ]


def _check(store: Store, cell: Cell, base: Cell) -> Check:
    losses = [metrics["loss"] for metrics in store.read_metrics(cell)]
    quarter = max(1, len(losses) // 4)
    first = last = float("nan")
    if losses:  # none of an adapter that was trained elsewhere
        first, last = float(np.mean(losses[:quarter])), float(np.mean(losses[-quarter:]))
    baseline, accuracy = _own_score(store, base, cell.source), _own_score(store, cell, cell.source)
    flag = ""
    if cell.kind == "finetune":
        flag = "no self-transfer" if accuracy <= baseline else ""
    if cell.kind in ("finetune", "mixture") and last >= _FELL * first:
        flag = "loss did not fall"
    maps = _maps(store, cell)
    return Check(cell.label, cell.kind, cell.source, cell.seed_text, first, last, baseline, accuracy, maps, flag)


def _maps(store: Store, cell: Cell) -> int:
    """Linear maps wrapped, by the adapter's own file."""
    from safetensors import safe_open

    file = store.folder(cell) / "adapter" / ADAPTER_WEIGHTS
    if not file.is_file():
        return 0
    with safe_open(file, framework="numpy") as handle:
        return sum(".lora_A." in name for name in handle.keys())  # noqa: SIM118


def _own_score(store: Store, cell: Cell, task: str) -> float:
    """Mean score on a task by the first scorer that was used there; NaN where it was not asked."""
    for shard in cell.shards:
        if shard.items.task == task and store.has_shard(cell, shard):
            return float(np.mean(store.read_shard(cell, shard)["score"].to_numpy()))
    return float("nan")


def checks_csv(checks: Iterable[Check]) -> str:
    """The checks as a table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Check._fields)
    writer.writerows(tuple(f"{v:.6g}" if isinstance(v, float) else v for v in check) for check in checks)
    return text.getvalue()


def unhelped(checks: Iterable[Check]) -> list[str]:
    """One sentence for each flag, with the cells that have it."""
    checks = list(checks)
    several = len({check.model for check in checks}) > 1
    flagged: dict[str, list[str]] = {}
    for check in checks:
        if check.flag:
            of = f"{check.model}: " if several else ""
            flagged.setdefault(check.flag, []).append(f"{of}{check.source} (seed {check.seed})")
    return [
        f"{flag}: {len(names)} cells say nothing about transfer: {', '.join(names[:6])}"
        f"{f' and {len(names) - 6} more' if len(names) > 6 else ''}"
        for flag, names in flagged.items()
    ]


def unseen_items(plan: Plan) -> list[str]:
    """One sentence for all sources, or mixtures, of which training sees the same part only."""
    groups: dict[tuple[str, int, int, int, float], list[str]] = {}
    for cell in plan.cells:
        how = cell.optimisation
        if cell.kind not in ("finetune", "mixture") or how is None:
            continue
        if math.ceil(how.steps * how.stop) * how.batch < cell.n_items:
            names = groups.setdefault((cell.kind, cell.n_items, how.steps, how.batch, how.stop), [])
            names += [cell.source] * (cell.source not in names)
    return [_unseen(names, *key) for key, names in groups.items()]


def _unseen(names: list[str], kind: str, n_items: int, steps: int, batch: int, stop: float) -> str:
    word = "source" if kind == "finetune" else "mixture"
    whose = f"{word} {names[0]}" if len(names) == 1 else f"each of the {word}s {quoted(names)}"
    taken = math.ceil(steps * stop)
    of = f" of {steps}" if taken < steps else ""
    return f"training sees {taken * batch} of {n_items} items of {whose} ({taken}{of} steps x batch {batch})"
