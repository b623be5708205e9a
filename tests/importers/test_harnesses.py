"""Four harnesses to one table, and the traps on the way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import tasktransfer as tt
from tasktransfer.errors import InputError, OutputError
from tasktransfer.importers.read_logs import PREDICTIONS, TOTALS, read_harness_logs, write_harness_logs
from tests.importers import harness_logs as build

TARGETS = ("Jigsaw", "Spatial_Relation")
# right answers out of six, by run and target
RIGHT = {("", ""): (3, 2), ("Jigsaw", "0"): (5, 3), ("Spatial_Relation", "0"): (4, 6)}
KEY = "ABABAB"


def replies(n_right: int, key: str = KEY) -> list[tuple[str, str]]:
    other = {"A": "B", "B": "A", "C": "A", "D": "A"}
    return [(right, right if k < n_right else other[right]) for k, right in enumerate(key)]


def answers(counts: tuple[int, ...]) -> dict[str, list[tuple[str, str]]]:
    return {target: replies(n_right) for target, n_right in zip(TARGETS, counts, strict=True)}


def entry(path: str, harness: str, source: str = "", seed: str = "", model: str = "m") -> dict[str, str]:
    return {"path": path, "harness": harness, "model": model, "source": source, "seed": seed}


def study(folder: Path, harness: str, **options) -> Path:
    """Three runs of one harness and their manifest."""
    runs = []
    for (source, seed), counts in RIGHT.items():
        name = f"{source or 'base'}_{seed}"
        build.BUILDERS[harness](folder / name, answers(counts), **options)
        runs.append(entry(name, harness, source, seed))
    return build.manifest(folder / "manifest.yaml", runs)


def two_runs(folder: Path, harness: str = "lmms_eval") -> Path:
    """A manifest of the folders ``base`` and ``run``, to be built by the test."""
    return build.manifest(folder / "m.yaml", [entry("base", harness), entry("run", harness, "Jigsaw", "0")])


FORMS = [
    ("lmms_eval", {}),
    ("vlmevalkit", {}),
    ("vlmevalkit", {"form": "tsv"}),
    ("evalscope", {"version": 1}),
    ("evalscope", {"version": 2}),
    ("inspect_ai", {}),
    ("inspect_ai", {"packed": True}),
]


@pytest.mark.parametrize(("harness", "options"), FORMS)
def test_items_come_back_as_written(tmp_path, harness, options):
    logs = tt.read_harness_logs(study(tmp_path, harness, **options))
    assert tuple(logs.predictions.columns) == PREDICTIONS
    assert logs.totals.empty
    assert len(logs.predictions) == 3 * 2 * 6
    assert set(logs.predictions["scorer"]) == {"generation"}
    assert (logs.predictions["harness_correct"] == logs.predictions["correct"]).all()
    write_harness_logs(logs, tmp_path / "out.csv")
    (path,) = write_harness_logs(logs, tmp_path / "out.parquet")
    assert tt.read_accuracies(tmp_path / "out.csv").table.equals(tt.read_accuracies(path).table)
    accuracies = tt.read_accuracies(path)
    found = accuracies.table.set_index(["source", "seed", "target"])["n_correct"]
    for (source, seed), counts in RIGHT.items():
        assert [found[source, seed, target] for target in TARGETS] == list(counts)
    assert accuracies.items is not None
    analysis = tt.analyze(accuracies)
    assert analysis.matrix("m").loc["Jigsaw", "Spatial_Relation"] == pytest.approx((3 - 2) / (6 - 2))


@pytest.mark.parametrize(
    ("harness", "options"),
    [("lmms_eval", {"samples": False}), ("evalscope", {"reviews": False}), ("inspect_ai", {"samples": []})],
)
def test_totals_alone_become_accuracies(tmp_path, harness, options):
    logs = read_harness_logs(study(tmp_path, harness, **options))
    assert logs.predictions.empty
    assert tuple(logs.totals.columns) == TOTALS
    (path,) = write_harness_logs(logs, tmp_path / "totals.csv")
    table = tt.read_accuracies(path).table
    assert table["n_correct"].tolist() == [count for counts in RIGHT.values() for count in counts]
    tt.analyze(tt.read_accuracies(path))


def test_accuracies_of_vlmevalkit_have_no_counts(tmp_path):
    for name, counts in (("base", (3, 2)), ("run", (5, 3))):
        build.vlmevalkit_accuracies(tmp_path / name / "m_BLINK_acc.csv", answers(counts))
    logs = read_harness_logs(two_runs(tmp_path, "vlmevalkit"))
    assert logs.totals["accuracy"].tolist() == pytest.approx([3 / 6, 2 / 6, 5 / 6, 3 / 6])
    assert logs.totals["n_items"].isna().all()


# one reader for all: disagreement, parse failures


def test_our_reading_stands_beside_the_harness_s(tmp_path):
    said = [
        ("A", "The answer is A"),
        ("B", "The answer is (B)."),
        ("A", "B"),
        ("B", "I cannot tell"),
        ("A", "A"),
        ("B", "B"),
    ]
    build.lmms_eval(tmp_path / "base", {"Jigsaw": said})
    build.lmms_eval(tmp_path / "run", {"Jigsaw": replies(6)})
    logs = read_harness_logs(two_runs(tmp_path))
    base = logs.predictions[logs.predictions["source"] == ""]
    assert base["correct"].tolist() == [1, 1, 0, 0, 1, 1]
    assert base["harness_correct"].tolist() == [0, 0, 0, 0, 1, 1]
    assert base["parse_ok"].tolist() == [True, True, True, False, True, True]
    assert base["predicted"].fillna("").tolist() == ["A", "B", "B", "", "A", "B"]
    (note,) = [note for note in logs.notes if note.startswith("m, baseline: ")]
    assert "1 of 6 (16.7%) replies name no option, e.g. Jigsaw val_Jigsaw_4 'I cannot tell'" in note
    assert "2 of 6 (33.3%) verdicts differ from the harness's (2 right here and wrong there)" in note
    assert "'The answer is A' is A here, wrong there, A is right" in note


def test_a_run_that_never_answers_is_read(tmp_path):
    for name in ("base", "run"):
        build.lmms_eval(tmp_path / name, {"Jigsaw": [("A", "I cannot tell")] * 3})
    written = write_harness_logs(read_harness_logs(two_runs(tmp_path)), tmp_path / "p.parquet")
    assert tt.read_accuracies(*written).table["accuracy"].tolist() == [0, 0]


def test_json_of_another_shape_is_refused(tmp_path):
    build.dump(tmp_path / "base" / "s_results.json", {"results": {"blink_jigsaw": 0.5}})
    build.lmms_eval(tmp_path / "run", {"Jigsaw": replies(3)})
    with pytest.raises(InputError, match="not in a form of lmms_eval that is known"):
        read_harness_logs(two_runs(tmp_path))


def test_option_texts_are_read_from_the_prompt(tmp_path):
    build.lmms_eval(tmp_path / "base", {"Jigsaw": [("B", "no"), ("A", "Yes.")]})
    build.lmms_eval(tmp_path / "run", {"Jigsaw": [("B", "B"), ("A", "A")]})
    logs = read_harness_logs(two_runs(tmp_path))
    assert logs.predictions["correct"].tolist() == [1, 1, 1, 1]


def test_letters_past_the_options_of_a_task_are_no_answer(tmp_path):
    for name in ("base", "run"):
        build.lmms_eval(tmp_path / name, {"Jigsaw": [("A", "C"), ("B", "B")]})
    assert read_harness_logs(two_runs(tmp_path)).predictions["parse_ok"].tolist() == [False, True] * 2


def test_text_answers_keep_the_score_of_the_harness(tmp_path):
    for name, score in (("base", 0.25), ("run", 1.0)):
        results = {
            "results": {"depth": {"alias": "depth", "mra,none": score}},
            "n-samples": {"depth": {"original": 2, "effective": 2}},
        }
        build.dump(tmp_path / name / "x_results.json", results)
        rows = [{"doc_id": k, "target": "3.5", "filtered_resps": "3", "mra": score} for k in range(2)]
        build.lines(tmp_path / name / "x_samples_depth.jsonl", rows)
    logs = read_harness_logs(two_runs(tmp_path))
    assert logs.predictions["score"].tolist() == [0.25, 0.25, 1, 1]
    assert logs.predictions["correct"].isna().tolist() == [True, True, False, False]
    assert any("'depth' as the harness scored it" in note for note in logs.notes)
    write_harness_logs(logs, tmp_path / "p.csv")
    assert tt.read_accuracies(tmp_path / "p.csv").table["accuracy"].tolist() == [0.25, 1.0]


def test_one_run_without_samples_takes_the_others_to_totals(tmp_path):
    build.lmms_eval(tmp_path / "base", {"Jigsaw": [("A", "The answer is A")] * 4, "Counting": replies(3)})
    build.lmms_eval(tmp_path / "run", {"Jigsaw": replies(4), "Counting": replies(5)})
    (tmp_path / "run" / f"{build.STAMP}_samples_blink_jigsaw.jsonl").unlink()
    logs = read_harness_logs(two_runs(tmp_path))
    assert set(logs.predictions["target"]) == {"Counting"}
    assert logs.totals["target"].tolist() == ["Jigsaw", "Jigsaw"]
    assert logs.totals["accuracy"].tolist() == [0, pytest.approx(4 / 6)]  # both as the harness read them
    assert any("'Jigsaw': some runs have no samples" in note for note in logs.notes)
    written = write_harness_logs(logs, tmp_path / "p.parquet")
    assert [path.name for path in written] == ["p.parquet", "p-totals.parquet"]
    assert len(tt.read_accuracies(*written).table) == 4


# runs that cannot be held against each other


def test_mixed_answer_keys_are_refused_and_can_be_left_out(tmp_path):
    build.lmms_eval(tmp_path / "base", {"Relative_Reflectance": replies(3), "Jigsaw": replies(2)})
    build.lmms_eval(tmp_path / "run", {"Relative_Reflectance": replies(3, "BAABAC"), "Jigsaw": replies(4)})
    manifest = two_runs(tmp_path)
    with pytest.raises(InputError, match="right answers of 3 of 6 items of Relative_Reflectance differ"):
        read_harness_logs(manifest)
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "leave_out": ["blink_relative_reflectance"]}))
    assert set(read_harness_logs(manifest).predictions["target"]) == {"Jigsaw"}


@pytest.mark.parametrize(
    ("counts", "version"), [("A40 B42 C52", "blink-val-2024"), ("A41 B42 C51", "not blink-val-2024")]
)
def test_label_version_is_read_off_complete_answers(tmp_path, counts, version):
    key = "".join(text[0] * int(text[1:]) for text in counts.split())
    for name in ("base", "run"):
        build.lmms_eval(tmp_path / name, {"Relative_Reflectance": replies(60, key)})
    logs = read_harness_logs(two_runs(tmp_path))
    assert set(logs.predictions["label_version"]) == {version}


def test_label_version_that_cannot_be_told_is_said(tmp_path):
    for name in ("base", "run"):
        build.lmms_eval(tmp_path / name, {"Relative_Reflectance": replies(3)}, samples=False)
    assert any("corrected on 2025-09-03" in note for note in read_harness_logs(two_runs(tmp_path)).notes)


def test_two_harnesses_for_one_model_are_refused(tmp_path):
    build.lmms_eval(tmp_path / "base", answers((3, 2)))
    build.evalscope(tmp_path / "run", answers((3, 2)))
    runs = [entry("base", "lmms_eval"), entry("run", "evalscope", "Jigsaw")]
    with pytest.raises(InputError, match=r"measured by lmms_eval .* and by evalscope"):
        read_harness_logs(build.manifest(tmp_path / "m.yaml", runs))


def test_the_same_cell_twice_is_refused_with_lines(tmp_path):
    for name in ("a", "b"):
        build.lmms_eval(tmp_path / name, {"Jigsaw": replies(3)})
    manifest = build.manifest(tmp_path / "m.yaml", [entry("a", "lmms_eval"), entry("b", "lmms_eval")])
    with pytest.raises(InputError, match=r"lines \d+ and \d+: both hold Jigsaw of m, baseline"):
        read_harness_logs(manifest)


def test_tasks_of_one_run_may_be_in_several_folders(tmp_path):
    build.lmms_eval(tmp_path / "a", {"Jigsaw": replies(3)})
    build.lmms_eval(tmp_path / "b", {"Counting": replies(3)})
    manifest = build.manifest(tmp_path / "m.yaml", [entry("a", "lmms_eval"), entry("b", "lmms_eval")])
    assert set(read_harness_logs(manifest).predictions["target"]) == {"Jigsaw", "Counting"}


def test_numbers_of_items_are_told(tmp_path):
    build.lmms_eval(tmp_path / "base", {"Jigsaw": replies(3), "Counting": replies(3)})
    build.lmms_eval(tmp_path / "run", {"Jigsaw": replies(3)[:4], "Counting": replies(3)}, original=150)
    notes = " ".join(read_harness_logs(two_runs(tmp_path)).notes)
    assert "blink_jigsaw was limited to 4 of 150 items" in notes
    assert "runs differ in their number of items (Jigsaw 4 to 6)" in notes
    assert "not all items of BLINK (Counting 6 of 120)" in notes


def test_results_that_are_not_the_mean_of_their_samples_are_told(tmp_path):
    for name in ("base", "run"):
        build.lmms_eval(tmp_path / name, {"Jigsaw": replies(3)})
    other = build.lmms_eval(tmp_path / "other", {"Jigsaw": replies(6)})
    shutil.copy(other / f"{build.STAMP}_results.json", tmp_path / "run")
    notes = read_harness_logs(two_runs(tmp_path)).notes
    assert any("Jigsaw is 1.0000 in the results and 0.5000 by the verdicts" in note for note in notes)


@pytest.mark.parametrize("harness", ["lmms_eval", "evalscope"])
def test_samples_that_are_missing_are_told(tmp_path, harness):
    for name in ("base", "run"):
        build.BUILDERS[harness](tmp_path / name, {"Jigsaw": replies(3)})
    (samples,) = (tmp_path / "run").rglob("*.jsonl")
    samples.write_text("".join(samples.read_text().splitlines(keepends=True)[:4]))
    notes = read_harness_logs(two_runs(tmp_path, harness)).notes
    assert any("Jigsaw has 6 items in the results and 4 in the samples" in note for note in notes)


def test_hidden_answers_are_refused(tmp_path):
    build.evalscope(tmp_path / "run", {"Jigsaw": [("hidden", "A")]})
    manifest = build.manifest(tmp_path / "m.yaml", [entry("run", "evalscope")])
    with pytest.raises(InputError, match="right answers of Jigsaw are hidden"):
        read_harness_logs(manifest)


def test_names_become_the_registered_ones(tmp_path):
    build.lmms_eval(tmp_path / "base", {"Multi-view_Reasoning": replies(3)})
    build.lmms_eval(tmp_path / "run", {"Multi-view_Reasoning": replies(3)})
    runs = [entry("base", "lmms_eval"), entry("run", "lmms_eval", "multi-view reasoning")]
    predictions = read_harness_logs(build.manifest(tmp_path / "m.yaml", runs)).predictions
    assert set(predictions["target"]) == {"Multi-view_Reasoning"}
    assert set(predictions["source"]) == {"", "Multi-view_Reasoning"}


def test_only_tables_are_written(tmp_path):
    logs = read_harness_logs(study(tmp_path, "lmms_eval"))
    with pytest.raises(OutputError, match=r"accepted are \.parquet and \.csv"):
        write_harness_logs(logs, tmp_path / "p.xlsx")
    with pytest.raises(OutputError, match="cannot be written"):
        write_harness_logs(logs, tmp_path / "manifest.yaml" / "p.csv")


def test_same_logs_same_bytes(tmp_path):
    manifest = study(tmp_path, "vlmevalkit")
    for name in ("a", "b"):
        write_harness_logs(read_harness_logs(manifest), tmp_path / f"{name}.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert isinstance(pd.read_parquet(tmp_path / "a.parquet"), pd.DataFrame)
