"""A study of two tasks of one's own and a tiny model, and ways to look at its folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.tiny import colour_items, make_tiny, number_items, write_task

STUDY = """\
name: small
models: {tiny: model}
tasks: {one: one, two: two, count: count}
sources: [one, two]
targets: [one, two]
seeds: [0]
items: {source: 12, target: 8}
controls: [format-only]
optimisation: {steps: 4, batch: 4, lr: 0.01}
"""


@pytest.fixture(scope="session")
def bench(tmp_path_factory) -> Path:
    """A folder with a model, three tasks and a study file."""
    for needed in ("torch", "peft"):
        pytest.importorskip(needed, reason="the run side needs torch: pip install '.[models]'")
    folder = tmp_path_factory.mktemp("bench")
    make_tiny(folder / "model")
    write_task(folder / "one", colour_items(24))
    write_task(folder / "two", colour_items(24, seed=1))
    write_task(folder / "count", number_items(24))
    (folder / "study.yaml").write_text(STUDY)
    return folder


@pytest.fixture(scope="session")
def reference(bench, tmp_path_factory) -> Path:
    """The study run once, undisturbed, in this process."""
    from tasktransfer.study.run import run_study

    out = tmp_path_factory.mktemp("reference") / "out"
    result = run_study(bench / "study.yaml", out, quiet=True)
    assert not result.failed
    return out


def table_bytes(out: Path) -> bytes:
    return (out / "predictions.parquet").read_bytes()


def written_files(out: Path) -> dict[str, tuple[int, int]]:
    """Every file of every cell, with what tells a rewritten one."""
    return {
        str(path.relative_to(out)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in (out / "cells").rglob("*")
        if path.is_file() and ".partial" not in str(path) and path.name != "cell.json"
    }


def command(*arguments: str | Path, **options) -> subprocess.Popen[str]:
    """The command line as a process."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "tasktransfer.cli", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        **options,
    )
