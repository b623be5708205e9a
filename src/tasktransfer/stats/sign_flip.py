"""Exact test of "these adapters changed nothing": flip the sign of each item's change.

If finetuning changed nothing, an item's mean change over the seeds is as often up as down, whatever its size. So
all 2^K ways to flip the signs of the K changes are equally likely, and

    p = share of them whose |sum| is at least the observed one

Seeds of one cell share their items, so their answers to an item are averaged before, never pooled as if they were
independent. With one seed this is the exact McNemar test. The sum of squares does not change under flips, so the
studentised statistic orders the flips as the sum does. Items of one cluster flip together.

The distribution of the sum has the characteristic function prod_k cos(d_k t); on a grid of values (counts of right
answers, tenths for graded scores) its Fourier transform gives every probability exactly, without drawing.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, stats

__all__ = ["sign_flip_p_value"]

_GRIDS = (1, 2, 3, 4, 5, 10, 20)  # steps in a point of score, a seed
_MOST_TERMS = 4_000_000  # of one transform; beyond it the normal limit is close


def sign_flip_p_value(change_CSK: np.ndarray, clusters_K: np.ndarray | None = None) -> np.ndarray:
    """Two-sided p-value of each cell.

    Parameters
    ----------
    change_CSK
        Score after minus before; cells, seeds, items.
    clusters_K
        Code of each item's cluster.

    Returns
    -------
    numpy.ndarray
        1 where nothing changed. Exact to about 1e-12; for scores on no common grid the t limit of the studentised
        sum.

    Examples
    --------
    >>> sign_flip_p_value(np.array([[[1, 1, 1, 1, 1, 1, 0.0]]]))
    array([0.03125])
    """
    total_CK = change_CSK.sum(axis=1)
    if clusters_K is not None:
        member_KG = np.zeros((len(clusters_K), int(clusters_K.max()) + 1))
        member_KG[np.arange(len(clusters_K)), clusters_K] = 1
        total_CK = total_CK @ member_KG
    for steps in _GRIDS:
        scaled = total_CK * steps
        if np.abs(scaled - np.rint(scaled)).max(initial=0) < 1e-6:
            whole = np.rint(scaled).astype(np.int64)
            if (int(np.abs(whole).sum(axis=1).max(initial=0)) + 1) * (
                np.abs(whole).max(initial=0) + 1
            ) < _MOST_TERMS:
                return _exact(whole)
    return _limit(total_CK)


def _exact(change_CK: np.ndarray) -> np.ndarray:
    # a point for every sum from -reach to reach, or they would wrap around; half of the transform is enough, as
    # it is real and symmetric
    reach = np.abs(change_CK).sum(axis=1)
    n_points = int(fft.next_fast_len(int(2 * reach.max(initial=0)) + 2, real=True))
    n_points += n_points % 2
    angles = 2 * np.pi * np.arange(n_points // 2 + 1) / n_points
    counts_CA = _counts(np.abs(change_CK))
    p_value = np.empty(len(change_CK))
    block = max(1, 2_000_000 // len(angles))
    for start in range(0, len(change_CK), block):
        here = slice(start, start + block)
        transform = np.ones((len(p_value[here]), len(angles)))
        for size in range(1, counts_CA.shape[1]):
            often = counts_CA[here, size]
            if often.any():
                transform *= np.cos(size * angles)[None, :] ** often[:, None]
        chances = np.clip(fft.irfft(transform, n_points, axis=1), 0, 1)
        at = np.arange(n_points)
        distance = np.minimum(at, n_points - at)
        as_far = distance[None, :] >= np.abs(change_CK[here].sum(axis=1))[:, None]
        p_value[here] = (chances * as_far).sum(axis=1)
    return np.clip(p_value, 1e-12, 1.0)


def _counts(size_CK: np.ndarray) -> np.ndarray:
    """How many items of each cell changed by 0, 1, 2, ... steps."""
    most = int(size_CK.max(initial=0)) + 1
    flat = size_CK + most * np.arange(len(size_CK))[:, None]
    return np.bincount(flat.ravel(), minlength=most * len(size_CK)).reshape(len(size_CK), most)


def _limit(total_CK: np.ndarray) -> np.ndarray:
    n_items = total_CK.shape[1]
    spread = total_CK.std(axis=1, ddof=1) * np.sqrt(n_items)
    studentised = np.abs(total_CK.sum(axis=1)) / np.where(spread > 0, spread, np.inf)
    return np.asarray(2 * stats.t.sf(studentised, n_items - 1))
