"""The seeds and items proposed are those that a hand-made example calls for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tasktransfer.analysis.items import PairedItems
from tasktransfer.errors import InputError, SettingsError
from tasktransfer.planning.measure_next import NothingToAskError, open_questions, propose


def transfers(rows):
    """Rows of source, target, gain, se_items, se_seeds, n_seeds, verdict."""
    columns = ["source", "target", "gain", "se_items", "se_seeds", "n_seeds", "verdict"]
    frame = pd.DataFrame(rows, columns=columns)
    error = np.hypot(frame["se_items"], frame["se_seeds"])
    p_value = 2 * stats.norm.sf(frame["gain"].abs() / error)
    decided = frame["verdict"] != "undecided"
    return frame.assign(
        model="m", kind="finetune", n_items=100, df=np.inf, p_value=p_value, q_value=np.where(decided, 0.01, 0.5)
    )


HAND = [
    # of a, seeds are all the error: two more seeds make .08 sure
    ("d", "x", 0.25, 0.10, 0.00, 2, "positive"),
    ("a", "x", 0.08, 0.005, 0.05, 2, "undecided"),
    ("a", "y", 0.08, 0.005, 0.05, 2, "undecided"),
    # of b items are all the error: seeds tell nothing
    ("b", "x", 0.08, 0.05, 0.0, 2, "undecided"),
    ("b", "z", 0.08, 0.05, 0.0, 2, "undecided"),
    # c is far from deciding anything
    ("c", "y", 0.055, 0.05, 0.3, 2, "undecided"),
]


def test_seeds_go_where_seeds_are_the_error():
    found = propose(transfers(HAND), budget=4, sources=["a", "b", "c", "d"])
    assert set(found.more_seeds) == {"a"}
    assert found.undecided == 5
    assert found.cost == sum(found.more_seeds.values()) <= 4
    assert "a → x" in found.table["example"].iloc[0]
    assert 1 < found.expected <= 2.01


def test_the_expectation_is_what_drawing_gives():
    """One cell, by simulation: the truth given the estimate, then the estimate after two more seeds."""
    found = propose(transfers(HAND[:2]), budget=2, sources=["a"])
    assert found.more_seeds == {"a": 2}
    rng = np.random.default_rng(0)
    z = stats.norm.isf(0.05 / 2 / 2)  # of two cells the first discovery needs so much
    before = 0.005**2 + 0.05**2
    truth = rng.normal(0.08, np.sqrt(before), 400_000)
    # items stay: their error is that of before; the two new seeds have an error of their own
    item_error = truth - 0.08  # all error there is, split in its two parts by regression
    share = 0.05**2 / before
    of_seeds = share * item_error + rng.normal(0, np.sqrt(share * 0.005**2), truth.size)
    new = 0.08 + of_seeds + rng.normal(0, 0.05, truth.size)
    after = (0.08 + new) / 2
    error = np.sqrt(0.005**2 + 0.05**2 / 2)
    negligible = np.abs(after) + stats.norm.ppf(0.95) * error < 0.05
    assert found.expected == pytest.approx(((np.abs(after) > z * error) | negligible).mean(), abs=0.01)


def test_items_go_where_items_are_the_error():
    found = propose(transfers(HAND), budget=3000, unit="items", sources=["a"], models_asked=10)
    assert set(found.more_items) <= {"x", "z"}
    assert found.more_items
    assert found.cost == 10 * sum(found.more_items.values()) <= 3000  # asked anew, of ten models


def test_no_more_items_than_there_are():
    limits = {"x": 100, "y": 100, "z": 130}
    found = propose(transfers(HAND), budget=10**6, unit="items", sources=["a"], models_asked=10, available=limits)
    assert found.more_items == {"z": 130}


def test_ranking_asks_about_the_best_source():
    rows = [
        ("d", "w", 0.25, 0.10, 0.00, 2, "positive"),
        ("a", "x", 0.30, 0.005, 0.05, 2, "positive"),
        ("b", "x", 0.22, 0.005, 0.05, 2, "positive"),
        ("c", "x", -0.40, 0.005, 0.05, 2, "negative"),
    ]
    found = propose(transfers(rows), budget=6, sources=["a", "b", "c", "d"], decide="ranking")
    assert found.undecided == 1
    assert open_questions(transfers(rows), decide="ranking") == ["a or b → x"]
    assert set(found.more_seeds) == {"a", "b"}
    assert found.table["example"].iloc[-1] == "a or b → x"


def one_target(n_items=50, seed=0):
    """Three sources on one target that answer many items alike; two seeds."""
    rng = np.random.default_rng(seed)
    base, common = rng.uniform(size=n_items) < 0.5, rng.uniform(size=n_items) < 0.6
    rows = [("m", "base", "", "", "x", f"i{k}", float(base[k])) for k in range(n_items)]
    for source in "abc":
        for run in "01":
            own = rng.uniform(size=n_items) < 0.6
            right = np.where(rng.uniform(size=n_items) < 0.8, common, own)
            rows += [("m", "finetune", source, run, "x", f"i{k}", float(right[k])) for k in range(n_items)]
    return pd.DataFrame(rows, columns=["model", "kind", "source", "seed", "target", "item", "score"])


def test_the_error_of_a_difference_is_that_of_paired_items():
    items = one_target()
    means = items.groupby(["source", "item"], sort=False)["score"].mean().unstack("source")
    by_hand = (means["a"] - means["b"]).var(ddof=1) / 50
    assert PairedItems(items).variance("m", "x", "a", "b") == pytest.approx(by_hand)
    alone = sum((means[source] - means[""]).var(ddof=1) / 50 for source in "ab")
    assert by_hand < 0.5 * alone
    clusters = items.assign(cluster=items["item"].str[:2])  # i0, i1 and so on
    sums = (means["a"] - means["b"]).sub((means["a"] - means["b"]).mean()).groupby(means.index.str[:2]).sum()
    n = len(sums)
    in_clusters = (sums**2).sum() * n / (n - 1) / 50**2
    assert PairedItems(clusters).variance("m", "x", "a", "b") == pytest.approx(in_clusters)
    assert np.isnan(PairedItems(items).variance("m", "x", "a", "else"))
    assert np.isnan(PairedItems(None).variance("m", "x", "a", "b"))


def test_ranking_asks_less_where_items_are_shared():
    """.16 apart, at 2.7 errors needed: open at .071, as of two independent cells, and not at .05."""
    rows = [("a", "x", 0.30, 0.05, 0.0, 2, "positive"), ("b", "x", 0.14, 0.05, 0.0, 2, "positive")]
    rows += [("a", "y", 0.35, 0.05, 0.05, 2, "positive"), ("b", "y", 0.19, 0.05, 0.05, 2, "positive")]
    found = propose(transfers(rows), budget=4, sources=["a", "b"], decide="ranking")
    assert found.undecided == 1  # on y; half of the error of items is taken to be in common
    items = pd.concat([one_target(400).assign(target=target) for target in "xy"])
    error = np.sqrt(PairedItems(items).variance("m", "x", "a", "b"))
    close = [row if row[1] == "y" else (*row[:2], 0.3 - 3 * error * (row[0] == "b"), *row[3:]) for row in rows]
    assert 3 * error < 0.1
    assert propose(transfers(close), budget=4, sources=["a", "b"], decide="ranking").undecided == 2
    assert propose(transfers(close), budget=4, sources=["a", "b"], decide="ranking", items=items).undecided == 1


def test_what_decides_in_one_model_decides_nothing_in_another():
    """False discovery rates are of one model each: n, with 40 discoveries, decides at a p-value that m cannot."""
    one = transfers([("a", "x", 0.08, 0.005, 0.05, 2, "undecided"), ("a", "y", 0.5, 0.1, 0.0, 2, "positive")])
    many = transfers([(f"s{k}", "x", 0.2, 0.001, 0.0, 2, "positive") for k in range(40)])
    many = many.assign(model="n")
    many.loc[39, "p_value"] = 0.2  # a discovery of n at a p-value that is none in m
    alone = propose(one, budget=2, sources=["a"])
    both = propose(pd.concat([one, many], ignore_index=True), budget=2, sources=["a"])
    assert both.expected == pytest.approx(alone.expected)


def test_a_budget_that_buys_nothing_is_told_the_least_price():
    with pytest.raises(InputError, match="buys nothing: one more seed of a source takes 3 cells"):
        propose(transfers(HAND), budget=2, sources=["a"], cells_per_seed=3)
    with pytest.raises(InputError, match="the cheapest step takes 1300 items, 130 of 'z' asked of 10 models"):
        propose(transfers(HAND), budget=1299, unit="items", sources=["a"], models_asked=10, available={"z": 130})
    full = {"x": 100, "y": 100, "z": 100}
    with pytest.raises(InputError, match="every target is asked all the items"):
        propose(transfers(HAND), budget=10**6, unit="items", sources=["a"], available=full)
    with pytest.raises(InputError, match="5 open questions, but nothing"):
        propose(transfers(HAND), budget=4, sources=["elsewhere"])


def test_every_model_pays_for_a_seed():
    one = propose(transfers(HAND), budget=4, sources=["a"])
    two = propose(transfers(HAND), budget=4, sources=["a"], cells_per_seed=2)
    assert sum(two.more_seeds.values()) == 2 < sum(one.more_seeds.values())
    assert two.cost == 4


def test_what_cannot_be_done_is_told():
    with pytest.raises(SettingsError, match="budget is 0"):
        propose(transfers(HAND), budget=0, sources=["a"])
    with pytest.raises(SettingsError, match="unit 'seeds'"):
        propose(transfers(HAND), budget=1, unit="seeds", sources=["a"])
    with pytest.raises(InputError, match="nothing left to decide"):
        propose(transfers(HAND[:1]), budget=1, sources=["a"])


def test_what_reads_as_none_decided_is_not_proposed():
    """One seed more decides this cell in 2 of 100 draws: that is told as nothing."""
    with pytest.raises(NothingToAskError, match="1 open questions, but nothing"):
        propose(transfers([("c", "y", 0.10, 0.05, 0.2, 2, "undecided")]), budget=1, sources=["c"])
    found = propose(transfers([("c", "y", 0.12, 0.05, 0.1, 2, "undecided")]), budget=1, sources=["c"])
    assert found.expected == pytest.approx(0.12, abs=0.01)
