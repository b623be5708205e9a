"""Answers of the mixtures that were trained: gains, PGF, and differences paired by seed and item.

Intervals are over items and training seeds, which are crossed (`tasktransfer.stats.crossed`).

Shape letters: S seeds, K items.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.analysis.items import paired_runs, targets_of_items
from tasktransfer.analysis.uncertainty import groups_with_prior
from tasktransfer.stats.crossed import CrossedMean, crossed_mean, mean_squares, pgf_interval
from tasktransfer.stats.variance_prior import VariancePrior

__all__ = ["UNKNOWN", "Answers", "Value", "answers_of", "difference_of", "gain_of", "mean_gain", "pgf_of"]


class Value(NamedTuple):
    """A mean with the ends of its interval; NaN where not known."""

    mean: float
    low: float
    high: float


UNKNOWN = Value(np.nan, np.nan, np.nan)


class Answers(NamedTuple):
    """One mixture's answers to one target."""

    seeds: tuple[str, ...]
    items_K: np.ndarray  # their places among all items of the target, rising
    after_SK: np.ndarray
    before_SK: np.ndarray
    clusters_K: np.ndarray | None
    prior: VariancePrior

    @property
    def change(self) -> np.ndarray:
        """What training did to each answer, as seeds by items."""
        return np.asarray(self.after_SK - self.before_SK)

    @property
    def n_units(self) -> int:
        """Items, or clusters of them."""
        return len(self.items_K) if self.clusters_K is None else int(self.clusters_K.max()) + 1

    def only(self, seeds: Sequence[str], items: np.ndarray) -> Answers:
        """Those of some seeds to some items, in that order."""
        rows, columns = [self.seeds.index(seed) for seed in seeds], np.searchsorted(self.items_K, items)
        clusters_K = self.clusters_K
        if clusters_K is not None:
            clusters_K = np.unique(clusters_K[columns], return_inverse=True)[1]
        after_SK, before_SK = self.after_SK[rows][:, columns], self.before_SK[rows][:, columns]
        return Answers(tuple(seeds), items, after_SK, before_SK, clusters_K, self.prior)


def answers_of(items: pd.DataFrame) -> dict[tuple[str, str], Answers]:
    """Answers by mixture and target.

    Parameters
    ----------
    items
        Scores by item: the ``items`` of `tasktransfer.read_accuracies`.
    """
    answers = {}
    for block in targets_of_items(items):
        runs_of = paired_runs(block)
        for group, prior in groups_with_prior(block):
            for number, cell in enumerate(group.cells):
                if cell.kind == "mixture":
                    answers[cell.source, block.target] = Answers(
                        tuple(block.runs[run][3] for run, _ in runs_of[cell]),
                        np.flatnonzero(group.answered),
                        group.after_CSK[number],
                        group.before_CSK[number],
                        group.clusters_K,
                        prior,
                    )
    return answers


def gain_of(of: Answers, confidence: float) -> Value:
    """Accuracy gained."""
    mean = _mean(of.change, of, of.prior)
    low, high = mean.with_pseudo_items(of.n_units).interval(confidence)
    return Value(float(mean.mean[0]), float(low[0]), float(high[0]))


def pgf_of(of: Answers, gain: Value, confidence: float) -> Value:
    """On the scale of the grid's; where no interval is defined there, that of the gain over the observed gap.

    Parameters
    ----------
    of
        One mixture's answers to one target.
    gain
        Of `gain_of`, at the same level.
    confidence
        Level of the interval, in (0, 1).

    Returns
    -------
    Value
        Not known where the baseline leaves less than one wrong item.
    """
    gap = float(1 - of.before_SK.mean())
    if gap * of.before_SK.shape[1] < 1 - 1e-9:
        return UNKNOWN
    low, high = pgf_interval(
        of.after_SK[None],
        of.before_SK[None],
        confidence=confidence,
        population="source" if len(of.after_SK) > 1 else "adapters",
        prior=of.prior,
        clusters_K=of.clusters_K,
    )
    if np.isnan(low[0]):
        return Value(*(value / gap for value in gain))
    return Value(gain.mean / gap, float(low[0]), float(high[0]))


def difference_of(own: Answers, rivals: Sequence[Answers], confidence: float) -> Value:
    """Accuracy that one mixture has more than others on average, over the seeds and items that all of them have.

    Parameters
    ----------
    own
        Answers of the mixture to the target.
    rivals
        Answers of the others to the same target, at least one.
    confidence
        Level of the interval, in (0, 1).

    Returns
    -------
    Value
        Not known without a common seed and item. One common item, or one common seed where some have more, gives
        no interval: it would leave out what items, or seeds, do.
    """
    if all(rival is own for rival in rivals):
        return Value(0.0, 0.0, 0.0)
    every = [own, *rivals]
    seeds = [seed for seed in own.seeds if all(seed in of.seeds for of in rivals)]
    items = reduce(np.intersect1d, [of.items_K for of in every])
    if not seeds or not len(items):
        return UNKNOWN
    common = [of.only(seeds, items) for of in every]
    change_SK = common[0].after_SK - np.mean([of.after_SK for of in common[1:]], axis=0)
    if common[0].n_units < 2 or (len(seeds) < 2 <= max(len(of.seeds) for of in every)):
        return Value(float(change_SK.mean()), np.nan, np.nan)
    mean = _mean(change_SK, common[0])
    low, high = mean.with_pseudo_items(common[0].n_units).interval(confidence)
    return Value(float(mean.mean[0]), float(low[0]), float(high[0]))


def mean_gain(tasks: Sequence[Answers], confidence: float) -> Value:
    """Mean gain over tasks, which share seeds and not items; no interval where a task lacks a seed of another."""
    if not tasks:
        return UNKNOWN
    mean = float(np.mean([of.change.mean() for of in tasks]))
    if len({of.seeds for of in tasks}) > 1:
        return Value(mean, np.nan, np.nan)
    parts = []  # variance and degrees of freedom
    for of in tasks:
        squares = mean_squares(of.change[None], of.clusters_K)
        # of the items alone: seeds are shared by the tasks, and their variance is added once, below
        variance = float(crossed_mean(squares, "adapters").of_items[0]) / len(tasks) ** 2
        parts.append((variance, squares.n_units - 1.0))
    n_seeds = len(tasks[0].seeds)
    if n_seeds > 1:
        by_seed = np.mean([of.change.mean(axis=1) for of in tasks], axis=0)
        parts.append((float(by_seed.var(ddof=1)) / n_seeds, n_seeds - 1.0))
    whole = sum(variance for variance, _ in parts)
    # Satterthwaite's degrees of freedom: whole^2 / squared
    squared = sum(variance**2 / df for variance, df in parts)
    if squared <= 0:
        return Value(mean, np.nan, np.nan)
    half = float(stats.t.ppf(0.5 + confidence / 2, whole**2 / squared)) * float(np.sqrt(whole))
    return Value(mean, mean - half, mean + half)


def _mean(change_SK: np.ndarray, of: Answers, prior: VariancePrior | None = None) -> CrossedMean:
    population = "source" if len(change_SK) > 1 else "adapters"
    squares = mean_squares(change_SK[None], of.clusters_K)
    return crossed_mean(squares, population, prior) if prior else crossed_mean(squares, population)
