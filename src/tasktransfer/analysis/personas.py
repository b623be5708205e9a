"""Personas: what a task is like as a source and as a target, against the other tasks of the same model.

=======  ============================================================
donor    helps others: transferability_pos above the mean over tasks
pirate   harms others: transferability_neg below the mean (more negative)
sponge   is helped: malleability_pos above the mean
sieve    is harmed: malleability_neg below the mean
=======  ============================================================

Strictly beyond the mean, on the seed-mean matrix without its diagonal: the reading under which the paper's own
labels come back [1]_. A task may earn several labels or none. Unless all are equal some task is beyond the mean,
so a label is a rank among these tasks, not a finding by itself. It is called consistent when the task earns it in
every model.

References
----------
.. [1] Sachdeva et al., "Understanding Task Transfer in Vision-Language Models", arXiv 2511.18787, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

__all__ = ["PERSONAS", "assign_personas", "beyond_mean", "consistent_personas"]

PERSONAS = {
    "donor": ("transferability_pos", 1),
    "pirate": ("transferability_neg", -1),
    "sponge": ("malleability_pos", 1),
    "sieve": ("malleability_neg", -1),
}
_DUST = 1e-12  # equal values are not beyond their own mean, however it is rounded


def assign_personas(aggregates: pd.DataFrame) -> pd.Series:
    """Label the tasks of one model.

    Parameters
    ----------
    aggregates
        Index task, columns of `aggregate_transfer`; NaN where a task is no source or no target.

    Returns
    -------
    pandas.Series
        ``;``-joined labels by task, empty where it earns none.
    """
    labels: dict[object, list[str]] = {task: [] for task in aggregates.index}
    for persona, (column, sign) in PERSONAS.items():
        for task in aggregates.index[beyond_mean(aggregates[column].to_numpy(dtype=float), sign)]:
            labels[task].append(persona)
    return pd.Series({task: ";".join(names) for task, names in labels.items()}, dtype=object, name="persona")


def beyond_mean(values: np.ndarray, sign: int) -> np.ndarray:
    """Whether a task lies strictly beyond the mean over tasks (last axis), in the direction of a sign."""
    there = ~np.isnan(values)
    count = np.maximum(there.sum(axis=-1, keepdims=True), 1)
    mean = np.where(there, values, 0).sum(axis=-1, keepdims=True) / count
    return np.asarray(values * sign > mean * sign + _DUST)


def consistent_personas(personas_by_model: Mapping[str, pd.Series]) -> dict[str, list[str]]:
    """Tasks that earn a label in every model, by label."""
    series = list(personas_by_model.values())
    consistent = {}
    for persona in PERSONAS:
        held = [{task for task, text in labels.items() if persona in text.split(";")} for labels in series]
        everywhere = set.intersection(*held) if held else set()
        consistent[persona] = [str(task) for task in series[0].index if task in everywhere] if series else []
    return consistent
