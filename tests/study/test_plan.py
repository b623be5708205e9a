"""A cell is known by what decides its result, and by nothing else."""

from __future__ import annotations

import pytest

from tasktransfer.errors import InputError
from tasktransfer.study.file import check_study
from tasktransfer.study.plan import make_plan

GOOD = """\
name: plan
models: {toy: toy}
sources: [toy_jigsaw, toy_relative_depth]
seeds: [0, 1]
items: {source: 20, target: 10}
controls: [format-only]
"""


def cells(text, weights="w", **digests):
    plan = make_plan(check_study(text), {"toy": weights} | digests)
    return {(cell.kind, cell.source, cell.seed): cell for cell in plan.cells}


@pytest.fixture(scope="module")
def planned():
    return cells(GOOD)


def test_untouched_finetunes_and_controls(planned):
    assert len(planned) == 1 + 2 * 2 + 2
    assert len({cell.key for cell in planned.values()}) == 7
    assert planned["base", "", None].key.startswith("toy-base-")
    assert planned["finetune", "toy_jigsaw", 1].key.startswith("toy-toy_jigsaw-seed1-")
    assert planned["control", "format-only", 0].key.startswith("toy-format-only-seed0-")
    assert [items.task for items in planned["control", "format-only", 0].training] == [
        "toy_jigsaw",
        "toy_relative_depth",
    ]


CHANGES = {
    # what is changed -> which digests change: of the untouched model, of finetunes, of answers
    "name: plan -> name: other": (False, False, False),
    "seeds: [0, 1] -> seeds: [1, 0]": (False, False, False),
    "controls: [format-only] -> controls: [shuffled, no-image]": (False, False, False),
    "target: 10 -> target: 11": (False, False, True),
    "seeds: [0, 1] -> seeds: [0, 1]\nevaluation: {max_new_tokens: 4}": (False, False, False),
    "source: 20 -> source: 21": (False, True, True),
    "seeds: [0, 1] -> seeds: [0, 1]\ndata_seed: 1": (False, True, True),
    "seeds: [0, 1] -> seeds: [0, 1]\nmethod: {r: 4}": (False, True, True),
    "seeds: [0, 1] -> seeds: [0, 1]\noptimisation: {stop: 0.5}": (False, True, True),
    "toy: toy -> toy: {weights: toy, dtype: bfloat16}": (True, True, True),
}


@pytest.mark.parametrize(("change", "changed"), CHANGES.items(), ids=CHANGES)
def test_digests_follow_what_decides(planned, change, changed):
    old, new = change.split(" -> ")
    edited = cells(GOOD.replace(old, new))
    finetune = ("finetune", "toy_jigsaw", 1)
    shards = [plan[finetune].shards[0].digest for plan in (planned, edited)]
    same = (planned["base", "", None].key != edited["base", "", None].key,
            planned[finetune].key != edited[finetune].key, shards[0] != shards[1])  # fmt: skip
    assert same == changed


def test_other_weights_are_another_cell(planned):
    assert not {cell.key for cell in planned.values()} & {cell.key for cell in cells(GOOD, weights="v").values()}


def test_controls_per_source():
    names = [
        source for kind, source, seed in cells(GOOD + "per_source_controls: [shuffled]") if "shuffled" in source
    ]
    assert sorted(set(names)) == ["shuffled: toy_jigsaw", "shuffled: toy_relative_depth"]


def test_tasks_without_options_are_generated():
    plan = cells(GOOD.replace("controls", "targets: [toy_jigsaw, toy_video_counting]\ncontrols"))
    assert [shard.scorer for shard in plan["base", "", None].shards] == ["likelihood", "generation"]


def test_a_sample_is_generated_beside_the_likelihood():
    more = "evaluation: {scorers: [likelihood, generation], generation_items: 4}"
    plan = cells(GOOD + more)
    assert [(shard.scorer, shard.n_items) for shard in plan["base", "", None].shards[:2]] == [
        ("likelihood", 10), ("generation", 4),
    ]  # fmt: skip


def test_a_scorer_that_there_is_none_of_is_told_by_plan():
    text = (
        "name: x\nmodels: {toy: toy}\nseeds: [0]\nsources: [charts]\n"
        "tasks: {charts: {dataset: org/c, scorer: anls, columns: {id: i, question: q, images: [p], answer: a}}}\n"
    )
    with pytest.raises(
        InputError, match=r"tasks\.charts\.scorer: unknown scorer 'anls'; accepted are exact, text"
    ):
        check_study(text)
    check_study(text.replace("anls", "'number:0.1'"))


def test_what_is_not_here_is_counted_with_more_items(tmp_path):
    text = f"targets: [vsi_route_planning, vsi_obj_appearance_order]\ndata: {{vsi_bench: '{tmp_path}'}}\n"
    study = check_study(GOOD + text + "more_items: {vsi_route_planning: 40}\n")
    plan = make_plan(study, {"toy": "w"}, here_only=True)
    assert [shard.n_items for shard in plan.cells[0].shards] == [40, 10]


def test_too_few_items_are_told_before_anything_is_computed(tmp_path):
    (tmp_path / "items.jsonl").write_text('{"id": "1", "images": [], "question": "Which?", "answer": "1"}\n')
    text = f"name: few\nmodels: {{toy: toy}}\nsources: [own]\nseeds: [0]\ntasks: {{own: '{tmp_path}'}}\n"
    with pytest.raises(InputError) as caught:
        make_plan(check_study(text), {"toy": "w"})
    assert "has 0 items of split 'train', 256 are asked for" in str(caught.value)
    assert "has 1 items of split 'test', 64 are asked for" in str(caught.value)


def test_what_is_not_here_is_told_once_and_who_gets_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    columns = "{id: i, question: q, images: [p], choices: o, answer: a}"
    text = (
        f"name: x\nmodels: {{toy: toy}}\nseeds: [0]\nitems: {{source: 2, target: 2}}\n"
        f"tasks: {{charts: {{dataset: my-org/charts, columns: {columns}}}}}\n"
        f"sources: [charts, blink_counting]\ntargets: [charts, blink_counting, blink_jigsaw]\n"
    )
    plan = make_plan(check_study(text), {"toy": "w"}, here_only=True)
    charts, build, blink = sorted(plan.missing, key=lambda told: ("my-org" not in told, "build-train" not in told))
    assert "has no file of splits 'train', 'test'; get it with: hf download my-org/charts" in charts
    assert blink.startswith("the items of 2 targets of blink: hf download")
    assert set(plan.fetched) == {charts, blink}
    assert "no folder of training items is named" in build
    there = make_plan(check_study(text + f"data: {{blink: '{tmp_path}'}}\n"), {"toy": "w"}, here_only=True)
    assert set(there.fetched) == {charts}  # a copy that was named is not filled by a run
