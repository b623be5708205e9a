"""Every method is asked about every target, from one half of the items."""

from __future__ import annotations

import pytest

from tasktransfer.analysis.analyze import analyze
from tasktransfer.errors import InputError
from tasktransfer.realise.choices import Trial, make_choices, mixture_name
from tasktransfer.recommendation.request import MethodSettings, Request, as_weights
from tasktransfer.tables import Accuracies
from tests.recommendation.worked import worked_items, worked_table

TASKS = ("a", "b", "c")


def choices_of(evidence, targets, *, methods, target_data="with", n_random=1, **about):
    """What the methods choose for 12 items."""
    trial = Trial(methods=methods, target_data=target_data, n_random=n_random)
    return make_choices(evidence, Request(as_weights(targets), 12, **about), trial)


@pytest.fixture(scope="module")
def evidence():
    """Right answers: a is helped most by itself, then by b; nothing is done to b and c but by their own."""
    right = {("a", "a"): 9, ("b", "a"): 7, ("c", "a"): 4, ("b", "b"): 8, ("c", "c"): 8}
    items = worked_items({(s, t): right.get((s, t), 4) for s in TASKS for t in TASKS}, kind="finetune", base=4)
    return analyze(Accuracies(worked_table(items), (), items))


def test_a_mixture_is_named_by_what_is_in_it():
    assert mixture_name({"a": 2, "b": 3}) == mixture_name({"b": 3, "a": 2}) != mixture_name({"a": 3, "b": 2})
    long = mixture_name({f"task_with_a_long_name_{number}": number for number in range(1, 9)})
    assert len(long) <= 80
    assert "+ 6 more" in long


def test_names_of_many_mixtures_differ():
    """With 16 bits of digest these are one name: the first two parts are alike, and the digests meet."""
    rest = [
        {"a": 100, "b": 99, "c": 50 - n, "d": 40, "e": 30 + n - m, "f": m} for n in range(20) for m in range(1, 30)
    ]
    assert len({mixture_name(items) for items in rest}) == len(rest)


def test_target_data(evidence):
    def methods(target_data):
        found, notes = choices_of(
            evidence, ["a"], methods=("best-single", "direct", "threshold"), target_data=target_data
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
    found, _ = choices_of(evidence, ["a", "b"], methods=("random", "uniform"), n_random=2)
    by_method = {(choice.method, choice.target): choice for choice in found}
    assert set(by_method) == {(m, t) for m in ("random 1", "random 2", "uniform") for t in "ab"}
    assert by_method["uniform", "a"].mixture == by_method["uniform", "b"].mixture
    both, _ = choices_of(evidence, ["a"], methods=("random", "direct"), n_random=2, target_data="both")
    told = [(choice.method, choice.rule, choice.other_data) for choice in both if choice.rule == "random"]
    assert told == [
        ("random 1", "random", False), ("random 1, other data", "random", True),
        ("random 2", "random", False), ("random 2, other data", "random", True),
    ]  # fmt: skip


def test_settings_protected_tasks_and_caps_reach_the_methods(evidence):
    def items(method, **about):
        [found] = choices_of(evidence, ["a"], methods=(method,), **about)[0]
        return found.items

    assert items("top-k", settings=MethodSettings(k=1)) == {"a": 12}
    assert items("threshold", settings=MethodSettings(threshold=0.6)) == {"a": 12}
    assert items("largest", caps={"a": 12, "b": 20, "c": 15}) == {"b": 12}
    assert items("largest", caps={"a": 12, "b": 20, "c": 15}, exclude=("b",)) == {"c": 12}
    failed = {"caps": {"a": 20, "b": 20, "c": 20, "its finetunes failed": 90}, "exclude": ("another that failed",)}
    assert items("largest", **failed) == {"a": 12}
    found, notes = choices_of(evidence, ["a", "b"], methods=("mixture",), protect=("b",))
    assert (len(found), notes) == (2, [])  # b is protected where it is not the target


def test_no_method_is_told():
    with pytest.raises(InputError, match="no method is named; there are mixture, lower-bound"):
        Trial(methods=())


def test_a_method_without_an_answer_is_noted_and_all_of_them_are_refused(evidence):
    found, notes = choices_of(evidence, ["c"], methods=("largest", "direct"))
    assert [choice.method for choice in found] == ["direct"]
    assert "c, largest: " in notes[0]
    with pytest.raises(InputError, match="no method recommends anything for 'c'"):
        choices_of(evidence, ["c"], methods=("largest",))
