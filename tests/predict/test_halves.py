"""A matrix is measured twice, on items that have nothing in common."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import tasktransfer as tt
from tasktransfer.analysis.halves import choosing_items
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.predict.halves import halve, matrix_like, of_seeds
from tests.studies import random_counts

TASKS = [f"t{number}" for number in range(6)]


def answers(seed=1, *, clusters=False):
    """Item-level answers in which finetunes change nothing but by chance."""
    rng, of_items = np.random.default_rng(seed), np.random.default_rng(0)
    rows = []
    for target in TASKS:
        hard = of_items.uniform(0.15, 0.75, 20)
        for source, seeds in [("", [""]), *((task, ["0", "1"]) for task in TASKS)]:
            for run in seeds:
                right = rng.uniform(size=20) < hard
                rows += [("m", source, run, target, f"i{k}", f"c{k // 4}", bool(right[k])) for k in range(20)]
    frame = pd.DataFrame(rows, columns=["model", "source", "seed", "target", "item", "cluster", "correct"])
    return frame if clusters else frame.drop(columns="cluster")


def analysed(frame, folder):
    frame.to_csv(folder / "predictions.csv", index=False)
    return tt.analyze(read_accuracies(folder / "predictions.csv"))


def test_each_half_is_the_grid_on_its_items(tmp_path):
    frame = answers()
    found = analysed(frame, tmp_path)
    halves = halve(found, ["m"])
    assert halves is not None
    chosen = {task: choosing_items(task, frame["item"]) for task in TASKS}
    here = [item in chosen[target] for target, item in zip(frame["target"], frame["item"], strict=True)]
    for number, half in enumerate(halves):
        own = frame[np.array(here) == (number == 0)]
        (tmp_path / str(number)).mkdir()
        alone = analysed(own, tmp_path / str(number))
        like = found.matrix("m")
        pd.testing.assert_frame_equal(matrix_like(half.transfers, "m", like), alone.matrix("m"), check_names=False)
        told = matrix_like(half.transfers, "m", like, value="se_items")
        pd.testing.assert_frame_equal(told, alone.matrix("m", value="se_items"), check_names=False)
        means = [of_seeds(half.pgf, "m", [run], like).to_numpy() for run in ("0", "1")]
        assert np.nanmean(means, axis=0) == pytest.approx(
            like.to_numpy() * 0 + matrix_like(half.transfers, "m", like).to_numpy()
        )


def test_items_of_one_cluster_stay_together(tmp_path):
    halves = halve(analysed(answers(clusters=True), tmp_path), ["m"])
    assert halves is not None
    sizes = [set(half.pgf["n_items"]) for half in halves]  # of five clusters of four items three choose
    assert sizes == [{12.0}, {8.0}]


def test_without_items_there_are_no_halves(tmp_path):
    random_counts(4, 1).to_csv(tmp_path / "table.csv", index=False)
    answers().assign(model="items").to_csv(tmp_path / "items.csv", index=False)
    both = tt.analyze(read_accuracies(tmp_path / "table.csv", tmp_path / "items.csv"))
    assert halve(both, ["m"]) is None
    assert halve(both, ["m", "items"]) is None
    assert halve(both, ["items"]) is not None
