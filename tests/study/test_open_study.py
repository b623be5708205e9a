"""The same items asked as choices and openly in one study, and adapters of a run compared."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from tasktransfer.cli import app
from tasktransfer.errors import InputError
from tasktransfer.similarity.adapters import run_adapters
from tasktransfer.study.file import check_study
from tasktransfer.study.plan import make_plan
from tests.models.tiny import number_items, write_task

STUDY = """\
name: forms
models: {tiny: model}
tasks: {one: one, several: several}
sources: [one (open), several]
targets: [one, one (open), several]
seeds: [0]
items: {source: 8, target: 6}
controls: [shuffled, format-only]
optimisation: {steps: 2, batch: 4, lr: 0.01}
"""


@pytest.fixture(scope="module")
def forms(bench, tmp_path_factory):
    """A run of both forms, and of items that accept several answers."""
    from tasktransfer.study.run import run_study

    folder = write_task(bench / "several", number_items(24))
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text().splitlines()]
    for row in rows:
        row |= {"answer": f"{row['answer']} | {row['answer']} square", "scorer": "text"}
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (bench / "forms.yaml").write_text(STUDY)
    out = tmp_path_factory.mktemp("forms") / "out"
    assert not run_study(bench / "forms.yaml", out, quiet=True).failed
    return out


def test_both_forms_are_asked_of_the_same_items(forms):
    rows = pd.read_parquet(forms / "predictions.parquet")
    by_target = dict(list(rows[rows["kind"] == "base"].groupby("target")))
    closed, opened = by_target["one"], by_target["one (open)"]
    assert closed["item"].tolist() == opened["item"].tolist()
    assert set(closed["scorer"]) == {"likelihood"}
    assert set(opened["scorer"]) == {"generation"}
    assert set(closed["answer"]) <= set("ABCD")
    assert set(opened["answer"]) <= {"red", "green", "blue", "square"}
    assert opened["option_loglikelihoods"].isna().all()


def test_the_scorer_of_an_item_reaches_its_mark_and_its_lesson(forms, bench):
    from tasktransfer.models.vlm import load_model
    from tasktransfer.study.encoded import read_prompts

    [file] = (forms / "items").rglob("several-train-8-*.safetensors")
    prompts = read_prompts(file)
    tokenizer = load_model(bench / "model").processor.tokenizer
    assert {prompt.scorer for prompt in prompts} == {"text"}
    assert all("|" in prompt.answer for prompt in prompts)
    taught = [tokenizer.decode(prompt.target_ids_A, skip_special_tokens=True).strip() for prompt in prompts]
    assert taught == [prompt.answer.split(" |")[0] for prompt in prompts]


def test_an_unknown_open_task_is_told_by_the_study():
    good = "name: x\nmodels: {toy: toy}\nseeds: [0]\nitems: {source: 2, target: 2}\n"
    with pytest.raises(InputError, match=r"unknown task 'toy_countng \(open\)'"):
        check_study(good + "sources: [toy_countng (open)]\n")
    study = check_study(good + "sources: [toy_counting (open), toy_jigsaw (open)]\n")
    with pytest.raises(InputError, match=r"task 'toy_jigsaw \(open\)': .* cannot be asked openly"):
        make_plan(study, {"toy": "w"})


def test_adapters_of_a_run_are_compared(forms, tmp_path):
    assert [(a.kind, a.source) for a in run_adapters(forms)] == [
        ("control", "format-only"), ("finetune", "one (open)"), ("finetune", "several"), ("control", "shuffled"),
    ]  # fmt: skip
    result = CliRunner().invoke(app, ["similarity", str(forms), "--out", str(tmp_path / "like")])
    assert result.exit_code == 0, result.output
    assert "tiny: 4 adapters, 2 sources, 1 seeds, 14 layers" in result.output
    pairs = pd.read_csv(tmp_path / "like" / "pairs.csv")
    assert len(pairs) == 10
    assert pairs["cosine"].abs().max() < 1
    with pytest.raises(InputError, match="is a run folder; choose another --out"):
        CliRunner().invoke(app, ["similarity", str(forms), "--out", str(forms)], catch_exceptions=False)


def test_a_benchmark_that_is_not_here_is_planned_openly(tmp_path):
    text = (
        "name: x\nmodels: {toy: toy}\nseeds: [0]\nitems: {source: 2, target: 2}\nsources: [toy_counting (open)]\n"
        f"targets: [blink_counting, blink_counting (open)]\ndata: {{blink: '{tmp_path}'}}\n"
    )
    plan = make_plan(check_study(text), {"toy": "w"}, here_only=True)
    base = next(cell for cell in plan.cells if cell.kind == "base")
    assert [(s.items.task, s.scorer) for s in base.shards] == [
        ("blink_counting", "likelihood"), ("blink_counting (open)", "generation"),
    ]  # fmt: skip
    assert len(plan.missing) == 1
