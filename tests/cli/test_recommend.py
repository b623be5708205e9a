"""`tasktransfer recommend` as a user meets it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import yaml

import tasktransfer as tt
from tasktransfer.recommendation.figure import recommendation_numbers
from tasktransfer.recommendation.save import recommendation_lines, save_recommendation
from tasktransfer.tables import write_csv
from tests.commands import tasktransfer
from tests.recommendation.evidence import evidence_of
from tests.studies import random_counts


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("in") / "study.csv"
    pd.concat([random_counts(5, 3, seed=1, model="one"), random_counts(5, 3, seed=2, model="two")]).to_csv(
        path, index=False
    )
    return path


def test_tables_lead_to_a_recommendation_and_its_files(table, tmp_path):
    out = tmp_path / "deep" / "out"
    asked = ["--model", "two", "--target", "t1", "--target", "t2=0.5", "--budget", "90", "--protect", "t0"]
    result = tasktransfer("recommend", table, *asked, "--cap", "60", "--cap", "t3=40", "--out", out)
    assert result.returncode == 0, result.stderr
    told = json.loads((out / "recommendation.json").read_text(encoding="utf-8"))
    assert told["sentence"] in result.stdout
    assert told["targets"] == {"t1": pytest.approx(2 / 3), "t2": pytest.approx(1 / 3)}
    assert sum(told["items"].values()) == 90
    assert max(told["items"].values()) <= 60
    assert told["model"] == "two"
    study = yaml.safe_load((out / "mixture.yaml").read_text(encoding="utf-8"))
    assert study == {"mixtures": {"mixture-for-t1+t2": told["items"]}}
    items = pd.read_csv(out / "recommendation.csv")
    assert dict(zip(items["source"], items["items"], strict=True)) == told["items"]
    expected = pd.read_csv(out / "expected.csv", keep_default_na=False).set_index("task")
    assert expected.loc["t0", "role"] == "protected"
    assert len(pd.read_csv(out / "evidence.csv")) == 10
    figures = {path.name for path in (out / "figures").iterdir()}
    assert figures == {"recommendation.png", "recommendation.pdf", "recommendation.csv"}


def here(*arguments) -> tuple[int, str, str]:
    """Status, output and messages."""
    result = tasktransfer(*arguments)
    return result.returncode, result.stdout, result.stderr


def test_a_finished_analysis_is_read_as_it_was_saved(table, tmp_path):
    analysis = tt.analyze(tt.read_accuracies(table))
    write_csv(analysis.transfers, tmp_path / "transfers.csv")
    found = tt.recommend(analysis, "t4", 10, model="one", exclude_target_data=True)
    asked = ["--model", "one", "--target", "t4", "--budget", "10", "--exclude-target-data"]
    status, out, _ = here("recommend", tmp_path / "transfers.csv", *asked)
    assert (status, out.splitlines()[0]) == (0, found.sentence)
    assert "caution" not in out
    write_csv(analysis.diagnostics, tmp_path / "diagnostics.csv")
    (tmp_path / "summary.json").write_text("{}")
    status, out, _ = here("recommend", tmp_path, *asked)
    assert status == 0
    assert [line for line in out.splitlines() if line.startswith("caution")] == [
        f"caution: {c}" for c in found.cautions
    ]
    status, _, err = here("recommend", tmp_path, *asked, "--ceiling", "human")
    assert status == 2
    assert "a finished analysis" in err


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--target", "t1", "--budget", "5"], "several models, 'one', 'two': choose one"),
        (["--model", "one", "--target", "t11", "--budget", "5"], "no target 't11' (did you mean 't1'?)"),
        (["--model", "one", "--target", "t1=much", "--budget", "5"], "'t1=much': a target's weight is 'much'"),
        (["--model", "one", "--target", "t1", "--budget", "0"], "the budget is 0"),
        (["--model", "one", "--target", "t1", "--budget", "99", "--cap", "10"], "hold 50 together"),
        (["--model", "one", "--target", "t1", "--budget", "9", "--cap", "t1=x"], "'t1=x': a cap is 'x'"),
        (["--model", "one", "--target", "t1", "--budget", "9", "--cap", "-5"], "'-5': a cap is a whole number"),
        (
            ["--model", "one", "--target", "t1", "--budget", "9", "--cap", "t1=1", "--cap", "t1=2"],
            "more than once",
        ),
        (["--model", "one", "--target", "t1", "--target", "t1=2", "--budget", "9"], "more than once"),
        (["--model", "one", "--target", "t1", "--budget", "9", "--protect", "all", "--protect", "t0"], "already"),
        (["--model", "one", "--target", "t1", "--budget", "9", "--method", "topk"], "did you mean 'top-k'?"),
    ],
)
def test_what_is_wrong_is_told(table, asked, told):
    status, _, err = here("recommend", table, *asked)
    assert status == 2
    assert err.startswith("error: ")
    assert told in err


def test_the_figure_shows_what_counts_of_many_tasks(tmp_path):
    rng = np.random.default_rng(0)
    evidence = evidence_of(rng.normal(0, 0.1, (60, 60)))
    found = tt.recommend(evidence, ["t7", "t8"], 500, protect=["t1"], method="top-k")
    numbers = recommendation_numbers(found)
    tasks = numbers[numbers["panel"] == "expected"]
    assert len(tasks) == 40
    assert tasks["role"].to_list()[:3] == ["target", "target", "protected"]
    left_out = found.expected[~found.expected["task"].isin(["", *tasks["name"]])]
    others = tasks[tasks["role"] == "other"]
    assert left_out["pgf"].abs().max() <= others["value"].abs().min()
    fragment = save_recommendation(found, tmp_path)
    assert yaml.safe_load(fragment.read_text(encoding="utf-8"))["mixtures"][found.name] == found.items
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "figures" / "recommendation.csv")["value"].to_frame(), numbers[["value"]]
    )


def test_no_task_that_probably_loses_is_dropped_from_the_table():
    rng = np.random.default_rng(0)
    few = tt.recommend(evidence_of(rng.normal(0, 0.1, (20, 20))), "t7", 100)
    told = list(recommendation_lines(few))
    assert {f"t{n}" for n in range(20)} <= {line.split()[0] for line in told if line}
    assert not any("more task" in line for line in told)
    pgf = np.full((60, 60), 0.3)
    pgf[:, 40:45] = -0.01  # small and certain
    many = tt.recommend(evidence_of(pgf), "t7", 100)
    table = list(recommendation_lines(many))
    table = table[next(n for n, line in enumerate(table) if line.startswith("task ")) :]
    assert {f"t{n}" for n in range(40, 45)} <= {line.split()[0] for line in table}
    assert len([line for line in table if line.startswith("t") and line.endswith((" 0.000", " 1.000"))]) == 25
    assert "35 more tasks with smaller effects; --out writes all of them" in table
    assert "+0.30 to" not in "".join(table)  # of no known error no interval


def test_a_recommendation_beside_a_finished_analysis_leaves_it_whole(table, tmp_path):
    assert here("analyze", table, "--out", tmp_path)[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    asked = ["--model", "one", "--target", "t1", "--budget", "9", "--out", tmp_path]
    assert here("recommend", tmp_path, *asked)[0] == 0
    assert (tmp_path / "recommendation.json").is_file()
    assert {path: path.read_bytes() for path in before} == before
