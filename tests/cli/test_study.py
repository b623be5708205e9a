"""The commands as a user meets them."""

from __future__ import annotations

import shutil

import pytest

from tests.bench import table_bytes
from tests.commands import tasktransfer


def ran(*arguments):
    """Status, and all that was printed."""
    result = tasktransfer(*arguments)
    return result.returncode, result.stdout + result.stderr


def test_init_plan_run_status_report(bench, reference, tmp_path):
    file, out = tmp_path / "study.yaml", tmp_path / "out"
    code, told = ran("init", file)
    assert code == 0
    assert "tasktransfer run" in told
    code, told = ran("init", file)
    assert (code, "is there already" in told) == (2, True)
    code, told = ran("plan", file)
    assert code == 0
    assert "4 finetunes" in told
    code, told = ran("run", bench / "study.yaml", "--out", out)
    assert code == 0
    assert f"Report: {out / 'report' / 'report.html'}" in told
    assert table_bytes(out) == table_bytes(reference)
    code, told = ran("status", out)
    assert code == 0
    assert "2 finetunes, 2 finished" in told
    code, told = ran("report", out)
    assert code == 0
    assert (out / "report" / "report.html").stat().st_size > 10_000


def test_a_failure_shows_in_the_exit_status_and_can_be_tried_again(bench, reference, tmp_path):
    folder, out = shutil.copytree(bench, tmp_path / "bench"), tmp_path / "out"
    shutil.copytree(reference, out)
    for path in (folder / "model").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:1000])
    code, told = ran("run", folder / "study.yaml", "--out", out, "--quiet")
    assert code == 1
    assert f"`tasktransfer status {out}` shows why" in told
    code, told = ran("status", out)
    assert "2 finetunes, 0 finished, 2 failed" in told
    assert "  failed    tiny-one-seed0-" in told
    assert "cannot be loaded" in told
    for path in (bench / "model").glob("*.safetensors"):
        shutil.copy(path, folder / "model")
    code, told = ran("run", folder / "study.yaml", "--out", out, "--quiet")
    assert code == 0
    assert table_bytes(out) == table_bytes(reference)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "nowhere.yaml", "--out", "x"], "nowhere.yaml: cannot be read"),
        (["status", "nowhere"], "is not the folder of a study"),
        (["retry", "nowhere"], "is not the folder of a study"),
        (["report", "nowhere"], "is not the folder of a study"),
        (["run", "nowhere.yaml"], "Missing option"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments, told):
    code, output = ran(*arguments)
    assert code == 2
    assert told in output
