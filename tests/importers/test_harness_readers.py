"""What each reader makes of its harness's logs, whole, partial and broken."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path

import pytest

from tasktransfer.errors import InputError
from tasktransfer.importers import vlmevalkit as vlmevalkit_module
from tasktransfer.importers.evalscope import read_evalscope
from tasktransfer.importers.inspect_ai import read_inspect_ai
from tasktransfer.importers.lmms_eval import read_lmms_eval
from tasktransfer.importers.rescoring import score_replies
from tasktransfer.importers.spreadsheet import read_sheet
from tasktransfer.importers.vlmevalkit import read_vlmevalkit
from tests.importers import harness_logs as build

ONE = {"Jigsaw": [("A", "A"), ("B", "A"), ("A", "A")]}
READERS = [
    (build.lmms_eval, read_lmms_eval),
    (build.vlmevalkit, read_vlmevalkit),
    (build.evalscope, read_evalscope),
    (build.inspect_ai, read_inspect_ai),
]


def edit(path: Path, **changes) -> Path:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return path


@pytest.mark.parametrize(("write", "read"), READERS)
def test_a_whole_log(tmp_path, write, read):
    log = read(write(tmp_path / "m", ONE))
    assert [(reply.target, reply.answer, reply.verdict) for reply in log.replies] == [
        ("Jigsaw", "A", 1), ("Jigsaw", "B", 0), ("Jigsaw", "A", 1),
    ]  # fmt: skip
    assert log.notes == []
    assert len({reply.item for reply in log.replies}) == 3
    assert all(total.accuracy == pytest.approx(2 / 3, abs=1e-4) for total in log.totals)


@pytest.mark.parametrize(("write", "read"), READERS)
def test_an_empty_folder_is_refused(tmp_path, write, read):  # noqa: ARG001
    with pytest.raises(InputError, match=r"holds no|holds neither|no table"):
        read(tmp_path)


@pytest.mark.parametrize(("write", "read"), READERS)
def test_a_file_that_was_cut_off_is_named_with_its_line(tmp_path, write, read):
    folder = write(tmp_path / "m", ONE)
    for pattern in ("*.json", "*.jsonl", "*_result.xlsx"):
        for path in sorted(folder.rglob(pattern)):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) * 3 // 5])
            with pytest.raises(InputError, match=r"not readable|not a readable") as refusal:
                read(folder)
            assert path.name in str(refusal.value)
            if path.suffix == ".jsonl":
                assert ", line 2: " in str(refusal.value) or ", line 3: " in str(refusal.value)
            path.write_bytes(whole)
    read(folder)


# lmms-eval


def test_lmms_groups_are_left_out(tmp_path):
    log = read_lmms_eval(build.lmms_eval(tmp_path, ONE, samples=False))
    assert [total.target for total in log.totals] == ["Jigsaw"]
    results = {"results": {"blink_jigsaw": {"blink_acc,none": 0.5}, "blink": {"blink_acc,none": 0.5}}}
    build.dump(tmp_path / "b" / "s_results.json", {**results, "group_subtasks": {"blink": ["blink_jigsaw"]}})
    assert [total.target for total in read_lmms_eval(tmp_path / "b").totals] == ["Jigsaw"]


def test_lmms_items_keep_the_id_of_the_data_set(tmp_path):
    log = read_lmms_eval(build.lmms_eval(tmp_path, ONE))
    assert [reply.item for reply in log.replies] == ["val_Jigsaw_1", "val_Jigsaw_2", "val_Jigsaw_3"]


def test_lmms_samples_written_twice_count_once(tmp_path):
    build.lmms_eval(tmp_path, ONE)
    (samples,) = tmp_path.glob("*.jsonl")
    again = build.lmms_sample(1, "Jigsaw", "B", "B")
    samples.write_text(samples.read_text() + json.dumps(again) + "\n")
    items, notes = score_replies(read_lmms_eval(tmp_path), "x")
    assert items["correct"].tolist() == [1, 1, 1]  # the last counts
    assert "1 items are logged more than once; the last counts" in notes


def test_lmms_stamps_are_joined_or_asked_about(tmp_path):
    build.lmms_eval(tmp_path, ONE)
    build.lmms_eval(tmp_path, {"Counting": [("C", "C")]}, stamp="20260819_090000")
    assert {reply.target for reply in read_lmms_eval(tmp_path).replies} == {"Jigsaw", "Counting"}
    build.lmms_eval(tmp_path, {"Jigsaw": [("A", "B")]}, stamp="20260820_090000")
    with pytest.raises(InputError, match=r"blink_jigsaw is in 20260818_.* and in 20260820_.*give the file"):
        read_lmms_eval(tmp_path)
    log = read_lmms_eval(tmp_path / "20260820_090000_results.json")
    assert [reply.text for reply in log.replies] == ["B"]


def test_lmms_percent_is_told_and_other_metrics_are_left_out(tmp_path):
    results = {
        "blink_jigsaw": {"blink_acc,none": 61.3, "blink_acc_stderr,none": "N/A"},
        "blink_art_style": {"blink_acc,none": 0.8},
        "blink_counting": {"blink_acc,none": "N/A"},
        "mme": {"mme_perception_score,none": 1500.0, "mme_cognition_score,none": 300.0},
    }
    build.dump(tmp_path / "s_results.json", {"results": results})
    log = read_lmms_eval(tmp_path)
    told = [(total.target, total.accuracy) for total in log.totals]
    assert told == [("Jigsaw", pytest.approx(0.613)), ("Art_Style", pytest.approx(0.008))]  # one unit per file
    notes = "; ".join(log.notes)
    assert "read as percent" in notes
    assert "Counting has no accuracy" in notes
    assert "mme is left out" in notes
    build.dump(tmp_path / "s_results.json", {"results": {"x": {"acc,none": 1500.0}}})
    with pytest.raises(InputError, match="1500 for x is no accuracy"):
        read_lmms_eval(tmp_path)


def test_lmms_vsi_bench_is_split_by_question_type(tmp_path):
    size = {"question_type": "room_size_estimation", "ground_truth": "12", "prediction": "10"}
    route = {"question_type": "route_planning", "ground_truth": "B", "prediction": "B. left", "accuracy": 1.0}
    told = [{"id": 0, **size, "MRA:.5:.95:.05": 0.7}, {"id": 1, **route}]
    rows = [{"doc_id": doc["id"], "target": "x", "vsibench_overall": doc, "other": doc} for doc in told]
    build.lines(tmp_path / "s_samples_vsibench.jsonl", rows)
    results = {"vsibench": {"vsibench_overall,none": 0.85, "room_size_estimation_mra,none": 0.7}}
    build.dump(tmp_path / "s_results.json", {"results": results})
    items, _ = score_replies(read_lmms_eval(tmp_path), "x")
    assert items["target"].tolist() == ["room_size_estimation", "route_planning"]
    assert items["score"].tolist() == [0.7, 1.0]


# VLMEvalKit


def test_vlmevalkit_never_opens_a_pickle(tmp_path, monkeypatch):
    build.vlmevalkit(tmp_path / "m", ONE)
    assert not hasattr(vlmevalkit_module, "pickle")
    read_vlmevalkit(tmp_path / "m")
    for path in (tmp_path / "m").iterdir():
        if path.suffix != ".pkl":
            path.unlink()
    with pytest.raises(InputError, match="reading a pickle runs whatever code it holds"):
        read_vlmevalkit(tmp_path / "m")
    (pickle,) = (tmp_path / "m").glob("*.pkl")
    monkeypatch.setattr(Path, "open", None)
    with pytest.raises(InputError, match="refused"):
        read_vlmevalkit(pickle)


def test_vlmevalkit_prefers_verdicts_and_tells_of_several_judges(tmp_path):
    build.vlmevalkit(tmp_path / "m", ONE)
    build.sheet(tmp_path / "m" / "m_BLINK_openai_result.xlsx", build.vlmevalkit_rows({"Jigsaw": [("A", "B")]}))
    log = read_vlmevalkit(tmp_path / "m")
    assert len(log.replies) == 3
    assert "those of m_BLINK_exact_matching_result.xlsx, not of 'm_BLINK_openai_result.xlsx'" in log.notes[0]


def test_vlmevalkit_reads_bare_predictions(tmp_path):
    build.sheet(tmp_path / "m_BLINK.tsv", build.vlmevalkit_rows(ONE, hit=False))
    log = read_vlmevalkit(tmp_path / "m_BLINK.tsv")
    first = log.replies[0]
    assert (first.item, first.text, first.choices) == ("0", "A", ("yes", "no"))
    assert all(math.isnan(reply.verdict) for reply in log.replies)


def test_vlmevalkit_json_in_both_shapes(tmp_path):
    rows = [dict(zip(("index", "prediction", "answer", "category"), row, strict=True))
            for row in ((0, "A", "A", "Jigsaw"), (1, None, "B", "Jigsaw"))]  # fmt: skip
    columns = {key: {str(k): row[key] for k, row in enumerate(rows)} for key in rows[0]}
    for name, content in (("a", rows), ("b", columns)):
        build.dump(tmp_path / name / "m_BLINK.json", content)
        assert [reply.text for reply in read_vlmevalkit(tmp_path / name).replies] == ["A", ""]


def test_vlmevalkit_accuracies_without_groups(tmp_path):
    path = tmp_path / "m_BLINK_acc.csv"
    path.write_text(
        '"split","Overall","Jigsaw","Multi-view_Reasoning","geometry"\n"none","0.5","0.6133","0.3985","0.5"\n'
    )
    log = read_vlmevalkit(path)
    assert [total[:2] for total in log.totals] == [("Jigsaw", 0.6133), ("Multi-view_Reasoning", 0.3985)]
    assert "'geometry' are no tasks of BLINK" in log.notes[0]
    path.rename(tmp_path / "m_MMStar_acc.csv")
    build.vlmevalkit_accuracies(path, ONE)
    assert read_vlmevalkit(tmp_path).notes == [
        "m_MMStar_acc.csv is left out: tasks and groups of tasks look alike in it"
    ]


def test_vlmevalkit_vsi_accuracies_are_tab_separated_percent(tmp_path):
    path = tmp_path / "m_VSI-Bench_32frame_extract_matching_acc.csv"
    path.write_text("overall\tobject_counting_MRA:.5:.95:.05\troute_planning_accuracy\n41.2\t0.9\t30.5\n")
    totals = read_vlmevalkit(path).totals
    assert [(total.target, total.accuracy) for total in totals] == [
        ("object_counting", pytest.approx(0.009)), ("route_planning", pytest.approx(0.305)),
    ]  # fmt: skip
    path.write_text("overall\tobject_counting_MRA:.5:.95:.05\troute_planning_accuracy\n41.2\t\t30.5\n")
    log = read_vlmevalkit(path)
    assert [total.target for total in log.totals] == ["route_planning"]
    assert log.notes == ["object_counting has no accuracy"]
    path.write_text("overall\tobject_counting_MRA:.5:.95:.05\n41.2\t305\n")
    with pytest.raises(InputError, match="305 for object_counting is no accuracy"):
        read_vlmevalkit(path)


def test_vlmevalkit_unfinished_and_rotated(tmp_path):
    build.vlmevalkit(tmp_path, ONE)
    build.sheet(tmp_path / "m_BLINK_circular.xlsx", build.vlmevalkit_rows(ONE, hit=False))
    assert "m_BLINK_circular.xlsx is left out: its options are rotated" in read_vlmevalkit(tmp_path).notes
    build.dump(tmp_path / "status.json", {"datasets": {"BLINK": {"status": "infer"}}})
    with pytest.raises(InputError, match="BLINK is at 'infer'"):
        read_vlmevalkit(tmp_path)


def test_vlmevalkit_replies_at_the_limit_of_a_cell_are_told(tmp_path):
    build.sheet(tmp_path / "m_BLINK.xlsx", build.vlmevalkit_rows({"Jigsaw": [("A", "x" * 32_767)]}))
    assert "1 replies are as long as a cell" in read_vlmevalkit(tmp_path).notes[0]


def test_a_sheet_with_gaps_and_signs(tmp_path):
    rows = [["a", "b", "c"], ["<x> & y", None, "two\nlines"], [1, 2.5, "é任"]]
    path = build.sheet(tmp_path / "s.xlsx", rows)
    assert read_sheet(path) == [["a", "b", "c"], ["<x> & y", "", "two\nlines"], ["1", "2.5", "é任"]]
    with zipfile.ZipFile(tmp_path / "none.xlsx", "w") as archive:
        archive.writestr("x", "y")
    for name in ("none.xlsx", "missing.xlsx"):
        with pytest.raises(InputError, match=name):
            read_sheet(tmp_path / name)


# EvalScope


def test_evalscope_aggregates_are_left_out(tmp_path):
    for version in (1, 2):
        log = read_evalscope(build.evalscope(tmp_path / str(version), ONE, version=version, reviews=False))
        assert log.totals == [("Jigsaw", 0.6667, 3.0)]


def test_evalscope_models_are_asked_for(tmp_path):
    for model in ("a", "b"):
        build.evalscope(tmp_path, ONE, model=model)
    with pytest.raises(InputError, match="holds the models 'a', 'b'"):
        read_evalscope(tmp_path)
    assert len(read_evalscope(tmp_path / "reviews" / "b").replies) == 3


def test_evalscope_repeats_are_averaged(tmp_path):
    rows = [build.evalscope_review(k, "A", reply) for k, reply in enumerate(("A", "B", "B", "B"))]
    for k, row in enumerate(rows):
        row["sample_score"]["group_id"] = k // 2
    build.lines(tmp_path / "reviews" / "m" / "blink_Jigsaw.jsonl", rows)
    items, notes = score_replies(read_evalscope(tmp_path), "x")
    assert items["score"].tolist() == [0.5, 0.0]
    assert "scores are means over 2 epochs of each item" in notes


def test_evalscope_without_one_accuracy_is_told(tmp_path):
    build.evalscope(tmp_path, ONE)
    path = tmp_path / "reports" / "m" / "blink.json"
    edit(path, metrics=[{"name": "mean_f1", "categories": []}])
    assert "blink.json is left out" in read_evalscope(tmp_path).notes[0]
    edit(path, metrics=None)
    with pytest.raises(InputError, match="the list 'metrics' is missing"):
        read_evalscope(tmp_path)


# Inspect AI


@pytest.mark.parametrize("status", ["error", "cancelled", "started", None])
def test_inspect_only_success_is_read(tmp_path, status):
    with pytest.raises(InputError, match=f"status is '{status}'"):
        read_inspect_ai(build.inspect_ai(tmp_path, ONE, status=status))


def test_inspect_partial_runs_and_errors_are_told(tmp_path):
    (path,) = build.inspect_ai(tmp_path, ONE).glob("*")
    content = json.loads(path.read_text())
    content["results"].update(total_samples=5, completed_samples=3)
    content["samples"][1]["error"] = {"message": "out of memory"}
    build.dump(path, content)
    log = read_inspect_ai(path)
    assert log.notes == ["blink_jigsaw: 3 of 5 samples were completed",
                         "blink_jigsaw: 1 samples ended in an error and are left out"]  # fmt: skip
    assert len(log.replies) == 2


def test_inspect_grades(tmp_path):
    grades = ["C", "I", "P", "N", 0.25, True, {"acc": 1}, {"a": 1, "b": 0}, math.nan, "?"]
    samples = [build.inspect_sample(k, "A", "A", value=grade) for k, grade in enumerate(grades)]
    log = read_inspect_ai(build.inspect_ai(tmp_path, ONE, samples=samples))
    verdicts = [reply.verdict for reply in log.replies]
    assert verdicts == [1, 0, 0.5, 0, 0.25, 1, 1, *[pytest.approx(math.nan, nan_ok=True)] * 3]
    items, _ = score_replies(log, "x")
    assert items["correct"].tolist() == [1] * 10  # our own reading does not depend on them


def test_inspect_epochs_are_averaged(tmp_path):
    said = {1: ("A", "A"), 2: ("A", "B")}
    samples = [build.inspect_sample(k, "A", said[k][e - 1], epoch=e) for k in said for e in (1, 2)]
    items, notes = score_replies(read_inspect_ai(build.inspect_ai(tmp_path, ONE, samples=samples)), "x")
    assert items["item"].tolist() == ["1", "2"]
    assert items["score"].tolist() == [1.0, 0.5]
    assert items["predicted"].fillna("").tolist() == ["A", ""]
    assert items["correct"].isna().tolist() == [False, True]
    assert "scores are means over 2 epochs of each item" in notes


def test_inspect_epochs_without_samples_count_items(tmp_path):
    changes = {"samples": [], "eval": {"task": "blink_jigsaw", "config": {"epochs": 3}}}
    assert read_inspect_ai(build.inspect_ai(tmp_path, ONE, **changes)).totals[0].n_items == 1


@pytest.mark.parametrize("where", ["arguments", "metadata"])
def test_inspect_sub_tasks_of_one_blink_log(tmp_path, where):
    (path,) = build.inspect_ai(tmp_path, ONE).glob("*")
    content = json.loads(path.read_text())
    content["eval"].update(task="blink", task_args={"subset": "Art_Style"} if where == "arguments" else {})
    if where == "metadata":
        content["samples"][0]["metadata"] = {"sub_task": "Counting"}
    build.dump(path, content)
    targets = [reply.target for reply in read_inspect_ai(path).replies]
    assert targets == (["Art_Style"] * 3 if where == "arguments" else ["Counting", "blink", "blink"])


def test_inspect_two_logs_of_one_task_are_refused(tmp_path):
    build.inspect_ai(tmp_path, ONE)
    build.dump(tmp_path / "later.json", build.inspect_log("Jigsaw", ONE["Jigsaw"]))
    with pytest.raises(InputError, match=r"Jigsaw is in 2026.* and in later\.json"):
        read_inspect_ai(tmp_path)


def test_inspect_zstd_is_told_with_what_to_do(tmp_path, monkeypatch):
    (path,) = build.inspect_ai(tmp_path, ONE, packed=True).glob("*")

    def refuse(*_):
        raise NotImplementedError("That compression method is not supported")

    monkeypatch.setattr(zipfile.ZipFile, "read", refuse)
    with pytest.raises(InputError, match="inspect log dump") as refusal:
        read_inspect_ai(path)
    assert f"{path.stem}.json" in str(refusal.value)


def test_inspect_broken_archives(tmp_path):
    (tmp_path / "a.eval").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match=r"not a readable \.eval file"):
        read_inspect_ai(tmp_path / "a.eval")
    with zipfile.ZipFile(tmp_path / "b.eval", "w") as archive:
        archive.writestr("_journal/start.json", "{}")
    with pytest.raises(InputError, match="the run was not finished"):
        read_inspect_ai(tmp_path / "b.eval")
