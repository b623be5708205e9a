"""Realised values against counts worked by hand, and rank correlations against plain ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tasktransfer.analysis.crossed import crossed_mean, mean_squares
from tasktransfer.selection.choices import Choice
from tasktransfer.selection.judgement import judge
from tasktransfer.selection.merged import merge_agreement
from tests.selection.worked import worked_items

# of 10 items, 4 are right before
RIGHT = {
    ("own", "t"): 8, ("own", "u"): 3, ("own", "v"): 4,
    ("mixed", "t"): 9, ("mixed", "u"): 6, ("mixed", "v"): 5,
    ("other", "t"): 5, ("other", "u"): 4, ("other", "v"): 2,
}  # fmt: skip


def choice(method: str, mixture: str, pgf: float, low: float, high: float) -> Choice:
    expected = pd.DataFrame(
        [("t", pgf, low, high), ("u", 0.0, -0.1, 0.1), ("v", 0.0, -1.0, 1.0)],
        columns=["task", "pgf", "low", "high"],
    )
    return Choice("t", method, mixture, {"x": 3}, expected, True)


CHOICES = [
    choice("mixture", "mixed", 0.4, 0.3, 0.5),
    choice("direct", "own", 0.6, 0.5, 0.7),
    choice("random", "other", 0.1, 0.0, 0.2),
    choice("top-k", "own", 0.6, 0.5, 0.7),
    choice("uniform", "not trained", 0.1, 0.0, 0.2),
]


@pytest.fixture(scope="module")
def judged():
    return judge(worked_items(RIGHT, kind="mixture", base=4), CHOICES)


def test_gains_differences_and_regret(judged):
    rows = judged.realised.set_index("method")
    assert list(rows.index) == ["mixture", "direct", "random", "top-k"]  # what was not trained is left out
    assert rows["gain"].to_dict() == pytest.approx({"mixture": 0.5, "direct": 0.4, "random": 0.1, "top-k": 0.4})
    sixths = {"mixture": 5, "direct": 4, "random": 1, "top-k": 4}
    assert rows["pgf"].to_dict() == pytest.approx({method: n / 6 for method, n in sixths.items()})
    assert rows["over_direct"].to_dict() == pytest.approx(
        {"mixture": 0.1, "direct": 0, "random": -0.3, "top-k": 0}
    )
    assert rows.loc["top-k", ["over_direct_low", "over_direct_high"]].tolist() == [0, 0]  # the same mixture
    assert rows.loc["mixture", "over_direct_low"] < 0.1 < rows.loc["mixture", "over_direct_high"]
    assert rows["regret"].to_dict() == pytest.approx({"mixture": 0, "direct": 0.1, "random": 0.4, "top-k": 0.1})


def test_differences_are_paired_by_item_and_seed():
    random = np.random.default_rng(1)
    items = worked_items(RIGHT, kind="mixture", base=4)
    trained = (items["kind"] == "mixture").to_numpy()
    items.loc[trained, "score"] = random.integers(0, 2, trained.sum()).astype(float)
    row = judge(items, CHOICES).realised.iloc[0]

    def scores(source):
        rows = items[(items["source"] == source) & (items["target"] == "t")]
        return rows.pivot_table(index="seed", columns="item", values="score").to_numpy()

    change = scores("mixed") - scores("own")
    low, high = crossed_mean(mean_squares(change[None])).with_pseudo_items(10).interval(0.95)
    assert row["over_direct"] == pytest.approx(change.mean())
    assert row[["over_direct_low", "over_direct_high"]].tolist() == pytest.approx([low[0], high[0]])
    assert row["gain"] == pytest.approx((scores("mixed") - scores("")).mean())


def test_what_happens_elsewhere(judged):
    row = judged.realised.set_index("method").loc["direct"]
    assert row["elsewhere"] == pytest.approx((-0.1 + 0) / 2)
    assert (row["worst_task"], row["worst"]) == ("u", pytest.approx(-0.1))
    elsewhere = judged.elsewhere.set_index(["method", "task"])
    assert elsewhere.loc[("mixture", "u"), "gain"] == pytest.approx(0.2)
    assert not elsewhere.loc[("mixture", "u"), "held"]  # 2/6 is outside of -0.1 to 0.1
    assert elsewhere.loc[("mixture", "v"), "held"]


def test_choosing_by_the_prediction(judged):
    [row] = judged.targets.to_dict("records")
    assert row["n_mixtures"] == 3
    assert row["best_methods"] == "mixture"
    assert row["regret_at_1"] == pytest.approx(0.1)  # the highest prediction is the target's own data
    assert row["regret_at_3"] == pytest.approx(0)
    assert row["spearman"] == pytest.approx(0.5)


def test_predicted_intervals(judged):
    rows = judged.realised.set_index("method")
    assert rows["held"].to_dict() == {"mixture": False, "direct": True, "random": True, "top-k": True}
    assert judged.methods.set_index("method")["held"].to_dict() == {
        "mixture": 0, "direct": 1, "random": 1, "top-k": 1,
    }  # fmt: skip


def table(merged: np.ndarray, trained: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"how": "cat", "mixture": f"m{m}", "target": f"t{t}", "merged_gain": merged[m, t],
             "trained_gain": trained[m, t], "merged_pgf": 0.0, "trained_pgf": 0.0}
            for m in range(merged.shape[0])
            for t in range(merged.shape[1])
        ]
    )  # fmt: skip


def test_rank_correlation_of_merges():
    random = np.random.default_rng(0)
    merged, trained = random.normal(size=(2, 6, 4))
    [row] = merge_agreement(table(merged, trained)).to_dict("records")
    assert (row["n_mixtures"], row["n_pairs"]) == (6, 24)
    assert row["raw"] == pytest.approx(stats.spearmanr(merged.ravel(), trained.ravel()).statistic)
    centred = [values - values.mean(axis=0) for values in (merged, trained)]
    assert row["within_target"] == pytest.approx(stats.spearmanr(*(v.ravel() for v in centred)).statistic)
    assert row["raw_low"] <= row["raw"] <= row["raw_high"]


def test_targets_alone_are_no_agreement():
    level = np.array([0.0, 10.0, 20.0])
    within = np.array([[-1.0], [0.0], [1.0]])
    [row] = merge_agreement(table(level + within, level - within)).to_dict("records")
    assert row["raw"] > 0.7
    assert row["within_target"] == pytest.approx(-1)
