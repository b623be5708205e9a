"""What asks test items is held against other items than it was asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import tasktransfer as tt
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.predict.judgement import (
    AGAIN,
    OTHER_ITEMS,
    SAME_ITEMS,
    Known,
    measure_prediction,
    save_prediction,
)
from tests.predict.test_halves import TASKS, analysed, answers
from tests.studies import random_counts


@pytest.fixture(scope="module")
def luck(tmp_path_factory):
    """Finetunes that change nothing: all there is to foretell is luck of items, the untouched model's foremost."""
    frames = [answers(seed).assign(model=model) for seed, model in enumerate(("m", "early"), 1)]
    base = frames[0]["source"] == ""
    frames[1].loc[base, "correct"] = frames[0].loc[base, "correct"]  # the untouched model is one and the same
    return analysed(pd.concat(frames), tmp_path_factory.mktemp("luck"))


def rank_correlation(first, second):
    """Over cells off the diagonal; equal PGF differ in their last digits."""
    off = ~np.eye(len(TASKS), dtype=bool)
    return stats.spearmanr(first.to_numpy()[off].round(9), second.to_numpy()[off].round(9)).statistic


def marks(found, name, holes="all"):
    rows = found.table[(found.table["estimate"] == name) & (found.table["holes"] == holes)]
    return rows.iloc[0]


def test_luck_of_items_is_not_foretold(luck):
    known = Known(early={"early": ("early", 0.1)})
    found = measure_prediction(luck, "m", known, shares=(0.5,), repeats=6)
    assert found.sentences[0] == OTHER_ITEMS
    assert rank_correlation(luck.matrix("m"), luck.matrix("early")) > 0.5  # what the same items would have told
    assert marks(found, "early")["spearman"] < 0.35
    assert marks(found, AGAIN)["spearman"] < 0.35
    assert marks(found, "target mean", "cells")["spearman"] < 0.35
    assert len(found.cells) == len(TASKS) ** 2
    assert found.cells["pgf"].tolist() == pytest.approx(luck.matrix("m").to_numpy().ravel().tolist())
    assert found.itself["n_tasks"].tolist() == [len(TASKS)]


def test_marks_are_means_of_both_ways_round(luck):
    from tasktransfer.predict.halves import halve, matrix_like

    found = measure_prediction(luck, "m", Known(early={"early": ("early", 0.1)}), shares=())
    halves = halve(luck, ["m", "early"])
    assert halves is not None
    like = luck.matrix("m")
    each = [
        rank_correlation(matrix_like(truth.transfers, "m", like), matrix_like(asked.transfers, "early", like))
        for truth, asked in (halves, halves[::-1])
    ]
    assert marks(found, "early")["spearman"] == pytest.approx(np.mean(each))


def test_measuring_again_is_judged_on_the_cells_of_the_others(luck):
    few = Known(early={"early": ("early", 0.1)})
    kept = luck.transfers["model"].eq("m") | luck.transfers["target"].isin(TASKS[:3])
    part = replace(luck, transfers=luck.transfers[kept], items=None)
    some, every = (
        marks(measure_prediction(part, "m", known, shares=(0.5,), repeats=1), AGAIN) for known in (few, Known())
    )
    rows = part.pgf[part.pgf["model"] == "m"]
    first, second = (
        rows[rows["seed"] == run].pivot(index="source", columns="target", values="pgf") for run in "01"
    )
    off = ~np.eye(len(TASKS), dtype=bool)
    here = off & np.isin(TASKS, TASKS[:3])[None, :]
    for found, cells in ((some, here), (every, off)):
        expected = stats.spearmanr(first.to_numpy()[cells].round(9), second.to_numpy()[cells].round(9)).statistic
        assert found["spearman"] == pytest.approx(expected, abs=0.02)  # the even scale ties others


def test_accuracies_alone_are_judged_on_the_same_items_and_it_is_told(tmp_path):
    random_counts(6, 2).to_csv(tmp_path / "table.csv", index=False)
    found = measure_prediction(
        tt.analyze(read_accuracies(tmp_path / "table.csv")), "m", Known(), shares=(0.5,), repeats=2
    )
    assert found.sentences[0] == SAME_ITEMS
    save_prediction(found, tmp_path / "out")
    assert SAME_ITEMS in (tmp_path / "out" / "prediction.json").read_text()


def test_halves_without_a_gap_are_told(tmp_path):
    """One item short of perfect each: a half of them has no gap left."""
    frame = answers()
    easy = frame["target"].isin(TASKS[1:]) & (frame["source"] == "")
    frame.loc[easy, "correct"] = frame.loc[easy, "item"] != "i0"
    found = measure_prediction(analysed(frame, tmp_path), "m", Known(), shares=(0.5,), repeats=2)
    assert found.sentences[0].startswith(SAME_ITEMS)
    assert "Halves are too small" in found.sentences[0]
