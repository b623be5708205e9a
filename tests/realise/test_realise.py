"""From a study to what its recommendations are worth, on a tiny model; and again where a run was killed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.realise.choices import Trial
from tasktransfer.realise.realise import realise
from tasktransfer.realise.words import realised_lines
from tasktransfer.recommendation.request import Request, as_weights
from tasktransfer.study.file import load_study
from tasktransfer.study.run import run_study
from tests.bench import table_bytes, written_files

REQUEST = Request(as_weights("one"), 8)
TRIAL = Trial(methods=("best-single", "uniform", "direct", "largest"), n_seeds=2, merges=("cat",))
CHANGES = ["controls=[]", "targets=[one, two, count]", "seeds=[0, 3]"]


def asked(target="one", budget=8, **about):
    return {"request": Request(as_weights(target), budget, **about)}


# what is wrong by itself, and beside the names and items of a study
FAULTS_OF_ITS_OWN = {
    "no budget": (lambda: asked(budget=0), "the budget is 0; accepted is a whole number of items from 1"),
    "less than no budget": (lambda: asked(budget=-4), "the budget is -4"),
    "unknown method": (lambda: Trial(methods=("direkt",)), "no method 'direkt' (did you mean 'direct'?)"),
    "unknown way": (lambda: Trial(merges=("tise",)), "no way of merging 'tise' (did you mean 'ties'?)"),
    "target data": (lambda: Trial(target_data="none"), "there are with, without, both"),
    "no seeds": (lambda: Trial(n_seeds=0), "seeds is 0; accepted is a whole number from 1"),
    "no random": (lambda: Trial(n_random=0), "random is 0; accepted is a whole number from 1"),
    "no method": (lambda: Trial(methods=()), "no method is named; there are mixture, lower-bound"),
    "confidence": (lambda: asked(confidence=95), "confidence is 95; accepted is a level in (0, 1)"),
    "a cap below 0": (lambda: asked(caps={"two": -1}), "the cap of 'two' is -1"),
}
FAULTS = {
    "unknown target": (asked("oen"), "no target 'oen' (did you mean 'one'?); there are 'one', 'two'"),
    "no target": (asked(()), "no target given; there are 'one', 'two'"),
    "unknown source left out": (asked(exclude=("tow",)), "no excluded source 'tow' (did you mean 'two'?)"),
    "unknown source of a cap": (asked(caps={"tow": 8}), "no source (of a cap) 'tow' (did you mean 'two'?)"),
    "unknown task protected": (asked(protect=("tow",)), "no protected task 'tow' (did you mean 'two'?)"),
    "more than there is": (asked(budget=25), "the sources that 'one' may be helped by hold 24 together"),
    "more than the caps": (asked(caps={"one": 3, "two": 4}), "hold 7 together: 'one', 'two'"),
    "more than the cap of all": (asked(caps=3), "hold 6 together: 'one', 'two'"),
    "more than others hold": (
        asked(budget=13) | {"trial": Trial(target_data="without")},
        "hold 12 together: 'two'",
    ),
    "nothing left": (asked(exclude=("one", "two")), "every source is excluded"),
}


@pytest.mark.parametrize(("make", "told"), FAULTS_OF_ITS_OWN.values(), ids=FAULTS_OF_ITS_OWN)
def test_what_is_no_request_is_refused(make, told):
    with pytest.raises((InputError, SettingsError)) as error:
        make()
    assert told in str(error.value)


@pytest.mark.parametrize(("about", "told"), FAULTS.values(), ids=FAULTS)
def test_faults_are_told_before_anything_is_computed(bench, tmp_path, about, told):
    with pytest.raises((InputError, SettingsError)) as error:
        realise(bench / "study.yaml", tmp_path / "out", **about)
    assert told in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("models={a: model, b: model}", "takes one model and one way of training; the study has 'a', 'b'"),
        ("variants={a: {}, b: {}}", "and the variants 'a', 'b'"),
        ("sources=[one]", "needs a study with two sources or more"),
    ],
)
def test_studies_it_cannot_take(bench, tmp_path, change, told):
    with pytest.raises(InputError) as error:
        realise(bench / "study.yaml", tmp_path / "out", REQUEST, overrides=[change])
    assert told in str(error.value)


@pytest.fixture(scope="module")
def grid(bench, tmp_path_factory):
    """The study's grid, as `run` leaves it."""
    out = tmp_path_factory.mktemp("grid") / "out"
    assert not run_study(bench / "study.yaml", out, overrides=CHANGES, quiet=True).failed
    return out


@pytest.fixture(scope="module")
def realised(bench, grid):
    before = written_files(grid)
    outcome = realise(bench / "study.yaml", grid, REQUEST, TRIAL, overrides=CHANGES, quiet=True)
    assert written_files(grid) == before  # a grid that is there is taken as it is
    return grid, outcome


def test_what_chooses_does_not_judge(realised):
    out, _ = realised
    choosing, judging = (
        pd.read_parquet(out / "realise" / half / "predictions.parquet") for half in ("choosing", "judging")
    )
    keys = [set(zip(half["target"], half["item"], strict=True)) for half in (choosing, judging)]
    assert not keys[0] & keys[1]
    assert len(keys[0]) == len(keys[1]) == 3 * 4
    assert set(choosing["kind"]) == {"base", "finetune"}
    assert set(judging["kind"]) == {"base", "finetune", "mixture"}


def test_mixtures_have_the_budget_and_seeds_of_their_own(realised):
    out, outcome = realised
    assert {choice.method: sum(choice.items.values()) for choice in outcome.choices} == {
        "best-single": 8, "uniform": 8, "direct": 8, "largest": 8,
    }  # fmt: skip
    judging = pd.read_parquet(out / "realise" / "judging" / "predictions.parquet")
    trained = judging[(judging["kind"] == "mixture") & ~judging["source"].str.startswith("merge-")]
    assert set(trained["seed"]) == {"4", "5"}
    assert set(judging.loc[judging["source"].str.startswith("merge-cat: "), "seed"]) == {"0", "3"}
    study = load_study(out / "realise" / "trained" / "study.yaml")
    assert study.mixtures[next(c.mixture for c in outcome.choices if c.method == "uniform")] == {
        "one": 4,
        "two": 4,
    }


def test_realised_values_are_those_of_the_judging_half(realised):
    out, outcome = realised
    judging = pd.read_parquet(out / "realise" / "judging" / "predictions.parquet")
    on_target = judging[judging["target"] == "one"]
    base = on_target.loc[on_target["kind"] == "base", "score"].mean()
    for row in outcome.judgement.realised.itertuples():
        own = on_target[on_target["source"] == row.mixture]
        assert len(own) == 2 * 4
        assert row.accuracy == pytest.approx(own["score"].mean())
        assert row.gain == pytest.approx(own["score"].mean() - base)
    assert not outcome.failed
    assert list(outcome.agreement["how"]) == ["cat"]


def test_seeds_are_fresh_where_a_source_has_more(bench, grid, tmp_path):
    out = shutil.copytree(grid, tmp_path / "out")
    trial = Trial(methods=("uniform",), n_seeds=1, merges=("cat",))
    more = ["more_seeds={one: [7]}", "more_items={count: 6}"]
    outcome = realise(
        bench / "study.yaml", out, Request(as_weights("two"), 8), trial, overrides=[*CHANGES, *more], quiet=True
    )
    assert not outcome.failed
    assert load_study(out / "realise" / "trained" / "study.yaml").seeds == (8,)
    for part in ("trained", "merged"):
        study = load_study(out / "realise" / part / "study.yaml")
        assert (study.more_seeds, study.more_items) == ({}, {"count": 6})


def test_what_cannot_be_trained_is_told(bench, tmp_path, monkeypatch):
    """Eight items of one source are two more than the grid takes; those are broken."""
    import tasktransfer.models.merging as merging

    folder, out = shutil.copytree(bench, tmp_path / "bench"), tmp_path / "out"
    rows = [json.loads(line) for line in (folder / "one" / "items.jsonl").read_text().splitlines()]
    broken = [row for row in rows if row["split"] == "train"][6:]
    for name in [name for row in broken for name in row["images"]]:
        path = folder / "one" / name
        path.write_bytes(path.read_bytes()[:-40])
    study, changes = folder / "study.yaml", ["controls=[]", "items.source=6"]
    trial = Trial(methods=("direct", "uniform"), n_seeds=1, merges=("cat", "ties"))
    with pytest.raises(InputError, match=r"none of the 1 recommended mixtures was trained.*not a readable image"):
        realise(study, out, REQUEST, replace(trial, methods=("direct",)), overrides=changes, quiet=True)

    merge = merging.merged_lora

    def fail(*given, how, **more):
        if how == "ties":
            raise InputError("no luck")
        return merge(*given, how=how, **more)

    monkeypatch.setattr(merging, "merged_lora", fail)
    outcome = realise(study, out, REQUEST, trial, overrides=changes, quiet=True)
    assert list(outcome.judgement.realised["method"]) == ["uniform"]
    assert outcome.judgement.realised["over_direct"].isna().all()
    assert sorted("merge" in cell for cell in outcome.failed) == [False, True]
    assert [told for cell, told in outcome.failed.items() if "merge" in cell] == ["InputError: no luck"]
    assert set(outcome.merges["how"]) == {"cat"}
    assert realised_lines(outcome)[-1] == "2 cells failed and are missing."


def test_a_killed_run_goes_on(bench, realised, tmp_path):
    grid, outcome = realised
    out = tmp_path / "out"
    shutil.copytree(grid, out)
    kept = written_files(out / "realise" / "trained")
    cell = next(path for path in (out / "realise" / "trained" / "cells").iterdir() if "seed5" in path.name)
    shutil.rmtree(cell / "adapter")
    next((cell / "answers").glob("*.parquet")).unlink()
    shutil.rmtree(out / "realise" / "merged")
    (out / "realise" / "judging" / "predictions.parquet").unlink()
    again = realise(bench / "study.yaml", out, REQUEST, TRIAL, overrides=CHANGES, quiet=True)
    pd.testing.assert_frame_equal(again.judgement.realised, outcome.judgement.realised)
    pd.testing.assert_frame_equal(again.merges, outcome.merges)
    others = {name for name in kept if cell.name not in name}
    assert {name: kept[name] for name in others} == {
        name: told for name, told in written_files(out / "realise" / "trained").items() if name in others
    }


@pytest.mark.slow
def test_two_processes_give_the_same(bench, realised, tmp_path):
    grid, _ = realised
    realise(bench / "study.yaml", tmp_path / "out", REQUEST, TRIAL, overrides=CHANGES, workers=2, quiet=True)
    for part in ("", "realise/trained", "realise/merged", "realise/judging"):
        assert table_bytes(tmp_path / "out" / part) == table_bytes(grid / part)


def test_the_command_writes_tables_figure_and_report(bench, realised, capsys):
    from tasktransfer.cli import app

    grid, outcome = realised
    sets = [part for change in CHANGES for part in ("--set", change)]
    arguments = ["realise", str(bench / "study.yaml"), "--out", str(grid), "--target", "one", "--budget", "8"]
    more = ["--methods", "best-single,uniform,direct,largest", "--seeds", "2", "--merge", "cat", "--quiet"]
    more += ["--protect", "count", "--cap", "12", "--confidence", "0.9"]
    app([*arguments, *more, *sets], standalone_mode=False)
    told = capsys.readouterr().out
    assert "uniform: gains" in told
    assert "Merging (cat) orders 3 pairs of mixture and target" in told
    written = pd.read_csv(grid / "realise" / "realised.csv")
    pd.testing.assert_series_equal(written["gain"], outcome.judgement.realised["gain"])
    wider = outcome.judgement.realised["gain_high"] - outcome.judgement.realised["gain_low"]
    assert (written["gain_high"] - written["gain_low"] < wider).all()  # 90 % against 95 %
    assert "Predicted 90% intervals hold" in told
    assert "Protected tasks" in told
    elsewhere = pd.read_csv(grid / "realise" / "elsewhere.csv")
    assert set(elsewhere.loc[elsewhere["protected"], "task"]) == {"count"}
    assert set(elsewhere.loc[elsewhere["trained_on"], "task"]) <= {"two"}
    for name in ("recommended", "elsewhere", "targets", "methods", "merges", "merge_agreement"):
        assert len(pd.read_csv(grid / "realise" / f"{name}.csv"))
    assert (grid / "realise" / "figures" / "realised.png").stat().st_size > 5000
    page = (grid / "realise" / "report.html").read_text()
    assert "with 90% intervals over items and seeds" in page
    assert 'id="realised"' in page
    assert page.count("<svg role") == 1
    assert "http-equiv" in page
    assert 'id="realised"' not in (grid / "realise" / "trained" / "study.yaml").read_text()
