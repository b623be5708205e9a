"""What trying the k ranked first brings, where a ranking has ties."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["expected_best"]


def expected_best(values: np.ndarray, measured: np.ndarray, k: int) -> float:
    """Best measured value among the k ranked first, expected over a random order of those ranked alike.

    Parameters
    ----------
    values
        What ranks, higher first, shape (n,).
    measured
        What counts, shape (n,).
    k
        From 1 to n.
    """
    edge = np.sort(values)[-k]
    sure, tied = measured[values > edge], np.sort(measured[values == edge])
    least = sure.max() if len(sure) else -np.inf
    n_drawn, n_tied = k - len(sure), len(tied)
    # the best of n_drawn of the tied is number m (from 1) with probability C(m - 1, d - 1) / C(n, d)
    ways = np.array([math.comb(m, n_drawn - 1) for m in range(n_tied)], dtype=float)
    return float(np.sum(ways / ways.sum() * np.maximum(tied, least)))
