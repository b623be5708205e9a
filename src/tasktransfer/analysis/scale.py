"""Trends over models in size order, which is the order of the inputs.

A step from one model to the next is tested over the tasks they share, paired (Wilcoxon signed rank): does the
typical task change, or do a few? The tasks of one matrix are not independent of each other, so the p-value is a
description, not a proof.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.analysis.transferability import AGGREGATES

__all__ = ["scale_trend"]


def scale_trend(tasks: pd.DataFrame) -> pd.DataFrame:
    """Mean of each aggregate per model and the step from the model before.

    Parameters
    ----------
    tasks
        Columns model, task and the aggregates, models in size order.

    Returns
    -------
    pandas.DataFrame
        Columns measure, model, position, n_tasks, mean, step (difference of means over the tasks shared with
        the model before) and p_value (two-sided, NaN for the first model or under six shared tasks).
    """
    models = list(dict.fromkeys(tasks["model"]))
    by_model = {model: tasks[tasks["model"] == model].set_index("task") for model in models}
    rows = []
    for measure in AGGREGATES:
        for position, model in enumerate(models):
            values = by_model[model][measure].dropna()
            step = p_value = np.nan
            if position:
                before = by_model[models[position - 1]][measure].dropna()
                change = (values - before).dropna().to_numpy()
                step = float(change.mean()) if len(change) else np.nan
                p_value = _wilcoxon(change)
            mean = float(values.mean()) if len(values) else np.nan
            rows.append((measure, model, position, len(values), mean, step, p_value))
    columns = ["measure", "model", "position", "n_tasks", "mean", "step", "p_value"]
    return pd.DataFrame(rows, columns=columns)


def _wilcoxon(change: np.ndarray) -> float:
    # of five changes the least two-sided p-value is 2 / 2^5 = 0.06, so fewer than six can show nothing
    change = change[np.abs(change) > 1e-12]
    return float(stats.wilcoxon(change).pvalue) if len(change) >= 6 else np.nan
