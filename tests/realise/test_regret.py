"""Choosing by the prediction, worked by hand and by trying every order of what is predicted alike."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from tasktransfer.realise.regret import regret_table
from tasktransfer.stats.expected_best import expected_best


def mixtures(*rows: tuple[str, float, float, bool]) -> pd.DataFrame:
    """Rows of mixture, predicted, gain, and whether it holds the target's data; a method each."""
    table = pd.DataFrame(rows, columns=["mixture", "predicted", "gain", "holds_target"])
    return table.assign(target="t", method="by " + table["mixture"], baseline=0.5)


OWN = ("own", 0.9, 0.40, True)
OTHERS = (("a", 0.5, 0.10, False), ("b", 0.4, 0.30, False), ("c", 0.3, 0.20, False), ("d", 0.2, 0.35, False))


def test_the_own_data_do_not_hide_what_choosing_among_others_costs():
    [row] = regret_table(mixtures(OWN, *OTHERS)).to_dict("records")
    assert (row["n_mixtures"], row["n_mixtures_other"]) == (5, 4)
    assert (row["regret_at_1"], row["regret_at_3"]) == (0, 0)
    assert row["regret_at_1_other"] == pytest.approx(0.25)
    assert row["regret_at_3_other"] == pytest.approx(0.05)
    assert (row["best_methods"], row["best_methods_other"]) == ("by own", "by d")
    assert row["spearman_other"] == pytest.approx(-0.8)  # ranks 4 3 2 1 against 1 3 2 4: 1 - 6 * 18 / 60


def test_nothing_is_told_of_a_choice_among_no_more_than_are_tried():
    [row] = regret_table(mixtures(OWN, *OTHERS[:2])).to_dict("records")
    assert row["regret_at_1"] == 0
    assert np.isnan(row["regret_at_3"])
    assert row["regret_at_1_other"] == pytest.approx(0.2)
    [alone] = regret_table(mixtures(OWN)).to_dict("records")
    assert np.isnan(alone["regret_at_1"])
    assert np.isnan(alone["best_gain_other"])
    assert alone["best_methods_other"] == ""


@pytest.mark.parametrize("k", [1, 3])
def test_ties_are_taken_in_no_order_of_rows(k):
    tied = [("a", 0.5, 0.1, False), ("b", 0.5, 0.3, False), ("c", 0.5, 0.2, False), ("d", 0.7, 0.15, False),
            ("e", 0.5, 0.05, False)]  # fmt: skip
    found = {
        regret_table(mixtures(*(tied[n] for n in order))).iloc[0][f"regret_at_{k}"]
        for order in permutations(range(5))
    }
    assert len(found) == 1
    by_hand = [0.3 - max(row[2] for row in order[:k]) for order in permutations(tied) if order[0][0] == "d"]
    assert found.pop() == pytest.approx(np.mean(by_hand))


def test_expected_best_is_the_mean_over_orders_of_the_tied():
    predicted, measured = np.array([2.0, 1, 1, 1, 0]), np.array([0.0, 3, 5, 4, 9])
    orders = [[0, *order] for order in permutations([1, 2, 3])]
    for k in (1, 2, 3, 4):
        expected = np.mean([measured[order[:k]].max() for order in orders])
        assert expected_best(predicted, measured, k) == pytest.approx(expected)


def test_a_mixture_without_a_prediction_is_tried_last():
    [row] = regret_table(mixtures(("z", np.nan, 0.3, False), *OTHERS[:1])).to_dict("records")
    assert row["regret_at_1"] == pytest.approx(0.2)
