"""What holds of every training set, and what the writer refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter

import numpy as np
import pytest

from tasktransfer.errors import InputError, OutputError
from tasktransfer.tasks import PAPER_TASKS, find_task
from tasktransfer.tasks.builders import BUILDERS, build_training_set
from tasktransfer.tasks.own.folder import read_folder_task
from tests.tasks.builders.layouts import LAYOUTS, artbench, picture, save

TASKS = sorted(BUILDERS)


def content(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_each_task_of_the_paper_has_a_builder_of_its_form():
    assert sorted(find_task(name).name for name in TASKS) == sorted(task.name for task in PAPER_TASKS)
    for name, builder in BUILDERS.items():
        assert builder.n_choices == find_task(name).n_choices


@pytest.mark.parametrize("task", TASKS)
def test_items_have_blinks_form_and_balanced_letters(task, sources, tmp_path):
    n = 4
    builder = BUILDERS[task]
    told = []
    built = build_training_set(
        task, sources(task), tmp_path / "out", n_items=n, seed=3, tell=lambda *counts: told.append(counts)
    )
    items = read_folder_task(tmp_path / "out").draw("train", n)
    for item in items:
        assert len(item.images) == builder.n_images
        assert len(set(item.choices)) == builder.n_choices
        assert item.question
        assert all(name not in item.question for name in ("{", "}"))
    letters = Counter(item.answer for item in items)
    assert max(letters.values()) - min(letters[letter] for letter in "ABCD"[: builder.n_choices]) <= 1
    first = [item.answer for item in items[: builder.n_choices]]
    assert len(set(first)) == builder.n_choices  # however many are taken from the front, letters are balanced
    assert told == [(k + 1, n) for k in range(n)]
    assert built.card["letters"] == dict(sorted(letters.items()))
    assert built.card == json.loads((tmp_path / "out" / "card.json").read_text())
    # the same seed gives the same bytes
    build_training_set(task, sources(task), tmp_path / "again", n_items=n, seed=3)
    assert content(tmp_path / "again") == content(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "out"]


def test_another_seed_gives_other_items(sources, tmp_path):
    for seed in (0, 1):
        build_training_set("blink_jigsaw", sources("blink_jigsaw"), tmp_path / str(seed), n_items=6, seed=seed)
    origins = [(tmp_path / name / "provenance.jsonl").read_text() for name in "01"]
    assert origins[0] != origins[1]


@pytest.mark.parametrize("task", TASKS)
def test_a_folder_in_another_layout_is_refused_by_name(task, tmp_path):
    (tmp_path / "source" / "something").mkdir(parents=True)
    with pytest.raises(InputError) as error:
        build_training_set(task, tmp_path / "source", tmp_path / "out")
    message = str(error.value)
    assert str(tmp_path / "source") in message
    assert BUILDERS[task].source in message
    assert BUILDERS[task].layout in message
    assert not (tmp_path / "out").exists()


def test_no_folder_and_no_such_task_are_told(tmp_path):
    with pytest.raises(InputError, match="no such folder; it should hold COCO 2017"):
        build_training_set("blink_jigsaw", tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(InputError, match=r"no builder for 'blink_jigsow' \(did you mean 'blink_jigsaw'\?\)"):
        build_training_set("blink_jigsow", tmp_path, tmp_path / "out")


def test_too_few_items_tells_how_many_could_be_made(sources, tmp_path):
    with pytest.raises(InputError, match=r"gives 10 of 100 items \(5 A, 5 B\)"):
        # 30 pictures, three an item
        build_training_set("blink_art_style", sources("blink_art_style"), tmp_path / "out", n_items=100)
    # 18 triplets: 3 of the test split, 1 with too few votes
    with pytest.raises(InputError, match="gives 14 of 100 items"):
        build_training_set(
            "blink_visual_similarity", sources("blink_visual_similarity"), tmp_path / "o", n_items=100
        )
    assert not list(tmp_path.iterdir())


def test_a_fixed_answer_fills_its_letter_only(sources, tmp_path):
    # 6 false captions, 18 true ones of which one is contradicted by its validators
    with pytest.raises(
        InputError, match=r"gives 13 of 14 items \(7 A, 6 B\).*10 left out because their letter was"
    ):
        build_training_set("blink_spatial_relation", sources("blink_spatial_relation"), tmp_path / "o", n_items=14)


def test_a_folder_that_is_there_is_not_touched(sources, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="is there already"):
        build_training_set("blink_jigsaw", sources("blink_jigsaw"), tmp_path / "out", n_items=4)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine.txt"]


def test_a_build_that_is_stopped_leaves_nothing_behind(sources, tmp_path):
    def stop(done, _planned):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_training_set("blink_jigsaw", sources("blink_jigsaw"), tmp_path / "out", n_items=6, tell=stop)
    assert not list(tmp_path.iterdir())


def test_broken_pictures_are_left_out_and_named(tmp_path):
    artbench(tmp_path / "source")
    styles = tmp_path / "source" / "artbench-10-imagefolder-split" / "train"
    whole = (styles / "style_0" / "1.jpg").read_bytes()
    (styles / "style_0" / "1.jpg").write_bytes(whole[: len(whole) // 2])
    (styles / "style_1" / "2.jpg").write_bytes(b"no picture")
    save(picture(5, (16, 1)), styles / "style_2" / "3.jpg")
    built = build_training_set("blink_art_style", tmp_path / "source", tmp_path / "out", n_items=6, seed=1)
    named = built.card["removed"]["unreadable"]
    used = (tmp_path / "out" / "provenance.jsonl").read_text()
    assert named
    assert all(name.rsplit("train/")[1] in {"style_0/1.jpg", "style_1/2.jpg", "style_2/3.jpg"} for name in named)
    assert not any(name in used for name in ("style_0/1.jpg", "style_1/2.jpg", "style_2/3.jpg"))


def test_the_whole_of_a_broken_source_is_told(tmp_path):
    artbench(tmp_path / "source")
    for path in (tmp_path / "source").rglob("*.jpg"):
        path.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"gives 0 of 4 items \(0 A, 0 B\); \d+ unreadable pictures \(first: "):
        build_training_set("blink_art_style", tmp_path / "source", tmp_path / "out", n_items=4)


def test_a_picture_that_says_it_is_enormous_is_left_out(tmp_path):
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    from tasktransfer.tasks.builders.source import Source

    source = Source(tmp_path, "pictures", "*.png")
    assert source.try_image("huge.png") is None
    assert "400000000 pixels" in source.unreadable["huge.png"]


def test_evaluation_pictures_are_kept_out(tmp_path):
    artbench(tmp_path / "source")
    styles = tmp_path / "source" / "artbench-10-imagefolder-split" / "train"
    leaked = sorted(styles.glob("style_0/*.jpg"))
    for path in leaked:  # twice the size, grey, compressed
        from PIL import Image

        with Image.open(path) as image:
            save(image.resize((128, 128)).convert("L"), tmp_path / "blink" / f"eval-{path.name}")
    built = build_training_set(
        "blink_art_style", tmp_path / "source", tmp_path / "out", n_items=3, seed=0, against=[tmp_path / "blink"]
    )
    used = {
        file
        for line in (tmp_path / "out" / "provenance.jsonl").read_text().splitlines()
        for file in json.loads(line)["files"]
    }
    assert not used & {path.relative_to(tmp_path / "source").as_posix() for path in leaked}
    removed = built.card["removed"]
    assert removed["near_evaluation_images"] == len(removed["leaks"]) > 0
    assert all(leak["test"].startswith("eval-") for leak in removed["leaks"])
    assert built.card["against"]["images"] == 10


def test_a_scene_goes_when_any_of_its_views_is_an_evaluation_picture(sources, tmp_path):
    source = sources("blink_visual_correspondence")
    (tmp_path / "blink").mkdir()
    views = source / "hpatches-sequences-release"
    for name in ("v_0", "v_1", "i_0"):
        shutil.copy(views / name / "5.ppm", tmp_path / "blink" / f"{name}.ppm")
    task, out = "blink_visual_correspondence", tmp_path / "out"
    built = build_training_set(task, source, out, against=[tmp_path / "blink"], n_items=4)
    rows = [json.loads(line) for line in (out / "provenance.jsonl").read_text().splitlines()]
    assert all(file.startswith("hpatches-sequences-release/i_1/") for row in rows for file in row["files"])
    assert built.card["removed"]["near_evaluation_images"] > 4


def test_layouts_cover_all_builders():
    assert set(LAYOUTS) == set(BUILDERS)
    assert np.array(picture(1)).std() > 20


def test_annotations_with_odd_line_breaks_are_read_whole(tmp_path):
    """U+2028 is no end of a JSON line, and a quoted field of a table may hold line breaks."""
    from tasktransfer.tasks.builders.source import Source

    (tmp_path / "lines.jsonl").write_text('{"caption": "one\u2028two"}\n{"caption": "three"}\n', encoding="utf-8")
    (tmp_path / "table.csv").write_text('name,caption\na,"first\nsecond"\nb,third\n', encoding="utf-8")
    source = Source(tmp_path, "annotations", "*")
    assert [row["caption"] for row in source.json_lines("lines.jsonl")] == ["one\u2028two", "three"]
    assert [row["caption"] for row in source.table("table.csv", ("caption",))] == ["first\nsecond", "third"]
