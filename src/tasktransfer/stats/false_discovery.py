"""False discoveries among the cells of a matrix.

Per model, Benjamini-Hochberg over the off-diagonal cells [1]_. By target, selected families after [2]_:
each target's cells are a family; families are selected by Benjamini-Hochberg on their Simes p-values at level q;
in the R selected of m families cells are tested at R q / m, which controls the expected average share of false
discoveries over the targets one looks at. The cells of a target share its baseline and move together, which both
procedures bear (`benchmarks/simulation.py`).

References
----------
.. [1] Benjamini and Hochberg, J. R. Stat. Soc. B 57, 1995.
.. [2] Benjamini and Bogomolov, "Selective inference on multiple families of hypotheses", J. R. Stat. Soc. B 76,
   2014.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

__all__ = ["false_discovery_rate", "selected_families"]


def false_discovery_rate(p_value: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg adjusted p-values; NaN stays NaN and does not count as a test.

    >>> false_discovery_rate(np.array([0.01, 0.04, np.nan]))
    array([0.02, 0.04,  nan])
    """
    adjusted = np.full(len(p_value), np.nan)
    tested = ~np.isnan(p_value)
    if tested.any():
        adjusted[tested] = stats.false_discovery_control(p_value[tested], method="bh")
    return adjusted


def selected_families(p_value: np.ndarray, family: np.ndarray, *, level: float) -> np.ndarray:
    """Adjusted p-values within selected families: at most `level` is a discovery.

    Parameters
    ----------
    p_value
        NaN where there is no test.
    family
        Label of each test's family, the target.
    level
        The rate q at which selection and tests are controlled, in (0, 1).

    Returns
    -------
    numpy.ndarray
        1 in families that are not selected, NaN without a test.

    Examples
    --------
    >>> selected_families(np.array([0.001, 0.2, 0.5, 0.6]), np.array(["a", "a", "b", "b"]), level=0.05)
    array([0.004, 0.4  , 1.   , 1.   ])
    """
    within = np.full(len(p_value), np.nan)
    labels = [label for label in dict.fromkeys(family) if not np.isnan(p_value[family == label]).all()]
    for label in labels:
        within[family == label] = false_discovery_rate(p_value[family == label])
    if not labels:
        return within
    simes = np.array([np.nanmin(within[family == label]) for label in labels])  # the least adjusted p is Simes'
    selected = false_discovery_rate(simes) <= level
    scale = len(labels) / max(int(selected.sum()), 1)
    for label, chosen in zip(labels, selected, strict=True):
        here = family == label
        within[here] = (
            np.minimum(within[here] * scale, 1.0) if chosen else np.where(np.isnan(within[here]), np.nan, 1.0)
        )
    return within
