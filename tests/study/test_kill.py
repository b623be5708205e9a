"""A run killed at random moments: nothing finished is lost or done twice, and the same command completes it."""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np
import pytest

from tasktransfer.study.store import Store
from tests.bench import command, table_bytes, written_files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")


def recorded(out) -> dict[str, tuple[int, int]]:
    """The files that count as finished, with what tells a rewritten one."""
    if not (out / "study.json").is_file():
        return {}
    store, files = Store(out), written_files(out)
    kept = {}
    for cell in store.read_plan().unique_cells:
        folder = f"cells/{cell.key}"
        shards = [f"{folder}/answers/{shard.key}.parquet" for shard in cell.shards if store.has_shard(cell, shard)]
        weights = f"{folder}/adapter/adapter_model.safetensors"
        kept |= {name: files[name] for name in shards}
        if cell.kind != "base" and store.is_trained(cell):
            kept[weights] = files[weights]
    return kept


def run_and_kill(study, out, workers: int, random: np.random.Generator) -> bool:
    """Start the run, kill it at a random moment of its work; whether it came to its end before."""
    log = out / "run.log"
    lines = log.read_text().count("cells:") if log.is_file() else 0
    process = command("run", study, "--out", out, "--workers", str(workers), start_new_session=True)
    while process.poll() is None and not (log.is_file() and log.read_text().count("cells:") > lines):
        time.sleep(0.02)
    delay = random.exponential(0.5 if workers == 1 else 3.0)
    deadline = time.monotonic() + delay
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    ended = process.poll() is not None
    if not ended:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return ended


def kill_through(study, out, *, kills: int, workers: int) -> None:
    random = np.random.default_rng(kills + workers)
    done: dict[str, tuple[int, int]] = {}
    for _ in range(kills):
        ended = run_and_kill(study, out, workers, random)
        time.sleep(0.3)  # the processes of a killed run end with it
        now = recorded(out)
        assert {name: now.get(name) for name in done} == done
        done = now
        if ended:
            break
    process = command("run", study, "--out", out, "--workers", str(workers))
    told, _ = process.communicate()
    assert process.returncode == 0, told
    final = recorded(out)
    assert {name: final[name] for name in done} == done
    assert not list(out.rglob(".*partial*"))


def test_a_run_killed_three_times_completes(bench, reference, tmp_path):
    kill_through(bench / "study.yaml", tmp_path / "out", kills=3, workers=1)
    assert table_bytes(tmp_path / "out") == table_bytes(reference)


@pytest.mark.slow
def test_a_run_killed_thirty_times_completes(bench, tmp_path):
    longer = bench / "longer.yaml"
    text = (bench / "study.yaml").read_text().replace("seeds: [0]", f"seeds: {list(range(12))}")
    longer.write_text(text.replace("steps: 4", "steps: 40"))
    kill_through(longer, tmp_path / "out", kills=15, workers=2)
    kill_through(longer, tmp_path / "alone", kills=15, workers=1)
    assert table_bytes(tmp_path / "out") == table_bytes(tmp_path / "alone")
