"""Intervals over items and seeds, tests and verdicts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tasktransfer.analysis.crossed import crossed_mean, gain_interval, mcnemar_p_value, pgf_interval
from tasktransfer.analysis.items import cells_of_items
from tasktransfer.analysis.pipeline import Settings, analyze
from tasktransfer.analysis.simulation import Simulation, simulate_study
from tasktransfer.importers.inputs import read_accuracies


def anova(values_SK: np.ndarray) -> tuple[float, float, float]:
    """Mean squares of a two-way layout with one value a cell, from the sums of squares of dummies."""
    n_seeds, n_items = values_SK.shape
    y = values_SK.ravel()
    seed, item = np.indices(values_SK.shape).reshape(2, -1)

    def residual(*factors: np.ndarray) -> float:
        design = np.hstack([np.ones((len(y), 1)), *[(f[:, None] == np.unique(f)).astype(float) for f in factors]])
        return float(((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum())

    both = residual(seed, item)
    ms_seed = (residual(item) - both) / (n_seeds - 1)
    ms_item = (residual(seed) - both) / (n_items - 1)
    return ms_seed, ms_item, both / ((n_seeds - 1) * (n_items - 1))


def test_variance_is_that_of_the_crossed_anova():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (4, 1)) + rng.normal(0, 1, (1, 12)) + rng.normal(0, 0.5, (4, 12))
    ms_seed, ms_item, ms_rest = anova(values)
    found = crossed_mean(values)
    total = ms_seed + ms_item - ms_rest
    assert found.mean == pytest.approx(values.mean())
    assert found.variance == pytest.approx(total / 48)
    df = total**2 / (ms_seed**2 / 3 + ms_item**2 / 11 + ms_rest**2 / 33)
    assert found.df == pytest.approx(max(df, 3))
    adapters = crossed_mean(values, "adapters")
    assert adapters.variance == pytest.approx(values.mean(axis=0).var(ddof=1) / 12)
    assert adapters.df == 11


def test_degrees_of_freedom_follow_what_dominates():
    rng = np.random.default_rng(1)
    seeds_rule = rng.normal(0, 10, (4, 1)) + rng.normal(0, 0.1, (4, 200))
    items_rule = rng.normal(0, 10, (1, 200)) + rng.normal(0, 0.1, (4, 200))
    assert crossed_mean(seeds_rule).df == pytest.approx(3, abs=0.1)
    assert crossed_mean(items_rule).df > 150


def test_one_seed_is_the_paired_t_interval():
    rng = np.random.default_rng(2)
    after, before = (rng.random((1, 80)) < 0.6).astype(float), (rng.random((1, 80)) < 0.5).astype(float)
    expected = stats.ttest_rel(after[0], before[0]).confidence_interval(0.9)
    assert gain_interval(after, before, confidence=0.9, population="adapters") == pytest.approx(tuple(expected))


def test_mcnemar_is_the_binomial_of_the_changed_items():
    after, before = np.array([1] * 14 + [0] * 5 + [1] * 30), np.array([0] * 14 + [1] * 5 + [1] * 30)
    assert mcnemar_p_value(after, before) == pytest.approx(stats.binomtest(14, 19).pvalue)
    assert mcnemar_p_value(before, before) == 1.0


def test_pgf_interval_needs_a_gap_and_something_wrong_after():
    before = np.zeros((1, 100))
    before[0, :98] = 1
    after = np.ones((1, 100))
    after[0, :40] = 0
    assert np.isnan(pgf_interval(after, before, confidence=0.95, population="adapters")).all()  # 2 wrong items
    before[0, :12] = 0
    assert np.isnan(pgf_interval(before, before, confidence=0.95, population="adapters")).all()
    assert np.isfinite(pgf_interval(after, before, confidence=0.95, population="adapters")).all()
    assert np.isnan(pgf_interval(np.ones((1, 100)), before, confidence=0.95, population="adapters")).all()


@pytest.mark.parametrize(("n_seeds", "seed_sd"), [(1, 0.0), (4, 0.0), (4, 0.4)])
def test_intervals_hold_the_truth_at_their_rate(n_seeds, seed_sd):
    """A small version of benchmarks/coverage.py: 600 cells, so 92 to 97.5 % is within 3 standard errors."""
    rng = np.random.default_rng(5)
    baseline, accuracy, hits = 0.5, 0.6, 0
    for _ in range(600):
        hardness = rng.standard_normal(150)
        before = np.sqrt(0.7) * hardness + np.sqrt(0.3) * rng.standard_normal(150) < stats.norm.ppf(baseline)
        shift = np.log(accuracy / (1 - accuracy)) + seed_sd * rng.standard_normal((n_seeds, 1))
        run = stats.norm.ppf(1 / (1 + np.exp(-shift)))
        after = np.sqrt(0.7) * hardness + np.sqrt(0.3) * rng.standard_normal((n_seeds, 150)) < run
        after_SK = after.astype(float)
        before_SK = np.broadcast_to(before, after.shape).astype(float)
        low, high = pgf_interval(after_SK, before_SK, confidence=0.95, population="source")
        hits += low <= 0.2 <= high
    assert 0.92 <= hits / 600 <= 0.976


def table(rows: list[tuple[str, str, str, list[int]]]) -> pd.DataFrame:
    """Predictions of model m on target b from (kind, source, seed, right by item)."""
    return pd.DataFrame(
        [
            ("m", kind, source, seed, "b", f"i{k}", ok)
            for kind, source, seed, right in rows
            for k, ok in enumerate(right)
        ],
        columns=["model", "kind", "source", "seed", "target", "item", "correct"],
    )


def read(frame: pd.DataFrame, folder):
    frame.to_parquet(folder / "p.parquet", index=False)
    return read_accuracies(folder / "p.parquet")


def test_runs_are_paired_with_their_own_baseline_on_common_items(tmp_path):
    base = [("base", "", "", [0, 0, 1, 1]), ("base", "", "1", [1, 1, 1, 0])]
    frame = table([*base, ("finetune", "a", "0", [1, 0, 1, 1]), ("finetune", "a", "1", [1, 1, 0, 0])])
    frame = frame[~((frame["seed"] == "1") & (frame["kind"] == "finetune") & (frame["item"] == "i3"))]
    cells = list(cells_of_items(read(frame, tmp_path).items))
    assert len(cells) == 1
    assert cells[0].after_SK.tolist() == [[1, 0, 1], [1, 1, 0]]
    assert cells[0].before_SK.tolist() == [[0, 0, 1], [1, 1, 1]]


def test_verdicts(tmp_path):
    rng = np.random.default_rng(3)
    base = (rng.random(2000) < 0.5).astype(int)
    helped, harmed, same = (base.copy() for _ in "abc")
    helped[rng.choice(np.flatnonzero(base == 0), 200, replace=False)] = 1
    harmed[rng.choice(np.flatnonzero(base == 1), 200, replace=False)] = 0
    flips = rng.choice(2000, 40, replace=False)
    same[flips] = 1 - same[flips]
    runs = [("base", "", "", base.tolist())]
    runs += [
        ("finetune", name, "0", right.tolist())
        for name, right in (("up", helped), ("down", harmed), ("same", same))
    ]
    transfers = analyze(read(table(runs), tmp_path)).transfers.set_index("source")
    assert transfers["verdict"].to_dict() == {"up": "positive", "down": "negative", "same": "negligible"}
    assert set(transfers["uncertainty"]) == {"items, this adapter"}
    small = read(table([(k, s, seed, right[:40]) for k, s, seed, right in runs]), tmp_path)
    verdicts = analyze(small).transfers.set_index("source")["verdict"]
    assert verdicts["same"] == "undecided"


def test_items_reach_the_transfers_and_widen_what_seeds_alone_give(tmp_path):
    study = simulate_study(Simulation(n_tasks=8, n_items=150, n_seeds=6, seed_sd=0.02), seed=2)
    accuracies = read(study.predictions, tmp_path)
    by_items = analyze(accuracies).transfers
    by_seeds = analyze(accuracies.table.assign(n_items=np.nan, n_correct=np.nan)).transfers
    assert "seeds only, these items" in set(by_seeds["uncertainty"])
    assert set(by_items["uncertainty"]) == {"items and seeds"}
    pd.testing.assert_series_equal(by_items["pgf"], by_seeds["pgf"])
    width = (by_items["high"] - by_items["low"]).median()
    assert width > 1.2 * (by_seeds["high"] - by_seeds["low"]).median()


def test_order_of_the_answers_changes_nothing(tmp_path):
    study = simulate_study(Simulation(n_tasks=8, n_items=60, n_seeds=2), seed=4)
    first = read(study.predictions, tmp_path)
    mixed = read(study.predictions.sample(frac=1, random_state=1), tmp_path)
    key = ["source", "target"]
    one, other = (
        analyze(a, Settings(confidence=0.9)).transfers.set_index(key).sort_index() for a in (first, mixed)
    )
    columns = ["pgf", "low", "high", "p_value", "gain_low", "gain_high"]
    pd.testing.assert_frame_equal(one[columns], other[columns], check_exact=True)
    assert (one["verdict"] == other["verdict"]).all()
