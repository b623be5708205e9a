"""A study with more seeds or items: only what is new is done."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

from tasktransfer.cli import app
from tasktransfer.errors import InputError
from tasktransfer.planning.next_study import extended_study
from tasktransfer.study.file import check_study, load_study
from tasktransfer.study.spec import study_text
from tests.bench import written_files


def test_new_seeds_come_after_all_there_are(bench):
    study = load_study(bench / "study.yaml")
    once = extended_study(study, {"one": 2}, {})
    assert once.more_seeds == {"one": (1, 2)}
    assert extended_study(once, {"one": 1, "two": 1}, {"two": 12}).more_seeds == {"one": (1, 2, 3), "two": (1,)}


def test_the_text_gives_the_same_study(bench):
    given = (bench / "study.yaml").read_text() + "variants: {short: {optimisation: {steps: 60}}, whole: {}}\n"
    study = extended_study(check_study(given, folder=bench), {"one": 1}, {"two": 12})
    assert check_study(study_text(study)) == study


def test_only_what_is_new_is_done(bench, reference, tmp_path):
    from tasktransfer.study.plan_study import plan_study
    from tasktransfer.study.run import run_study

    out = shutil.copytree(reference, tmp_path / "out", copy_function=shutil.copy2)
    before = written_files(out)
    more = extended_study(load_study(bench / "study.yaml"), {"two": 1}, {})
    (tmp_path / "next.yaml").write_text(study_text(more))
    result = run_study(tmp_path / "next.yaml", out, quiet=True)
    assert not result.failed
    after = written_files(out)
    assert {name: after[name] for name in before} == before
    new = {name.split("/")[1] for name in set(after) - set(before)}
    assert len(new) == 1
    assert next(iter(new)).startswith("tiny-two-seed1-")
    rows = result.predictions
    assert set(rows.loc[rows["source"] == "two", "seed"]) == {"0", "1"}
    assert set(rows.loc[rows["source"] == "one", "seed"]) == {"0"}
    fewer = plan_study(extended_study(more, {}, {"two": 6}))
    assert {shard.n_items for cell in fewer.cells for shard in cell.shards} == {6, 8}


def test_faults_are_told_with_their_line(bench):
    given = (bench / "study.yaml").read_text() + "more_seeds: {onee: [1], one: [0]}\nmore_items: {twoo: 9}\n"
    with pytest.raises(InputError) as error:
        check_study(given, folder=bench)
    told = str(error.value)
    assert "more_seeds.onee: is no source of this study (did you mean 'one'?)" in told
    assert "0 is a seed of this source already" in told
    assert "more_items.twoo: is no target of this study (did you mean 'two'?)" in told


def test_the_command_writes_a_study_that_runs(bench, reference, tmp_path):
    out = shutil.copytree(reference, tmp_path / "out", copy_function=shutil.copy2)
    answers = pd.read_parquet(out / "predictions.parquet")
    told = CliRunner().invoke(app, ["plan", str(bench / "study.yaml"), "--out", str(out), "--next", "3"])
    assert told.exit_code == 0, told.output
    assert "are undecided; " in told.output
    assert "cells: expected to decide " in told.output
    assert "gained on its own task" in told.output  # eight items, four steps
    proposed = load_study(out / "next.yaml")
    table = pd.read_csv(out / "next.csv")
    assert table["cost"].sum() == sum(map(len, proposed.more_seeds.values())) <= 3
    assert (proposed.sources, proposed.seeds) == (("one", "two"), (0,))
    assert len(answers) == 4 * 2 * 8


def proposed(study, out, budget="3"):
    told = CliRunner().invoke(app, ["plan", str(study), "--out", str(out), "--next", budget])
    assert told.exit_code == 0, told.output + repr(told.exception)
    return told.output


def with_flags(out, **flags):
    checks = pd.read_csv(out / "trained.csv", dtype=str, keep_default_na=False)
    finetunes = checks["kind"] == "finetune"
    checks.loc[finetunes, "flag"] = checks.loc[finetunes, "source"].map(flags)
    checks.to_csv(out / "trained.csv", index=False)


def test_a_source_that_did_not_train_is_not_proposed(bench, reference, tmp_path):
    out = shutil.copytree(reference, tmp_path / "out", copy_function=shutil.copy2)
    with_flags(out, one="loss did not fall", two="")
    words = proposed(bench / "study.yaml", out)
    assert "left out, since the loss of none of their finetunes fell (trained.csv): one\n" in words
    assert set(load_study(out / "next.yaml").more_seeds) == {"two"}
    assert "gained on its own task" not in words


def test_nothing_to_ask_writes_nothing(bench, reference, tmp_path):
    out = shutil.copytree(reference, tmp_path / "out", copy_function=shutil.copy2)
    with_flags(out, one="loss did not fall", two="loss did not fall")
    words = proposed(bench / "study.yaml", out)
    assert "nothing worth asking: " in words
    assert "Next:" not in words
    assert not (out / "next.yaml").exists()
    (out / "next.yaml").write_text("of an earlier call")
    assert "next.yaml of an earlier call is left as it is" in proposed(bench / "study.yaml", out)
    assert (out / "next.yaml").read_text() == "of an earlier call"


def test_seeds_that_an_earlier_proposal_added_are_kept(bench, reference, tmp_path):
    out = shutil.copytree(reference, tmp_path / "out", copy_function=shutil.copy2)
    told = json.loads((out / "study.json").read_text())
    told["study"] |= {"more_seeds": {"two": [1]}, "more_items": {"one": 7}}
    (out / "study.json").write_text(json.dumps(told))
    with_flags(out, one="loss did not fall", two="")
    proposed(bench / "study.yaml", out, "1")
    study = load_study(out / "next.yaml")
    assert study.more_seeds == {"two": (1, 2)}
    assert study.more_items == {"one": 7}


def test_a_budget_in_other_words_is_told(bench, reference):
    study, out = str(bench / "study.yaml"), str(reference)
    told = CliRunner().invoke(app, ["plan", study, "--out", out, "--next", "soon"])
    assert "accepted is a whole number of cells or items" in str(told.exception)
    told = CliRunner().invoke(app, ["plan", study, "--next", "4"])
    assert "--next needs --out" in str(told.exception)
