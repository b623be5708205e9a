"""What a reader of the input should know: names taken for registered tasks, searches that were cut."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasktransfer.analysis.cliques import CliqueSearch
from tasktransfer.errors import quoted
from tasktransfer.tasks import find_task

__all__ = ["cut_notes", "registry_notes"]


def registry_notes(table: pd.DataFrame) -> list[str]:
    """One sentence for each task that is taken for a registered one under another spelling or item count."""
    told = []
    for name, n_items in table.groupby("target", sort=False)["n_items"].max().items():
        task = find_task(str(name))
        if task is None or task.n_items is None:
            continue
        read_as = f"{quoted([name])} is read as BLINK's {task.name} ({task.level} level, {task.granularity})"
        if not np.isnan(n_items) and n_items != task.n_items:
            told.append(
                f"{read_as}, but has {n_items:g} items, not {task.n_items}: chance and answer counts are not "
                f"taken from there. Rename it if it is another task."
            )
        elif str(name) != task.name and not str(name).startswith("blink_"):
            told.append(f"{read_as}. Rename it if it is another task.")
    return told


def cut_notes(searches: dict[tuple[str, str], CliqueSearch]) -> list[str]:
    return [
        f"{model}: the search for {sign} cliques was cut after {len(search.cliques)} maximal cliques; "
        f"there are more, and larger ones may exist."
        for (model, sign), search in searches.items()
        if not search.complete
    ]
