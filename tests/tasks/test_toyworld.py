"""The drawn world: balanced, repeatable, answerable from what is shown, and no scene in two splits."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import islice

import numpy as np
import pytest

from tasktransfer.errors import InputError
from tasktransfer.tasks import FAMILIES, GRANULARITIES, LEVELS, PAPER_TASKS, TOY_TASKS, find_task

pytest.importorskip("PIL", reason="drawing needs Pillow: pip install tasktransfer[models]")

from tasktransfer.tasks.toyworld import SPLITS, TOY_VIDEO_TASKS, draw_items
from tasktransfer.tasks.toyworld.draw import DRAWERS, draw_scenes, split_of
from tasktransfer.tasks.toyworld.layout import CHANNELS, COLOURS, POINTS, word_index

TASKS = list(TOY_TASKS)


def scenes(task, n=60, split="test", difficulty=0.5, seed=0):
    return [d.scene for d in islice(draw_scenes(task, split, seed=seed, difficulty=difficulty), n)]


def marked(layout, image, letter):
    """Position of a marked point within one picture."""
    (found,) = np.argwhere(layout["mark"][image] == word_index("mark", letter))
    return tuple(found)


def test_the_registry_is_importable_without_drawing():
    code = (
        "import sys\nfrom tasktransfer.tasks import find_task\n"
        "assert find_task('toy_relative_depth').level == 'low'\n"
        "assert not {'PIL', 'numpy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_paper_task_has_a_twin_of_its_kind():
    for task in PAPER_TASKS:
        twin = find_task("toy_" + task.name.lower().replace("-", "_"))
        assert (twin.level, twin.granularity, twin.n_choices) == (task.level, task.granularity, task.n_choices)
    assert set(DRAWERS) == set(TOY_TASKS)
    assert len({task.abbreviation for task in TOY_TASKS.values()}) == len(TOY_TASKS)
    assert all(t.level in LEVELS and t.granularity in GRANULARITIES for t in TOY_TASKS.values())


def test_every_task_is_in_one_family_and_all_differ_within():
    assert Counter(task for tasks in FAMILIES.values() for task in tasks) == Counter(TASKS)
    for tasks in FAMILIES.values():
        wordings = {scenes(task, 1)[0].question.translate({ord(c): "" for c in "0123456789"}) for task in tasks}
        assert len(wordings) == len(tasks)


@pytest.mark.parametrize("task", TASKS)
def test_items_have_the_form(task):
    for item in draw_items(task, "train", 12):
        assert 1 <= len(item.images) <= 4
        assert all(image.size == (64, 64) and image.mode == "RGB" for image in item.images)
        assert item.is_video == (task in TOY_VIDEO_TASKS)
        assert len(item.choices) == (TOY_TASKS[task].n_choices or 0)
        assert item.answer in item.letters if item.choices else item.answer.isdigit()
        assert len(set(item.choices)) == len(item.choices)


@pytest.mark.parametrize("task", TASKS)
def test_right_letters_are_balanced_and_a_seed_repeats_itself(task):
    items = draw_items(task, "test", 60, seed=3)
    assert len(set(Counter(item.answer for item in items).values())) == 1
    again, other = draw_items(task, "test", 30, seed=3), draw_items(task, "test", 30, seed=4)
    pixels = [[np.asarray(image).tobytes() for image in item.images] for item in items]
    assert [[np.asarray(image).tobytes() for image in item.images] for item in again] == pixels[:30]
    assert [item.id for item in again] == [item.id for item in items[:30]]
    assert not {item.id for item in other} & {item.id for item in items}


@pytest.mark.parametrize("task", TASKS)
def test_no_scene_and_no_picture_is_in_two_splits(task):
    digests = {
        split: {s.digest() for seed in (0, 1) for s in scenes(task, 60, split, seed=seed)} for split in SPLITS
    }
    assert all(split_of(digest) == split for split, found in digests.items() for digest in found)
    assert not digests["pretrain"] & digests["train"]
    assert not digests["pretrain"] & digests["test"]
    assert not digests["train"] & digests["test"]
    assert len({s.digest() for s in scenes(task, 120)}) == 120


def test_difficulty_is_heard():
    easy = draw_items("toy_relative_depth", "test", 30, difficulty=0.0)
    hard = draw_items("toy_relative_depth", "test", 30, difficulty=1.0)
    assert not {i.id for i in easy} & {i.id for i in hard}
    roughness = [
        np.mean([np.abs(np.diff(np.asarray(i.images[0], float), axis=0)).mean() for i in g]) for g in (easy, hard)
    ]
    assert roughness[0] < roughness[1]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("toy_depth", "test", 1), "no drawn task"),
        (("toy_relative_depth", "val", 1), "no split"),
    ],
)
def test_unknown_names_are_told(call, told):
    with pytest.raises(InputError, match=told):
        draw_items(*call)
    with pytest.raises(InputError, match="difficulty"):
        draw_items("toy_relative_depth", "test", 1, difficulty=2)


# what is shown answers the question: each answer is worked out again from the layout, not from the drawer


def compare(channel):
    def answer(scene):
        a, b = (scene.layout[channel][0][marked(scene.layout, 0, letter)] for letter in "AB")
        return "C" if a == b else "A" if a < b else "B"

    return answer


def match(channel):
    def answer(scene):
        here = scene.layout[channel][0][marked(scene.layout, 0, "REF")]
        (found,) = [x for x in "ABCD" if scene.layout[channel][1][marked(scene.layout, 1, x)] == here]
        return found

    return answer


def likeness(channel):
    def answer(scene):
        first, *others = (np.bincount(grid[grid > 0], minlength=20).argmax() for grid in scene.layout[channel])
        assert (others[0] == first) != (others[1] == first)
        return "A" if others[0] == first else "B"

    return answer


def jigsaw(scene):
    colour = scene.layout["colour"]
    fits = [np.array_equal(np.repeat(colour[0, 2:, 0], 2), colour[image, :, 0]) for image in (1, 2)]
    assert fits.count(True) == 1
    return "AB"[fits.index(True)]


def real(scene):
    (clean,) = np.flatnonzero(~scene.layout["edit"].any((1, 2)))
    return "ABCD"[clean]


def named(scene):
    text = scene.question.replace("?", "")
    return [word_index("colour", word) for word in text.split() if word in COLOURS]


def count(scene):
    return str(int((scene.layout["colour"] == named(scene)[0]).sum()))


def counted_letter(scene):
    return "ABCD"[scene.choices.index(count(scene))]


def relation(scene):
    (one,) = np.argwhere(scene.layout["colour"][0] == named(scene)[0])
    (two,) = np.argwhere(scene.layout["shape"][0] == word_index("shape", "hole"))
    dy, dx = two - one
    text = scene.question
    holds = {"left": dx > 0, "right": dx < 0, "above": dy > 0, "below": dy < 0}
    return "A" if holds[next(word for word in holds if word in text)] else "B"


def turn(scene):
    before, after = (np.argwhere(grid)[:, 1].mean() for grid in scene.layout["colour"])
    return "A" if after > before else "B"


def box(scene):
    thing = (scene.layout["colour"] == named(scene)[0]) & (scene.layout["shape"] == word_index("shape", "patch"))
    fits = [np.array_equal(scene.layout[name] > 0, thing) for name in ("box_a", "box_b")]
    assert fits.count(True) == 1
    return "AB"[fits.index(True)]


def first_seen(scene):
    starts = [
        min(f for f in range(4) if (scene.layout["colour"][f] == word_index("colour", c)).any())
        for c in scene.choices
    ]
    return "A" if starts[0] < starts[1] else "B"


ORACLES = {
    "toy_relative_depth": compare("depth"),
    "toy_relative_reflectance": compare("albedo"),
    "toy_visual_correspondence": match("colour"),
    "toy_semantic_correspondence": match("shape"),
    "toy_functional_correspondence": match("shape"),
    "toy_art_style": likeness("style"),
    "toy_visual_similarity": likeness("shape"),
    "toy_jigsaw": jigsaw,
    "toy_forensic_detection": real,
    "toy_counting": counted_letter,
    "toy_spatial_relation": relation,
    "toy_multi_view_reasoning": turn,
    "toy_object_localization": box,
    "toy_appearance_order": first_seen,
    "toy_video_counting": count,
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("difficulty", [0.0, 0.5, 1.0])
def test_what_is_shown_answers_the_question(task, difficulty):
    for scene in scenes(task, 60, "train", difficulty):
        assert ORACLES[task](scene) == scene.answer


@pytest.mark.parametrize("task", TASKS)
def test_layouts_hold_words_only(task):
    for scene in scenes(task, 20):
        for channel, words in CHANNELS.items():
            assert 0 <= scene.layout[channel].min() <= scene.layout[channel].max() < len(words)
        marks = scene.layout["mark"][scene.layout["mark"] > 0]
        assert len(set(marks)) == len(marks) <= len(POINTS)


@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_at_most_one_thing_moves_by_itself(difficulty):
    apart = 0
    for scene in scenes("toy_multi_view_reasoning", 60, "train", difficulty):
        before, after = scene.layout["colour"]
        places = [(np.argwhere(before == c)[0], np.argwhere(after == c)[0]) for c in np.unique(before[before > 0])]
        shifts = [tuple(there - here) for here, there in places]
        with_the_camera = (0, 1) if scene.answer == "A" else (0, -1)
        others = [shift for shift in shifts if shift != with_the_camera]
        assert len(shifts) >= 3
        assert others in ([], [(0, -with_the_camera[1])])
        apart += bool(others)
    assert 0 < apart < 60


def test_the_wrong_box_misses_by_one_cell():
    misses = Counter()
    for scene in scenes("toy_object_localization", 90, "train", 1.0):
        edges = [np.argwhere(scene.layout[name][0]) for name in ("box_a", "box_b")]
        spans = np.array([[*cells.min(0), *cells.max(0)] for cells in edges])
        right, wrong = spans if scene.answer == "A" else spans[::-1]
        assert np.abs(wrong - right).max() == 1
        misses[int(np.sign(np.prod(wrong[2:] - wrong[:2] + 1) - np.prod(right[2:] - right[:2] + 1)))] += 1
    assert set(misses) == {-1, 0, 1}


def test_relations_are_probed_as_they_are_shown():
    asked = Counter()
    for scene in scenes("toy_spatial_relation", 60, "pretrain"):
        (hole,) = np.argwhere(scene.layout["shape"][0] == word_index("shape", "hole"))
        for text, told in scene.probes:
            if "(A)" in text:
                word, colour, *_ = text.split()
                (place,) = np.argwhere(scene.layout["colour"][0] == word_index("colour", colour))
                down, across = place - hole
                holds = {"left": across < 0, "right": across > 0, "above": down < 0, "below": down > 0}[word]
                assert told == ("A" if holds else "B")
                asked[word, told] += 1
    assert len(asked) == 8
