"""Cosines of updates against updates that are formed, and the Mantel test against all relabellings."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tasktransfer.similarity.cosines import (
    cosines,
    pair_matrix,
    rank_agreement,
    seed_contrast,
    source_pairs,
    update_products,
)
from tests.studies import square


def factors(random, rank, shape):
    return random.normal(size=(rank, shape[1])), random.normal(size=(shape[0], rank))


def test_products_are_those_of_whole_updates():
    random = np.random.default_rng(0)
    shapes = {"q": (7, 5), "up": (4, 9)}
    ranks = (1, 3, 2, 5)
    layers = [(name, [factors(random, rank, shape) for rank in ranks]) for name, shape in shapes.items()]
    layers[1][1][2] = None  # this adapter leaves the layer alone
    found = update_products(layers)
    whole = [[np.zeros(shapes[name]) if pair is None else pair[1] @ pair[0] for pair in pairs]
             for name, pairs in layers]  # fmt: skip
    for got, updates in zip(found.inner_LNN, whole, strict=True):
        assert np.allclose(got, [[(x * y).sum() for y in updates] for x in updates])
    joined = np.array([np.concatenate([layer[n].ravel() for layer in whole]) for n in range(len(ranks))])
    assert np.allclose(found.norms, np.linalg.norm(joined, axis=1))
    assert np.allclose(cosines(found.inner_LNN.sum(axis=0)), 1 - square_distances(joined))
    assert np.isnan(cosines(found.inner_LNN)[1, 2]).all()
    assert found.layers == ("q", "up")


def square_distances(vectors):
    from scipy.spatial.distance import cdist

    return cdist(vectors, vectors, "cosine")


def test_another_factorisation_of_the_same_update_changes_nothing():
    random = np.random.default_rng(1)
    a, b = factors(random, 3, (6, 5))
    turn = random.normal(size=(3, 3))
    same = (np.linalg.inv(turn) @ a, b @ turn)
    found = cosines(update_products([("q", [(a, b), same, (-2 * a, b)])]).inner_LNN[0])
    assert np.allclose(found, [[1, 1, -1], [1, 1, -1], [-1, -1, 1]])


# adapters a0, a1, b0, b1
COSINES = np.array([[1, 0.8, 0.5, 0.1], [0.8, 1, 0.3, 0.7], [0.5, 0.3, 1, 0.6], [0.1, 0.7, 0.6, 1]])


def test_sources_are_compared_over_other_seeds():
    pairs = source_pairs(COSINES, list("aabb"), list("0101"))
    rows = pairs.set_index(["first", "second"])
    assert rows.loc[("a", "a"), "cosine"] == pytest.approx(0.8)
    assert rows.loc[("a", "b"), "cosine"] == pytest.approx((0.1 + 0.3) / 2)
    assert rows.loc[("a", "b"), "cosine_same_seed"] == pytest.approx((0.5 + 0.7) / 2)
    assert rows["n_pairs"].tolist() == [1, 2, 1]
    assert pair_matrix(pairs).to_numpy().tolist() == [[0.8, pytest.approx(0.2)], [pytest.approx(0.2), 0.6]]
    contrast = seed_contrast(pairs)
    assert contrast == pytest.approx({"within": 0.7, "between": 0.2, "between_same_seed": 0.6, "recognised": 1})


def test_with_one_seed_only_sources_are_compared():
    pairs = source_pairs(COSINES[::2, ::2], ["a", "b"], ["0", "0"])
    assert pairs["cosine"].tolist() == [
        pytest.approx(np.nan, nan_ok=True),
        0.5,
        pytest.approx(np.nan, nan_ok=True),
    ]
    contrast = seed_contrast(pairs)
    assert contrast["between"] == 0.5
    assert np.isnan(contrast["within"])
    assert np.isnan(contrast["recognised"])


def symmetric(random, n):
    values = random.normal(size=(n, n))
    return square(values + values.T)


def test_the_test_relabels_sources_in_all_ways():
    random = np.random.default_rng(2)
    likeness, transfer = symmetric(random, 5), square(random.normal(size=(5, 5)))
    transfer.iloc[1, 3] = np.nan  # a hole
    found = rank_agreement(likeness, transfer)
    off = ~np.eye(5, dtype=bool) & transfer.notna().to_numpy()

    def rho(order):
        here = likeness.to_numpy()[np.ix_(order, order)]
        return stats.spearmanr(here[off], transfer.to_numpy()[off]).statistic

    drawn = [rho(order) for order in permutations(range(5))]
    assert found.spearman == pytest.approx(drawn[0])
    assert found.p_value == np.mean(np.abs(drawn) >= abs(drawn[0]) - 1e-12)
    assert (found.n_cells, found.n_relabellings) == (19, 120)


def test_many_sources_are_relabelled_at_random(monkeypatch):
    monkeypatch.setattr("tasktransfer.similarity.cosines.DRAWS", 199)
    random = np.random.default_rng(3)
    likeness = symmetric(random, 9)
    transfer = likeness + square(random.normal(0, 0.1, (9, 9)))
    found = rank_agreement(likeness, transfer, seed=1)
    assert found.spearman > 0.9
    assert (found.p_value, found.n_relabellings) == (1 / 200, 199)
    unrelated = square(random.normal(size=(9, 9)))
    p_values = {seed: rank_agreement(likeness, unrelated, seed=seed).p_value for seed in (1, 2)}
    assert p_values[1] != p_values[2]
    turned = likeness.iloc[::-1, ::-1]
    assert rank_agreement(turned, unrelated, seed=1).p_value == p_values[1]


def test_only_tasks_that_are_source_and_target_count():
    random = np.random.default_rng(4)
    likeness = symmetric(random, 4)
    transfer = pd.DataFrame(random.normal(size=(6, 6)), index=list("xy") + list(likeness.index)).set_axis(
        list("xy") + list(likeness.index), axis=1
    )
    assert rank_agreement(likeness, transfer).n_cells == 12
    assert np.isnan(rank_agreement(likeness.iloc[:3, :3], transfer).p_value)  # six relabellings tell nothing
    assert np.isnan(rank_agreement(likeness, transfer * np.nan).spearman)
