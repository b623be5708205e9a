"""What a written answer is worth, by the word that its item names."""

from __future__ import annotations

import pytest

from tasktransfer.errors import InputError
from tasktransfer.tasks.answers.grade import mark_answer
from tasktransfer.tasks.answers.normal_text import find_number, normal_text
from tasktransfer.tasks.answers.scoring import answer_fault, find_scorer


@pytest.mark.parametrize(
    ("predicted", "reference", "strict"),
    [(10, 1, 1), (9.5, 1, 0.9), (9, 0.9, 0.8), (11, 0.9, 0.8), (8.5, 0.8, 0.7), (8, 0.6, 0.6), (12, 0.6, 0.6),
     (7.5, 0.6, 0.5), (7, 0.5, 0.4), (6.5, 0.4, 0.3), (6, 0.3, 0.2), (5.5, 0.1, 0.1), (5, 0.1, 0), (15, 0.1, 0)],
)  # fmt: skip
def test_both_modes_of_relative_accuracy_at_the_boundaries(predicted, reference, strict):
    assert find_scorer("mra")(str(predicted), "10") == pytest.approx(reference)
    assert find_scorer("mra-strict")(str(predicted), "10") == pytest.approx(strict)


def test_relative_accuracy_of_zero_and_of_silence():
    for word in ("mra", "mra-strict"):
        score = find_scorer(word)
        assert [score(reply, "0") for reply in ("0", "0.1", "none")] == [1, 0, 0]


@pytest.mark.parametrize(
    ("reply", "answer", "score"),
    [
        ("Red.", "red", 1),
        ("a  RED car", "the red car", 1),
        ("“red‐car”", "red car", 1),
        ("ｒｅｄ", "red", 1),
        ("twenty one", "21", 1),
        ("21.0", "twenty-one", 1),
        ("two", "2 | two of them", 1),
        ("crimson", "red | crimson", 1),
        ("red crimson", "red | crimson", 0),
        ("The answer is red.", "red", 1),
        ("It is not red", "red", 0),
        ("not red", "red", 0),
        ("", "red", 0),
        ("a", "a", 1),
        ("1,000 m", "1000 m", 1),
        ("0.5 %", ".5%", 0),
        ("-3", "3", 0),
        ("3-4", "3 4", 1),
        ("don't know", "dont know", 1),
        ("Yes, it is.", "yes", 1),
        ("No, yes would be wrong", "yes", 0),
        ("I would say yes", "yes", 0),
    ],
)
def test_texts_are_compared_in_normal_form(reply, answer, score):
    assert find_scorer("text")(reply, answer) == score


def test_normal_form_keeps_what_means_something():
    assert normal_text("A") == "a"  # a lone article is the answer itself
    assert normal_text("5° or 3 %") == "5° or 3 %"
    assert normal_text("No. 7, ‘b’") == "no 7 b"


@pytest.mark.parametrize(
    ("text", "number"),
    [("about 1,200.5 m", "1200.5"), ("−3 °C", "-3"), (".5", "0.5"), ("B2 and 7", "7"), ("v1.5", None),
     ("3-4", "3"), ("x12", None), ("forty two", "42"), ("two of 5", "5"), ("1,2,3", "1"), ("", None)],
)  # fmt: skip
def test_the_first_number_of_a_reply(text, number):
    assert find_number(text) == number


def test_tolerance_is_a_share_of_the_answer_and_exact_at_its_end():
    within = find_scorer("number:0.05")
    assert [within(reply, "20") for reply in ("20", "21", "19", "21.01", "")] == [1, 1, 1, 0, 0]
    assert within("1.05", "1") == 1  # in floats 1.05 - 1 is above 0.05
    assert find_scorer("number:0.1")("-9", "-10") == 1
    assert [find_scorer("number")(reply, "1,200") for reply in ("1200.0", "1201")] == [1, 0]


def half(reply, answer):
    return 0.5 if answer in reply else 2.0


def test_a_scorer_of_ones_own():
    word = f"{__name__}:half"
    assert mark_answer("it is red", "red", "", word) == ("it is red", False, 0.5)
    with pytest.raises(InputError, match=r"gave 2.0 for reply 'blue'; accepted are numbers in \[0, 1\]"):
        mark_answer("blue", "red", "", word)
    with pytest.raises(InputError, match="failed on reply 'x'"):
        find_scorer("operator:truediv")("x", "y")


@pytest.mark.parametrize(
    ("word", "told"),
    [("mar", "did you mean 'mra'"), ("number:5%", "is no tolerance"), ("number:-1", "is no tolerance"),
     ("nowhere.at:all", "cannot be imported"), ("math:pi", "is no function but a float"), ("Text", "mean 'text'")],
)  # fmt: skip
def test_an_unknown_scorer_is_refused(word, told):
    with pytest.raises(InputError) as caught:
        find_scorer(word)
    assert told in str(caught.value)


def test_answers_that_a_scorer_cannot_take():
    assert answer_fault("red", "mra") == "'red' is no number, as scorer 'mra' needs"
    assert "without a word" in answer_fault("red |", "text")
    assert [answer_fault(a, w) for a, w in (("3", "number:0.1"), ("a | b", "text"), ("", "exact"))] == [None] * 3


def test_marks_tell_what_was_read():
    assert mark_answer("there are nine", "10", "", "mra") == ("9", False, 0.9)
    assert mark_answer("9.5", "10", "", "mra") == ("9.5", False, 1.0)  # full marks, and not the same number
    assert mark_answer("9.5", "10", "", "number:0.1") == ("9.5", True, 1.0)
    assert mark_answer("no idea", "10", "", "number") == (None, False, 0.0)
    assert mark_answer(" Red \n", "red", "", "exact") == ("Red", False, 0.0)
    assert mark_answer("(B)", "B", "AB", "text") == ("B", True, 1.0)  # options are read as ever
