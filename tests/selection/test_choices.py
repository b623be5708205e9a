"""Every method is asked about every target, from one half of the items."""

from __future__ import annotations

import numpy as np
import pytest

from tasktransfer.analysis.pipeline import analyze
from tasktransfer.errors import InputError
from tasktransfer.selection.choices import choosing_items, make_choices, mixture_name
from tasktransfer.tables import Accuracies
from tests.selection.worked import worked_items, worked_table

TASKS = ("a", "b", "c")


@pytest.fixture(scope="module")
def evidence():
    """Right answers: a is helped most by itself, then by b; nothing is done to b and c but by their own."""
    right = {("a", "a"): 9, ("b", "a"): 7, ("c", "a"): 4, ("b", "b"): 8, ("c", "c"): 8}
    items = worked_items({(s, t): right.get((s, t), 4) for s in TASKS for t in TASKS}, kind="finetune", base=4)
    return analyze(Accuracies(worked_table(items), (), items))


def test_halves_do_not_depend_on_order_and_share_nothing():
    names = [f"i{number}" for number in range(31)]
    chosen = choosing_items("t", names)
    assert choosing_items("t", np.random.default_rng(0).permutation(names).tolist()) == chosen
    assert len(chosen) == 16
    assert choosing_items("u", names) != chosen


def test_a_mixture_is_named_by_what_is_in_it():
    assert mixture_name({"a": 2, "b": 3}) == mixture_name({"b": 3, "a": 2}) != mixture_name({"a": 3, "b": 2})
    long = mixture_name({f"task_with_a_long_name_{number}": number for number in range(1, 9)})
    assert len(long) <= 80
    assert "+ 6 more" in long


def test_target_data(evidence):
    def methods(target_data):
        found, notes = make_choices(
            evidence, ["a"], 12, methods=["best-single", "direct", "threshold"], target_data=target_data
        )
        assert not notes
        return {choice.method: choice.items for choice in found}

    assert methods("with") == {"best-single": {"a": 12}, "direct": {"a": 12}, "threshold": {"a": 6, "b": 6}}
    assert methods("without") == {"best-single": {"b": 12}, "direct": {"a": 12}, "threshold": {"b": 12}}
    both = methods("both")
    assert both["best-single, other data"] == {"b": 12}
    assert both["best-single"] == {"a": 12}
    assert "direct, other data" not in both


def test_several_random_mixtures_and_equal_choices_under_one_name(evidence):
    found, _ = make_choices(evidence, ["a", "b"], 12, methods=["random", "uniform"], n_random=2)
    by_method = {(choice.method, choice.target): choice for choice in found}
    assert set(by_method) == {(m, t) for m in ("random 1", "random 2", "uniform") for t in "ab"}
    assert by_method["uniform", "a"].mixture == by_method["uniform", "b"].mixture


def test_a_method_without_an_answer_is_noted_and_all_of_them_are_refused(evidence):
    found, notes = make_choices(evidence, ["c"], 12, methods=["largest", "direct"])
    assert [choice.method for choice in found] == ["direct"]
    assert "c, largest: " in notes[0]
    with pytest.raises(InputError, match="no method recommends anything for 'c'"):
        make_choices(evidence, ["c"], 12, methods=["largest"])
