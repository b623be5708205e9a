"""Items of sources and mixtures that training ends before reaching: no fault, but to be known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tasktransfer.errors import quoted

if TYPE_CHECKING:
    from tasktransfer.study.plan import Plan

__all__ = ["unseen_items"]


def unseen_items(plan: Plan) -> list[str]:
    """One sentence for all sources, or mixtures, of which training sees the same part only."""
    found: dict[tuple[str, int, int, int, float], list[str]] = {}
    for cell in plan.cells:
        how = cell.optimisation
        if cell.kind not in ("finetune", "mixture") or how is None:
            continue
        if math.ceil(how.steps * how.stop) * how.batch < cell.n_items:
            names = found.setdefault((cell.kind, cell.n_items, how.steps, how.batch, how.stop), [])
            names += [cell.source] * (cell.source not in names)
    return [_told(names, *key) for key, names in found.items()]


def _told(names: list[str], kind: str, n_items: int, steps: int, batch: int, stop: float) -> str:
    word = "source" if kind == "finetune" else "mixture"
    whose = f"{word} {names[0]}" if len(names) == 1 else f"each of the {word}s {quoted(names)}"
    taken = math.ceil(steps * stop)
    of = f" of {steps}" if taken < steps else ""
    return f"training sees {taken * batch} of {n_items} items of {whose} ({taken}{of} steps x batch {batch})"
