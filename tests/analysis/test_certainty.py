"""Drawn matrices, and what is read off them: intervals, probabilities, noise levels, net of controls."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tasktransfer.analysis.analyze import analyze
from tasktransfer.analysis.ceilings import ceiling_table
from tasktransfer.analysis.certainty import (
    DrawnMatrices,
    aggregate_certainty,
    clique_probabilities,
    edge_probabilities,
    noise_sum_of_squares,
    persona_probabilities,
    rank_intervals,
    with_aggregates,
)
from tasktransfer.analysis.graph import transfer_edges
from tasktransfer.analysis.personas import assign_personas
from tasktransfer.analysis.pgf import pgf_table, transfers_table
from tasktransfer.analysis.resampling import resample
from tasktransfer.analysis.settings import Settings
from tasktransfer.analysis.simulation import Simulation, simulate_study
from tasktransfer.analysis.transferability import aggregate_transfer
from tasktransfer.errors import InputError
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.stats import effects
from tasktransfer.stats.effects import draw_variances
from tasktransfer.stats.shrinkage import even_scale, pgf_scale, plausible_matrices


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    predictions = simulate_study(Simulation(n_tasks=8, n_items=120, n_seeds=3, seed_sd=0.15), seed=3).predictions
    predictions.to_parquet(folder / "p.parquet", index=False)
    return read_accuracies(folder / "p.parquet")


def tables(accuracies, ceiling="perfect"):
    pgf = pgf_table(accuracies.table, ceiling_table(accuracies.table, ceiling))
    return pgf, transfers_table(pgf, items=accuracies.items)


def spreads(drawn, cells: pd.DataFrame) -> np.ndarray:
    """Half the width of the middle 68 % of the draws, cell by cell."""
    at = [(drawn.cells.index((c.kind, c.source)), drawn.targets.index(c.target)) for c in cells.itertuples()]
    high, low = np.quantile([drawn.pgf_DCT[:, i, j] for i, j in at], [0.8413, 0.1587], axis=1)
    return (high - low) / 2


def test_draws_spread_as_the_intervals_say(study):
    pgf, transfers = tables(study)
    drawn = resample(transfers, pgf, study.items, n_draws=4000)["simulated"]
    cells = transfers[transfers["source"] != transfers["target"]]
    expected = np.hypot(cells["se_items"], cells["se_seeds"]) / cells["gap"]
    spread = spreads(drawn, cells)
    # of the PGF, whose gap varies too: more than the gain's alone where PGF is negative, less where it is positive
    ratio = spread / expected.to_numpy()
    assert 0.9 < np.median(ratio) < 1.1
    assert np.corrcoef(ratio, cells["pgf"])[0, 1] < -0.5


def test_sources_of_a_target_share_the_items_that_are_drawn(study):
    pgf, transfers = tables(study)
    drawn = resample(transfers, pgf, study.items)["simulated"].pgf_DCT
    within = np.corrcoef(drawn[:, :, 0].T)[np.triu_indices(8, 1)].mean()
    across = np.corrcoef(drawn[:, 0, :].T)[np.triu_indices(8, 1)].mean()
    assert within > 0.2
    assert abs(across) < 0.03


def test_counts_alone_spread_as_the_assumed_discordance_says(study):
    accuracies = study._replace(items=None)
    pgf, transfers = tables(accuracies)
    drawn = resample(transfers, pgf, n_draws=4000)["simulated"]
    gains = transfers[["se_items", "se_seeds"]].pow(2).sum(axis=1).pow(0.5) / transfers["gap"]
    cells = [
        (drawn.cells.index((c.kind, c.source)), drawn.targets.index(c.target)) for c in transfers.itertuples()
    ]
    spread = np.array([np.subtract(*np.quantile(drawn.pgf_DCT[:, i, j], [0.8413, 0.1587])) / 2 for i, j in cells])
    assert 0.85 < np.median(spread / gains) < 1.15


def test_a_best_observed_ceiling_moves_with_the_draws(study):
    pgf, transfers = tables(study, "best-observed")
    fixed = resample(transfers, pgf, study.items)["simulated"].pgf_DCT
    moving = resample(transfers, pgf, study.items, best_observed=True)["simulated"].pgf_DCT
    assert np.nanmax(moving) <= 1 + 1e-6  # no draw beats the best of the same draw
    assert np.nanmax(fixed) > 1
    analysis = analyze(study, Settings(ceiling="best-observed"))
    cell = analysis.transfers.iloc[1]
    i, j = [0, list(dict.fromkeys(transfers["target"])).index(cell["target"])]
    low, high = np.quantile(moving[:, i, j][~np.isnan(moving[:, i, j])], [0.025, 0.975])
    assert (cell["low"], cell["high"]) == pytest.approx((low, high))


def test_draws_without_a_gap_are_counted():
    rng = np.random.default_rng(0)
    items = pd.DataFrame(
        [
            ("m", k, s, "", "t", f"i{i}", float(ok))
            for k, s, right in (("base", "", [1] * 37 + [0] * 3), ("finetune", "a", rng.random(40) < 0.8))
            for i, ok in enumerate(right)
        ],
        columns=["model", "kind", "source", "seed", "target", "item", "score"],
    )
    counts = items.groupby(["model", "kind", "source", "seed", "target"], sort=False)["score"]
    table = counts.agg(n_correct="sum", n_items="count", accuracy="mean").reset_index()
    table = table.assign(pgf=np.nan, top_share=np.nan, n_choices=np.nan)
    pgf = pgf_table(table, ceiling_table(table))
    drawn = resample(transfers_table(pgf, items=items), pgf, items)["m"].pgf_DCT
    assert np.isnan(drawn).mean() == pytest.approx(np.exp(-3), abs=0.015)  # none of three wrong items drawn


def test_without_errors_the_matrix_itself_comes_back():
    rng = np.random.default_rng(1)
    observed = rng.normal(0.1, 0.3, (6, 5))
    observed[2, 3] = np.nan
    drawn = plausible_matrices(observed, np.broadcast_to(observed, (50, 6, 5)))
    assert np.nanmax(np.abs(drawn - observed)) < 0.01
    assert np.isnan(drawn[:, 2, 3]).all()


def test_pure_noise_leaves_nothing_and_effects_stay():
    rng = np.random.default_rng(2)
    error, shared = 0.08 * rng.standard_normal((500, 13, 13)), 0.05 * rng.standard_normal((500, 1, 13))
    noise = 0.08 * rng.standard_normal((13, 13)) + 0.05 * rng.standard_normal((1, 13))
    null = plausible_matrices(noise, noise + error + shared)
    assert np.abs(null.mean(axis=0)).mean() < 0.2 * np.abs(noise).mean()
    levels = noise + np.where(np.arange(13) < 4, 0.5, 0)
    found = plausible_matrices(levels, levels + error + shared).mean(axis=0)
    assert found[:, :4].mean() == pytest.approx(levels[:, :4].mean(), rel=0.12)
    # what a column shares is told from a level of its own: the middle of a column counts for more than its cells
    assert np.abs(found[:, 4:]).mean() < 0.35 * np.abs(noise[:, 4:]).mean()


def test_what_a_source_does_everywhere_is_not_shrunk_cell_by_cell():
    rng = np.random.default_rng(5)
    error = 0.1 * rng.standard_normal((400, 12, 12))
    true = np.zeros((12, 12))
    true[:3] = 0.2  # three sources; a cell by itself is twice its error
    observed = true + 0.1 * rng.standard_normal((12, 12))
    found = plausible_matrices(observed, observed + error).mean(axis=0)
    rows = found.mean(axis=1)
    assert rows[:3].mean() == pytest.approx(observed[:3].mean(), rel=0.25)
    assert np.abs(rows[3:]).mean() < 0.03


def test_even_scale_is_undone():
    pgf = np.array([-3.0, -0.4, 0.0, 0.3, 1.0, 1.4])
    assert even_scale(pgf) == pytest.approx([-np.log(4), -np.log(1.4), 0, 0.3, 1, 1.4])
    assert pgf_scale(even_scale(pgf)) == pytest.approx(pgf)


def test_variances_are_drawn_from_their_posterior():
    """One effect, by adding up the grid: how often there is none, and the mean variance if there is."""
    estimate, error = 0.15, 0.08**2
    drawn = draw_variances(np.full((40_000, 1), estimate), np.full((40_000, 1), error), np.random.default_rng(6))
    widths = effects._WIDTHS
    prior = widths / (1 + (widths / 0.25) ** 2)
    prior = prior / prior.sum()
    zeros = float((effects._ZEROS * effects._OF_ZEROS).sum() / effects._OF_ZEROS.sum())
    some = (1 - zeros) * prior * stats.norm.pdf(estimate, 0, np.sqrt(error + widths**2))
    none = zeros * stats.norm.pdf(estimate, 0, np.sqrt(error))
    assert (drawn == 0).mean() == pytest.approx(none / (none + some.sum()), abs=0.01)
    assert drawn[drawn > 0].mean() == pytest.approx((some * widths**2).sum() / some.sum(), rel=0.05)


def test_an_interval_reaches_zero_where_noise_alone_gives_the_value():
    observed = np.full((5, 5), 0.12)
    observed[:, 0] = 0.8
    rng = np.random.default_rng(7)
    plausible = observed + 0.01 * rng.standard_normal((500, 5, 5))
    noise = 0.2 * rng.standard_normal((500, 5, 5))
    off = np.where(np.eye(5, dtype=bool), np.nan, 0)
    drawn = with_aggregates(list("abcde"), *((part + off).astype(np.float32) for part in (plausible, noise)))
    frame = pd.DataFrame(observed, index=drawn.tasks, columns=drawn.tasks)
    found = aggregate_certainty(aggregate_transfer(frame), drawn, confidence=0.95).set_index(["measure", "task"])
    assert found.loc[("malleability_pos", "a"), "low"] > 0.4
    assert found.loc[("malleability_pos", "b"), "low"] == 0
    mirrored = with_aggregates(drawn.tasks, -drawn.plausible_DNN, -drawn.noise_DNN)
    turned = aggregate_certainty(aggregate_transfer(-frame), mirrored, confidence=0.95)
    turned = turned.set_index(["measure", "task"])
    assert turned.loc[("malleability_neg", "b"), "high"] == 0
    assert turned.loc[("malleability_neg", "a"), "high"] == pytest.approx(
        -found.loc[("malleability_pos", "a"), "low"]
    )


def drawn_around(observed: np.ndarray, spread: float, n_draws: int = 400, seed: int = 0) -> DrawnMatrices:
    rng = np.random.default_rng(seed)
    off = np.where(np.eye(len(observed), dtype=bool), np.nan, observed)
    error = spread * rng.standard_normal((n_draws, *observed.shape))
    parts = [part.astype(np.float32) for part in (off + error, error + 0 * off)]
    return with_aggregates([f"t{k}" for k in range(len(observed))], *parts)


def test_structure_probabilities_are_shares_of_the_draws():
    observed = np.random.default_rng(3).normal(0, 0.3, (6, 6))
    drawn = drawn_around(observed, 0.1, n_draws=60)
    names = drawn.tasks
    frames = [pd.DataFrame(m, index=names, columns=names) for m in drawn.plausible_DNN.astype(float)]
    frame = pd.DataFrame(observed, index=names, columns=names)
    edges = transfer_edges(frame)
    of_draws = [{(e.source, e.target, e.sign) for e in transfer_edges(f).itertuples()} for f in frames]
    expected = [np.mean([(e.source, e.target, e.sign) in edge for edge in of_draws]) for e in edges.itertuples()]
    assert edge_probabilities(edges, drawn, top_share=0.2) == pytest.approx(expected)
    sets = [("t0", "t1"), ("t1", "t3", "t4")]
    expected = [
        np.mean([all(f.loc[a, b] > 0 for a, b in itertools.permutations(s, 2)) for f in frames]) for s in sets
    ]
    assert clique_probabilities(sets, "positive", drawn) == pytest.approx(expected)
    labels = [assign_personas(aggregate_transfer(f)) for f in frames]
    found = persona_probabilities(drawn)
    for task, persona in (("t0", "donor"), ("t3", "sieve")):
        assert found.loc[task, persona] == pytest.approx(
            np.mean([persona in of[task].split(";") for of in labels])
        )
    ranks = np.array(
        [aggregate_transfer(f)["transferability_pos"].rank(ascending=False, method="min") for f in frames]
    )
    interval = rank_intervals(aggregate_transfer(frame), drawn, confidence=0.5)
    assert (interval["rank_low"] <= np.median(ranks, axis=0)).all()
    assert (interval["rank_high"] >= np.median(ranks, axis=0)).all()
    assert sorted(interval["rank"]) == list(range(1, 7))


def test_noise_in_the_residual_is_its_degrees_of_freedom():
    drawn = drawn_around(np.zeros((9, 9)), 0.2, n_draws=3000)
    degrees = 72 - 17  # cells off the diagonal less sources and targets
    assert noise_sum_of_squares(drawn) == pytest.approx(degrees * 0.2**2, rel=0.02)


def test_aggregates_with_their_noise():
    observed = np.full((7, 7), 0.4)
    drawn = drawn_around(observed, 0.1, n_draws=2000)
    frame = pd.DataFrame(observed, index=drawn.tasks, columns=drawn.tasks)
    found = aggregate_certainty(aggregate_transfer(frame), drawn, confidence=0.95).set_index(["measure", "task"])
    row = found.loc["transferability_pos", "t2"]
    factor = 1 - np.exp(-1)  # all six cells positive
    assert row["value"] == pytest.approx(0.4 * factor)
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * 0.1 / np.sqrt(6) * factor, rel=0.08)
    # E[(1 - exp(-p / 6)) / p * sum of the p positive of six normal errors], p binomial
    p = np.arange(1, 7)
    chance = np.array(
        [20 / 64 if k == 3 else 15 / 64 if k in (2, 4) else 6 / 64 if k in (1, 5) else 1 / 64 for k in p]
    )
    expected = (chance * -np.expm1(-p / 6)).sum() * 0.1 * np.sqrt(2 / np.pi)
    assert row["noise_level"] == pytest.approx(expected, rel=0.03)
    assert found.loc[("transferability_pos", ""), "value"] == pytest.approx(row["value"])


def with_control(study):
    """The study with a control that answers as the first source does."""
    table, items = study.table, study.items
    like = items[items["source"] == "alder"].astype(object).assign(kind="control", source="shuffled")
    rows = table[table["source"] == "alder"].assign(kind="control", source="shuffled")
    return study._replace(
        table=pd.concat([table, rows], ignore_index=True),
        items=pd.concat([items.astype(object), like], ignore_index=True).astype({"score": float}),
    )


def test_net_of_a_control(study):
    analysis = analyze(with_control(study))
    net = analysis.controls.set_index(["source", "target"])
    own = net.loc["alder"]
    assert (own["net"] == 0).all()
    assert (own["low"] <= 0).all()
    assert (own["high"] >= 0).all()
    pgf = analysis.transfers[analysis.transfers["kind"] == "finetune"].set_index(["source", "target"])["pgf"]
    expected = pgf[("elm", "fir")] - pgf[("alder", "fir")]
    assert net.loc[("elm", "fir"), "net"] == pytest.approx(expected)
    columns = analysis.control_columns.set_index("target")
    off = net[net.index.get_level_values("source") != net.index.get_level_values("target")]
    fir = off.xs("fir", level="target")
    assert columns.loc["fir", "share_explained"] == pytest.approx(
        1 - (fir["net"] ** 2).sum() / (fir["pgf"] ** 2).sum()
    )
    assert columns.loc["", "mean_net"] == pytest.approx(off["net"].mean())
    assert len(analyze(study).controls) == 0


@pytest.mark.parametrize("with_items", [True, False])
def test_what_stands_beside_moves_no_draw(study, with_items):
    """A control, or a second model, with items or as totals only, leaves the structure of the first as it was."""
    alone = analyze(study)
    controlled = with_control(study)
    other = study.table.assign(model="other")
    beside = study._replace(
        table=pd.concat([controlled.table, other], ignore_index=True),
        items=controlled.items if with_items else study.items,
    )
    both = analyze(beside)
    for name in ("tasks", "edges", "aggregates"):
        rows = getattr(both, name)
        rows = rows[rows["model"] == "simulated"].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, getattr(alone, name), check_exact=True)


def test_the_order_of_the_tasks_moves_no_draw(study):
    turned = study._replace(table=study.table.iloc[::-1].reset_index(drop=True), items=study.items.iloc[::-1])
    one, other = (analyze(a).tasks.set_index("task").sort_index() for a in (study, turned))
    columns = ["p_donor", "p_sieve", "rank_low", "rank_high"]
    pd.testing.assert_frame_equal(one[columns], other[columns])


def test_controls_alone_have_no_matrix(study):
    like = study.table[study.table["kind"] != "base"].assign(kind="control")
    base = study.table[study.table["kind"] == "base"]
    with pytest.raises(InputError, match="there is no finetune, only 'control'"):
        analyze(study._replace(table=pd.concat([base, like], ignore_index=True), items=None))


def test_self_transfer_is_no_edge_in_any_draw(study):
    counted = analyze(study, Settings(include_self=True)).edges
    pd.testing.assert_frame_equal(counted, analyze(study).edges)
