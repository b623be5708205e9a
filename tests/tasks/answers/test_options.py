"""Replies as models write them, and the option each names."""

from __future__ import annotations

import pytest

from tasktransfer.tasks.answers.options import find_choices, find_letter, letter_of

IMAGES = ("the second image", "the third image")
SIDES = ("left", "right")
TRUTH = ("yes", "no")
COUNTS = ("1", "2", "12", "3")

CASES = [
    # 1: the whole reply
    ("B", (), "B"),
    ("(B)", (), "B"),
    (" b ", (), "B"),
    ("B.", (), "B"),
    ("**B**", (), "B"),
    ("(B).\n", (), "B"),
    ("E", (), None),
    ("Z", (), None),
    # 2: a marker
    ("The answer is B", (), "B"),
    ("The answer is (B).", (), "B"),
    ("Answer: B", (), "B"),
    ("answer: b", (), "B"),
    ("ANSWER: B\n", (), "B"),
    ("**Answer:** B", (), "B"),
    ("Answer:\n\nB", (), "B"),
    ("<answer>B</answer>", (), "B"),
    ("<think>A or B?</think><answer> (B) </answer>", (), "B"),
    ("the correct answer is option B", (), "B"),
    ("So \\boxed{B}.", (), "B"),
    ("$\\boxed{\\text{B}}$", (), "B"),
    ("The answer is A. No wait, the answer is B.", (), "B"),
    ("Answer: B. The answer is clear from the shadow.", (), "B"),
    ("I compare (A) with (C). Answer: B", (), "B"),
    ("Answer: A is closer", (), "A"),
    ("Answer: A or B", (), None),
    ("Answer: A, B", (), None),
    ("The answer is a dog", (), None),
    ("Answer: A dog on the left", SIDES, "A"),
    ("I cannot give an answer.", (), None),
    # 3: parentheses
    ("It must be (B), as the edges fit.", (), "B"),
    ("(B) fits; A and C do not.", (), "B"),
    ("(A) or (B)", (), None),
    # 4: alone
    ("a photo of B", (), "B"),
    ("A photo of B", (), "B"),
    ("B: the third image", (), "B"),
    ("Point A corresponds to REF.", (), "A"),
    ("A is closer to the camera.", (), "A"),
    ("A looks closer.", (), "A"),
    ("A man stands on the grass.", (), None),
    ("It is a man. A bus is behind.", (), None),
    ("A and B are alike.", (), None),
    ("I don't know", (), None),
    ("Plan B-side", (), "B"),
    ("The answer is not A.", (), None),
    ("It is not (A) but (B).", (), "B"),
    ("vitamin B12", (), None),
    # 5: option text
    ("It is the third image.", IMAGES, "B"),
    ("the second image, not the third image", IMAGES, None),
    ("The camera moves RIGHT", SIDES, "B"),
    ("Yes, the car is beneath the cat.", TRUTH, "A"),
    ("There is no way to tell.", TRUTH, None),
    ("So, no.", TRUTH, "B"),
    ("There are 12 dogs.", COUNTS, "C"),
    ("There are 2.", COUNTS, "B"),
    ("2 cats and 3 dogs", COUNTS, None),
    # nothing
    ("", (), None),
    ("   ", IMAGES, None),
    ("I'm sorry, I can't help with that.", IMAGES, None),
]


@pytest.mark.parametrize(("reply", "choices", "expected"), CASES)
def test_reply(reply, choices, expected):
    assert find_letter(reply, "ABCD"[: len(choices) or 4], choices) == expected


def test_every_letter_is_read_alike():
    forms = ["{}", "({})", "{}.", "Answer: {}", "Point {} corresponds to it.", "{} is right", "{} matches best"]
    for form in forms:
        assert [find_letter(form.format(letter), "ABCD") for letter in "ABCD"] == list("ABCD"), form


def test_letters_beyond_the_options_are_no_answer():
    assert find_letter("(C)", "AB") is None
    assert find_letter("The answer is C", "AB") is None


def test_choices_are_read_off_the_end_of_a_prompt():
    prompt = "Note (A) first.\nQuestion: B. or not?\nOptions:\nA. one\nB. two\nC. three\nSelect an option."
    assert find_choices(prompt) == ("one", "two", "three")
    assert find_choices("Pick.\n(A) 3\n(B) 4") == ("3", "4")
    assert find_choices("") == find_choices("(A) alone") == ()


def test_letter_of_a_label():
    assert [letter_of(text) for text in ("(A)", "A", "a", "", "AB", "hidden", "1")] == ["A"] * 3 + [None] * 4
