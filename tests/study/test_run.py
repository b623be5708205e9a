"""One study, many ways to run it: the same table each time, and nothing done twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tasktransfer.errors import InputError, OutputError, SettingsError
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.similarity.adapters import run_adapters
from tasktransfer.study.checks import Check, unhelped
from tasktransfer.study.lock import locked
from tasktransfer.study.run import resume_study, run_study
from tasktransfer.study.store import PREDICTIONS, Store
from tests.bench import table_bytes, written_files
from tests.models.tiny import colour_items


def copied(reference, tmp_path):
    return shutil.copytree(reference, tmp_path / "out", copy_function=shutil.copy2)


def cells_of(out, word):
    return [path for path in (out / "cells").iterdir() if word in path.name]


def test_the_table_has_one_row_a_model_target_item_and_scorer(reference):
    table = pd.read_parquet(reference / "predictions.parquet")
    key = ["model", "kind", "source", "seed", "target", "item", "scorer"]
    assert not table.duplicated(key).any()
    assert len(table) == 4 * 2 * 8  # untouched, two finetunes, one control; two targets of eight items
    assert set(table["kind"]) == {"base", "finetune", "control"}
    assert (table["correct"] == (table["predicted"] == table["answer"])).all()
    best = [np.argmax(values) for values in table["option_loglikelihoods"]]
    assert ["ABCD"[place] for place in best] == table["predicted"].tolist()
    assert pq.read_schema(reference / "predictions.parquet").equals(PREDICTIONS)


def test_the_analysis_side_reads_the_folder(reference):
    accuracies = read_accuracies(reference)
    assert (accuracies.table["kind"] == "control").sum() == 2
    assert accuracies.items is not None


def test_a_finished_study_is_not_touched(bench, reference, tmp_path):
    out = copied(reference, tmp_path)
    before = written_files(out)
    run_study(bench / "study.yaml", out, quiet=True)
    assert written_files(out) == before
    assert table_bytes(out) == table_bytes(reference)


def test_nothing_that_changes_from_run_to_run_is_stored(reference):
    import socket

    for path in [reference / "predictions.parquet", *(reference / "cells").rglob("*")]:
        if path.is_file():
            assert str(reference).encode() not in path.read_bytes()
            assert socket.gethostname().encode() not in path.read_bytes() or len(socket.gethostname()) < 4


@pytest.mark.parametrize("harm", ["deleted", "truncated", "altered"])
@pytest.mark.parametrize("what", ["answers/*.parquet", "adapter/adapter_model.safetensors"])
def test_damage_is_told_and_mended(reference, tmp_path, harm, what, capsys):
    out = copied(reference, tmp_path)
    victim = sorted(cells_of(out, "one-seed0")[0].glob(what))[0]
    content = victim.read_bytes()
    if harm == "deleted":
        victim.unlink()
    else:
        victim.write_bytes(content[:-9] if harm == "truncated" else content[:-1] + bytes([content[-1] ^ 1]))
    before = written_files(out)
    resume_study(out)
    told = capsys.readouterr().err
    assert victim.name in told
    assert {"deleted": "is gone", "truncated": "bytes instead of", "altered": "other content"}[harm] in told
    assert table_bytes(out) == table_bytes(reference)
    rewritten = {name for name, stamp in written_files(out).items() if before.get(name) != stamp}
    assert {name.split("/")[1] for name in rewritten} == {victim.relative_to(out).parts[1]}


def test_a_record_that_cannot_be_read_is_work_to_do(reference, tmp_path):
    out = copied(reference, tmp_path)
    record = cells_of(out, "one-seed0")[0] / "trained.json"
    record.write_text("{")
    resume_study(out, quiet=True)
    assert json.loads(record.read_text())["files"]
    assert table_bytes(out) == table_bytes(reference)


def test_damaged_items_are_encoded_again(reference, tmp_path):
    out = copied(reference, tmp_path)
    for path in (out / "items").rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:-5])
    shutil.rmtree(out / "cells")
    assert not resume_study(out, quiet=True).failed
    assert table_bytes(out) == table_bytes(reference)


def test_an_added_target_is_only_evaluated(bench, reference, tmp_path):
    out = copied(reference, tmp_path)
    before = written_files(out)
    result = run_study(bench / "study.yaml", out, overrides=["targets=[one, two, count]"], quiet=True)
    after = written_files(out)
    assert {name: after[name] for name in before} == before
    assert all("/answers/count." in name for name in after.keys() - before.keys())
    numbers = result.predictions[result.predictions["target"] == "count"]
    assert set(numbers["scorer"]) == {"generation"}
    assert numbers["score"].between(0, 1).all()
    assert set(read_accuracies(out).table["target"]) == {"one", "two", "count"}


def test_an_added_seed_is_only_trained(bench, reference, tmp_path, capsys):
    out = copied(reference, tmp_path)
    before = written_files(out)
    run_study(bench / "study.yaml", out, overrides=["seeds=[0, 1]"])
    after = written_files(out)
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[1].split("-")[-2] for name in after.keys() - before.keys()} == {"seed1"}
    told = capsys.readouterr().err
    assert "the study was edited (seeds)" in told
    assert "earlier/" not in told  # the file itself is the same
    assert not (out / "earlier").exists()


def test_an_edited_study_keeps_what_was_there(bench, reference, tmp_path, capsys):
    out = copied(reference, tmp_path)
    before = written_files(out)
    edited = bench / "edited.yaml"
    edited.write_text((bench / "study.yaml").read_text().replace("lr: 0.01", "lr: 0.02"))
    run_study(edited, out)
    told = capsys.readouterr().err
    assert "the study was edited (optimisation.lr); the earlier file is kept" in told
    assert "3 earlier cells are no part of it any more" in told
    assert {name: written_files(out)[name] for name in before} == before
    assert (out / "study.yaml").read_text() == edited.read_text()
    assert [path.read_text() for path in (out / "earlier").iterdir()] == [(bench / "study.yaml").read_text()]
    assert table_bytes(out) != table_bytes(reference)
    assert len(run_adapters(out)) == 3  # of the six that lie there
    run_study(bench / "study.yaml", out, quiet=True)
    assert table_bytes(out) == table_bytes(reference)


def test_variants_share_the_untouched_model(bench, tmp_path):
    ways = "variants={lora: {}, full: {method: {kind: full}}, half: {optimisation: {stop: 0.5}}}"
    few = ["sources=[one]", "controls=[]", "targets=[one]", ways]
    result = run_study(bench / "study.yaml", tmp_path / "out", overrides=few, quiet=True)
    assert len(cells_of(tmp_path / "out", "base")) == 1
    models = result.predictions.groupby("model")["kind"].nunique()
    assert models.to_dict() == {"tiny / lora": 2, "tiny / full": 2, "tiny / half": 2}
    curves = [
        len((cell / "metrics.jsonl").read_text().splitlines()) for cell in cells_of(tmp_path / "out", "half")
    ]
    assert curves == [2]


def test_a_failed_cell_does_not_stop_the_others(bench, reference, tmp_path, capsys):
    folder = shutil.copytree(bench, tmp_path / "bench")
    rows = [json.loads(line) for line in (folder / "two" / "items.jsonl").read_text().splitlines()]
    spoilt = [folder / "two" / name for row in rows if row["split"] == "train" for name in row["images"]][4:]
    whole = {path: path.read_bytes() for path in spoilt}
    for path in spoilt:
        path.write_bytes(whole[path][:-40])  # a header that is right, and pixels that end too early
    result = run_study(folder / "study.yaml", tmp_path / "out")
    assert sorted(name.split("-")[1] for name in result.failed) == ["format", "two"]
    assert all("not a readable image" in told for told in result.failed.values())
    assert "`tasktransfer retry` tries again" in capsys.readouterr().err
    assert set(result.predictions["source"]) == {"", "one"}
    for path, content in whole.items():
        path.write_bytes(content)
    assert not run_study(folder / "study.yaml", tmp_path / "out", quiet=True).failed
    assert table_bytes(tmp_path / "out") == table_bytes(reference)


def two_a_room(split, n_items, *, seed):
    """A task of two questions a room."""
    items = colour_items(n_items, seed=seed + (split == "test"))
    return [replace(item, cluster=f"room {number // 2}") for number, item in enumerate(items)]


def test_items_that_share_a_room_are_told_and_drawn_together(bench, reference, tmp_path):
    out = copied(reference, tmp_path)
    before = written_files(out)
    changes = [f"tasks.rooms={__name__}:two_a_room", "targets=[one, two, rooms]"]
    result = run_study(bench / "study.yaml", out, overrides=changes, quiet=True)
    after = written_files(out)
    assert {name: after[name] for name in before} == before
    table = result.predictions
    rooms = table[table["target"] == "rooms"].groupby("cluster")["item"].unique()
    assert sorted(map(sorted, rooms)) == [[f"c000{n}", f"c000{n + 1}"] for n in (0, 2, 4, 6)]
    alone = table[table["target"] != "rooms"]
    assert (alone["cluster"] == alone["item"]).all()
    assert read_accuracies(out).items["cluster"].nunique() == 4 + alone["item"].nunique()


def lost_picture(split, n_items, *, seed):
    """A task of which the seventeenth picture cannot be had."""
    if n_items > 16:
        raise FileNotFoundError(2, "No such file or directory", "seventeenth.png")
    return colour_items(n_items, seed=seed + (split == "test"))


def test_a_picture_that_cannot_be_had_fails_its_cells_and_not_the_run(bench, tmp_path):
    changes = [
        f"tasks.lost={__name__}:lost_picture",
        "sources=[lost]",
        "targets=[two]",
        "items.source=17",
        "controls=[]",
    ]
    result = run_study(bench / "study.yaml", tmp_path, overrides=changes, quiet=True)
    (told,) = result.failed.values()
    assert "seventeenth.png" in told
    assert "make room" not in told
    assert set(result.predictions["kind"]) == {"base"}


def test_a_second_runner_is_refused(bench, reference, tmp_path):
    out = copied(reference, tmp_path)
    with locked(out), pytest.raises(OutputError, match=f"being written to by process {os.getpid()} on"):
        run_study(bench / "study.yaml", out, quiet=True)
    run_study(bench / "study.yaml", out, quiet=True)  # the lock file that is left locks nothing


def test_places_that_cannot_be_written_to_are_refused(bench, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written to"):
        run_study(bench / "study.yaml", tmp_path / "file" / "out", quiet=True)
    if os.name == "posix" and os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(OutputError, match="cannot be written to"):
            run_study(bench / "study.yaml", tmp_path / "closed" / "out", quiet=True)


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are of POSIX")
def test_no_room_stops_the_run_with_a_message_and_no_damage(bench, reference, tmp_path):
    """The operating system refuses to let files grow, as a full disk would."""
    code = (
        "import resource, sys\nfrom tasktransfer.study.run import run_study\n"
        "from tasktransfer.errors import OutputError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)\n"
        "try:\n    run_study(sys.argv[1], sys.argv[2], quiet=True)\n"
        "except OutputError as error:\n    sys.exit(f'told: {error}')\n"
    )
    out = tmp_path / "out"
    arguments = [sys.executable, "-c", code, str(bench / "study.yaml"), str(out), "30000"]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert "told: " in result.stderr
    assert "make room, or make the folder writable. What was finished is kept" in result.stderr
    assert "Traceback" not in result.stderr
    run_study(bench / "study.yaml", out, quiet=True)
    assert table_bytes(out) == table_bytes(reference)
    assert not list(out.rglob(".*partial*"))


def test_a_record_of_another_version_is_told(reference, tmp_path):
    whole = json.loads((reference / "study.json").read_text())
    study = whole["study"]
    kept = Store(reference).read_plan()
    for other in (
        {},
        {"study": study},
        {"study": study | {"sed": 1}, "model_digests": {}},
        {"study": study, "model_digests": {}},
        {"study": study, "model_digests": None},
    ):
        (tmp_path / "study.json").write_text(json.dumps(other))
        with pytest.raises(InputError, match=r"study\.json: .*it is of another version, or damaged"):
            Store(tmp_path).read_plan()
        Store(tmp_path).changed_keys(kept)


def test_the_study_is_known_without_its_items(bench, reference, tmp_path):
    (tmp_path / "study.json").write_text(
        (reference / "study.json").read_text().replace(f"{bench}/one", f"{bench}/gone")
    )
    store = Store(tmp_path)
    assert store.read_study().sources == ("one", "two")
    with pytest.raises(InputError, match="gone"):
        store.read_plan()


def test_a_still_store_sees_what_was_there(reference, tmp_path):
    out = copied(reference, tmp_path)
    plan = Store(out).read_plan()
    still = Store(out, still=True)
    assert all(map(still.is_done, plan.cells))
    for path in out.rglob("adapter_model.safetensors"):
        path.write_bytes(path.read_bytes()[::-1])
    assert all(map(still.is_done, plan.cells))
    assert not all(map(Store(out).is_done, plan.cells))


def test_flags_name_the_model_where_there_are_several():
    check = Check("m", "finetune", "one", "0", 1, 1, 0.5, 0.5, 7, "loss did not fall")
    assert unhelped([check])[0].endswith(": one (seed 0)")
    told = unhelped([check, check._replace(model="m / full", flag="")])
    assert told == ["loss did not fall: 1 cells say nothing about transfer: m: one (seed 0)"]


def test_options_out_of_range_are_refused(bench, tmp_path):
    with pytest.raises(SettingsError, match="workers is 0"):
        run_study(bench / "study.yaml", tmp_path / "out", workers=0)


def test_training_is_checked_for_each_source(reference):
    checks = pd.read_csv(reference / "trained.csv", keep_default_na=False)
    assert checks["source"].tolist() == ["one", "two", "format-only"]
    assert (checks["first_loss"].astype(float) > 0).all()
    assert set(checks["flag"]) <= {"", "loss did not fall", "no self-transfer"}
    store = Store(reference)
    curve = store.read_metrics(store.read_plan().cells[1])
    assert [point["step"] for point in curve] == [1, 2, 3, 4]
