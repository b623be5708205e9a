"""Learning curves: running shares of right answers, written as rows of a csv file."""

from __future__ import annotations

import csv
import time
from collections import defaultdict, deque
from pathlib import Path

__all__ = ["Curves"]

_EVERY = 50  # steps


class Curves:
    """Collects right and wrong answers by stage and name; every 50 steps writes and prints their shares.

    Parameters
    ----------
    path
        A csv file with the columns stage, step, name, accuracy, answers; appended to.
    window
        How many last answers a share is of.
    """

    def __init__(self, path: Path, window: int = 600) -> None:
        self.path = path
        self.recent: dict[tuple[str, str], deque[float]] = defaultdict(lambda: deque(maxlen=window))
        self.start = time.monotonic()
        if not path.exists():
            path.write_text("stage,step,name,accuracy,answers\n", encoding="utf-8")

    def add(self, stage: str, name: str, right: list[float]) -> None:
        """Note answers as 1 or 0."""
        self.recent[stage, name].extend(right)

    def accuracy(self, stage: str, name: str, last: int) -> float | None:
        """Share of the last answers; None before there are a third of so many."""
        seen = list(self.recent[stage, name])[-last:]
        return sum(seen) / len(seen) if 3 * len(seen) >= last else None

    def step(self, stage: str, step: int) -> None:
        """Write and print, if it is time."""
        if step % _EVERY:
            return
        shares = {n: (sum(v) / len(v), len(v)) for (s, n), v in self.recent.items() if s == stage and v}
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows((stage, step, n, f"{a:.4f}", k) for n, (a, k) in shares.items())
        told = " ".join(f"{n} {a:.2f}" for n, (a, _) in shares.items())
        print(f"{stage} {step} [{time.monotonic() - self.start:.0f} s] {told}", flush=True)
