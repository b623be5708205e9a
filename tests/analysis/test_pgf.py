"""PGF by hand, seeds and baselines, holes and undefined cells."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tasktransfer.analysis.ceilings import ceiling_table
from tasktransfer.analysis.pgf import matrix, pgf_table, tasks_of, transfers_table
from tests.studies import accuracies_of, count_rows, random_counts


def pgf_of(frame: pd.DataFrame, folder, ceiling: str = "perfect") -> pd.DataFrame:
    accuracies = accuracies_of(frame, folder)
    return pgf_table(accuracies, ceiling_table(accuracies, ceiling))


def test_worked_by_hand(tmp_path):
    # baseline 90 and 40 of 100; after: 93 and 50 -> 3/10 and 10/60
    frame = count_rows([90, 40], np.array([[93, 50], [80, 40]]), tasks=["a", "b"])
    table = pgf_of(frame, tmp_path).set_index(["source", "target"])
    assert table.loc[("a", "a"), "pgf"] == pytest.approx(0.3, abs=1e-15)
    assert table.loc[("a", "b"), "pgf"] == pytest.approx(1 / 6, abs=1e-15)
    assert table.loc[("b", "a"), "pgf"] == pytest.approx(-1.0, abs=1e-15)
    assert table.loc[("b", "b"), "pgf"] == 0.0
    assert table.loc[("a", "b"), ["gap", "gain", "baseline", "ceiling"]].tolist() == [0.6, 0.1, 0.4, 1.0]


def test_each_seed_has_its_own_baseline_and_the_mean_is_of_the_seeds(tmp_path):
    rows = [
        ("m", "", "0", "b", 40), ("m", "", "1", "b", 80),
        ("m", "a", "0", "b", 70), ("m", "a", "1", "b", 82),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["model", "source", "seed", "target", "n_correct"]).assign(n_items=100)
    pgf = pgf_of(frame, tmp_path)
    assert pgf["pgf"].tolist() == pytest.approx([0.5, 0.1])
    cell = transfers_table(pgf).iloc[0]
    assert cell["pgf"] == pytest.approx(0.3)
    assert cell["pgf_pooled"] == pytest.approx((0.30 + 0.02) / (0.60 + 0.20))
    assert cell["n_seeds"] == 2
    assert cell["seed_sd"] == pytest.approx(np.std([0.5, 0.1], ddof=1))


def test_a_seedless_baseline_serves_seeds_without_their_own(tmp_path):
    rows = [
        ("m", "", "", "b", 50), ("m", "", "1", "b", 60),
        ("m", "a", "0", "b", 75), ("m", "a", "1", "b", 80),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["model", "source", "seed", "target", "n_correct"]).assign(n_items=100)
    pgf = pgf_of(frame, tmp_path)
    assert pgf["baseline"].tolist() == [0.5, 0.6]
    assert pgf["pgf"].tolist() == pytest.approx([0.5, 0.5])


def test_undefined_only_without_a_gap_or_under_one_item(tmp_path):
    base, after = [100, 99, 98, 97], np.full((4, 4), 99)
    pgf = pgf_of(count_rows(base, after), tmp_path).drop_duplicates("target").set_index("target")
    assert math.isnan(pgf.loc["t0", "pgf"])
    assert pgf.loc["t0", "flags"] == "no_gap"
    assert pgf.loc["t1", "pgf"] == 0.0  # a gap of exactly one item is a gap
    assert pgf.loc["t2", "pgf"] == 0.5
    # a ceiling of 0.985 leaves half an item above 98 of 100, and less than nothing above 99
    ceilings = tmp_path / "ceilings.csv"
    pd.DataFrame({"target": ["t0", "t1", "t2", "t3"], "ceiling": [0.985, 0.985, 0.985, 0.985]}).to_csv(ceilings)
    pgf = pgf_of(count_rows(base, after), tmp_path, str(ceilings)).drop_duplicates("target").set_index("target")
    assert pgf.loc["t2", "flags"] == "gap_under_one_item"
    assert pgf.loc["t1", "flags"] == "no_gap"
    assert pgf.loc["t3", "pgf"] == pytest.approx(0.02 / 0.015)


def test_a_cell_keeps_its_defined_seeds(tmp_path):
    rows = [
        ("m", "", "0", "b", 100), ("m", "", "1", "b", 60),
        ("m", "a", "0", "b", 90), ("m", "a", "1", "b", 80),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["model", "source", "seed", "target", "n_correct"]).assign(n_items=100)
    cell = transfers_table(pgf_of(frame, tmp_path)).iloc[0]
    assert cell["pgf"] == pytest.approx(0.5)
    assert cell["n_seeds"] == 1
    assert cell["flags"] == "no_gap"


def test_missing_cells_are_rows_with_a_flag_never_zeros(tmp_path):
    frame = random_counts(3, 2)
    gone = (frame["source"] == "t0") & (frame["target"] == "t1")
    blank = (frame["source"] == "t1") & (frame["target"] == "t2")
    frame = frame.astype({"n_correct": object})
    frame.loc[blank, "n_correct"] = ""
    transfers = transfers_table(pgf_of(frame[~gone], tmp_path)).set_index(["source", "target"])
    assert len(transfers) == 9
    for cell in (("t0", "t1"), ("t1", "t2")):
        assert math.isnan(transfers.loc[cell, "pgf"])
        assert transfers.loc[cell, "flags"] == "missing"
        assert transfers.loc[cell, "verdict"] == ""


def test_target_without_baseline_is_a_column_of_holes(tmp_path):
    frame = random_counts(3, 1)
    frame = frame[~((frame["source"] == "") & (frame["target"] == "t2"))]
    pgf = pgf_of(frame, tmp_path)
    column = pgf[pgf["target"] == "t2"]
    assert column["pgf"].isna().all()
    assert (column["flags"] == "no_baseline").all()


def test_order_of_rows_changes_nothing(tmp_path):
    frame = random_counts(5, 4, seed=3)
    key = ["source", "target"]
    first = transfers_table(pgf_of(frame, tmp_path)).sort_values(key).reset_index(drop=True)
    other = transfers_table(pgf_of(frame.sample(frac=1, random_state=2), tmp_path)).sort_values(key)
    pd.testing.assert_frame_equal(first, other.reset_index(drop=True), check_exact=True)


def test_controls_are_kept_out_of_the_matrix(tmp_path):
    frame = random_counts(3, 2)
    control = frame[frame["source"] == "t0"].assign(source="format-only", kind="control")
    frame = pd.concat([frame.assign(kind=np.where(frame["source"] == "", "base", "finetune")), control])
    transfers = transfers_table(pgf_of(frame, tmp_path))
    assert (transfers["kind"] == "control").sum() == 3
    assert tasks_of(transfers) == ["t0", "t1", "t2"]
    assert "format-only" not in matrix(transfers, "m").index
    assert transfers.loc[transfers["kind"] == "control", "pgf"].notna().all()


def test_rounded_accuracies_are_used_as_given(tmp_path):
    frame = pd.DataFrame(
        {"model": "m", "source": ["", "a"], "seed": "", "target": "b", "accuracy": [61.33, 66.67], "n_items": 150}
    )
    pgf = pgf_of(frame, tmp_path).iloc[0]
    assert pgf["pgf"] == pytest.approx((0.6667 - 0.6133) / (1 - 0.6133), abs=1e-12)
    assert (pgf["baseline_correct"], pgf["n_correct"]) == (92, 100)


def test_items_that_differ_are_flagged(tmp_path):
    frame = random_counts(2, 1)
    frame.loc[frame["source"] == "t0", "n_items"] = 120
    pgf = pgf_of(frame, tmp_path)
    assert (pgf.loc[pgf["source"] == "t0", "flags"] == "items_differ").all()
    assert (pgf.loc[pgf["source"] == "t1", "flags"] == "").all()


def test_released_pgf_is_passed_through_to_the_bit(published, released):
    rows = published.pgf.merge(
        released, left_on=["model", "seed", "source", "target"], right_on=["model", "seed", "ft_task", "task"]
    )
    assert len(rows) == 3 * 676
    assert (rows["pgf"] == rows["perfection_gap_factor"]).all()
    means = released.groupby(["model", "ft_task", "task"])["perfection_gap_factor"].mean()
    ours = published.transfers.set_index(["model", "source", "target"])["pgf"]
    assert np.abs(ours - means.reindex(ours.index)).max() < 1e-15


def test_without_item_counts_the_interval_is_students_over_seeds(tmp_path):
    frame = random_counts(2, 4, seed=5)  # two sources: nothing to pool their variances with
    frame = frame.assign(accuracy=frame["n_correct"] / 100).drop(columns=["n_correct", "n_items"])
    pgf = pgf_of(frame, tmp_path)
    cell = transfers_table(pgf, confidence=0.9).set_index(["source", "target"]).loc[("t0", "t1")]
    values = pgf[(pgf["source"] == "t0") & (pgf["target"] == "t1")]["pgf"].to_numpy()
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (cell["low"], cell["high"]) == pytest.approx((interval.low, interval.high))
    assert cell["p_value"] == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert cell["uncertainty"] == "seeds only, these items"


def test_one_seed_without_item_counts_has_no_interval(tmp_path):
    frame = random_counts(3, 1)
    frame = frame.assign(accuracy=frame["n_correct"] / 100).drop(columns=["n_correct", "n_items"])
    transfers = transfers_table(pgf_of(frame, tmp_path))
    assert transfers[["low", "high", "p_value", "q_value", "seed_sd"]].isna().all(axis=None)
    assert (transfers["verdict"] == "undecided").all()


def test_two_seeds_that_agree_are_no_verdict(tmp_path):
    # both seeds lose two of 100 items: the spread is zero, the error from items is not
    frame = count_rows([50, 50], np.full((2, 2, 2), 48))
    with_counts = transfers_table(pgf_of(frame, tmp_path))
    assert set(with_counts["verdict"]) == {"undecided"}
    assert set(with_counts["uncertainty"]) == {"seeds, and items at an assumed discordance of 0.15"}
    frame = frame.assign(accuracy=[0.5, 0.5, *[0.48, 0.4801] * 4]).drop(columns=["n_correct", "n_items"])
    assert set(transfers_table(pgf_of(frame, tmp_path))["verdict"]) == {"undecided"}


def test_assumed_item_error_by_hand(tmp_path):
    rows = [("m", "", "", "b", 50), ("m", "a", "0", "b", 60), ("m", "a", "1", "b", 64)]
    frame = pd.DataFrame(rows, columns=["model", "source", "seed", "target", "n_correct"]).assign(n_items=100)
    cell = transfers_table(pgf_of(frame, tmp_path)).iloc[0]
    of_seeds = np.var([0.2, 0.28], ddof=1) / 2
    of_items = (0.15 - 0.12**2) / 100 / 0.5**2
    df = (of_seeds + of_items) ** 2 / (of_seeds**2 / 1 + of_items**2 / 99)
    half = stats.t.ppf(0.975, df) * np.sqrt(of_seeds + of_items)
    assert (cell["low"], cell["high"]) == pytest.approx((0.24 - half, 0.24 + half))
