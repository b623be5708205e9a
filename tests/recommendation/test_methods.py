"""Every method on a matrix worked by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.recommendation.methods import METHODS, find_method
from tasktransfer.recommendation.recommend import recommend
from tasktransfer.recommendation.request import MethodSettings, Request, as_weights
from tests.recommendation.evidence import evidence_of, transfers_of

# rows sources, columns targets; on t0 the sources rank t0, t1, t2, t3 (harms)
PGF = np.array(
    [
        [0.5, -0.2, 0.0, 0.1],
        [0.3, 0.6, -0.4, 0.1],
        [0.2, 0.0, 0.4, 0.2],
        [-0.1, 0.2, 0.1, 0.5],
    ]
)


def shares(method: str, pgf=PGF, *, draws=None, targets="t0", budget=100, settings=None, **about) -> list[float]:
    evidence = evidence_of(pgf, draws)
    request = Request(as_weights(targets), budget, settings=settings or MethodSettings(), **about).resolved(
        evidence
    )
    found = find_method(method)(evidence, request)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    full = dict(zip(request.sources, found, strict=True))
    return [full.get(source, 0.0) for source in evidence.sources]


@pytest.mark.parametrize(
    ("method", "about", "expected"),
    [
        ("threshold", {}, [1 / 3, 1 / 3, 1 / 3, 0]),
        ("threshold", {"settings": MethodSettings(threshold=0.25)}, [0.5, 0.5, 0, 0]),
        ("threshold", {"exclude_target_data": True}, [0, 0.5, 0.5, 0]),
        ("top-k", {"settings": MethodSettings(k=2)}, [0.5, 0.5, 0, 0]),
        ("top-k", {"settings": MethodSettings(k=9)}, [0.25] * 4),
        ("best-single", {}, [1, 0, 0, 0]),
        ("best-single", {"exclude": ["t0", "t1"]}, [0, 0, 1, 0]),
        ("direct", {}, [1, 0, 0, 0]),
        ("direct", {"targets": {"t0": 3, "t2": 1}}, [0.75, 0, 0.25, 0]),
        ("uniform", {}, [0.25] * 4),
        ("largest", {"caps": {"t0": 100, "t1": 300, "t2": 200, "t3": 300}}, [0, 1, 0, 0]),
        ("lower-bound", {}, [0.5, 0.3, 0.2, 0]),  # exact values: no deviation is taken off
        ("mixture", {}, [1, 0, 0, 0]),
        ("mixture", {"exclude_target_data": True}, [0, 1, 0, 0]),
        # t0: (.5 + 0) / 2, t1: (.3 - .4) / 2, t2: (.2 + .4) / 2, t3: 0
        ("mixture", {"targets": ["t0", "t2"]}, [0, 0, 1, 0]),
        # alone t0 gains .5 and takes .2 off t1; a quarter of t1 makes up for it: .45 on t0, none lost
        ("mixture", {"protect": ["t1"]}, [0.75, 0.25, 0, 0]),
        ("mixture", {"caps": 40}, [0.4, 0.4, 0.2, 0]),
        ("top-k", {"caps": {"t0": 10}}, [0.1, 0.45, 0.45, 0]),
        ("uniform", {"caps": {"t0": 10, "t1": 20}}, [0.1, 0.2, 0.35, 0.35]),
    ],
)
def test_on_a_matrix_known_exactly(method, about, expected):
    assert shares(method, **about) == pytest.approx(expected, abs=2e-3)


def test_random_draws_k_sources_by_the_seed():
    drawn = {tuple(shares("random", settings=MethodSettings(k=2, seed=seed))) for seed in range(30)}
    assert all(sorted(found) == [0, 0, 0.5, 0.5] for found in drawn)
    assert len(drawn) == 6
    assert shares("random", settings=MethodSettings(seed=4)) == shares("random", settings=MethodSettings(seed=4))


def test_random_draws_anew_for_every_target():
    drawn = {tuple(shares("random", targets=f"t{t}", settings=MethodSettings(k=2))) for t in range(4)}
    assert len(drawn) > 1
    both = [
        shares("random", targets=names, settings=MethodSettings(k=2)) for names in (["t0", "t2"], ["t2", "t0"])
    ]
    assert both[0] == both[1]


@pytest.mark.parametrize("method", ["top-k", "best-single", "largest", "random", "lower-bound", "uniform"])
def test_the_order_of_rows_decides_nothing(method):
    pgf = np.full((4, 4), 0.2)  # all alike
    found = set()
    for order in map(list, permutations("abcd")):
        cells = transfers_of(pgf, p_value=0.01, sources=order, targets=order)
        evidence = replace(evidence_of(pgf), sources=order, targets=order, cells=cells)
        answer = recommend(evidence, "a", 7, method=method, caps=10, settings=MethodSettings(k=2))
        found.add(tuple(answer.items.items()))
    assert len(found) == 1
    [items] = found
    expected = {"top-k": {"a": 4, "b": 3}, "best-single": {"a": 7}, "largest": {"a": 7}}
    expected["uniform"] = expected["lower-bound"] = {"a": 2, "b": 2, "c": 2, "d": 1}
    assert dict(items) == expected.get(method, dict(items))


def test_lower_bound_takes_deviations_off():
    # on t0: t0 .5 +- .4, t1 .3 +- .1, t2 .2 +- .3, t3 -.1 +- 0: bounds .1, .2, below 0, below 0
    signs = np.array([1.0, -1.0])[:, None]
    draws = np.repeat(PGF[None], 2, axis=0)
    draws[:, :, 0] = PGF[:, 0] + signs * [0.4, 0.1, 0.3, 0.0]
    assert shares("lower-bound", draws=draws) == pytest.approx([1 / 3, 2 / 3, 0, 0])
    settings = MethodSettings(caution=4)  # none is left above 0: the highest bound, that of t3 and t1 alike at -.1
    assert shares("lower-bound", draws=draws, settings=settings)[0] == 0


def test_mixture_spreads_over_independent_errors_and_not_over_shared_ones():
    z = np.random.default_rng(0).standard_normal((4000, 2))
    z = (z - z.mean(axis=0)) @ np.linalg.inv(
        np.linalg.cholesky(np.cov(z, rowvar=False, ddof=0))
    ).T  # exactly white
    means = np.array([[0.3, 0.0], [0.3, 0.0]])
    own = means + 0.1 * np.stack([z, np.zeros_like(z)], axis=2)
    assert shares("mixture", means, draws=own) == pytest.approx([0.5, 0.5], abs=1e-3)
    twice = means + 0.1 * np.stack([z * [1, 2], np.zeros_like(z)], axis=2)  # least variance: 4 to 1
    assert shares("mixture", means, draws=twice, settings=MethodSettings(caution=50)) == pytest.approx(
        [0.8, 0.2], abs=5e-3
    )
    better = np.array([[0.31, 0.0], [0.3, 0.0]])
    shared = better + 0.1 * np.stack([z[:, [0, 0]], np.zeros_like(z)], axis=2)
    assert shares("mixture", better, draws=shared) == pytest.approx([1, 0], abs=1e-3)
    assert shares("mixture", better, draws=own + better - means, settings=MethodSettings(caution=0)) == [1, 0]


def test_a_source_with_a_hole_on_the_target_is_not_chosen_from_the_matrix():
    pgf = PGF.copy()
    pgf[0, 0] = np.nan
    draws = np.repeat(PGF[None], 3, axis=0)
    for method in ("mixture", "lower-bound", "threshold", "top-k", "best-single"):
        assert shares(method, pgf, draws=draws)[0] == 0
    assert shares("direct", pgf, draws=draws)[0] == 1


@pytest.mark.parametrize(
    ("method", "about", "told"),
    [
        (
            "threshold",
            {"settings": MethodSettings(threshold=0.6)},
            "no source has a PGF above 0.6.*highest is \\+0.500",
        ),
        ("direct", {"exclude_target_data": True}, "direct: the data of the target 't0' is excluded"),
        ("largest", {"caps": {"t0": 100}}, "largest: how many items 't1', 't2', 't3' holds is not known"),
        ("best-single", {"caps": {"t0": 99}}, "best-single: 100 items are asked, but 't0' holds 99"),
        ("direct", {"caps": 60}, "direct: 100 items are asked, but 't0' holds 60"),
        ("mixture", {"caps": 24}, "the budget is 100 items, but the sources hold 96 together"),
    ],
)
def test_what_cannot_be_done_is_told(method, about, told):
    with pytest.raises(InputError, match=told):
        shares(method, **about)


def test_an_unknown_method_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match="no method 'mixtur' \\(did you mean 'mixture'\\?\\)"):
        find_method("mixtur")
    assert len(METHODS) == 9
