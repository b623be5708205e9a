"""`tasktransfer check-task`: what it counts, and when it fails."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest

from tests.commands import tasktransfer, tasktransfer_process
from tests.tasks.released import blink_rows, write_blink, write_training, write_vsi

Image = pytest.importorskip("PIL.Image", reason="images need Pillow")
EXAMPLE = Path(__file__).parents[2] / "examples" / "my_task"


def check(*arguments):
    """Status, lines and errors of the command."""
    result = tasktransfer("check-task", *arguments)
    return result.returncode, result.stdout, result.stderr


def test_a_sound_folder():
    status, out, _ = check(EXAMPLE)
    assert status == 0
    assert "train: 24 items\n  2 options: 24 items; A11 B13; one letter at most 54.2%, chance 50.0%" in out
    assert "images: 1 in 8 items; sizes 64x64 to 64x64" in out
    assert "images of test items among the training images: none" in out


def test_every_fault_is_named(tmp_path):
    folder = tmp_path / "task"
    shutil.copytree(EXAMPLE, folder)
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    rows = [row | {"split": "train" if n % 4 else "test"} for n, row in enumerate(rows)]
    train = [row for row in rows if row["split"] == "train"]
    test = [row for row in rows if row["split"] == "test"]
    Image.new("RGB", (1, 1)).save(folder / train[0]["images"][0])
    shutil.copy(folder / train[1]["images"][0], folder / test[0]["images"][0])
    again = test[1] | {"id": "again", "answer": {"A": "B", "B": "A"}[test[1]["answer"]]}
    many = [train[2] | {"id": f"m{n}", "question": f"Which, {n}?", "answer": "A"} for n in range(60)]
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, [*rows, again, *many])))
    status, _, err = check(folder)
    assert status == 1
    assert f"item {train[0]['id']!r}: the image has 1 x 1 pixels" in err
    assert f"1 images of test items are images of training items: {test[0]['id']} = {train[1]['id']}" in err
    assert f"test: items {test[1]['id']}, again are the same, with different answers" in err
    assert "have the same right letter; chance is 50.0% (p = " in err
    assert err.startswith("\n4 faults")


def test_a_benchmark_with_and_without_training_items(tmp_path):
    write_blink(tmp_path, "blink_relative_reflectance")
    name = "blink_relative_reflectance"
    status, out, _ = check(name, "--data", tmp_path)
    assert status == 0
    assert "3 options: 134 items; A40 B42 C52; one letter at most 38.8%, chance 33.3%" in out
    assert "train: not looked at" in out
    assert "tasktransfer build-train blink_relative_reflectance" in out
    assert "note: Relative_Reflectance: these are the answers of 2024" in out
    folder = write_training(tmp_path / "train")
    rows = blink_rows_of(name)
    same, scaled = io.BytesIO(rows[9]["image_1"]["bytes"]), folder / "2_1.png"
    (folder / "0_0.png").write_bytes(same.getvalue())
    with Image.open(same) as image:
        image.resize((96, 80)).save(scaled)
    status, _, err = check(name, "--data", tmp_path, "--training", folder)
    assert status == 1
    assert "1 images of test items are images of training items: val_Relative_Reflectance_10 = t0\n" in err
    assert "look alike: " in err
    assert "val_Relative_Reflectance_10 = t2" in err


def blink_rows_of(name):
    from tasktransfer.tasks import BLINK_TASKS

    return blink_rows(BLINK_TASKS[name])


def test_videos_are_looked_at(tmp_path):
    write_vsi(tmp_path)
    arguments = ("vsi_object_rel_direction", "--data", tmp_path, "--items", 9, "--frames", 4)
    status, out, _ = check(*arguments)
    assert status == 0
    assert "test: 9 items\n  2 options: 3 items" in out
    assert "images: 4 in 9 items; sizes 32x24 to 32x24" in out


def test_a_hub_dataset_is_described_in_a_file(tmp_path):
    lines = [{"q": f"Which {n}?", "pic": "a.png", "o": ["x", "y"], "a": "AB"[n % 2]} for n in range(6)]
    for folder in ("tables", "specs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "tables" / "test.jsonl").write_text("\n".join(map(json.dumps, lines)))
    Image.new("RGB", (8, 8)).save(tmp_path / "tables" / "a.png")
    spec = tmp_path / "specs" / "mine.yaml"
    spec.write_text(
        "dataset: ../tables\nsplits: {test: test}\ncolumns: {question: q, images: [pic], choices: o, answer: a}\n"
    )
    status, out, _ = check(spec)
    assert (status, "2 options: 6 items; A3 B3" in out) == (0, True)
    spec.write_text(f"dataset: {tmp_path}\ncolumn: {{question: q}}\nsplits: {{tset: test}}\n")
    status, _, err = check(spec)
    assert status == 2
    assert err.removeprefix("error: ").splitlines() == [
        f"{spec}: splits.tset: is 'tset' (did you mean 'test'?); accepted is 'train' or 'test'",
        f"{spec}: columns: is missing",
        f"{spec}: column: unknown key (did you mean 'columns'?)",
    ]


def test_a_split_that_should_be_there_is_a_fault_told_once(tmp_path):
    lines = [{"q": f"Which {n}?", "o": ["x", "y"], "a": "AB"[n % 2]} for n in range(6)]
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    spec = tmp_path / "mine.yaml"
    keys = "dataset: ./tables\ncolumns: {question: q, choices: o, answer: a}\n"
    spec.write_text(keys)  # no split is named: the test items may well be absent
    status, out, err = check(spec)
    assert (status, err) == (0, "")
    assert f"test: not looked at. {tables} has no file of split 'test'" in out
    spec.write_text(keys + "splits: {train: train, test: dev}\n")
    status, out, err = check(spec)
    assert status == 1
    assert err.startswith(f"\n1 fault\n  {tables} has no file of split 'dev'")
    assert "test: not looked at\n" in out
    (tables / "test-00000-of-00002.jsonl").write_text(json.dumps(lines[0]))
    spec.write_text(keys)
    status, out, err = check(spec)
    assert status == 1
    assert (out + err).count("test-00001-of-00002.jsonl") == 1


def test_a_folder_that_is_not_there_may_be_a_hub_dataset(tmp_path):
    pytest.importorskip("huggingface_hub", reason="asking the Hub needs its client")
    spec = tmp_path / "mine.yaml"
    spec.write_text("dataset: tables/nope\ncolumns: {question: q, answer: a}\n")
    asked = {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    told = tasktransfer_process("check-task", spec, **asked)
    assert told.returncode == 1
    assert told.stdout == "train: not looked at\ntest: not looked at\n"
    first, *_, number, fault = told.stderr.splitlines()
    assert first == f"no folder {tmp_path / 'tables' / 'nope'}; taken as a Hub dataset"
    assert number == "1 fault"
    assert fault.startswith("  tables/nope: cannot be had from the Hub (")
    assert len(told.stderr.splitlines()) == 4


def test_what_is_no_task_is_refused(tmp_path):
    status, _, err = check("blink_jigsow")
    assert (status, "did you mean 'blink_jigsaw'" in err) == (2, True)
    status, _, err = check(tmp_path)
    assert (status, "a task is a folder with items.jsonl" in err) == (2, True)
    status, _, err = check("blink_jigsaw", "--data", tmp_path)
    assert (status, "hf download BLINK-Benchmark/BLINK Jigsaw/val-00000" in err) == (1, True)
