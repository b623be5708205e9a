"""Small accuracy tables for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tasktransfer.importers.inputs import read_accuracies

N_ITEMS = 100


def count_rows(
    base: Sequence[int],
    after: np.ndarray,
    *,
    tasks: Sequence[str] | None = None,
    model: str = "m",
    n_items: int = N_ITEMS,
) -> pd.DataFrame:
    """Count table from right answers: `base` by target, `after` as [seed, source, target]."""
    after = np.asarray(after)
    after = after[None] if after.ndim == 2 else after
    names = list(tasks) if tasks is not None else [f"t{i}" for i in range(after.shape[2])]
    rows = [(model, "", "", target, n) for target, n in zip(names, base, strict=True)]
    rows += [
        (model, source, str(s), target, int(after[s, i, j]))
        for s in range(after.shape[0])
        for i, source in enumerate(names)
        for j, target in enumerate(names)
    ]
    frame = pd.DataFrame(rows, columns=["model", "source", "seed", "target", "n_correct"])
    return frame.assign(n_items=n_items)


def random_counts(
    n_tasks: int, n_seeds: int = 2, *, seed: int = 0, tasks: Sequence[str] | None = None, model: str = "m"
) -> pd.DataFrame:
    """A random count table with baselines between 30 and 70 of 100."""
    rng = np.random.default_rng(seed)
    base = rng.integers(30, 71, n_tasks)
    effect = rng.normal(0, 12, (1, n_tasks, n_tasks)) + rng.normal(0, 3, (n_seeds, n_tasks, n_tasks))
    after = np.clip(np.rint(base[None, None, :] + effect), 0, N_ITEMS).astype(int)
    return count_rows(base.tolist(), after, tasks=tasks, model=model)


def accuracies_of(frame: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Through a file and the reader, as a user's table goes."""
    path = folder / "table.csv"
    frame.to_csv(path, index=False)
    return read_accuracies(path).table


def square(
    values: Mapping[str, Mapping[str, float]] | np.ndarray, names: Sequence[str] | None = None
) -> pd.DataFrame:
    """A matrix with the same names on rows and columns."""
    array = np.asarray(values, dtype=float)
    labels = list(names) if names is not None else [f"t{i}" for i in range(len(array))]
    return pd.DataFrame(array, index=labels, columns=labels)
