"""`predict` on finished runs of a tiny model: tables, figure and a word on what to trust."""

from __future__ import annotations

import json
import shutil
from itertools import product

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tasktransfer.cli import app
from tests.models.tiny import colour_items, make_tiny, write_task
from tests.studies import random_counts

STUDY = """\
name: early
models: {tiny: model}
tasks: {a: a, b: b, c: c, d: d}
sources: [a, b, c, d]
seeds: [0]
items: {source: 8, target: 8}
optimisation: {steps: 4, batch: 2, lr: 0.01}
variants: {whole: {}, half: {optimisation: {stop: 0.5}}}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")
    from tasktransfer.study.run import run_study

    folder = tmp_path_factory.mktemp("predict")
    make_tiny(folder / "model")
    for number, name in enumerate("abcd"):
        write_task(folder / name, colour_items(16, seed=number))
    (folder / "study.yaml").write_text(STUDY)
    assert not run_study(folder / "study.yaml", folder / "out", quiet=True).failed
    return folder / "out"


def predicted(*arguments):
    told = CliRunner().invoke(app, ["predict", *map(str, arguments)])
    assert told.exit_code == 0, told.output + repr(told.exception)
    return told.output


def test_gradients_and_early_steps_are_judged(finished, tmp_path):
    shares = ("--measured", 0.5, "--repeats", 2)
    words = predicted(finished, "--out", tmp_path / "p", "--items", 4, "--draws", 1, *shares)
    table = pd.read_csv(tmp_path / "p" / "prediction.csv")
    assert set(table["model"]) == {"tiny / whole"}
    free = table[table["holes"] == "all"].set_index("estimate")
    assert set(free.index) == {
        "gradient inner product", "gradient cosine", "gradient, Adam's first step", "linearised model",
        "50% of the steps",
    }  # fmt: skip
    # half the steps and all of the asking
    assert 0.5 < free.loc["50% of the steps", "cost"] < 1
    assert 0 < free.loc["gradient cosine", "cost"] < free.loc["linearised model", "cost"]
    cells = pd.read_csv(tmp_path / "p" / "prediction_cells.csv")
    assert len(cells) == 16
    told = json.loads((tmp_path / "p" / "prediction.json").read_text())
    assert all(sentence in words for sentence in told["sentences"])
    assert (tmp_path / "p" / "prediction.png").stat().st_size > 10_000

    shutil.copytree(tmp_path / "p", tmp_path / "kept")
    again = tmp_path / "kept" / "gradients.csv"
    predicted(finished, "--out", tmp_path / "q", "--gradients", again, *shares)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "q" / "prediction.csv"), table)


def test_a_table_is_enough_for_completion(tmp_path):
    random_counts(6, 2).to_csv(tmp_path / "table.csv", index=False)
    words = predicted(tmp_path / "table.csv", "--out", tmp_path / "p", "--repeats", 2)
    assert "With 50% of the cells measured" in words
    table = pd.read_csv(tmp_path / "p" / "prediction.csv")
    assert "other half of the seeds" in set(table["estimate"])
    assert table["cost"].dropna().isin([0.0, 0.5]).all()  # of completions it is not known


def test_an_unknown_model_is_told(tmp_path):
    random_counts(4, 1).to_csv(tmp_path / "table.csv", index=False)
    told = CliRunner().invoke(
        app, ["predict", str(tmp_path / "table.csv"), "--out", str(tmp_path), "--model", "M"]
    )
    assert "no model 'M'" in str(told.exception)


def refused(*arguments):
    return str(CliRunner().invoke(app, ["predict", *map(str, arguments)]).exception)


def test_what_a_gradients_file_of_another_model_cost_is_not_known(finished, tmp_path):
    names = ["a", "b", "c", "d"]
    rows = [
        ("tiny / whole", i, j, 0.1, number / 16, 0.1, np.nan)
        for number, (i, j) in enumerate(product(names, names))
    ]
    columns = ["model", "source", "target", "inner", "cosine", "sign_inner", "linear"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "gradients.csv", index=False)
    (tmp_path / "gradients.json").write_text('{"another|mean": 5.0}')
    given = ("--gradients", tmp_path / "gradients.csv", "--measured", 0.5, "--repeats", 1)
    predicted(finished, "--out", tmp_path / "p", *given)
    table = pd.read_csv(tmp_path / "p" / "prediction.csv")
    assert table.loc[table["estimate"] == "gradient cosine", "cost"].isna().all()
    assert table.loc[table["estimate"] == "50% of the steps", "cost"].notna().all()


def test_options_that_would_change_nothing_are_refused(tmp_path):
    table = tmp_path / "table.csv"
    told = refused(table, "--out", tmp_path, "--gradients", tmp_path / "g.csv", "--items", 8)
    assert "--gradients and --items do not go together" in told
    told = refused(table, "--out", tmp_path, "--no-gradients", "--draws", 2)
    assert "--no-gradients and --draws do not go together" in told
    assert "--items is 0" in refused(table, "--out", tmp_path, "--items", 0)


def test_a_file_where_the_folder_should_be_is_told(finished, tmp_path):
    (tmp_path / "f.txt").write_text("kept")
    assert "f.txt: is a file; the output needs a folder" in refused(finished, "--out", tmp_path / "f.txt")
    assert "inside: cannot be written" in refused(finished, "--out", tmp_path / "f.txt" / "inside")
    assert (tmp_path / "f.txt").read_text() == "kept"


def test_a_share_that_is_too_small_is_refused_before_gradients(finished, tmp_path):
    told = refused(finished, "--out", tmp_path / "p", "--measured", 0.25)
    assert "--measured 0.25 is too small: 1 of 4 sources" in told
    assert "the least is --measured 0.5" in told
    assert "--measured 1.5: a share is accepted in (0, 1)" in refused(
        finished, "--out", tmp_path / "p", "--measured", 1.5
    )
    assert not (tmp_path / "p").exists()


def test_default_shares_are_those_that_the_grid_allows(tmp_path):
    random_counts(4, 1).to_csv(tmp_path / "table.csv", index=False)
    words = predicted(tmp_path / "table.csv", "--out", tmp_path / "p", "--repeats", 1)
    assert "--measured 0.5 is the least that this grid allows" in words
    assert set(pd.read_csv(tmp_path / "p" / "prediction.csv")["measured"]) <= {0.0, 0.5}
    random_counts(3, 1).to_csv(tmp_path / "table.csv", index=False)
    told = refused(tmp_path / "table.csv", "--out", tmp_path / "q")
    assert "6 cells are measured off the diagonal; at least 8 are needed, as of four tasks" in told
    assert not (tmp_path / "q").exists()


def test_gradients_that_fail_leave_no_empty_folder(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    study = json.loads((run / "study.json").read_text())
    study["study"]["models"]["tiny"]["weights"] = str(
        shutil.copytree(finished.parent / "model", tmp_path / "model")
    )
    (run / "study.json").write_text(json.dumps(study))
    for path in (tmp_path / "model").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:1000])
    refused(run, "--out", tmp_path / "p", "--measured", 0.5, "--items", 2, "--draws", 1)
    assert not (tmp_path / "p").exists()


def test_a_table_of_transfers_is_refused_with_what_is_taken(tmp_path):
    from tasktransfer.analysis.analyze import analyze
    from tasktransfer.importers.inputs import read_accuracies
    from tasktransfer.report.save import save_analysis

    random_counts(4, 1).to_csv(tmp_path / "table.csv", index=False)
    report = tmp_path / "report"
    save_analysis(analyze(read_accuracies(tmp_path / "table.csv")), report)
    told = refused(report / "transfers.csv", "--out", tmp_path / "p")
    assert "holds means over seeds" in told
    assert f"a finished analysis (here {report})" in told
    predicted(report, "--out", tmp_path / "p", "--repeats", 1)
