"""The exact sign-flip test against enumeration, scipy and drawing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from tasktransfer.stats.sign_flip import sign_flip_p_value


def by_enumeration(total_K: np.ndarray) -> float:
    flips = np.array(list(itertools.product([1, -1], repeat=len(total_K))))
    return float((np.abs(flips @ total_K) >= abs(total_K.sum()) - 1e-9).mean())


def test_one_seed_is_the_exact_mcnemar_test():
    rng = np.random.default_rng(0)
    change = (rng.random((6, 1, 130)) < 0.6).astype(float) - (rng.random((6, 1, 130)) < 0.5)
    up, down = (change > 0).sum(axis=(1, 2)), (change < 0).sum(axis=(1, 2))
    expected = [stats.binomtest(int(u), int(u + d)).pvalue for u, d in zip(up, down, strict=True)]
    assert sign_flip_p_value(change) == pytest.approx(expected)
    assert sign_flip_p_value(np.zeros((1, 1, 9))).tolist() == [1.0]


@pytest.mark.parametrize("step", [1.0, 0.1, 0.25])
def test_seeds_are_averaged_by_item_before_flipping(step):
    rng = np.random.default_rng(1)
    change = rng.integers(-4, 5, (5, 3, 11)) * step
    expected = [by_enumeration(total) for total in change.sum(axis=1)]
    assert sign_flip_p_value(change) == pytest.approx(expected)


def test_clusters_flip_together():
    rng = np.random.default_rng(2)
    change, clusters = rng.integers(-1, 2, (4, 2, 30)).astype(float), np.repeat(np.arange(10), 3)
    totals = change.sum(axis=1).reshape(4, 10, 3).sum(axis=2)
    assert sign_flip_p_value(change, clusters) == pytest.approx([by_enumeration(total) for total in totals])


def test_scores_on_no_grid_take_the_limit():
    rng = np.random.default_rng(3)
    change = rng.normal(0.1, 1, (3, 1, 400))
    expected = stats.ttest_1samp(change[:, 0], 0, axis=1).pvalue
    assert sign_flip_p_value(change) == pytest.approx(expected)


def test_size_with_several_seeds_is_nominal_where_pooling_is_not():
    """Seeds that answer alike: pooled over seeds, McNemar counts every item four times."""
    rng = np.random.default_rng(4)
    change = np.repeat(rng.integers(-1, 2, (2000, 1, 100)), 4, axis=1).astype(float)
    rate = (sign_flip_p_value(change) < 0.05).mean()
    pooled = (sign_flip_p_value(change.reshape(2000, 1, 400)) < 0.05).mean()
    assert 0.03 < rate < 0.065
    assert pooled > 0.2
