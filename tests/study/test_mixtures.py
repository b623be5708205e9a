"""Mixtures as sources: what goes in, what identifies them, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tasktransfer.errors import InputError
from tasktransfer.study.file import check_study, load_study
from tasktransfer.study.plan import make_plan
from tasktransfer.study.plan_study import plan_study
from tasktransfer.study.run import run_study
from tests.bench import STUDY, table_bytes, written_files

GOOD = """\
name: good
models: {toy: toy}
sources: [toy_jigsaw, toy_counting]
seeds: [0, 1]
"""
FAULTS = {
    "unknown task": (
        "mixtures: {m: {toy_jigsow: 4}}",
        ":5  mixtures.m.toy_jigsow: unknown task 'toy_jigsow' (did you mean 'toy_jigsaw'?)",
    ),
    "no items of a task": ("mixtures: {m: {toy_jigsaw: 0}}", "m.toy_jigsaw: is '0'; it should be greater than or"),
    "fewer than none": ("mixtures: {m: {toy_jigsaw: -3}}", "is '-3'; it should be greater than or equal to 1"),
    "part of an item": ("mixtures: {m: {toy_jigsaw: 1.5}}", "is '1.5'; it should be a valid integer"),
    "nothing in it": ("mixtures: {m: {}}", "mixtures.m: is empty; at least one is needed"),
    "a list": ("mixtures: {m: [toy_jigsaw]}", "mixtures.m: "),
    "name of a source": ("mixtures: {toy_jigsaw: {toy_counting: 4}}", "is the name of a source too"),
    "name of a control": ("mixtures: {shuffled: {toy_counting: 4}}", "is the name of a control too"),
    "like a control": (
        "mixtures: {'shuffled: toy_jigsaw': {toy_counting: 4}}",
        "begins like the name of a control",
    ),
    "like a merge": (
        "mixtures: {'merge-cat: a': {toy_counting: 4}}",
        "begins like the name of a control or merge",
    ),
    "one name twice": ("mixtures:\n  m: {toy_jigsaw: 4}\n  m: {toy_counting: 4}", "stands there twice"),
    "merge of no mixture": (
        "mixtures: {half: {toy_jigsaw: 4}}\nmerges: {m: {of: hlf}}",
        "merges.m.of: no mixture 'hlf' (did you mean 'half'?)",
    ),
    "merge of no source": (
        "merges: {m: {of: {toy_jigsow: 1}}}",
        "'toy_jigsow' is no source of this study (did you",
    ),
    "merge without weight": ("merges: {m: {of: {toy_jigsaw: 0}}}", "is '0'; it should be greater than 0"),
    "merge of nothing": ("merges: {m: {of: {}}}", "merges.m.of: is empty"),
    "unknown way": ("merges: {m: {of: {toy_jigsaw: 1}, how: linaer}}", "is 'linaer' (did you mean 'linear'?)"),
    "unknown key": ("merges: {m: {of: {toy_jigsaw: 1}, densty: 1}}", "unknown key (did you mean 'density'?)"),
    "merge of whole models": (
        "merges: {m: {of: {toy_jigsaw: 1}}}\nmethod: {kind: full}",
        "method.kind: full has no adapters",
    ),
}


@pytest.mark.parametrize(("more", "told"), FAULTS.values(), ids=FAULTS)
def test_faults_are_told_in_words(more, told):
    with pytest.raises(InputError) as error:
        check_study(GOOD + more)
    assert told in str(error.value)


def test_mixtures_alone_need_targets():
    alone = "name: x\nmodels: {toy: toy}\nseeds: [0]\nmixtures: {m: {toy_jigsaw: 4}}\n"
    with pytest.raises(InputError, match="targets: is missing: there are mixtures only"):
        check_study(alone)
    cells = make_plan(check_study(alone + "targets: [toy_counting]"), {"toy": "weights"}).cells
    assert [(cell.kind, cell.source) for cell in cells] == [("base", ""), ("mixture", "m")]


def test_more_items_than_a_task_holds(bench):
    study = load_study(bench / "study.yaml", overrides=["mixtures={m: {one: 13}}"])
    with pytest.raises(InputError, match=r"mixtures.m: .*12"):
        plan_study(study)


def _cells(bench, mixtures: str):
    study = load_study(bench / "study.yaml", overrides=[f"mixtures={mixtures}"])
    return {cell.source: cell for cell in plan_study(study).cells if cell.kind == "mixture"}


def test_what_identifies_a_mixture(bench):
    here = _cells(bench, "{a: {one: 4, two: 8}, b: {two: 8, one: 4}, c: {one: 8, two: 4}}")
    assert here["a"].digest == here["b"].digest != here["c"].digest
    assert here["a"].n_items == 12
    there = _cells(bench, "{a: {one: 4, two: 8}, large: {count: 12}}")
    assert there["a"].key == here["a"].key  # whatever else is mixed


def test_two_names_of_one_mixture_stand_both_in_the_table(bench, tmp_path):
    changes = ["mixtures={h h: {one: 4}, h_h: {one: 4}}", "sources=[]", "targets=[one]", "controls=[]"]
    result = run_study(bench / "study.yaml", tmp_path, overrides=[*changes, "optimisation.steps=1"], quiet=True)
    assert len({path.name for path in (tmp_path / "cells").iterdir()}) == 2  # it is trained once
    counts = result.predictions["source"].value_counts().to_dict()
    assert counts == {"": 8, "h h": 8, "h_h": 8}


def test_items_are_those_of_the_sources(bench):
    study = load_study(bench / "study.yaml", overrides=["mixtures={m: {one: 4, count: 3}}", "items.source=6"])
    cells = plan_study(study).cells
    [own] = next(cell for cell in cells if cell.source == "one").training
    count, one = next(cell for cell in cells if cell.source == "m").training
    assert one == own
    assert (count.task, count.n_items) == ("count", 6)  # as many as a source of that name would have
    larger = load_study(bench / "study.yaml", overrides=["mixtures={m: {one: 7}}", "items.source=6"])
    [seven] = next(cell for cell in plan_study(larger).cells if cell.source == "m").training
    assert (seven.n_items, seven.digest != own.digest) == (7, True)


def test_what_is_learned(bench, tmp_path):
    from tasktransfer.study.loading import Loading
    from tasktransfer.study.store import Store
    from tasktransfer.study.train.training_items import training_prompts

    study = load_study(bench / "study.yaml", overrides=["mixtures={m: {two: 5, count: 2}}"])
    plan = plan_study(study)
    loading = Loading(plan, Store(tmp_path))
    cell = next(cell for cell in plan.cells if cell.source == "m")
    prompts = training_prompts(loading.vlm_of(cell), cell, loading, seed=np.random.SeedSequence(0))
    wanted = [item.id for task, n in (("count", 2), ("two", 5)) for item in plan.supplies[task].draw("train", n)]
    assert [prompt.item for prompt in prompts] == wanted


@pytest.fixture(scope="module")
def mixed(bench, tmp_path_factory):
    """A study with two equal mixtures under two names, and merges."""
    file = bench / "mixed.yaml"
    file.write_text(
        STUDY.replace("controls: [format-only]\n", "")
        + "mixtures: {half: {one: 6, two: 6}, again: {two: 6, one: 6}}\n"
        "merges: {half: {of: half, how: cat}, own: {of: {two: 1}}, dare: {of: half, how: dare_linear}}\n"
    )
    out = tmp_path_factory.mktemp("mixed") / "out"
    result = run_study(file, out, quiet=True)
    assert not result.failed
    return file, out, result


def test_a_mixture_is_a_row_like_any_other(mixed):
    _, out, result = mixed
    answers = result.predictions
    rows = answers[answers["kind"] == "mixture"]
    assert set(rows["source"]) == {
        "half",
        "again",
        "merge-cat: half",
        "merge-linear: own",
        "merge-dare_linear: dare",
    }
    assert (rows.groupby(["source", "seed", "target"]).size() == 8).all()
    loglikelihoods = {
        name: np.concatenate(list(of_name["option_loglikelihoods"])) for name, of_name in rows.groupby("source")
    }
    assert np.array_equal(loglikelihoods["half"], loglikelihoods["again"])  # a name decides nothing
    facts = [json.loads(path.read_text()) for path in (out / "cells").glob("*/cell.json")]
    half = next(told for told in facts if told["source"] == "half")
    assert dict(zip(half["sources"], half["items_of_each"], strict=True)) == {"one": 6, "two": 6}
    merged = next(told for told in facts if told["source"] == "merge-cat: half")
    assert merged["merged"] == {"one": 0.5, "two": 0.5}
    assert not (out / "cells" / f"tiny-merge-cat_half-seed0-{merged['digest']}" / "adapter").exists()


def test_a_mixture_enters_no_sum_of_the_analysis(mixed):
    from tasktransfer.analysis.analyze import analyze
    from tasktransfer.importers.inputs import read_accuracies

    _, out, _ = mixed
    accuracies = read_accuracies(out)
    whole = analyze(accuracies)
    finetuned = accuracies.table[accuracies.table["kind"] != "mixture"]
    items = accuracies.items[accuracies.items["kind"] != "mixture"]
    without = analyze(accuracies._replace(table=finetuned.reset_index(drop=True), items=items))
    assert set(whole.transfers["kind"]) == {"finetune", "mixture"}
    pd.testing.assert_frame_equal(whole.tasks, without.tasks)
    pd.testing.assert_frame_equal(whole.edges, without.edges)


@pytest.mark.slow
def test_two_processes_give_the_same_bytes(mixed, tmp_path):
    file, out, _ = mixed
    run_study(file, tmp_path / "out", workers=2, quiet=True)
    assert table_bytes(tmp_path / "out") == table_bytes(out)


def test_a_run_that_is_done_does_nothing(mixed):
    file, out, _ = mixed
    before, files = table_bytes(out), written_files(out)
    assert not run_study(file, out, quiet=True).failed
    assert table_bytes(out) == before
    assert written_files(out) == files


def test_a_study_of_mixtures_alone_has_rows_and_no_matrix(bench, tmp_path, capsys):
    from tasktransfer.analysis.analyze import analyze
    from tasktransfer.cli.study import run_and_report
    from tasktransfer.importers.inputs import read_accuracies

    changes = ["sources=[]", "controls=[]", "mixtures={m: {one: 4}}"]
    run_and_report(bench / "study.yaml", tmp_path, sets=changes, quiet=True)
    rows = pd.read_csv(tmp_path / "report" / "transfers.csv")
    assert list(zip(rows["source"], rows["target"], strict=True)) == [("m", "one"), ("m", "two")]
    assert "m -> one: gain" in capsys.readouterr().out
    with pytest.raises(InputError, match="there is no finetune, only 'mixture'"):
        analyze(read_accuracies(tmp_path))
