"""The same items asked openly."""

from __future__ import annotations

import pytest

from tasktransfer.errors import InputError
from tasktransfer.tasks.answers.grade import mark_answer
from tasktransfer.tasks.item import Item
from tasktransfer.tasks.open_form import as_open, is_pointer
from tasktransfer.tasks.open_task import open_task
from tasktransfer.tasks.toyworld import TOY_TASKS


def asked(*choices, answer="B", question="Which?", scorer=""):
    return as_open(Item("1", (), question, choices, answer, scorer=scorer))


def test_options_go_and_the_answer_is_the_text_of_the_right_one():
    item = asked("red", "blue", "green")
    assert (item.choices, item.letters, item.answer, item.scorer, item.id) == ((), "", "blue", "text", "1")
    assert asked("1", "2.5").scorer == "number"
    assert asked("one", "two").scorer == "number"
    assert asked("1", "2", scorer="mra").scorer == "mra"


def test_options_in_the_question_go_as_well():
    assert asked("red", "blue", question="Which?\n(A) red\n(B) blue\n").question == "Which?"
    for told in ("\nSelect from the following choices.", " Please choose one of the options:",
                 "\nAnswer with the letter of the right option.\n(A) red\n(B) blue"):  # fmt: skip
        assert asked("red", "blue", question=f"Is it red?{told}").question == "Is it red?"
    for whole in ("Select all letters you see?", "Which of the options is red?", "Is it red? It may be."):
        assert asked("red", "blue", question=whole).question == whole
    kept = "Which?\n(A) yes\n(B) no"  # not the options of this item
    assert asked("red", "blue", question=kept).question == kept


@pytest.mark.parametrize(
    "option",
    ["A", "(b)", "second", "The second image", "image 2", "point A", "Box B", "2nd picture", "left image",
     "option C", "None of the above", "both", "the last frame", "A is closer."],
)  # fmt: skip
def test_pointers(option):
    assert is_pointer(option)
    with pytest.raises(InputError, match="only point to a place, a picture or another option"):
        asked("red", option)


@pytest.mark.parametrize(
    "option", ["3", "left", "yes", "a photo", "an image of a cat", "about the same", "two boxes"]
)
def test_no_pointers(option):
    assert not is_pointer(option)


def test_what_cannot_be_asked_openly():
    with pytest.raises(InputError, match="has no options"):
        as_open(Item("1", (), "How many?", (), "3"))
    with pytest.raises(InputError, match="read the same"):
        asked("a car", "the car")
    with pytest.raises(InputError, match="would part two answers"):
        asked("left|right", "up")


def refusal(name):
    """Why a drawn task cannot be asked openly; empty where it can."""
    try:
        open_task(f"{name} (open)", seed=3).draw("test", 4)
    except InputError as error:
        return str(error)
    return ""


def test_drawn_tasks_by_the_rule():
    told = {name: refusal(name) for name in TOY_TASKS}
    assert told["toy_counting"] == ""
    assert "only point" in told["toy_jigsaw"]
    assert "only point" in told["toy_relative_depth"]
    assert "has no options" in told["toy_video_counting"]
    assert told["toy_appearance_order"].endswith("its options say which two of the objects are compared")
    assert all(text.startswith(f"task '{name} (open)'") for name, text in told.items() if text)


@pytest.mark.parametrize("name", [name for name in TOY_TASKS if not refusal(name)])
def test_both_forms_are_the_same_items(name):
    closed, opened = open_task(name, seed=3), open_task(f"{name} (open)", seed=3)
    pairs = list(zip(closed.draw("test", 4), opened.draw("test", 4), strict=True))
    assert all(a.id == b.id and a.choices[a.letters.index(a.answer)] == b.answer for a, b in pairs)
    assert all(mark_answer(b.answer, b.answer, b.letters, b.scorer).correct for _, b in pairs)
    assert opened.label_version == TOY_TASKS[name].label_version
    assert opened.digest("test", 4) not in {closed.digest("test", 4), opened.digest("test", 5)}


def test_an_unknown_name_is_refused_as_ever():
    with pytest.raises(InputError, match="did you mean 'toy_counting'"):
        open_task("toy_countin (open)")
