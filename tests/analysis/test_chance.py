"""Cliques against chance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasktransfer.analysis.chance import clique_chance, largest_clique_size
from tasktransfer.analysis.cliques import find_cliques
from tests.studies import square


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_largest_size_is_that_of_the_full_search(n, seed):
    values = np.random.default_rng(seed).choice([-0.5, 0.0, 0.2, np.nan], size=(n, n), p=[0.2, 0.1, 0.6, 0.1])
    for sign in ("positive", "negative"):
        found = find_cliques(square(values), sign).cliques
        assert largest_clique_size(values, sign) == (len(found[0]) if found else 0)


def test_cliques_of_the_paper_are_what_chance_gives(published):
    expected = {("32B", "positive"): (0.34, 0.09), ("3B", "positive"): (1.0, 1.0)}
    for (model, sign), p_values in expected.items():
        for null, p_value in zip(("within_target", "additive"), p_values, strict=True):
            chance = clique_chance(published.matrix(model), sign, null, seed=1)
            assert chance.p_value == pytest.approx(p_value, abs=0.05)
    chance = clique_chance(published.matrix("32B"), "positive", "within_target", seed=1)
    assert chance.size == 9
    assert chance.mean_null_size == pytest.approx(8.3, abs=0.1)


def test_a_planted_clique_among_noise_beats_both_nulls():
    values = np.random.default_rng(0).normal(-0.05, 0.1, (20, 20))
    for i, j in itertools.permutations(range(0, 18, 3), 2):
        values[i, j] = abs(values[i, j])
    for null in ("within_target", "additive"):
        chance = clique_chance(square(values), "positive", null, n_draws=500)
        assert chance.size == 6
        assert chance.p_value < 0.01


def test_a_pure_target_effect_is_no_evidence():
    values = np.where(np.arange(12) < 7, 0.3, -0.3)[None, :] + np.random.default_rng(1).normal(0, 0.02, (12, 12))
    for null in ("within_target", "additive"):
        assert clique_chance(square(values), "positive", null, n_draws=200).p_value == 1.0


@pytest.mark.parametrize("null", ["within_target", "additive"])
def test_size_under_its_own_null_is_at_most_nominal(null):
    rng = np.random.default_rng(3)
    rejected = 0
    for k in range(200):
        values = rng.normal(0, 1, 9)[None, :] + rng.normal(0, 0.5, (9, 9))
        rejected += clique_chance(square(values), "positive", null, n_draws=99, seed=k).p_value <= 0.05
    assert rejected <= 18  # 5 % of 200 is 10; 18 is its 99.5 % point


def test_holes_stay_where_they_are_and_draws_repeat():
    values = np.random.default_rng(2).normal(size=(6, 6))
    values[0, 3] = values[4, 1] = np.nan
    first, second = (clique_chance(square(values), "positive", "within_target", n_draws=150, seed=5) for _ in "ab")
    assert first == second


def test_a_search_too_long_to_be_exact_says_so(monkeypatch):
    monkeypatch.setattr("tasktransfer.analysis.chance.STEP_LIMIT", 10)
    values = np.where(np.random.default_rng(0).random((40, 40)) < 0.8, 0.1, -0.1)
    chance = clique_chance(square(values), "positive", "within_target", n_draws=5)
    assert np.isnan(chance.p_value)


def test_exact_zeros_stay_zero_under_the_additive_null():
    random = np.random.default_rng(4)
    values = np.where(random.random((40, 40)) < 0.7, 0.0, random.normal(0, 0.2, (40, 40)))
    chance = clique_chance(square(values), "positive", "additive", n_draws=200)
    assert chance.mean_null_size < 5  # with residuals spread over the zeros it would be about 9


def test_unknown_null_is_refused():
    with pytest.raises(ValueError, match="accepted are"):
        clique_chance(square(np.zeros((3, 3))), "positive", "shuffle")
