"""Uncertainty of a mean over items and seeds that are crossed: every seed's adapter answers the same items.

    d_sk = mean + seed_s + item_k + rest_sk            s = 1..S seeds, k = 1..K items

Mean squares MS_seed = K var_s(mean_k d), MS_item = S var_k(mean_s d) and MS_rest estimate

    Var(mean) = (MS_seed + MS_item - MS_rest) / (S K)

with Satterthwaite's degrees of freedom [1]_, so that the interval widens to that of S - 1 degrees of freedom when
seeds dominate and narrows to K - 1 when items do. Two populations:

``source``
    Other seeds and other items: what this source does. Needs two seeds.
``adapters``
    These very adapters on other items: Var(mean) = MS_item / (S K), K - 1 degrees of freedom.

PGF is put on the log scale, where with ceiling U it is a difference of logs [2]_:

    log(1 - PGF) = log(U - accuracy after) - log(U - baseline)

linearised item by item. `benchmarks/coverage.py` measures how often the intervals hold the truth.

References
----------
.. [1] Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics 2, 1946.
.. [2] Brennan, "Generalizability Theory", Springer 2001, chapters 3 and 6, for the crossed design.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

__all__ = ["CrossedMean", "Interval", "crossed_mean", "gain_interval", "mcnemar_p_value", "pgf_interval"]

FEWEST_WRONG = 3  # baseline items short of the ceiling that an interval for PGF needs


class CrossedMean(NamedTuple):
    """Mean over seeds and items, its squared standard error and degrees of freedom."""

    mean: float
    variance: float
    df: float

    def p_value(self) -> float:
        """Two-sided p-value of a zero mean; NaN where nothing varies."""
        if not self.variance > 0:
            return np.nan
        return float(2 * stats.t.sf(abs(self.mean) / np.sqrt(self.variance), self.df))


class Interval(NamedTuple):
    low: float
    high: float


def crossed_mean(values_SK: np.ndarray, population: str = "source") -> CrossedMean:
    """Mean of seeds-by-items values with the variance of the population asked about.

    Parameters
    ----------
    values_SK
        No holes; S seeds, K >= 2 items.
    population
        ``source`` or ``adapters``; with one seed there is only ``adapters``.

    Notes
    -----
    The variance is never taken below that of the items alone.
    """
    n_seeds, n_items = values_SK.shape
    mean = float(values_SK.mean())
    by_seed, by_item = values_SK.mean(axis=1), values_SK.mean(axis=0)
    ms_item = n_seeds * float(by_item.var(ddof=1))
    of_items = CrossedMean(mean, ms_item / values_SK.size, n_items - 1)
    if population == "adapters" or n_seeds < 2:
        return of_items
    ms_seed = n_items * float(by_seed.var(ddof=1))
    rest = values_SK - by_seed[:, None] - by_item[None, :] + mean
    ms_rest = float((rest**2).sum()) / ((n_seeds - 1) * (n_items - 1))
    total = ms_seed + ms_item - ms_rest
    if total <= ms_item * (1 + 1e-9):  # a tie must not turn on the order of the sums
        return of_items
    squares = ms_seed**2 / (n_seeds - 1) + ms_item**2 / (n_items - 1)
    squares += ms_rest**2 / ((n_seeds - 1) * (n_items - 1))
    return CrossedMean(mean, total / values_SK.size, max(total**2 / squares, n_seeds - 1))


def gain_interval(after_SK: np.ndarray, before_SK: np.ndarray, *, confidence: float, population: str) -> Interval:
    """Interval for the gain in accuracy.

    Parameters
    ----------
    after_SK, before_SK
        Paired scores in [0, 1].
    """
    change = crossed_mean(after_SK - before_SK, population)
    half = float(stats.t.ppf(0.5 + confidence / 2, change.df)) * np.sqrt(change.variance)
    return Interval(change.mean - half, change.mean + half)


def pgf_interval(
    after_SK: np.ndarray, before_SK: np.ndarray, *, ceiling: float = 1.0, confidence: float, population: str
) -> Interval:
    """Interval for PGF.

    Parameters
    ----------
    after_SK, before_SK
        Paired scores in [0, 1].
    ceiling
        U above.

    Returns
    -------
    Interval
        NaN where fewer than `FEWEST_WRONG` items separate the baseline from the ceiling, where the accuracy after
        reaches the ceiling, so that there is no log, or where no item changed, so that the spread is not known.
    """
    n_items = before_SK.shape[1]
    left_after, left_before = ceiling - float(after_SK.mean()), ceiling - float(before_SK.mean())
    if left_before * n_items < FEWEST_WRONG - 1e-9 or left_after <= 1e-12:
        return Interval(np.nan, np.nan)
    slopes = (ceiling - after_SK) / left_after - (ceiling - before_SK) / left_before
    error = crossed_mean(slopes, population)
    if not error.variance > 1e-24:
        return Interval(np.nan, np.nan)
    half = float(stats.t.ppf(0.5 + confidence / 2, error.df)) * np.sqrt(error.variance)
    centre = np.log(left_after) - np.log(left_before)
    return Interval(1 - float(np.exp(centre + half)), 1 - float(np.exp(centre - half)))


def mcnemar_p_value(after_K: np.ndarray, before_K: np.ndarray) -> float:
    """Exact two-sided McNemar test of one adapter against its baseline on the same items.

    Scores must be 0 or 1. Without an item that changed the p-value is 1.

    >>> mcnemar_p_value(np.array([1, 1, 1, 1, 1, 1, 0]), np.zeros(7))
    0.03125
    """
    up, down = int((after_K > before_K).sum()), int((after_K < before_K).sum())
    return float(stats.binomtest(up, up + down).pvalue) if up + down else 1.0
