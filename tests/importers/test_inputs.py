"""Tables in: what is accepted, what is refused, and how it is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.importers.inputs import read_accuracies, split_name
from tests.studies import count_rows, random_counts


def write(frame: pd.DataFrame, folder, name: str = "table.csv"):
    path = folder / name
    if name.endswith(".parquet"):
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if name.endswith(".tsv") else ",")
    return path


@pytest.fixture
def counts() -> pd.DataFrame:
    return random_counts(3, 2)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet"])
def test_counts_give_fractions_in_every_format(counts, tmp_path, name):
    table = read_accuracies(write(counts, tmp_path, name)).table
    assert np.allclose(table["accuracy"], counts["n_correct"] / counts["n_items"], rtol=0, atol=0)
    assert (table["kind"] == np.where(counts["source"] == "", "base", "finetune")).all()
    assert table["seed"].tolist() == counts["seed"].tolist()


def test_percent_fraction_and_counts_agree(counts, tmp_path):
    fraction = counts["n_correct"] / counts["n_items"]
    plain = counts.drop(columns="n_correct")
    tables = [
        read_accuracies(write(counts, tmp_path, "a.csv")).table,
        read_accuracies(write(plain.assign(accuracy=fraction), tmp_path, "b.csv")).table,
        read_accuracies(write(plain.assign(accuracy=fraction * 100), tmp_path, "c.csv")).table,
    ]
    for other in tables[1:]:
        assert np.allclose(tables[0]["accuracy"], other["accuracy"], atol=1e-15)
        assert (tables[0]["n_correct"] == other["n_correct"]).all()


def test_item_count_may_be_absent_with_accuracy(counts, tmp_path):
    frame = counts.assign(accuracy=counts["n_correct"] / 100).drop(columns=["n_correct", "n_items"])
    table = read_accuracies(write(frame, tmp_path)).table
    assert table["n_items"].isna().all()
    assert table["accuracy"].notna().all()


@pytest.mark.parametrize("hole", ["", "nan", "NaN", "NA", "null"])
def test_holes_stay_holes(counts, tmp_path, hole):
    frame = counts.astype({"n_correct": object})
    frame.loc[5, "n_correct"] = hole
    table = read_accuracies(write(frame, tmp_path)).table
    assert table["accuracy"].isna().sum() == 1


def test_names_are_kept_to_the_letter(tmp_path):
    names = ["NA", "null", " padded ", "Zoë;50%", "a,b", 'quo"te', "line\nbreak", "<b>&", "任务", "007"]
    frame = random_counts(len(names), 1, tasks=names)
    for name in ("t.csv", "t.parquet"):
        table = read_accuracies(write(frame, tmp_path, name)).table
        assert list(dict.fromkeys(table["target"])) == names
        assert list(dict.fromkeys(table.loc[table["kind"] != "base", "source"])) == names


def test_integer_seeds_in_parquet_become_text(counts, tmp_path):
    frame = counts.assign(seed=[None if s == "" else int(s) for s in counts["seed"]])
    table = read_accuracies(write(frame, tmp_path, "t.parquet")).table
    assert table["seed"].tolist() == counts["seed"].tolist()


def test_several_files_of_one_model_are_one_table(counts, tmp_path):
    base, runs = counts[counts["source"] == ""], counts[counts["source"] != ""]
    table = read_accuracies(write(base, tmp_path, "base.csv"), write(runs, tmp_path, "runs.csv")).table
    assert len(table) == len(counts)


def test_model_order_is_that_of_the_inputs(tmp_path):
    paths = [write(random_counts(2, 1, model=m), tmp_path, f"{m}.csv") for m in ("z", "a")]
    assert list(dict.fromkeys(read_accuracies(*paths).table["model"])) == ["z", "a"]


def test_name_fills_in_or_renames_the_model(counts, tmp_path):
    assert set(read_accuracies(f"big={write(counts, tmp_path)}").table["model"]) == {"big"}
    bare = write(counts.drop(columns="model"), tmp_path, "bare.csv")
    assert set(read_accuracies(f"big={bare}").table["model"]) == {"big"}


def test_a_path_with_an_equals_sign_is_a_path(counts, tmp_path):
    path = write(counts, tmp_path, "lr=1.csv")
    assert split_name(str(path)) == (None, path)


def test_same_rows_twice_are_one(counts, tmp_path):
    table = read_accuracies(write(pd.concat([counts, counts]), tmp_path)).table
    assert len(table) == len(counts)


def test_predictions_average_to_the_counts(tmp_path):
    rows = []
    for source, seed, right in (("", "", [1, 1, 0, 0]), ("a", "0", [1, 1, 1, 0])):
        rows += [("m", source, seed, "b", str(k), "A" if ok else "B", ok) for k, ok in enumerate(right)]
    frame = pd.DataFrame(rows, columns=["model", "source", "seed", "target", "item", "predicted", "correct"])
    for name in ("p.csv", "p.parquet"):
        table = read_accuracies(write(frame, tmp_path, name)).table
        assert table["accuracy"].tolist() == [0.5, 0.75]
        assert table["n_correct"].tolist() == [2, 3]
        assert table["top_share"].tolist() == [0.5, 0.75]


def test_likelihood_is_the_scorer_of_choice(tmp_path):
    frame = pd.DataFrame(
        {
            "model": "m",
            "source": ["", "", "a", "a"],
            "seed": "",
            "target": "b",
            "item": "1",
            "scorer": ["generation", "likelihood"] * 2,
            "correct": [0, 1, 1, 0],
        }
    )
    assert read_accuracies(write(frame, tmp_path)).table["accuracy"].tolist() == [1, 0]
    with pytest.raises(InputError, match="scorers"):
        read_accuracies(write(frame.assign(scorer=["x", "y"] * 2), tmp_path))


def scored_by(*cells: tuple[str, str], model: str = "m") -> pd.DataFrame:
    """Two items for each source and scorer."""
    rows = [(model, source, "", "t", item, scorer, 1) for source, scorer in cells for item in "12"]
    return pd.DataFrame(rows, columns=["model", "source", "seed", "target", "item", "scorer", "correct"])


def test_runs_without_the_scorer_of_the_others_are_told(tmp_path):
    both = (("", "likelihood"), ("", "generation"))
    frame = scored_by(*both, ("a", "likelihood"), ("b", "generation"))
    read = read_accuracies(write(frame, tmp_path))
    assert read.table["source"].tolist() == ["", "a"]
    assert read.notes == (
        "m: runs without the scorer 'likelihood', which the others have, are left out: b on t has 'generation'.",
    )
    assert not read_accuracies(write(scored_by(*both, ("a", "likelihood")), tmp_path)).notes


def test_each_model_has_its_own_scorer(tmp_path):
    frame = pd.concat(
        [
            scored_by(("", "likelihood"), ("a", "likelihood")),
            scored_by(("", "generation"), ("a", "generation"), model="n"),
        ]
    )
    read = read_accuracies(write(frame, tmp_path))
    assert list(zip(read.table["model"], read.table["source"], strict=True)) == [
        ("m", ""), ("m", "a"), ("n", ""), ("n", "a"),
    ]  # fmt: skip
    assert not read.notes


def test_a_baseline_of_another_scorer_is_refused(tmp_path):
    frame = scored_by(("", "generation"), ("a", "likelihood"))
    with pytest.raises(InputError, match=r"a baseline is not \(the baseline on t has 'generation'"):
        read_accuracies(write(frame, tmp_path))


@pytest.mark.parametrize(
    ("answers", "n_choices"),
    [
        (["A", "(A)", "a", "B"], 2),
        (["Yes", "yes.", "No"], 2),
        (["left", "right"], 2),
        (["A", "B", "C."], 3),
        (["0", "1", "2", "3", "4"], None),  # counts are asked openly
        (["left", "right", "up"], None),
        (["A", "yes"], None),
        (["A"], None),
    ],
)
def test_options_are_counted_however_they_are_written(tmp_path, answers, n_choices):
    rows = [
        ("m", source, "", "t", str(k), answers[k % len(answers)], 1) for source in ("", "a") for k in range(60)
    ]
    frame = pd.DataFrame(rows, columns=["model", "source", "seed", "target", "item", "answer", "correct"])
    found = read_accuracies(write(frame, tmp_path)).table["n_choices"]
    assert found.isna().all() if n_choices is None else (found == n_choices).all()


def test_partial_scores_are_averaged_and_not_counted(tmp_path):
    frame = pd.DataFrame(
        {"model": "m", "source": ["", "", "a", "a"], "seed": "", "target": "b", "item": list("1212"),
         "score": [0.5, 0.0, 1.0, 0.25]}
    )  # fmt: skip
    table = read_accuracies(write(frame, tmp_path)).table
    assert table["accuracy"].tolist() == [0.25, 0.625]
    assert table["n_correct"].isna().all()


def refusals() -> dict[str, tuple[pd.DataFrame, str]]:
    good = count_rows([50, 40], np.array([[60, 45], [55, 50]]), tasks=["a", "b"])
    fraction = good.drop(columns="n_correct").assign(accuracy=good["n_correct"] / 100)
    predictions = pd.DataFrame(
        {"model": "m", "source": ["", "a", "a"], "seed": "", "target": "b", "item": ["1", "1", "1"],
         "correct": [1, 0, 1]}
    )  # fmt: skip
    return {
        "no target": (good.drop(columns="target"), "missing column 'target'"),
        "no seed": (good.drop(columns="seed"), "missing column 'seed'"),
        "no model": (good.drop(columns="model"), "missing column 'model'"),
        "no items": (good.drop(columns="n_items"), "missing column 'n_items'"),
        "nothing measured": (good.drop(columns=["n_correct", "n_items"]), "cannot tell what this table is"),
        "words": (fraction.assign(accuracy="good"), "not a number"),
        "infinite": (fraction.assign(accuracy=np.inf), "infinite"),
        "negative": (fraction.assign(accuracy=-0.1), "below 0"),
        "above 100": (fraction.assign(accuracy=101), "above 100"),
        "two units": (fraction.assign(accuracy=[0.5, 40, 60, 45, 55, 50]), "--unit"),
        "too many right": (good.assign(n_correct=101), "n_correct above n_items"),
        "half an item": (good.assign(n_correct=50.5), "not a whole number"),
        "no items at all": (good.assign(n_items=0), "below 1"),
        "disagreement": (good.assign(accuracy=0.9), "accuracy that is not"),
        "conflict": (pd.concat([good, good.assign(n_correct=good["n_correct"] - 1)]), "conflicting duplicates"),
        "no baseline": (good[good["source"] != ""], "no baseline"),
        "only baselines": (good[good["source"] == ""], "only baselines"),
        "all holes": (good.assign(n_correct=""), "every cell is a hole"),
        "runs all holes": (
            good.astype(object)
            .where(good["source"] == "", "")
            .assign(model="m", source=good["source"], seed=good["seed"], target=good["target"]),
            "every cell is a hole",
        ),
        "other seeds": (good.assign(seed=["7", "7", *good["seed"][2:]]), "no baseline for any run of model 'm'"),
        "underscore": (fraction.assign(accuracy="0.7_5"), "not a number"),
        "other digits": (fraction.assign(accuracy="٠.٥"), "not a number"),
        "percent sign": (fraction.assign(accuracy="12%"), "not a number"),
        "decimal comma": (fraction.assign(accuracy="0,5"), "not a number"),
        "too large": (fraction.assign(accuracy="1e400"), "infinite"),
        "capitals": (good.rename(columns=str.capitalize), "lower case"),
        "empty target": (good.assign(target=""), "is empty"),
        "unknown kind": (good.assign(kind="fintune"), "did you mean 'finetune'"),
        "kind against source": (good.assign(kind="base"), "the baseline, and it alone"),
        "no rows": (good.iloc[:0], "no rows"),
        "item twice": (predictions, "conflicting duplicates"),
        "score above 1": (predictions.iloc[:2].assign(correct=2), "above 1"),
    }


@pytest.mark.parametrize("case", refusals())
def test_refused_with_the_reason(case, tmp_path):
    frame, message = refusals()[case]
    with pytest.raises(InputError, match=message):
        read_accuracies(write(frame, tmp_path))


def test_unit_settles_what_the_values_leave_open(tmp_path):
    frame = count_rows([50, 40], np.array([[60, 45], [55, 50]]))
    frame = frame.drop(columns="n_correct").assign(accuracy=[0.5, 40, 60, 45, 55, 50])
    table = read_accuracies(write(frame, tmp_path), unit="percent").table
    assert table["accuracy"].tolist()[:2] == [0.005, 0.4]
    with pytest.raises(InputError, match="no fraction"):
        read_accuracies(write(frame, tmp_path), unit="fraction")
    with pytest.raises(SettingsError, match="accepted"):
        read_accuracies(write(frame, tmp_path), unit="permille")


def test_unreadable_files_are_refused(tmp_path):
    cases = {
        "none.csv": None,
        "empty.csv": b"",
        "latin.csv": "model,source,seed,target,accuracy\nm,,,Zo\xeb,0.5\n".encode("latin-1"),
        "ragged.csv": b"model,source,seed,target,accuracy\nm,,,a\n",
        "open.csv": b'model,source\n"m,\n',
        "broken.parquet": b"PAR1 not really",
        "what.json": b"{}",
    }
    for name, content in cases.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError) as refusal:
            read_accuracies(path)
        assert name in str(refusal.value)


def test_a_semicolon_file_is_told_so(tmp_path):
    (tmp_path / "t.csv").write_text("model;source;seed;target;accuracy\nm;;;a;0.5\n")
    with pytest.raises(InputError, match="separated by ';'"):
        read_accuracies(tmp_path / "t.csv")


def test_the_empty_text_is_no_input():
    with pytest.raises(InputError, match="empty text"):
        read_accuracies("")


def test_runs_without_a_baseline_are_told(tmp_path):
    frame = random_counts(3, 2)
    frame.loc[frame["source"] == "", "seed"] = "0"
    accuracies = read_accuracies(write(frame, tmp_path))
    assert len(accuracies.notes) == 1
    assert "9 runs have no baseline" in accuracies.notes[0]
    assert "'1'" in accuracies.notes[0]


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="not a run"):
        read_accuracies(tmp_path)


def test_one_model_without_baseline_among_others_is_refused(tmp_path):
    good = write(random_counts(2, 1, model="good"), tmp_path, "good.csv")
    bare = random_counts(2, 1, model="bare")
    with pytest.raises(InputError, match="'bare'"):
        read_accuracies(good, write(bare[bare["source"] != ""], tmp_path, "bare.csv"))


def test_many_names_without_a_predicted_answer(tmp_path):
    """More names than a small code holds, and nothing recorded of what was predicted."""
    names = [f"t{k}" for k in range(300)]
    rows = [("m", source, "", target, "i", source != target) for source in ("", *names) for target in names[:2]]
    frame = pd.DataFrame(rows, columns=["model", "source", "seed", "target", "item", "correct"])
    frame.to_parquet(tmp_path / "p.parquet", index=False)
    table = read_accuracies(tmp_path / "p.parquet").table
    assert len(table) == 602
    assert table["top_share"].isna().all()
