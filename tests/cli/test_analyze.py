"""The command line as a user meets it: a process, files, exit codes and messages."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from tasktransfer.analysis.cliques import split_names
from tests.commands import tasktransfer, tasktransfer_process
from tests.studies import random_counts

TABLES = ["pgf", "transfers", "tasks", "cliques", "edges", "ceilings", "decomposition", "diagnostics"]


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=[""])


def refused(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert len(result.stderr.encode()) < 4000
    assert result.stderr.startswith("error: ")
    return result.stderr


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("in") / "study.csv"
    pd.concat([random_counts(5, 3, seed=1, model="one"), random_counts(5, 3, seed=2, model="two")]).to_csv(
        path, index=False
    )
    return path


@pytest.fixture(scope="module")
def analyzed(table, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("out") / "deep" / "folder"
    result = tasktransfer("analyze", table, "--out", out)
    assert result.returncode == 0, result.stderr
    assert str(out / "report.html") in result.stdout
    return out


def test_everything_promised_is_written(analyzed):
    for name in TABLES:
        assert len(read(analyzed, name))
    summary = json.loads((analyzed / "summary.json").read_text())
    assert summary["settings"] == {
        "ceiling": "perfect", "include_self": False, "on": "raw", "top_share": 0.2, "confidence": 0.95,
        "margin": 0.05, "seed": 0,
    }  # fmt: skip
    assert {"tasktransfer", "numpy", "pandas"} <= set(summary["versions"])
    assert (analyzed / "report.html").stat().st_size > 10_000
    for figure in summary["figures"]:
        for suffix in ("pdf", "png", "csv"):
            assert (analyzed / "figures" / f"{figure}.{suffix}").stat().st_size
    assert not list(analyzed.glob(".partial*"))


def test_tables_agree_with_each_other(analyzed, table):
    given = pd.read_csv(table)
    pgf, transfers = read(analyzed, "pgf"), read(analyzed, "transfers")
    assert len(pgf) == (given["source"].notna()).sum()
    mean = pgf.groupby(["model", "source", "target"])["pgf"].mean()
    ours = transfers.set_index(["model", "source", "target"])["pgf"]
    assert np.allclose(ours, mean.reindex(ours.index), atol=1e-12)
    graph = nx.read_graphml(analyzed / "graph.graphml", force_multigraph=True)
    assert graph.number_of_edges() == len(read(analyzed, "edges"))


def test_same_input_same_bytes(tmp_path):
    random_counts(3, 2).to_csv(tmp_path / "few.csv", index=False)
    for seed in "13":  # of hashes, and so of the order of sets
        result = tasktransfer_process(
            "analyze", tmp_path / "few.csv", "--out", tmp_path / seed, PYTHONHASHSEED=seed
        )
        assert result.returncode == 0, result.stderr
    one, other = tmp_path / "1", tmp_path / "3"
    for path in sorted(path for path in one.rglob("*") if path.is_file()):
        assert path.read_bytes() == (other / path.relative_to(one)).read_bytes(), path.name


def test_options_reach_the_result(tmp_path):
    random_counts(3, 2).to_csv(tmp_path / "few.csv", index=False)
    result = tasktransfer(
        "analyze", tmp_path / "few.csv", "--out", tmp_path / "out",
        "--ceiling", "best-observed", "--include-self", "--on", "interaction",
        "--top-share", "0.5", "--confidence", "0.9", "--margin", "0.02", "--seed", "7",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    settings = json.loads((tmp_path / "out" / "summary.json").read_text())["settings"]
    assert settings == {
        "ceiling": "best-observed", "include_self": True, "on": "interaction", "top_share": 0.5,
        "confidence": 0.9, "margin": 0.02, "seed": 7,
    }  # fmt: skip
    assert set(read(tmp_path / "out", "edges")["on"]) == {"interaction"}
    assert (read(tmp_path / "out", "pgf")["ceiling"] < 1).any()


def test_hostile_names_come_back_as_given(tmp_path):
    names = [
        "</script><b>",
        "a;b%3B",
        "$\\frac{",
        "new\nline",
        "NA",
        "=1+1",
        "任务 🙂",
        "x" * 300,
        "\x01",
        "__proto__",
    ]
    frame = random_counts(len(names), 2, seed=4, tasks=names, model="<i>&m")
    frame.to_csv(tmp_path / "t.csv", index=False)
    result = tasktransfer("analyze", tmp_path / "t.csv", "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    tasks = read(tmp_path / "out", "tasks")
    assert tasks["task"].tolist() == names
    assert set(tasks["model"]) == {"<i>&m"}
    listed = {name for text in read(tmp_path / "out", "cliques")["tasks"] for name in split_names(text)}
    assert listed <= set(names)
    assert len(listed) > 2
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "</script><b>" not in page
    assert "<i>&m" not in page


@pytest.mark.parametrize("n_tasks", [2, 3])
def test_small_studies_pass(n_tasks, tmp_path):
    random_counts(n_tasks, 1).to_csv(tmp_path / "t.csv", index=False)
    result = tasktransfer("analyze", tmp_path / "t.csv", "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr


def test_few_sources_on_many_targets(tmp_path):
    frame = random_counts(8, 2)
    frame[(frame["source"] == "") | frame["source"].isin(["t0", "t1"])].to_csv(tmp_path / "t.csv", index=False)
    result = tasktransfer("analyze", tmp_path / "t.csv", "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    tasks = read(tmp_path / "out", "tasks").set_index("task")
    assert tasks["transferability_pos"].notna().tolist() == [True, True, *[False] * 6]
    assert tasks["malleability_pos"].notna().all()


def test_a_matrix_with_no_defined_cell_is_reported_not_invented(tmp_path):
    frame = random_counts(3, 1)
    frame.loc[frame["source"] == "", "n_correct"] = 100
    frame.to_csv(tmp_path / "t.csv", index=False)
    result = tasktransfer("analyze", tmp_path / "t.csv", "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert read(tmp_path / "out", "transfers")["pgf"].isna().all()
    assert "No transfer can be measured" in result.stdout


def test_refusals_are_short_and_write_nothing(table, tmp_path):
    out = tmp_path / "out"
    assert "no such file" in refused(tasktransfer("analyze", tmp_path / "none.csv", "--out", out))
    assert "not a run" in refused(tasktransfer("analyze", tmp_path, "--out", out))
    assert "accepted are" in refused(tasktransfer("analyze", table, "--out", out, "--ceiling", "perfekt"))
    assert "accepted are" in refused(tasktransfer("analyze", table, "--out", out, "--on", "both"))
    assert "top share" in refused(tasktransfer("analyze", table, "--out", out, "--top-share", "0"))
    assert "valid number" in refused(tasktransfer("analyze", table, "--out", out, "--confidence", "high"))
    assert "analyze" in refused(tasktransfer("analyse", table))
    long_name = "n" * 20_000
    frame = random_counts(2, 1)
    frame[frame["source"] != ""].assign(model=long_name).to_csv(tmp_path / "long.csv", index=False)
    assert "no baseline" in refused(tasktransfer("analyze", tmp_path / "long.csv", "--out", out))
    assert not out.exists()


def test_places_that_cannot_be_written(table, tmp_path):
    (tmp_path / "file").write_text("x")
    assert "is a file" in refused(tasktransfer("analyze", table, "--out", tmp_path / "file"))
    assert "cannot be written" in refused(tasktransfer("analyze", table, "--out", tmp_path / "file" / "below"))
    result = tasktransfer("compare", table, table, "--out", tmp_path / "file")
    assert "is a file" in refused(result)
    assert result.stdout == ""
    copy = tmp_path / "pgf.csv"
    copy.write_bytes(table.read_bytes())
    assert "choose another" in refused(tasktransfer("analyze", copy, "--out", tmp_path))
    assert copy.read_bytes() == table.read_bytes()


def test_an_analysis_is_itself_an_input_and_replaces_an_older_one(analyzed, tmp_path):
    out = tmp_path / "out"
    random_counts(2, 1, model="old").to_csv(tmp_path / "old.csv", index=False)
    assert tasktransfer("analyze", tmp_path / "old.csv", "--out", out).returncode == 0
    (out / "notes.txt").write_text("mine")
    assert any("old" in path.name for path in (out / "figures").iterdir())
    assert tasktransfer("analyze", analyzed, "--out", out).returncode == 0
    assert (out / "notes.txt").read_text() == "mine"
    assert not any("old" in path.name for path in (out / "figures").iterdir())
    assert (out / "tasks.csv").read_bytes() == (analyzed / "tasks.csv").read_bytes()


def test_a_failing_analysis_leaves_the_old_one_whole(analyzed, tmp_path):
    import shutil

    from tasktransfer.files import output_folder

    out = tmp_path / "out"
    shutil.copytree(analyzed, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    def fail_midway() -> None:
        with output_folder(out) as made:
            (made / "pgf.csv").write_text("half")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail_midway()
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_compare_tells_and_writes(analyzed, table, tmp_path):
    result = tasktransfer("compare", analyzed, table, "--out", tmp_path / "cmp")
    assert result.returncode == 0, result.stderr
    assert "A one against B one" in result.stdout
    assert "signs agree in 100%" in result.stdout
    cells = read(tmp_path / "cmp", "cells")
    assert len(cells) == 2 * 25
    assert (cells["difference"] == 0).all()
    assert json.loads((tmp_path / "cmp" / "summary.json").read_text())["pairs"][0]["n_cells"] == 20
    assert (tmp_path / "cmp" / "figures" / "cells.pdf").stat().st_size


@pytest.mark.slow
def test_released_tables_in_one_command(published_inputs, tmp_path):
    result = tasktransfer("analyze", *published_inputs, "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    edges = read(tmp_path, "edges")
    assert edges[edges["model"] == "32B"]["sign"].value_counts().to_dict() == {"positive": 23, "negative": 10}
    assert "Most of the transfer is a target effect in 32B" in result.stdout


def test_power_plans_a_study():
    result = tasktransfer("power", "--items", "130", "--seeds", "1", "--seed-sd", "0", "--gain", "0.03")
    assert result.returncode == 0, result.stderr
    assert "one cell alone: 9.6 points, PGF 0.19" in result.stdout
    assert "one of 156 cells: 15." in result.stdout
    assert "accepted" in refused(tasktransfer("power", "--items", "1"))
    assert "accepted" in refused(tasktransfer("power", "--baseline", "1"))


def test_options_that_would_be_ignored_are_refused(table, tmp_path):
    told = refused(tasktransfer("power", "--study", table, "--gain", "0.03", "--seed-sd", "0.01"))
    assert "--seed-sd, --gain have no effect beside --study" in told
    told = refused(tasktransfer("demo", "--simulated", "--quick", "--out", tmp_path / "demo"))
    assert "--quick has no effect beside --simulated" in told
    assert not (tmp_path / "demo").exists()


def test_an_empty_output_folder_is_refused_by_every_command(tmp_path):
    ask = ["--target", "t", "--budget", "1"]
    for arguments in (
        ["analyze", "x.csv"],
        ["compare", "x.csv", "x.csv"],
        ["demo"],
        ["recommend", "x.csv", *ask],
        ["similarity", "x"],
        ["predict", "x"],
        ["plan", "x.yaml"],
        ["run", "x.yaml"],
        ["realise", "x.yaml", *ask],
        ["build-train", "blink_jigsaw", "--from", "x"],
    ):
        told = refused(tasktransfer(*arguments, "--out", "", cwd=tmp_path))
        assert "output folder is the empty text" in told, arguments[0]


def test_power_of_a_finished_study_needs_items(table):
    assert "item-level predictions" in refused(tasktransfer("power", "--study", table))


def test_demo_brings_the_truth_back(tmp_path):
    result = tasktransfer("demo", "--simulated", "--out", tmp_path / "demo")
    assert result.returncode == 0, result.stderr
    assert "How much of the truth came back" in result.stdout
    assert "not found" not in result.stdout
    assert (tmp_path / "demo" / "report.html").is_file()
    assert result.stdout.rstrip().endswith("report.html")
    seen = tasktransfer("power", "--study", tmp_path / "demo")
    assert "median of 156 cells: 400 items, 4 seeds" in seen.stdout
