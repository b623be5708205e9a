"""Averages of the aggregates by perceptual level (low, mid, high) and by granularity (pixel, crop, image)."""

from __future__ import annotations

import pandas as pd

from tasktransfer.analysis.transferability import AGGREGATES
from tasktransfer.tasks import GRANULARITIES, LEVELS

__all__ = ["average_by_taxonomy"]

TAXONOMY = {"level": LEVELS, "granularity": GRANULARITIES}


def average_by_taxonomy(tasks: pd.DataFrame) -> pd.DataFrame:
    """Average transferability and malleability over the tasks of each level and granularity.

    Parameters
    ----------
    tasks
        Columns model, task, level, granularity and `tasktransfer.analysis.transferability.AGGREGATES`; tasks
        without a level or granularity are left out.

    Returns
    -------
    pandas.DataFrame
        Columns model, by (``level`` or ``granularity``), group, n_sources and n_targets (the tasks averaged
        over for transferability and for malleability) and the averages.
    """
    parts = []
    for by, order in TAXONOMY.items():
        known = tasks[tasks[by].isin(order)]
        if known.empty:
            continue
        groups = known.groupby(["model", by], sort=False)
        means = groups[list(AGGREGATES)].mean()
        means.insert(0, "n_sources", groups["transferability_pos"].count())
        means.insert(1, "n_targets", groups["malleability_pos"].count())
        frame = means.reset_index().rename(columns={by: "group"})
        frame.insert(1, "by", by)
        rank = frame["group"].map({group: position for position, group in enumerate(order)})
        models = frame["model"].map({model: i for i, model in enumerate(dict.fromkeys(tasks["model"]))})
        parts.append(frame.assign(_m=models, _r=rank).sort_values(["_m", "_r"]).drop(columns=["_m", "_r"]))
    columns = ["model", "by", "group", "n_sources", "n_targets", *AGGREGATES]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
