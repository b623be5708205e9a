"""Intervals over items and seeds, tests and verdicts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tasktransfer.analysis.analyze import analyze
from tasktransfer.analysis.items import cell_groups, targets_of_items
from tasktransfer.analysis.settings import Settings
from tasktransfer.analysis.simulation import Simulation, simulate_study
from tasktransfer.errors import InputError
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.stats.crossed import crossed_mean, mean_squares, pgf_interval, shared_item_variance
from tasktransfer.stats.false_discovery import false_discovery_rate, selected_families
from tasktransfer.stats.variance_prior import fit_variance_prior


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
    squares = mean_squares(values[None])
    found = crossed_mean(squares)
    total = ms_seed + ms_item - ms_rest
    assert found.mean == pytest.approx(values.mean())
    assert found.variance == pytest.approx(total / 48)
    df = total**2 / (ms_seed**2 / 3 + ms_item**2 / 11 + ms_rest**2 / 33)
    assert found.df == pytest.approx(max(df, 3))
    adapters = crossed_mean(squares, "adapters")
    assert adapters.variance == pytest.approx(values.mean(axis=0).var(ddof=1) / 12)
    assert adapters.df == 11


def test_degrees_of_freedom_follow_what_dominates():
    rng = np.random.default_rng(1)
    seeds_rule = rng.normal(0, 10, (4, 1)) + rng.normal(0, 0.1, (4, 200))
    items_rule = rng.normal(0, 10, (1, 200)) + rng.normal(0, 0.1, (4, 200))
    df = crossed_mean(mean_squares(np.stack([seeds_rule, items_rule]))).df
    assert df[0] == pytest.approx(3, abs=0.1)
    assert df[1] > 150


def test_one_seed_is_the_paired_t_interval():
    rng = np.random.default_rng(2)
    after, before = (rng.random((1, 80)) < 0.6).astype(float), (rng.random((1, 80)) < 0.5).astype(float)
    expected = stats.ttest_rel(after[0], before[0]).confidence_interval(0.9)
    found = crossed_mean(mean_squares((after - before)[None])).interval(0.9)
    assert (found.low[0], found.high[0]) == pytest.approx(tuple(expected))


def test_a_cluster_is_one_unit():
    """Oracle: the cluster-robust variance of a mean, and items copied five times are no new items."""
    rng = np.random.default_rng(7)
    values, clusters = rng.normal(0.3, 1, 60), rng.integers(0, 15, 60)
    clusters[:15] = np.arange(15)
    totals = np.array([(values[clusters == c] - values.mean()).sum() for c in range(15)])
    found = crossed_mean(mean_squares(values[None, None], clusters))
    assert found.mean[0] == pytest.approx(values.mean())
    assert found.variance[0] == pytest.approx(15 / 14 * (totals**2).sum() / 60**2)
    single = rng.normal(0, 1, (2, 3, 40))
    copied, of = np.repeat(single, 5, axis=2), np.repeat(np.arange(40), 5)
    for name in ("mean", "variance", "df"):
        expected = getattr(crossed_mean(mean_squares(single)), name)
        assert getattr(crossed_mean(mean_squares(copied, of)), name) == pytest.approx(expected)


def test_what_cells_share_is_the_covariance_of_their_means():
    rng = np.random.default_rng(3)
    hard_K, own_CSK = rng.standard_normal(400), 0.5 * rng.standard_normal((6, 2, 400))
    values_CSK = hard_K + own_CSK
    covariance = np.cov(values_CSK.mean(axis=1))
    between = covariance[~np.eye(6, dtype=bool)].mean() / 400
    assert shared_item_variance(values_CSK) == pytest.approx(between)
    assert between == pytest.approx(1 / 400, rel=0.2)
    assert shared_item_variance(own_CSK) < 0.1 / 400
    assert np.isnan(shared_item_variance(values_CSK[:1]))
    # every item four times: clusters of four are the units, and the error is that of the items they repeat
    repeated = np.repeat(values_CSK, 4, axis=2)
    assert shared_item_variance(repeated, np.repeat(np.arange(400), 4)) == pytest.approx(between)


def test_moderation_pools_what_is_alike_and_leaves_what_differs():
    rng = np.random.default_rng(8)
    df = np.full(400, 3.0)
    alike = 4 * rng.chisquare(3, 400) / 3
    prior = fit_variance_prior(alike, df)
    assert prior.df > 15
    moderated, moderated_df = prior.moderate(alike, df)
    assert moderated.std() < 0.3 * alike.std()
    assert moderated.mean() == pytest.approx(alike.mean())
    assert (moderated_df > 15).all()
    differing = np.exp(rng.normal(0, 3, 400)) * rng.chisquare(3, 400) / 3
    assert fit_variance_prior(differing, df).df < 2
    assert fit_variance_prior(alike[:2], df[:2]).df == 0
    assert fit_variance_prior(np.zeros(5), df[:5]).moderate(np.zeros(5), df[:5])[0].tolist() == [0] * 5


def test_selected_families_by_hand():
    """Simes .002, .03 and .9: BH at 5 % takes the first two, so within them the level is 2/3 of 5 %."""
    p_value = np.array([0.001, 0.5, 0.02, 0.03, 0.9, 0.95])
    found = selected_families(p_value, np.array(["a", "a", "b", "b", "c", "c"]), level=0.05)
    assert found == pytest.approx([0.003, 0.75, 0.045, 0.045, 1, 1])
    assert np.isnan(selected_families(np.array([np.nan, 0.5]), np.array(["a", "b"]), level=0.05)).tolist() == [
        True,
        False,
    ]
    assert false_discovery_rate(np.array([np.nan])).tolist() == pytest.approx([np.nan], nan_ok=True)


def one_pgf(after, before, **options) -> np.ndarray:
    return np.array(pgf_interval(after[None], before[None], confidence=0.95, population="source", **options))


def test_pgf_interval_needs_a_gap_and_something_wrong_after():
    before = np.zeros((1, 100))
    before[0, :98] = 1
    after = np.ones((1, 100))
    after[0, :40] = 0
    assert np.isnan(one_pgf(after, before)).all()  # 2 wrong items
    before[0, :12] = 0
    assert np.isnan(one_pgf(before, before)).all()
    assert np.isfinite(one_pgf(after, before)).all()
    assert np.isnan(one_pgf(np.ones((1, 100)), before)).all()


@pytest.mark.parametrize(("n_seeds", "seed_sd"), [(1, 0.0), (2, 0.4), (4, 0.0), (4, 0.4)])
def test_intervals_hold_the_truth_at_their_rate(n_seeds, seed_sd):
    """A small version of benchmarks/simulation.py: 80 targets of 12 sources, which share items and baseline."""
    rng = np.random.default_rng(5)
    baseline, accuracy, hits = 0.5, 0.6, 0
    for _ in range(80):
        hardness = rng.standard_normal(150)
        before = np.sqrt(0.7) * hardness + np.sqrt(0.3) * rng.standard_normal(150) < stats.norm.ppf(baseline)
        shift = np.log(accuracy / (1 - accuracy)) + seed_sd * rng.standard_normal((12, n_seeds, 1))
        run = stats.norm.ppf(1 / (1 + np.exp(-shift)))
        luck = rng.standard_normal((12, n_seeds, 150))
        after_CSK = (np.sqrt(0.7) * hardness + np.sqrt(0.3) * luck < run).astype(float)
        before_CSK = np.broadcast_to(before, after_CSK.shape).astype(float)
        squares = mean_squares(after_CSK - before_CSK)
        prior = fit_variance_prior(squares.variance_of_seeds, np.full(12, n_seeds - 1.0))
        low, high = pgf_interval(after_CSK, before_CSK, confidence=0.95, population="source", prior=prior)
        hits += int(((low <= 0.2) & (high >= 0.2)).sum())
    assert 0.92 <= hits / 960 <= 0.98


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
    groups = [g for block in targets_of_items(read(frame, tmp_path).items) for g in cell_groups(block)]
    assert len(groups) == 1
    assert groups[0].after_CSK.tolist() == [[[1, 0, 1], [1, 1, 0]]]
    assert groups[0].before_CSK.tolist() == [[[0, 0, 1], [1, 1, 1]]]


def test_clusters_reach_the_intervals(tmp_path):
    rng = np.random.default_rng(9)
    base, after = (rng.random(30) < 0.5).astype(int), (rng.random(30) < 0.7).astype(int)
    runs = [("base", "", "", np.repeat(base, 4).tolist()), ("finetune", "a", "0", np.repeat(after, 4).tolist())]
    frame = table(runs)
    apart = analyze(read(frame, tmp_path)).transfers.iloc[0]
    frame["cluster"] = frame["item"].str[1:].astype(int) // 4
    frame["cluster"] = "scene " + frame["cluster"].astype(str)
    together = analyze(read(frame, tmp_path)).transfers.iloc[0]
    assert together["pgf"] == apart["pgf"]
    assert together["se_items"] == pytest.approx(2 * apart["se_items"], rel=0.03)
    changed = base != after
    up = int((after > base).sum())
    assert together["p_value"] == pytest.approx(stats.binomtest(up, int(changed.sum())).pvalue)
    frame.loc[3, "cluster"] = "elsewhere"
    with pytest.raises(InputError, match="one cluster an item"):
        read(frame, tmp_path)


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


def test_few_items_without_a_change_are_no_proof(tmp_path):
    runs = [("base", "", "", [1, 0, 1, 0]), ("finetune", "a", "0", [1, 0, 1, 0])]
    cell = analyze(read(table(runs), tmp_path)).transfers.iloc[0]
    assert cell["verdict"] == "undecided"
    assert cell["gain_low"] < -0.05 < 0.05 < cell["gain_high"]


def test_other_items_after_than_before_decide_nothing(tmp_path):
    """The easy half only: accuracy rises while the answers to common items get worse."""
    base = [1] * 30 + [0] * 30
    after = table([("finetune", "a", "0", [1] * 21 + [0] * 9)])
    frame = pd.concat([table([("base", "", "", base)]), after], ignore_index=True)
    cell = analyze(read(frame, tmp_path)).transfers.iloc[0]
    assert cell["pgf"] > 0
    assert cell["gain_high"] < 0
    assert cell["p_value"] < 0.05
    assert cell["verdict"] == "undecided"


def test_every_seed_changing_every_item_is_a_finding(tmp_path):
    runs = [("base", "", "", [0] * 30), *[("finetune", "a", str(s), [1] * 30) for s in range(3)]]
    cell = analyze(read(table(runs), tmp_path)).transfers.iloc[0]
    assert cell["p_value"] == pytest.approx(2.0**-29, rel=1e-3)
    assert cell["verdict"] == "positive"


def test_one_cluster_tells_no_error(tmp_path):
    runs = [("base", "", "", [0, 1] * 10), ("finetune", "a", "0", [1, 1] * 10)]
    cell = analyze(read(table(runs).assign(cluster="x"), tmp_path)).transfers.iloc[0]
    assert cell["uncertainty"] == "items at an assumed discordance of 0.15, this adapter"


def test_clusters_of_one_file_serve_the_other(tmp_path):
    base, after = table([("base", "", "", [0, 1] * 10)]), table([("finetune", "a", "0", [1, 1, 0, 1] * 5)])
    base["cluster"] = ["s" + str(k // 4) for k in range(20)]
    base.to_parquet(tmp_path / "base.parquet", index=False)
    after.to_parquet(tmp_path / "after.parquet", index=False)
    apart = read_accuracies(tmp_path / "base.parquet", tmp_path / "after.parquet")
    together = pd.concat([base, after.assign(cluster=base["cluster"])], ignore_index=True)
    expected = analyze(read(together, tmp_path)).transfers
    pd.testing.assert_frame_equal(analyze(apart).transfers, expected)


@pytest.mark.parametrize("n_items", [30, 60, 150])
def test_negligible_at_the_margin_is_as_rare_as_said(n_items):
    """A true gain of 5 points, all one way; from the plain variance negligible was said in 13 to 21 %."""
    change = (np.random.default_rng(10).random((4000, 1, n_items)) < 0.05).astype(float)
    gain = crossed_mean(mean_squares(change)).with_pseudo_items(n_items).interval(0.9)
    assert ((gain.low > -0.05) & (gain.high < 0.05)).mean() < 0.07
