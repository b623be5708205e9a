"""Uncertainty of a mean over items and seeds that are crossed: every seed's adapter answers the same items.

    d_sk = mean + seed_s + item_k + rest_sk            s = 1..S seeds, k = 1..K items

Mean squares MS_seed = K var_s(mean_k d), MS_item = S var_k(mean_s d) and MS_rest estimate

    Var(mean) = (MS_seed + MS_item - MS_rest) / (S K)

with Satterthwaite's degrees of freedom [1]_, so that the interval widens to that of the seeds when they dominate
and narrows to K - 1 when items do. MS_seed is moderated over the sources of the target
(`tasktransfer.stats.variance_prior`), since two to four seeds say little about it alone. Two populations:

``source``
    Other seeds and other items: what this source does. Needs two seeds.
``adapters``
    These very adapters on other items: Var(mean) = MS_item / (S K), K - 1 degrees of freedom.

Items of one cluster (one image, one scene) are one unit: their deviations from the mean are added up first.

PGF is put on the log scale, where with ceiling U it is a difference of logs [2]_:

    log(1 - PGF) = log(U - accuracy after) - log(U - baseline)

linearised item by item. `benchmarks/simulation.py` measures how often the intervals cover the truth.

Shape letters: C cells of one target, S seeds, K items.

References
----------
.. [1] Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics 2, 1946.
.. [2] Brennan, "Generalizability Theory", Springer 2001, chapters 3 and 6, for the crossed design.
.. [3] Agresti and Min, "Effects and non-effects of paired identical observations", Statistics in Medicine 24,
   2005.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from tasktransfer.stats.variance_prior import VariancePrior

__all__ = [
    "CrossedMean",
    "Interval",
    "MeanSquares",
    "crossed_mean",
    "mean_squares",
    "pgf_interval",
    "shared_item_variance",
]

FEWEST_WRONG = 3  # baseline items short of the ceiling that an interval for PGF needs
NO_PRIOR = VariancePrior(np.nan, 0.0, 0.0)


class MeanSquares(NamedTuple):
    """Mean squares of each cell; arrays of length C."""

    mean: np.ndarray
    seed: np.ndarray
    item: np.ndarray
    rest: np.ndarray
    n_seeds: int
    n_units: int  # items, or clusters of them

    @property
    def variance_of_seeds(self) -> np.ndarray:
        """Variance of the seeds' means, items included; what `VariancePrior` pools over the sources."""
        return np.asarray(self.seed / self.n_units)


class Interval(NamedTuple):
    low: np.ndarray
    high: np.ndarray


class CrossedMean(NamedTuple):
    """Means over seeds and items with their squared standard errors; arrays of length C."""

    mean: np.ndarray
    of_items: np.ndarray  # part of the variance that other items would bring
    of_seeds: np.ndarray  # part that other seeds would bring; 0 for the population "adapters"
    df: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        """Squared standard error."""
        return np.asarray(self.of_items + self.of_seeds)

    def p_value(self) -> np.ndarray:
        """Two-sided p-values of a zero mean; NaN where nothing varies."""
        variance = np.where(self.variance > 0, self.variance, np.nan)
        return np.asarray(2 * stats.t.sf(np.abs(self.mean) / np.sqrt(variance), self.df))

    def interval(self, confidence: float) -> Interval:
        """Interval of each mean."""
        half = stats.t.ppf(0.5 + confidence / 2, self.df) * np.sqrt(self.variance)
        return Interval(self.mean - half, self.mean + half)

    def with_pseudo_items(self, n_units: int) -> CrossedMean:
        """The same with two more items, as if half of one had risen, half of one fallen and one stayed [3]_.

        Where few answers change, or none, the observed variance is next to nothing and an interval from it much
        too short.
        """
        more = n_units + 2
        mean = self.mean * n_units / more
        square = self.of_items * (n_units - 1) + self.mean**2  # mean of the squared changes of items
        of_items = ((n_units * square + 1) / more - mean**2) / more
        return CrossedMean(mean, of_items, self.of_seeds, self.df)


def mean_squares(values_CSK: np.ndarray, clusters_K: np.ndarray | None = None) -> MeanSquares:
    """Mean squares of seeds-by-items values, cell by cell.

    Parameters
    ----------
    values_CSK
        No holes; K >= 2.
    clusters_K
        Code of each item's cluster, 0 to the number of clusters - 1.
    """
    if clusters_K is not None:
        values_CSK = _cluster_totals(values_CSK, clusters_K)
    _, n_seeds, n_units = values_CSK.shape
    mean = values_CSK.mean(axis=(1, 2))
    by_seed, by_item = values_CSK.mean(axis=2), values_CSK.mean(axis=1)
    ms_item = n_seeds * by_item.var(axis=1, ddof=1)
    if n_seeds < 2:
        zero = np.zeros_like(mean)
        return MeanSquares(mean, zero, ms_item, zero, n_seeds, n_units)
    ms_seed = n_units * by_seed.var(axis=1, ddof=1)
    rest = values_CSK - by_seed[:, :, None] - by_item[:, None, :] + mean[:, None, None]
    ms_rest = np.einsum("csk,csk->c", rest, rest) / ((n_seeds - 1) * (n_units - 1))
    return MeanSquares(mean, ms_seed, ms_item, ms_rest, n_seeds, n_units)


def shared_item_variance(values_CSK: np.ndarray, clusters_K: np.ndarray | None = None) -> float:
    """What the cells' means have in common of the variance that other items would bring; NaN for one cell.

    The mean covariance of two cells' means: all have the same baseline, and find the same items hard.
    """
    n_cells = len(values_CSK)
    if n_cells < 2:
        return float("nan")
    if clusters_K is not None:
        values_CSK = _cluster_totals(values_CSK, clusters_K)
    by_item = values_CSK.mean(axis=1)
    n_units = by_item.shape[1]
    together, alone = float(by_item.sum(axis=0).var(ddof=1)), float(by_item.var(axis=1, ddof=1).sum())
    return float(max((together - alone) / (n_cells * (n_cells - 1) * n_units), 0.0))


def _cluster_totals(values_CSK: np.ndarray, clusters_K: np.ndarray) -> np.ndarray:
    """One value per cluster with the mean over clusters that of the items: mean + sum of deviations, scaled."""
    n_items, n_clusters = len(clusters_K), int(clusters_K.max()) + 1
    member_KG = np.zeros((n_items, n_clusters))
    member_KG[np.arange(n_items), clusters_K] = n_clusters / n_items
    mean = values_CSK.mean(axis=(1, 2), keepdims=True)
    return np.asarray(mean + (values_CSK - mean) @ member_KG)


def crossed_mean(squares: MeanSquares, population: str = "source", prior: VariancePrior = NO_PRIOR) -> CrossedMean:
    """Means with the variance of the population asked about.

    Parameters
    ----------
    squares
        Of `mean_squares`, in accuracy.
    population
        ``source`` or ``adapters``; with one seed there is only ``adapters``.
    prior
        Of the seeds' variance over the sources of the target.

    Notes
    -----
    The variance is never taken below that of the items alone.
    """
    mean, ms_seed, ms_item, ms_rest, n_seeds, n_units = squares
    n_values = n_seeds * n_units
    of_items, df_items = ms_item / n_values, np.full(len(mean), n_units - 1.0)
    if population == "adapters" or n_seeds < 2:
        return CrossedMean(mean, of_items, np.zeros_like(mean), df_items)
    moderated, df_seeds = prior.moderate(ms_seed / n_units, n_seeds - 1.0)
    ms_seed = moderated * n_units
    more = ms_seed - ms_rest > ms_item * 1e-9  # a tie must not turn on the order of the sums
    squared = ms_seed**2 / df_seeds + ms_item**2 / (n_units - 1)
    squared += ms_rest**2 / ((n_seeds - 1) * (n_units - 1))
    # with MS_rest taken off, Satterthwaite's formula can fall below the degrees of freedom of the seeds alone
    with np.errstate(invalid="ignore", divide="ignore"):
        df = np.maximum((ms_seed + ms_item - ms_rest) ** 2 / squared, df_seeds)
    of_seeds = np.where(more, (ms_seed - ms_rest) / n_values, 0.0)
    return CrossedMean(mean, of_items, of_seeds, np.where(more, df, df_items))


def pgf_interval(
    after_CSK: np.ndarray,
    before_CSK: np.ndarray,
    *,
    ceiling: float = 1.0,
    confidence: float,
    population: str,
    prior: VariancePrior = NO_PRIOR,
    clusters_K: np.ndarray | None = None,
) -> Interval:
    """Intervals for PGF.

    Parameters
    ----------
    after_CSK, before_CSK
        Paired scores in [0, 1].
    ceiling
        U above.
    confidence
        In (0, 1).
    population
        ``source`` or ``adapters``.
    prior
        Of the seeds' variance of the gain, in accuracy.
    clusters_K
        Code of each item's cluster, 0 to the number of clusters - 1.

    Returns
    -------
    Interval
        NaN where fewer than `FEWEST_WRONG` items separate the baseline from the ceiling, where the accuracy after
        reaches the ceiling, so that there is no log, or where no item changed, so that the spread is not known.
    """
    n_items = before_CSK.shape[2]
    left_after, left_before = (ceiling - scores.mean(axis=(1, 2)) for scores in (after_CSK, before_CSK))
    known = (left_before * n_items >= FEWEST_WRONG - 1e-9) & (left_after > 1e-12)
    left_after, left_before = np.where(known, left_after, np.nan), np.where(known, left_before, np.nan)
    ratio = left_after / left_before
    slopes = (ceiling - after_CSK) - (ceiling - before_CSK) * ratio[:, None, None]  # in accuracy, as the prior is
    with np.errstate(invalid="ignore"):
        error = crossed_mean(mean_squares(slopes, clusters_K), population, prior)
        half = stats.t.ppf(0.5 + confidence / 2, error.df) * np.sqrt(error.variance) / left_after
        half = np.where(error.variance > 1e-24, half, np.nan)
    centre = np.log(ratio)
    return Interval(1 - np.exp(centre + half), 1 - np.exp(centre - half))
