"""Counts behind the released PGF tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasktransfer.errors import InputError
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.importers.published import recover_counts

ITEMS = {
    "Visual_Similarity": 135, "Art_Style": 117, "Visual_Correspondence": 172, "Relative_Depth": 124,
    "Relative_Reflectance": 134, "Spatial_Relation": 143, "Jigsaw": 150, "Counting": 120,
    "Functional_Correspondence": 130, "Semantic_Correspondence": 139, "Multi-view_Reasoning": 133,
    "Object_Localization": 122, "Forensic_Detection": 132,
}  # fmt: skip
# wrong answers of the untouched 32B model, by seed (reference notes, appendix)
WRONG_32B = {
    "Visual_Similarity": [50, 52, 52, 52], "Art_Style": [59] * 4, "Visual_Correspondence": [40, 39, 40, 39],
    "Relative_Depth": [36, 36, 34, 34], "Relative_Reflectance": [94] * 4, "Spatial_Relation": [27, 26, 27, 26],
    "Jigsaw": [59, 57, 58, 59], "Counting": [39, 39, 41, 41], "Functional_Correspondence": [90] * 4,
    "Semantic_Correspondence": [71] * 4, "Multi-view_Reasoning": [71, 71, 71, 70],
    "Object_Localization": [50, 52, 55, 53], "Forensic_Detection": [38] * 4,
}  # fmt: skip


def formula(right: np.ndarray, before: int, n_items: int) -> np.ndarray:
    """The released tables' own arithmetic."""
    return (right / n_items * 100 - before / n_items * 100) / (100 - before / n_items * 100)


def as_released(
    columns: dict[str, tuple[int, dict[str, int]]], right: dict[tuple[str, str, str], int]
) -> pd.DataFrame:
    rows = []
    for (seed, source, target), count in right.items():
        n_items, before = columns[target]
        value = formula(np.array([float(count)]), before[seed], n_items)[0]
        rows.append((seed, source, target, value))
    return pd.DataFrame(rows, columns=["seed", "ft_task", "task", "perfection_gap_factor"])


def test_every_released_value_comes_back_from_its_counts(published_inputs, released):
    accuracies = read_accuracies(*published_inputs)
    assert accuracies.notes == ()
    runs = accuracies.table[accuracies.table["kind"] == "finetune"]
    base = accuracies.table[accuracies.table["kind"] == "base"]
    assert len(runs) == 3 * 676
    assert (runs["n_items"] == runs["target"].map(ITEMS)).all()
    rows = runs.merge(base, on=["model", "seed", "target"], suffixes=("", "_base"))
    rows = rows.merge(
        released, left_on=["model", "seed", "source", "target"], right_on=["model", "seed", "ft_task", "task"]
    )
    assert len(rows) == 3 * 676
    n = rows["n_items"]
    again = (rows["n_correct"] / n * 100 - rows["n_correct_base"] / n * 100) / (
        100 - rows["n_correct_base"] / n * 100
    )
    assert (again.to_numpy() == rows["perfection_gap_factor"].to_numpy()).all()


def test_baselines_of_32b_are_those_of_the_notes(published_inputs):
    table = read_accuracies(published_inputs[2]).table
    base = table[table["kind"] == "base"].set_index(["target", "seed"])
    for target, wrong in WRONG_32B.items():
        found = [
            int(base.loc[(target, seed), "n_items"] - base.loc[(target, seed), "n_correct"])
            for seed in ("initial", "seed_0", "seed_1", "seed_2")
        ]
        assert found == wrong, target


@pytest.mark.parametrize("seed", ["initial", "seed_0", "seed_1", "seed_2"])
def test_one_seed_gives_the_right_counts_or_none(published_inputs, released, seed, tmp_path):
    full = read_accuracies(*published_inputs).table
    n_recovered = 0
    for model, rows in released[released["seed"] == seed].groupby("model"):
        path = tmp_path / f"{model}.csv"
        rows.drop(columns="model").to_csv(path, index=False)
        table = read_accuracies(f"{model}={path}").table
        merged = table.dropna(subset="n_correct").merge(full, on=["model", "kind", "source", "seed", "target"])
        assert (merged["n_correct_x"] == merged["n_correct_y"]).all()
        assert (merged["n_items_x"] == merged["n_items_y"]).all()
        n_recovered += table.loc[table["n_correct"].notna(), "target"].nunique()
    assert n_recovered >= 36  # of 39; the rest admit several counts


def test_names_and_order_do_not_matter(published_inputs, released, tmp_path):
    rows = released[released["model"] == "7B"].drop(columns="model")
    renamed = rows.assign(ft_task="x " + rows["ft_task"].str[::-1], task="x " + rows["task"].str[::-1])
    renamed.sample(frac=1, random_state=1).to_csv(tmp_path / "r.csv", index=False)
    ours = read_accuracies(f"7B={tmp_path / 'r.csv'}").table
    theirs = read_accuracies(published_inputs[1]).table
    theirs["source"] = theirs["source"].map(lambda name: "x " + name[::-1] if name else "")
    theirs["target"] = "x " + theirs["target"].str[::-1]
    key = ["model", "kind", "source", "seed", "target"]
    both = ours.merge(theirs, on=key, how="outer", indicator=True)
    assert (both["_merge"] == "both").all()
    assert (both["n_correct_x"] == both["n_correct_y"]).all()


def test_ambiguous_columns_fall_back_to_pgf_only_and_say_so(tmp_path):
    right = {
        ("s", a, b): n for (a, b), n in {("a", "a"): 75, ("b", "a"): 60, ("a", "b"): 70, ("b", "b"): 80}.items()
    }
    frame = as_released({"a": (100, {"s": 50}), "b": (100, {"s": 60})}, right)
    frame.to_csv(tmp_path / "two.csv", index=False)
    accuracies = read_accuracies(tmp_path / "two.csv")
    assert accuracies.table["accuracy"].isna().all()
    assert accuracies.table["pgf"].to_numpy().tolist() == frame["perfection_gap_factor"].tolist()
    assert "not determined" in accuracies.notes[0]


def test_random_counts_are_never_recovered_wrong():
    rng = np.random.default_rng(0)
    recovered = 0
    for _ in range(60):
        n_items = int(rng.integers(60, 400))
        before = {str(s): int(rng.integers(n_items // 4, n_items - 5)) for s in range(2)}
        columns = {
            seed: formula(np.clip(c0 + rng.integers(-20, 20, 10), 0, n_items).astype(float), c0, n_items)
            for seed, c0 in before.items()
        }
        found = recover_counts(columns)
        if found is not None:
            assert found.n_items == n_items
            assert found.baseline_correct == before
            recovered += 1
    assert recovered >= 55


def test_all_zero_column_is_not_guessed():
    assert recover_counts({"s": np.zeros(12)}) is None


def test_rounded_values_are_not_recovered(released):
    rows = released[(released["model"] == "3B") & (released["task"] == "Jigsaw")]
    columns = {seed: part["perfection_gap_factor"].round(4).to_numpy() for seed, part in rows.groupby("seed")}
    assert recover_counts(columns) is None


def test_unnamed_file_is_named_by_its_stem(tmp_path):
    frame = pd.DataFrame({"seed": ["s"], "ft_task": ["a"], "task": ["b"], "perfection_gap_factor": [0.25]})
    path = tmp_path / "task_transferability_data_perfection_gap_factor_tiny-1B.csv"
    frame.to_csv(path, index=False)
    assert read_accuracies(path).table["model"].unique().tolist() == ["tiny-1B"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"perfection_gap_factor": [1.0000001]}, r"1\.0000001, which is above 1"),
        ({"perfection_gap_factor": ["inf"]}, "infinite"),
        ({"perfection_gap_factor": ["much"]}, "not a number"),
        ({"ft_task": [""]}, "empty"),
    ],
)
def test_bad_values_are_refused_with_their_line(change, message, tmp_path):
    frame = pd.DataFrame({"seed": ["s"], "ft_task": ["a"], "task": ["b"], "perfection_gap_factor": [0.25]})
    frame = frame.assign(**change)
    path: Path = tmp_path / "bad.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(InputError, match=message) as refusal:
        read_accuracies(path)
    assert "line 2" in str(refusal.value)
