"""From a study to what its recommendations are worth, on a tiny model; and again where a run was killed."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.study.realise import Wish, realise
from tasktransfer.study.run import run_study
from tasktransfer.study.study_file import load_study
from tests.study.conftest import table_bytes, written_files

WISH = Wish(("one",), 8, methods=("best-single", "uniform", "direct", "largest"), n_seeds=2, merges=("cat",))
CHANGES = ["controls=[]", "targets=[one, two, count]", "seeds=[0, 3]"]

FAULTS = {
    "unknown target": (Wish(("oen",), 8), "'oen' is no target of the study (did you mean 'one'?)"),
    "no target": (Wish((), 8), "no target is named"),
    "no budget": (Wish(("one",), 0), "the budget is 0; accepted is a whole number of items from 1"),
    "less than no budget": (Wish(("one",), -4), "the budget is -4"),
    "unknown method": (Wish(("one",), 8, methods=("direkt",)), "no method 'direkt' (did you mean 'direct'?)"),
    "unknown way": (Wish(("one",), 8, merges=("tise",)), "no way of merging 'tise' (did you mean 'ties'?)"),
    "target data": (Wish(("one",), 8, target_data="none"), "there are with, without, both"),
    "no seeds": (Wish(("one",), 8, n_seeds=0), "seeds is 0; accepted is a whole number from 1"),
    "no random": (Wish(("one",), 8, n_random=0), "random is 0; accepted is a whole number from 1"),
}


@pytest.mark.parametrize(("wish", "told"), FAULTS.values(), ids=FAULTS)
def test_faults_are_told_before_anything_is_computed(bench, tmp_path, wish, told):
    with pytest.raises((InputError, SettingsError)) as error:
        realise(bench / "study.yaml", tmp_path / "out", wish)
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
        realise(bench / "study.yaml", tmp_path / "out", Wish(("one",), 8), overrides=[change])
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
    outcome = realise(bench / "study.yaml", grid, WISH, overrides=CHANGES, quiet=True)
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
    again = realise(bench / "study.yaml", out, WISH, overrides=CHANGES, quiet=True)
    pd.testing.assert_frame_equal(again.judgement.realised, outcome.judgement.realised)
    pd.testing.assert_frame_equal(again.merges, outcome.merges)
    others = {name for name in kept if cell.name not in name}
    assert {name: kept[name] for name in others} == {
        name: told for name, told in written_files(out / "realise" / "trained").items() if name in others
    }


@pytest.mark.slow
def test_two_processes_give_the_same(bench, realised, tmp_path):
    grid, _ = realised
    realise(bench / "study.yaml", tmp_path / "out", WISH, overrides=CHANGES, workers=2, quiet=True)
    for part in ("", "realise/trained", "realise/merged", "realise/judging"):
        assert table_bytes(tmp_path / "out" / part) == table_bytes(grid / part)


def test_the_command_writes_tables_figure_and_report(bench, realised, capsys):
    from tasktransfer.cli import app

    grid, outcome = realised
    sets = [part for change in CHANGES for part in ("--set", change)]
    arguments = ["realise", str(bench / "study.yaml"), "--out", str(grid), "--target", "one", "--budget", "8"]
    more = ["--methods", "best-single,uniform,direct,largest", "--seeds", "2", "--merge", "cat", "--quiet"]
    app([*arguments, *more, *sets], standalone_mode=False)
    told = capsys.readouterr().out
    assert "uniform: gains" in told
    assert "Merging (cat) orders 3 pairs of mixture and target" in told
    written = pd.read_csv(grid / "realise" / "realised.csv")
    pd.testing.assert_series_equal(written["gain"], outcome.judgement.realised["gain"])
    for name in ("recommended", "elsewhere", "targets", "methods", "merges", "merge_agreement"):
        assert len(pd.read_csv(grid / "realise" / f"{name}.csv"))
    assert (grid / "realise" / "figures" / "realised.png").stat().st_size > 5000
    page = (grid / "realise" / "report.html").read_text()
    assert 'id="realised"' in page
    assert page.count("<svg role") == 1
    assert "http-equiv" in page
    assert 'id="realised"' not in (grid / "realise" / "trained" / "study.yaml").read_text()
