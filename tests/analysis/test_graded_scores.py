"""Scores between 0 and 1, such as relative accuracies, from predictions to transfers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from tasktransfer.analysis.analyze import analyze
from tasktransfer.importers.inputs import read_accuracies

SOURCES, TARGETS, SEEDS = ["size", "count"], ["size", "count", "left"], ["0", "1"]
N_ITEMS = 12


@pytest.fixture(scope="module")
def scores():
    """Score by (source, seed, target); relative accuracies in tenths, and one target of right and wrong."""
    random = np.random.default_rng(0)
    runs = [("", ""), *product(SOURCES, SEEDS)]
    told = {}
    for (source, seed), target in product(runs, TARGETS):
        tenths = random.integers(0, 9 if source != target else 11, N_ITEMS) / 10
        told[source, seed, target] = np.round(tenths) if target == "left" else tenths
    told["", "", "count"] = np.array([0.5, 0.5, *[0.2, 0.3, 0.1, 0.4, 0.6, 0.4, 0.2, 0.8, 0.3, 0.7]])  # sum 5
    return told


@pytest.fixture(scope="module")
def read(scores, tmp_path_factory):
    rows = [
        {"model": "m", "source": source, "seed": seed, "target": target, "item": f"i{k}", "scorer": "generation",
         "answer": "ABC"[k % 3], "predicted": "ABCD"[(k + len(source)) % 4], "correct": value == 1, "score": value}
        for (source, seed, target), values in scores.items() for k, value in enumerate(values)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("graded") / "predictions.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return read_accuracies(path)


def test_scores_are_averaged_and_not_counted(read, scores):
    table = read.table.set_index(["source", "seed", "target"])
    for key, values in scores.items():
        assert table.loc[key, "accuracy"] == pytest.approx(values.mean())
    assert np.isnan(table.loc[("", "", "count"), "n_correct"])  # though the scores add up to 5
    assert table.loc[("", "", "left"), "n_correct"] == scores["", "", "left"].sum()
    # graded answers have no chance of one in three
    assert table["n_choices"].groupby(level="target").first().notna().to_dict() == {
        "count": False, "left": True, "size": False,
    }  # fmt: skip


def test_pgf_is_the_share_of_the_gap_in_mean_score(read, scores):
    analysis = analyze(read)
    for cell in analysis.transfers.itertuples():
        base = scores["", "", cell.target].mean()
        after = [scores[cell.source, seed, cell.target].mean() for seed in SEEDS]
        assert cell.pgf == pytest.approx(np.mean([(a - base) / (1 - base) for a in after]))
        assert cell.gain == pytest.approx(np.mean(after) - base)
        assert cell.uncertainty == "items and seeds"
        assert cell.gain_low < cell.gain < cell.gain_high
        assert cell.low < cell.pgf_pooled < cell.high <= 1
    assert not analysis.diagnostics.query("check == 'baseline_at_chance' and target in ('size', 'count')").size


def test_one_adapter_against_all_flips_and_the_paired_error(read, scores):
    one = read._replace(
        table=read.table[read.table["seed"] != "1"], items=read.items[read.items["seed"].astype(str) != "1"]
    )
    cells = analyze(one).transfers.set_index(["source", "target"])
    signs = np.array(list(product([1, -1], repeat=N_ITEMS)))
    for source, target in product(SOURCES, TARGETS):
        change = scores[source, "0", target] - scores["", "", target]
        cell = cells.loc[(source, target)]
        assert cell["se_items"] == pytest.approx(change.std(ddof=1) / np.sqrt(N_ITEMS))
        flipped = np.abs(signs @ change)
        assert cell["p_adapters"] == pytest.approx((flipped >= abs(change.sum()) - 1e-9).mean())
        assert cell["uncertainty"] == "items, this adapter"
