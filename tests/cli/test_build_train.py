"""`build-train` as a user meets it."""

from __future__ import annotations

import json

import pytest

from tasktransfer.tasks.own.folder import read_folder_task
from tests.commands import tasktransfer
from tests.tasks.builders.layouts import artbench


def build(*arguments):
    return tasktransfer("build-train", *arguments)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artbench")
    artbench(folder)
    return folder


def test_a_set_is_built_and_its_leaks_are_told(source, tmp_path):
    leaked = source / "artbench-10-imagefolder-split" / "train" / "style_0"
    out = tmp_path / "deep" / "art"
    result = build("blink_art_style", "--from", source, "--out", out, "--items", 3, "--against", leaked)
    assert result.returncode == 0, result.stderr
    card = json.loads((out / "card.json").read_text())
    assert f"3 items in {out}; left out: {card['removed']['near_evaluation_images']} near" in result.stderr
    assert len(read_folder_task(out).draw("train", 3)) == 3
    assert "warning" not in result.stderr
    again = build("blink_art_style", "--from", source, "--out", out, "--items", 3, "--against", leaked)
    assert again.returncode == 2
    assert again.stderr.endswith(f"\nerror: {out}: is there already; name another folder or remove it\n")


def test_a_wrong_source_is_one_short_message(tmp_path):
    result = build("blink_jigsaw", "--from", tmp_path, "--out", tmp_path / "out", "--quiet")
    assert result.returncode == 2
    assert (
        "has no 'train2017'; it holds nothing. Expected COCO 2017, training images: train2017/*.jpg"
        in result.stderr
    )
    assert "Traceback" not in result.stderr


def test_a_set_that_nothing_was_held_against_says_so(source, tmp_path):
    out = tmp_path / "art"
    result = build("blink_art_style", "--from", source, "--out", out, "--items", 3, "--quiet")
    assert result.returncode == 0
    assert result.stderr == "warning: nothing is compared with the evaluation images; --against DIR does\n"
    assert json.loads((out / "card.json").read_text())["against"] is None


def test_the_task_without_a_builder_is_not_taken_for_another(tmp_path):
    result = build("blink_iq_test", "--from", tmp_path, "--out", tmp_path / "out")
    assert result.returncode == 2
    assert "BLINK's IQ Test has no builder; there are 'blink_art_style', " in result.stderr
    assert "did you mean" not in result.stderr
