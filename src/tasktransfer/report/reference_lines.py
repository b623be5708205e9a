"""What figures and page draw beside an aggregate: what noise alone gives, and what a control reaches.

An aggregate sums the cells of one sign, so errors alone make it larger than nothing; and a control, trained
without the skill, has a transferability too. An aggregate within either says little.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.transferability import AGGREGATES

__all__ = ["controls_overall", "group_noise", "mean_noise", "strongest_control"]


def mean_noise(analysis: Analysis) -> dict[tuple[str, str], float]:
    """Mean noise level over tasks by model and measure; none where no error is known."""
    rows = analysis.aggregates[(analysis.aggregates["task"] == "") & analysis.aggregates["noise_level"].notna()]
    return {(str(row.model), str(row.measure)): float(row.noise_level) for row in rows.itertuples()}


def group_noise(analysis: Analysis) -> pd.DataFrame:
    """Mean noise level over the tasks of each level and granularity.

    Returns
    -------
    pandas.DataFrame
        Index model, by, group; a column for each aggregate; over the tasks whose aggregate is defined.
    """
    known = analysis.aggregates[analysis.aggregates["value"].notna()]
    levels = known.pivot(index=["model", "task"], columns="measure", values="noise_level")
    rows = analysis.tasks[["model", "task", "level", "granularity"]]
    rows = rows.merge(levels.reindex(columns=list(AGGREGATES)).reset_index(), on=["model", "task"])
    parts = [
        rows.assign(by=by, group=rows[by]).groupby(["model", "by", "group"], sort=False)[list(AGGREGATES)].mean()
        for by in ("level", "granularity")
    ]
    return pd.concat(parts).astype(float)


def controls_overall(analysis: Analysis) -> pd.DataFrame:
    """Columns model, control, transferability_pos, transferability_neg: each control's own, over all targets."""
    rows = analysis.control_columns[analysis.control_columns["target"] == ""]
    rows = rows[["model", "control", "transferability_pos", "transferability_neg"]]
    return rows.dropna(subset=["transferability_pos", "transferability_neg"]).reset_index(drop=True)


def strongest_control(analysis: Analysis) -> dict[tuple[str, str], float]:
    """The largest transferability of either sign among the controls of a model, by model and measure.

    Malleability has none: it is of a target.
    """
    groups = controls_overall(analysis).groupby("model", sort=False)
    strongest = {}
    for model, rows in groups:
        strongest[str(model), "transferability_pos"] = float(np.max(rows["transferability_pos"]))
        strongest[str(model), "transferability_neg"] = float(np.min(rows["transferability_neg"]))
    return strongest
