"""BLINK's files as released: what is read, what is refused, and in which words."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasktransfer.errors import InputError
from tasktransfer.tasks import BLINK, BLINK_TASKS, PAPER_TASKS, find_task
from tasktransfer.tasks.benchmarks.blink import BLINK_REPO
from tasktransfer.tasks.open_task import KNOWN_TASKS, missing, open_task
from tests.tasks.released import OLD_REFLECTANCE, blink_rows, picture, write_blink, write_training

Image = pytest.importorskip("PIL.Image", reason="images need Pillow")

JIGSAW = "blink_jigsaw"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blink")
    for name in (JIGSAW, "blink_relative_reflectance"):
        write_blink(folder, name)
    return folder


def changed(tmp_path, change, name=JIGSAW):
    """A copy of a task's file in which `change` was done to the rows."""
    rows = blink_rows(BLINK_TASKS[name])
    change(rows)
    write_blink(tmp_path, name, rows)
    return tmp_path


def test_the_registry_adds_up():
    """Totals as published: 1901 items of val, 1906 of test, 3675 images of val; a mean chance of 38.09 %."""
    assert sum(task.n_items for task in BLINK) == 1901
    assert sum(task.n_hidden for task in BLINK) == 1906
    assert sum(task.n_items * task.n_images for task in BLINK) == 3675
    assert sum(task.n_items for task in PAPER_TASKS) == 1751
    assert all(sum(task.letter_counts.values()) == task.n_items for task in BLINK)
    assert 100 * sum(task.chance for task in BLINK) / 14 == pytest.approx(38.095, abs=0.005)
    assert 100 * find_task("blink_art_style").majority == pytest.approx(52.99, abs=0.005)
    assert "blink_multi_view_reasoning" in KNOWN_TASKS
    assert all(find_task(name) is task for name, task in BLINK_TASKS.items())


def test_items_are_those_of_the_file(copy):
    task = open_task(JIGSAW, data=copy)
    rows = blink_rows(BLINK_TASKS[JIGSAW])
    items = task.draw("test", 150)
    assert [item.id for item in items] == [f"val_Jigsaw_{n}" for n in range(1, 151)]
    assert [f"({item.answer})" for item in items] == [row["answer"] for row in rows]
    item = items[120]
    assert item.question == "Look at item 121. Which one is it?\nPick one of these."
    assert list(item.choices) == rows[120]["choices"]
    assert [image.mode for image in item.images] == ["RGB"] * 3
    for n in range(3):
        with Image.open(io.BytesIO(rows[120][f"image_{n + 1}"]["bytes"])) as image:
            assert item.images[n].tobytes() == image.tobytes()


def test_asking_for_more_than_there_are_means_all(copy):
    task = open_task(JIGSAW, data=copy)
    assert (task.n_items("test", 64), task.n_items("test", 10_000), task.available("test")) == (64, 150, 150)
    assert len(task.draw("test", 10_000)) == 150
    assert task.digest("test", 10_000) == task.digest("test", 150) != task.digest("test", 149)


def test_identity_is_the_content_not_place_or_compression(copy, tmp_path):
    first = open_task(JIGSAW, data=copy).digest("test", 20)
    path = write_blink(tmp_path, JIGSAW)
    pq.write_table(pq.read_table(path), path, row_group_size=7, compression="gzip")
    assert open_task(JIGSAW, data=tmp_path).digest("test", 20) == first
    changed(tmp_path, lambda rows: rows[3].update(image_2={"bytes": picture(random.Random(9)), "path": None}))
    again = open_task(JIGSAW, data=tmp_path)
    assert (again.digest("test", 3), again.digest("test", 20)) != (first, first)
    assert again.digest("test", 3) == open_task(JIGSAW, data=copy).digest("test", 3)


def test_the_two_keys_of_relative_reflectance_never_bear_one_name(copy, tmp_path):
    name = "blink_relative_reflectance"
    assert hashlib.sha256(OLD_REFLECTANCE.encode()).hexdigest().startswith("4fb892cf")
    old = open_task(name, data=copy)
    assert old.label_version == "blink-val-2024"
    assert "corrected on the Hub on 2025-09-03" in old.tell()[0]

    def swapped(rows):  # the same counts of letters, two answers in each other's place
        rows[0]["answer"], rows[1]["answer"] = rows[1]["answer"], rows[0]["answer"]

    new = open_task(name, data=changed(tmp_path, swapped, name))
    assert new.label_version.startswith("blink-val-key-")
    assert "(A40 B42 C52) are not those of 2024" in new.tell()[0]
    assert new.label_version in new.tell()[0]


def test_training_items_come_from_a_folder_and_need_no_benchmark(tmp_path):
    folder = write_training(tmp_path / "train")
    task = open_task(JIGSAW, data=tmp_path / "nowhere", training=folder)
    assert (task.available("train"), task.label_version, len(task.draw("train", 12))) == (12, "", 12)
    with pytest.raises(InputError, match="has 12 items of split 'train', 13 are asked for"):
        task.draw("train", 13)
    undivided = open_task(JIGSAW, training=write_training(tmp_path / "plain", named=False))
    assert undivided.available("train") == 12
    with pytest.raises(InputError) as unnamed:
        open_task(JIGSAW).draw("train", 1)
    command = "tasktransfer build-train blink_jigsaw --from COCO_2017_DIR --out"
    assert str(unnamed.value) == (
        "blink_jigsaw: no folder of training items is named; BLINK has none; make them from COCO 2017, training "
        f"images: {command} DIR --against BLINK_DIR; and name it in the study: training: {{blink_jigsaw: DIR}}"
    )
    nowhere, copy = tmp_path / "nowhere", tmp_path / "BLINK"
    with pytest.raises(InputError) as named:
        open_task(JIGSAW, data=copy, training=nowhere).draw("train", 1)
    assert str(named.value).endswith(f"training images: {command} {nowhere} --against {copy}")
    assert "has no builder; name a folder of your own" in missing("blink_iq_test", data=copy)


def test_hidden_answers_are_refused(tmp_path):
    write_blink(tmp_path, JIGSAW, split="test")
    reason = r"the answers of BLINK's own test split \(150 items of Jigsaw\) were never released: only EvalAI"
    with pytest.raises(InputError, match=reason):
        open_task(JIGSAW, data=tmp_path).draw("test", 1)
    with pytest.raises(InputError, match=f"no split 'val-test'; {reason}"):
        open_task(JIGSAW, data=tmp_path).draw("val-test", 1)
    with pytest.raises(InputError, match=reason):
        open_task(JIGSAW, data=changed(tmp_path, lambda rows: rows[5].update(answer="hidden"))).draw("test", 1)


def set_cell(place, **cells):
    return lambda rows: rows[place].update(cells)


FAULTS = {
    "a missing option": (set_cell(7, choices=["one"]), "item val_Jigsaw_8: has 1 options; Jigsaw has 2"),
    "an empty option": (set_cell(7, choices=["one", " "]), "item val_Jigsaw_8: option 'B' is empty"),
    "an answer outside the options": (
        set_cell(7, answer="(C)"),
        "item val_Jigsaw_8: the answer is '(C)', which is none of its options 'A', 'B'",
    ),
    "no answer": (set_cell(7, answer=None), "item val_Jigsaw_8: the answer is None"),
    "a missing image": (set_cell(7, image_3=None), "item val_Jigsaw_8: has no 'image_3'; Jigsaw has 3 images"),
    "no prompt": (set_cell(7, prompt=""), "item val_Jigsaw_8: 'prompt' is empty"),
    "another task's items": (set_cell(7, idx="val_Counting_8"), "an id of this task begins with 'val_Jigsaw_'"),
    "an item twice": (set_cell(7, idx="val_Jigsaw_1"), "item val_Jigsaw_1 stands there twice"),
    "items left out": (lambda rows: rows.pop(), "has 149 items; BLINK's val has 150 of Jigsaw"),
}


@pytest.mark.parametrize(("change", "told"), FAULTS.values(), ids=FAULTS)
def test_a_wrong_row_is_named(tmp_path, change, told):
    folder = changed(tmp_path, change)
    with pytest.raises(InputError) as caught:
        open_task(JIGSAW, data=folder).draw("test", 1)
    assert told in str(caught.value)
    assert str(folder / "Jigsaw" / "val-00000-of-00001.parquet") in str(caught.value)


def encoded(size, kind="PNG"):
    out = io.BytesIO()
    Image.new("1", size).save(out, kind)
    return out.getvalue()


IMAGES = {
    "no image": (b"no image", "not a readable image"),
    "one pixel": (encoded((1, 1)), "the image has 1 x 1 pixels; accepted is each side at least 4"),
    "too many pixels": (encoded((20_000, 20_000)), "the image is too large"),
    "many pixels": (encoded((9000, 9000)), "the image has 9000 x 9000 pixels"),
}


@pytest.mark.parametrize(("data", "told"), IMAGES.values(), ids=IMAGES)
def test_a_picture_that_cannot_be_used_is_named_when_the_study_is_planned(tmp_path, data, told):
    folder = changed(tmp_path, set_cell(7, image_2={"bytes": data, "path": None}))
    task = open_task(JIGSAW, data=folder)
    assert len(task.draw("test", 150)) == 150  # nothing is decoded yet
    with pytest.raises(InputError) as caught:
        task.digest("test", 150)
    assert "item val_Jigsaw_8, image_2: " in str(caught.value)
    assert told in str(caught.value)


def test_a_picture_cut_short_is_named_when_it_is_looked_at(tmp_path):
    whole = picture(random.Random(3), (200, 200))
    folder = changed(tmp_path, set_cell(7, image_2={"bytes": whole[: len(whole) // 2], "path": None}))
    item = open_task(JIGSAW, data=folder).draw("test", 8)[7]
    with pytest.raises(InputError, match=r"item val_Jigsaw_8, image_2: not a readable image \(image file"):
        list(item.images)


def test_wrong_columns_and_damaged_files_are_told(tmp_path):
    path = write_blink(tmp_path, JIGSAW)
    table = pq.read_table(path)
    pq.write_table(table.rename_columns([name.replace("answer", "anser") for name in table.column_names]), path)
    with pytest.raises(InputError, match=r"no column 'answer' \(did you mean 'anser'\?\). Its columns are 'idx'"):
        open_task(JIGSAW, data=tmp_path).draw("test", 1)
    paths = pa.array([f"{n}.jpg" for n in range(150)])
    pq.write_table(table.set_column(3, "image_1", paths), path)
    with pytest.raises(InputError, match="column 'image_1' holds string, not images as bytes and path"):
        open_task(JIGSAW, data=tmp_path).draw("test", 1)
    write_blink(tmp_path, JIGSAW)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a readable parquet file, cut short perhaps"):
        open_task(JIGSAW, data=tmp_path).draw("test", 1)


def test_what_is_missing_is_told_with_the_command_that_gets_it(copy, tmp_path):
    command = (
        "hf download BLINK-Benchmark/BLINK Counting/val-00000-of-00001.parquet --repo-type dataset "
        f"--revision {BLINK_REPO.revision} --local-dir {copy}"
    )
    told = missing("blink_counting", data=copy, splits=["test"])
    assert told == f"blink_counting: {copy}: has no Counting/val-00000-of-00001.parquet; get it with: {command}"
    with pytest.raises(InputError, match="get it with: hf download"):
        open_task("blink_counting", data=copy).draw("test", 1)
    assert missing(JIGSAW, data=copy, splits=["test"]) is None
    assert "build-train blink_jigsaw" in missing(JIGSAW, data=copy)
    assert missing(JIGSAW, data=copy, training=write_training(tmp_path)) is None
    assert missing("toy_jigsaw") is None


CHILD = """
import sys
from tasktransfer.errors import InputError
from tasktransfer.tasks.open_task import missing, open_task
print(missing("blink_jigsaw", splits=["test"]))
print(len(open_task("blink_jigsaw").draw("test", 999)))
try:
    open_task("blink_counting").draw("test", 1)
except InputError as error:
    print(error)
"""


def test_the_hub_is_asked_for_the_pinned_commit_only(tmp_path):
    """A cache as the Hub's client writes it, with the pinned commit and another one; no network."""
    pytest.importorskip("huggingface_hub", reason="the Hub's cache needs its client")
    repo = tmp_path / "hub" / "datasets--BLINK-Benchmark--BLINK"
    path = write_blink(repo / "snapshots" / BLINK_REPO.revision, JIGSAW)
    other = repo / "snapshots" / ("0" * 40) / "Counting"
    other.mkdir(parents=True)
    shutil.copy(path, other / path.name)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    env = os.environ | {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    out = subprocess.run([sys.executable, "-c", CHILD], env=env, capture_output=True, text=True, check=True).stdout
    lines = out.splitlines()
    assert lines[:2] == ["None", "150"]
    assert "Counting/val-00000-of-00001.parquet is not in the local Hub cache" in lines[2]
    assert f"--revision {BLINK_REPO.revision}" in lines[2]
    assert "hf download BLINK-Benchmark/BLINK" in lines[2]


def test_a_folder_of_ones_own_tells_its_unusable_pictures_together(tmp_path):
    write_training(tmp_path, 4)
    Image.new("RGB", (1, 1)).save(tmp_path / "1_0.png")
    (tmp_path / "2_1.png").write_text("x")
    task = open_task("mine", str(tmp_path))
    with pytest.raises(InputError) as caught:
        task.digest("train", 4)
    assert "1_0.png, item 't1': the image has 1 x 1 pixels" in str(caught.value)
    assert "2_1.png, item 't2': not a readable image" in str(caught.value)
    assert json.loads((tmp_path / "items.jsonl").read_text().splitlines()[0])["id"] == "t0"
