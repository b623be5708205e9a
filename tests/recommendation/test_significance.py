"""One test of whether any source helps: exact at no correlation, at its level under what columns share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tasktransfer.recommendation.request import Request, as_weights
from tasktransfer.recommendation.significance import any_source_helps, source_p_values
from tasktransfer.stats.shrinkage import Errors
from tests.recommendation.evidence import evidence_of

N_SOURCES = 12


def p_of(z_ST: np.ndarray, load: float = 0.0, targets: object = "t0") -> float:
    """What the test says of one-sided normal scores."""
    pgf = np.where(z_ST > 0, 0.1, -0.1)
    evidence = evidence_of(pgf, p_value=2 * stats.norm.sf(np.abs(z_ST)), load=load)
    request = Request(as_weights(targets), 10).resolved(evidence)
    return any_source_helps(evidence, request, source_p_values(evidence, request))


def test_without_anything_shared_it_is_the_least_of_independent_p_values():
    z = np.array([[2.2], [0.3], [-1.0]])
    assert p_of(z) == pytest.approx(1 - (1 - stats.norm.sf(2.2)) ** 3)


def test_what_the_column_shares_counts_once():
    z = np.full((N_SOURCES, 1), 2.0)
    single = stats.norm.sf(2.0)
    found = [p_of(z, load) for load in (0.0, 0.5, 0.7, 0.95)]
    assert found == sorted(found, reverse=True)
    assert single < found[-1] < found[0]


@pytest.mark.parametrize("load", [0.0, 0.6, 0.9])
@pytest.mark.parametrize("targets", ["t0", {"t0": 2, "t1": 1}])
def test_it_holds_its_level_where_nothing_helps(load, targets):
    evidence = evidence_of(np.full((N_SOURCES, 2), 0.1), load=load)
    request = Request(as_weights(targets), 10).resolved(evidence)
    weights = np.array([*request.targets.values(), 0.0])[:2]
    rng = np.random.default_rng(5)
    n_studies = 1500
    found = []
    for _ in range(n_studies):
        shared, own = rng.standard_normal((1, 2)), rng.standard_normal((N_SOURCES, 2))
        z_ST = load * shared + np.sqrt(1 - load**2) * own
        p_value_S = stats.norm.sf(z_ST @ weights / np.linalg.norm(weights))
        found.append(any_source_helps(evidence, request, p_value_S))
    for level in (0.05, 0.2):
        error = np.sqrt(level * (1 - level) / n_studies)
        assert abs(np.mean(np.array(found) <= level) - level) < 3.5 * error


def test_sources_left_out_do_not_count():
    evidence = evidence_of(np.array([[0.5], [0.1], [0.1]]), p_value=np.array([[1e-6], [0.6], [0.6]]))
    request = Request(as_weights("t0"), 10).resolved(evidence)
    p_value = source_p_values(evidence, request)
    others = np.array([False, True, True])
    assert any_source_helps(evidence, request, p_value, among=others) == pytest.approx(1 - 0.7**2)
    assert np.isnan(any_source_helps(evidence, request, np.full(3, np.nan)))


def test_a_precise_gain_does_not_outweigh_a_loss():
    # a loss of .4 +- .25 and a gain of .05 +- .01: together -.175 +- .125
    z_ST = np.array([[-1.6, 5.0]])
    evidence = evidence_of(np.array([[-0.4, 0.05]]), p_value=2 * stats.norm.sf(np.abs(z_ST)))
    evidence = replace(evidence, errors=Errors(np.array([[0.25, 0.01]]), np.zeros(2)))
    request = Request(as_weights(["t0", "t1"]), 10).resolved(evidence)
    expected = stats.norm.sf((-0.4 + 0.05) / np.hypot(0.25, 0.01))
    assert source_p_values(evidence, request) == pytest.approx([expected], abs=1e-3)
