"""What a written answer says, and the worth of a number."""

from __future__ import annotations

import pytest

from tasktransfer.tasks.answers.grade import mark_answer, mean_relative_accuracy


@pytest.mark.parametrize(
    ("predicted", "reference"),
    [(10, 1.0), (9.5, 1.0), (9, 0.9), (11, 0.9), (8.5, 0.8), (8, 0.6), (12, 0.6), (7.5, 0.6), (7, 0.5), (6.5, 0.4),
     (6, 0.3), (5.5, 0.1), (5, 0.1), (15, 0.1), (4, 0.0), (-10, 0.0)],
)  # fmt: skip
def test_relative_accuracy_is_that_of_the_reference_code_at_its_boundaries(predicted, reference):
    assert mean_relative_accuracy(predicted, 10) == pytest.approx(reference)


def test_an_answer_of_zero_is_right_or_wrong():
    assert [mean_relative_accuracy(x, 0) for x in (0, 1)] == [1, 0]


@pytest.mark.parametrize(
    ("text", "letters", "answer", "predicted", "score"),
    [
        ("B", "AB", "B", "B", 1),
        ("(B)", "AB", "B", "B", 1),
        ("C", "AB", "B", None, 0),
        ("Because", "AB", "B", None, 0),
        ("", "AB", "B", None, 0),
        ("4", "", "4", "4", 1),
        ("4.0", "", "4", "4.0", 1),
        ("four", "", "4", None, 0),
        ("-3", "", "4", "-3", 0),
        ("Left ", "", "left", "Left", 1),
        ("", "", "left", None, 0),
    ],
)
def test_answers_are_read_and_marked(text, letters, answer, predicted, score):
    mark = mark_answer(text, answer, letters)
    assert (mark.predicted, mark.correct, mark.score) == (predicted, score == 1, score)
