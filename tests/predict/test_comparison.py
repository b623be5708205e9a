"""Estimates are judged as a hand-worked matrix says, and against the baselines on the same cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.predict.comparison import (
    Estimate,
    GridCost,
    compare_estimates,
    interaction_p_value,
    sentences,
)
from tasktransfer.stats.expected_best import expected_best
from tests.studies import square

N = 8
OFF = ~np.eye(N, dtype=bool)


def world(seed=0):
    """A matrix of additive effects and pairs, all positive, so that its scale is PGF itself."""
    rng = np.random.default_rng(seed)
    effects = rng.uniform(0, 0.2, (N, 1)) + rng.uniform(0, 0.2, (1, N)) + 0.1
    pairs = rng.uniform(0, 0.3, (N, N))
    return effects, pairs, square(np.where(OFF, effects + pairs, np.nan))


def compared(measured, estimates, **more):
    how = {"noise": measured * 0 + 0.05, "repeats": 4, "shares": (0.5,)} | more
    return compare_estimates(measured, estimates, **how)


def row(table, name, holes="all"):
    return table[(table["estimate"] == name) & (table["holes"] == holes)].iloc[0]


def test_a_perfect_estimate_has_perfect_marks():
    _, _, measured = world()
    told = compared(measured, {"perfect": Estimate(measured, 0.1)})
    for holes in ("all", "cells", "sources"):
        marks = row(told, "perfect", holes)
        assert marks["spearman"] == pytest.approx(1)
        assert marks["kendall_within"] == pytest.approx(1)
        assert marks["spearman_interaction"] == pytest.approx(1)
        assert marks["rmse"] == pytest.approx(0)
        assert (marks["regret_1"], marks["regret_3"]) == pytest.approx((0, 0))
        assert marks["noise"] == pytest.approx(0.05)
        assert marks["cost"] == 0.1
    assert row(told, "perfect", "cells")["wins"] == 1


def test_pairs_and_effects_are_told_apart():
    effects, pairs, measured = world()
    estimates = {"effects": Estimate(square(effects + 0 * pairs)), "pairs": Estimate(square(pairs), np.nan, False)}
    told = compared(measured, estimates)
    assert row(told, "effects")["spearman_interaction"] == 0  # nothing but additive effects: no rank at all
    assert row(told, "pairs")["spearman_interaction"] == pytest.approx(1)
    expected = stats.spearmanr(measured.to_numpy()[OFF], pairs[OFF]).statistic
    assert row(told, "pairs")["spearman"] == pytest.approx(expected)
    assert np.isnan(row(told, "pairs")["rmse"])  # it has no scale without measured cells
    assert row(told, "pairs", "cells")["rmse"] < np.std(measured.to_numpy()[OFF])
    assert interaction_p_value([(measured, estimates["pairs"])]) == pytest.approx(0.001)


def test_an_estimate_of_nothing_has_a_p_value_of_anything():
    p_values = []
    for seed in range(20):
        _, _, measured = world(seed)
        nothing = square(np.random.default_rng(100 + seed).normal(size=(N, N)))
        p_values.append(interaction_p_value([(measured, Estimate(nothing, np.nan, False))]))
    assert 0.3 < np.mean(p_values) < 0.7
    assert sum(p < 0.05 for p in p_values) <= 3


def test_regret_by_hand():
    measured = np.array([0.1, 0.5, 0.3, 0.4])
    assert expected_best(np.array([4.0, 1, 2, 3]), measured, 1) == pytest.approx(0.1)
    assert expected_best(np.array([4.0, 1, 2, 3]), measured, 3) == pytest.approx(0.4)
    # all alike: of one drawn the mean, of three drawn of four .5 in three of four cases and else .4
    assert expected_best(np.zeros(4), measured, 1) == pytest.approx(measured.mean())
    assert expected_best(np.zeros(4), measured, 3) == pytest.approx(0.75 * 0.5 + 0.25 * 0.4)
    # one surely, one of two alike
    assert expected_best(np.array([9.0, 1, 5, 5]), measured, 2) == pytest.approx((0.3 + 0.4) / 2)


def test_baselines_and_completions_are_on_the_same_cells():
    _, _, measured = world()
    side = {"gradients": Estimate(square(world()[1] * 50), np.nan, False)}
    told = compared(measured, side, side=["gradients"])
    names = set(told.loc[told["holes"] == "cells", "estimate"])
    assert names == {
        "target mean", "source mean", "additive", "low-rank", "side", "side+low", "gradients", "random"
    }  # fmt: skip
    assert row(told, "side", "cells")["spearman"] > row(told, "additive", "cells")["spearman"] + 0.2
    assert abs(row(told, "random", "cells")["spearman"]) < 0.3
    assert row(told, "target mean", "cells")["spearman_within"] == 0


def test_cells_without_an_estimate_are_judged_for_none():
    _, _, measured = world()
    part = measured.copy()
    part["t0"] = np.nan
    wrong = measured.assign(t0=-measured["t0"])  # where the other has no estimate
    alone = row(compared(measured, {"wrong": Estimate(wrong)}), "wrong")
    assert alone["spearman"] < 0.9
    both = compared(measured, {"part": Estimate(part), "wrong": Estimate(wrong)})
    for holes in ("all", "cells", "sources"):
        assert row(both, "part", holes)["spearman"] == pytest.approx(1)
        assert row(both, "wrong", holes)["spearman"] == pytest.approx(1)
    with pytest.raises(InputError, match="have every estimate"):
        compared(measured, {"none": Estimate(measured * np.nan)})


def test_cost_counts_training_of_every_source_that_has_a_cell():
    asked = {"t0": 1.0, "t1": 1.0, "t2": 2.0}
    cost = GridCost({"t0": 6.0, "t1": 6.0}, {"t0": asked, "t1": asked})
    names = ["t0", "t1", "t2"]
    cells = pd.DataFrame(False, index=names, columns=names)
    assert cost.share(cells) == 0
    cells.loc["t0", "t2"] = True
    assert cost.share(cells) == pytest.approx((6 + 1 + 2) / (12 + 8))  # the diagonal is asked with it
    cells.loc[["t0", "t1"]] = True
    assert cost.share(cells) == pytest.approx(1)


def test_an_adapter_that_is_there_costs_its_asking():
    """t0 has two seeds, t1 one, and t2 was trained elsewhere."""
    asking = {"t0": {"t0": 2.0, "t1": 2.0}, "t1": {"t0": 1.0, "t1": 1.0}, "t2": {"t0": 1.0, "t1": 1.0}}
    cost = GridCost({"t0": 8.0, "t1": 4.0}, asking)
    assert cost.total == 12 + 8
    names = ["t0", "t1", "t2"]
    cells = pd.DataFrame(False, index=names, columns=names)
    cells.loc["t2", "t0"] = True
    assert cost.share(cells) == pytest.approx(1 / 20)
    cells.loc["t0", "t1"] = True
    assert cost.share(cells) == pytest.approx((1 + 8 + 2 + 2) / 20)


def test_completions_see_other_items_than_those_they_are_judged_by():
    """Other items tell the opposite of every target: what has seen them is wrong, and is told to be."""
    rng = np.random.default_rng(0)
    luck, rest = rng.uniform(-0.2, 0.2, (1, N)), rng.normal(scale=0.01, size=(N, N))
    lucky, other = square(luck + rest), square(rest - luck)
    same = compared(lucky, {}, repeats=8)
    apart = compared(lucky, {}, seen=other, repeats=8)
    assert row(same, "target mean", "cells")["spearman"] > 0.8
    assert row(apart, "target mean", "cells")["spearman"] < -0.8
    holed = other.copy()
    holed.iloc[:, :7] = np.nan
    with pytest.raises(InputError, match="at least 8 are needed"):
        compared(lucky, {}, seen=holed)


def test_the_words_say_what_beats_the_baselines():
    _, _, measured = world()
    estimates = {"perfect": Estimate(measured), "reversed": Estimate(-measured, np.nan, False)}
    told = compared(measured, estimates)
    words = sentences(told, {"perfect": 0.001, "reversed": 0.9})
    assert "50% of the cells measured, perfect (+1.00) ranks" in words[0]
    assert "these do not: low-rank, reversed" in words[0]
    assert "perfect distinguishes pairs" in words[-2]
    assert "reversed is not shown to tell pairs apart" in words[-1]
    mixed = sentences(told[told["estimate"] != "perfect"], {})
    assert "50% of the cells measured, nothing ranks" in mixed[0]


def test_the_same_seed_gives_the_same_table():
    _, _, measured = world()
    first, second = (compared(measured, {"x": Estimate(measured)}, repeats=2) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_what_cannot_be_done_is_told():
    _, _, measured = world()
    with pytest.raises(SettingsError, match="a share is accepted in"):
        compared(measured, {}, shares=(1.0,))
    with pytest.raises(InputError, match="at least 8 are needed"):
        compared(measured.where(measured > 10), {})
