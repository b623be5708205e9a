"""Every snippet of docs/tasks.md runs, on files in the released layouts."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasktransfer.study.file import check_study
from tasktransfer.study.item_sets import find_item_sets
from tasktransfer.tasks.benchmarks.blink import BLINK_REPO
from tasktransfer.tasks.benchmarks.vsi_bench import VSI_REPO
from tasktransfer.tasks.open_task import KNOWN_TASKS
from tests.commands import tasktransfer_process
from tests.tasks.own.test_hub_dataset import SCHEMA, rows
from tests.tasks.released import write_blink, write_training, write_vsi

pytest.importorskip("PIL.Image", reason="images need Pillow")

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def commands(program):
    return [line for block in blocks("sh") for line in block.splitlines() if line.startswith(f"{program} ")]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    place = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "examples", place / "examples")
    write_blink(place / "data" / "BLINK", "blink_jigsaw")
    write_vsi(place / "data" / "VSI-Bench")
    write_training(place / "data" / "training" / "blink_jigsaw")
    tables = place / "tables" / "shapes"
    tables.mkdir(parents=True)
    for split, start in (("train", 0), ("validation", 100)):
        table = pa.Table.from_pylist(rows(12, start=start), schema=SCHEMA)
        pq.write_table(table, tables / f"{split}-00000-of-00001.parquet")
    for block in (*blocks("yaml"), *blocks("python")):
        if name := re.match(r"# (\S+\.\w+)\n", block):
            (place / name[1]).write_text(block)
    return place


@pytest.mark.parametrize("command", commands("tasktransfer"))
def test_commands_run(command, workplace):
    told = tasktransfer_process(*shlex.split(command)[1:], cwd=workplace)  # which finds modules where it stands
    assert told.returncode == 0, told.stderr
    assert "test: " in told.stdout


def test_python_runs(workplace):
    snippet = next(block for block in blocks("python") if not block.startswith("# my_lab.py"))
    out = subprocess.run(
        [sys.executable, "-c", snippet], cwd=workplace, capture_output=True, text=True, check=True
    ).stdout
    assert out.startswith("blink_jigsaw: no folder of training items is named")
    assert "\n150 Look at item 1." in out
    assert "\n12 " in out


@pytest.mark.parametrize("text", [block for block in blocks("yaml") if block.startswith("name:")])
def test_studies_find_their_items(text, workplace):
    study = check_study(text, folder=workplace)
    found = find_item_sets(study, here_only=True)
    assert not found.missing
    assert set(found.sources) | set(found.targets) == {*study.sources, *study.targets}
    wanted = {"blink_jigsaw": 150}.get(study.targets[0], study.items.target)
    assert found.targets[study.targets[0]].n_items == wanted


def test_downloads_are_those_of_the_errors():
    data = Path("data")
    assert commands("hf") == [BLINK_REPO.command(data / "BLINK"), VSI_REPO.command(data / "VSI-Bench")]


def test_tasks_that_are_named_exist():
    named = set(re.findall(r"`((?:blink|vsi|toy)_\w+)`", TEXT))
    assert len(named) > 20
    assert named <= set(KNOWN_TASKS)
    assert {name for name in KNOWN_TASKS if name.startswith("blink_")} <= named


def test_linked_files_exist():
    for link in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / "docs" / link).exists(), link
