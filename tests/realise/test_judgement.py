"""Realised values against counts worked by hand, and rank correlations against plain ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tasktransfer.errors import InputError
from tasktransfer.realise.choices import Choice
from tasktransfer.realise.judgement import Outcome, judge
from tasktransfer.realise.merged import merge_agreement
from tasktransfer.realise.words import realised_words
from tasktransfer.stats.crossed import crossed_mean, mean_squares
from tests.recommendation.worked import worked_items

# of 10 items, 4 are right before
RIGHT = {
    ("own", "t"): 8, ("own", "u"): 3, ("own", "v"): 4,
    ("mixed", "t"): 9, ("mixed", "u"): 6, ("mixed", "v"): 5,
    ("other", "t"): 5, ("other", "u"): 4, ("other", "v"): 2,
}  # fmt: skip


def choice(
    method: str, mixture: str, pgf: float = 0.1, low: float = 0.0, high: float = 0.2, items: dict | None = None
) -> Choice:
    expected = pd.DataFrame(
        [("t", pgf, low, high), ("u", 0.0, -0.1, 0.1), ("v", 0.0, -1.0, 1.0)],
        columns=["task", "pgf", "low", "high"],
    )
    return Choice("t", method, mixture, items or {"x": 3}, expected, True)


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
    assert np.isnan(row["regret_at_3"])  # there are no more than three
    assert row["spearman"] == pytest.approx(0.5)


def test_predicted_intervals(judged):
    rows = judged.realised.set_index("method")
    assert rows["held"].to_dict() == {"mixture": False, "direct": True, "random": True, "top-k": True}
    assert judged.methods.set_index("method")["held"].to_dict() == {
        "mixture": 0, "direct": 1, "random": 1, "top-k": 1,
    }  # fmt: skip


def test_what_has_no_room_to_rise_is_neither_held_nor_missed():
    right = {(mixture, task): 10 for mixture in ("own", "mixed", "other") for task in "tuv"}
    told = judge(worked_items(right, kind="mixture", base=10), CHOICES)
    for table in (told.realised, told.elsewhere):
        assert table["pgf"].isna().all()
        assert table[["held", "held_with_error"]].isna().all(axis=None)
    assert told.methods[["held", "held_with_error", "pgf", "predicted"]].isna().all(axis=None)
    words = realised_words(Outcome(CHOICES, told, pd.DataFrame(), pd.DataFrame(), [], {}, 0.9))
    assert not any("intervals hold" in line for line in words["lines"])
    assert words["tables"][1]["rows"][0][3] == "– / –"
    assert words["confidence"] == "90%"


def test_undefined_values_are_left_out_of_the_share_that_is_held():
    items = worked_items(RIGHT, kind="mixture", base=4)
    full = worked_items({("mixed", "v"): 10, ("own", "v"): 10, ("other", "v"): 10}, kind="mixture", base=10)
    told = judge(pd.concat([items[items["target"] != "v"], full]), CHOICES)
    held = told.elsewhere.set_index(["method", "task"])["held"]
    assert held.isna().to_dict() == {(m, t): t == "v" for m, t in held.index}
    outcome = Outcome(CHOICES, told, pd.DataFrame(), pd.DataFrame(), [], {}, 0.95)
    [line] = [line for line in realised_words(outcome)["lines"] if "other task" in line and "hold" in line]
    # on u: mixed rises by 2/6, own falls by 1/6, other stays; the interval is -0.1 to 0.1
    assert line.startswith("Predicted 95% intervals hold 33% of the realised values")
    assert "(3 different pairs of mixture and other task; 3 more have no PGF, or no prediction)" in line


def with_seeds(items: pd.DataFrame, source: str, seeds: dict[str, str]) -> pd.DataFrame:
    """The same answers under other names of the seeds."""
    return items.assign(seed=items["seed"].mask(items["source"] == source, items["seed"].replace(seeds)))


def drawn_items() -> pd.DataFrame:
    """Answers at random, the same of both mixtures for each seed, 0 to 2."""
    random = np.random.default_rng(3)
    rows = [("m", "base", "", "", "t", f"i{k}", float(k < 4)) for k in range(10)]
    for seed in ("0", "1", "2"):
        for k, score in enumerate(random.integers(0, 2, 10)):
            rows += [("m", "mixture", source, seed, "t", f"i{k}", float(score)) for source in ("own", "mixed")]
    return pd.DataFrame(rows, columns=["model", "kind", "source", "seed", "target", "item", "score"])


def test_seeds_are_paired_by_name():
    items = drawn_items()
    own, mixed = (items["source"] == source for source in ("own", "mixed"))
    chosen = [choice("mixture", "mixed"), choice("direct", "own")]
    one_in_common = items[~(own & (items["seed"] == "2")) & ~(mixed & (items["seed"] == "0"))]
    row = judge(one_in_common, chosen).realised.iloc[0]
    assert row["over_direct"] == 0
    assert row[["over_direct_low", "over_direct_high"]].isna().all()  # one seed, where there are more
    two_in_common = items[~(own & (items["seed"] == "2"))]
    row = judge(two_in_common, chosen).realised.iloc[0]
    assert row["over_direct"] == 0
    assert row["over_direct_low"] == pytest.approx(-row["over_direct_high"])
    none_in_common = items[~(own & (items["seed"] != "0")) & ~(mixed & (items["seed"] == "0"))]
    assert np.isnan(judge(none_in_common, chosen).realised.iloc[0]["over_direct"])


def test_items_are_paired_by_name():
    items = drawn_items()
    own, mixed = (items["source"] == source for source in ("own", "mixed"))
    some = items[~(own & (items["item"] == "i9")) & ~(mixed & (items["item"] == "i0"))]
    row = judge(some, [choice("mixture", "mixed"), choice("direct", "own")]).realised.iloc[0]
    assert row["over_direct"] == 0
    assert row["over_direct_low"] == pytest.approx(-row["over_direct_high"])


def test_random_is_the_mean_of_its_draws_with_the_same_data():
    right = {
        ("r1", "t"): 4,
        ("r2", "t"): 8,
        ("other r", "t"): 3,
        ("mixed", "t"): 7,
        ("own", "t"): 9,
        ("o", "t"): 5,
    }
    chosen = [
        choice("mixture", "mixed"), choice("mixture, other data", "o"), choice("direct", "own"),
        choice("random 1", "r1"), choice("random 2", "r2"), choice("random 1, other data", "other r"),
    ]  # fmt: skip
    rows = judge(worked_items(right, kind="mixture", base=4), chosen).realised.set_index("method")
    assert rows["over_random"].to_dict() == pytest.approx(
        {"mixture": 0.1, "mixture, other data": 0.2, "direct": 0.3, "random 1": -0.2, "random 2": 0.2,
         "random 1, other data": 0}
    )  # fmt: skip
    assert rows.loc["mixture, other data", "over_direct"] == pytest.approx(-0.4)


def test_what_it_was_trained_on_is_not_elsewhere():
    told = judge(worked_items(RIGHT, kind="mixture", base=4), [choice("mixture", "mixed", items={"u": 2, "x": 1})])
    [row] = told.realised.to_dict("records")
    assert (row["elsewhere"], row["n_elsewhere"]) == (pytest.approx(0.1), 1)  # v alone
    assert (row["worst_task"], row["worst"]) == ("v", pytest.approx(0.1))
    assert row["on_sources"] == pytest.approx(0.2)  # u
    assert not row["holds_target"]
    assert told.elsewhere.set_index("task")["trained_on"].to_dict() == {"u": True, "v": False}
    told = judge(
        worked_items(RIGHT, kind="mixture", base=4), [choice("uniform", "mixed", items=dict.fromkeys("tuv", 1))]
    )
    assert told.realised[["elsewhere", "worst"]].isna().all(axis=None)
    assert told.realised["holds_target"].all()
    lines = realised_words(Outcome([], told, pd.DataFrame(), pd.DataFrame(), [], {}, 0.95))["lines"]
    assert "not trained on" not in lines[0]


def test_protected_tasks_have_a_mean_of_their_own():
    items = worked_items(RIGHT, kind="mixture", base=4)
    for protect, expected in ((("u",), (-0.1, 0.0)), ("all", (-0.05, np.nan)), ((), (np.nan, np.nan))):
        told = judge(items, CHOICES, protect=protect)
        row = told.realised.set_index("method").loc["direct"]
        assert row[["protected", "unprotected"]].tolist() == pytest.approx(expected, nan_ok=True)
        protected = set(told.elsewhere.loc[told.elsewhere["protected"], "task"])
        assert protected == ({"u", "v"} if protect == "all" else set(protect))
    outcome = Outcome(CHOICES, judge(items, CHOICES, protect=("u",)), pd.DataFrame(), pd.DataFrame(), [], {}, 0.95)
    words = realised_words(outcome)
    assert "Protected tasks +20.0 points, the others +10.0 points." in words["lines"][0]
    assert "protected" in words["tables"][1]["heads"]


def test_nothing_trained_is_told():
    with pytest.raises(InputError, match="none of the 1 recommended mixtures answered its target"):
        judge(worked_items(RIGHT, kind="mixture", base=4), [choice("uniform", "not trained")])


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
