"""The manifest as people write it, and the draft it starts from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tasktransfer.errors import InputError, OutputError
from tasktransfer.importers.draft import _write_draft, draft_lines, draft_manifest, find_runs
from tasktransfer.importers.lmms_eval import read_lmms_eval
from tasktransfer.importers.manifest import ManifestRun, read_manifest
from tasktransfer.importers.read_logs import import_lines
from tests.commands import tasktransfer
from tests.importers import harness_logs as build

EXAMPLES = Path(__file__).parents[2] / "examples"
ONE = {"Jigsaw": [("A", "A"), ("B", "A")]}

GOOD = """\
# a study
runs:
  - path: base   # the untouched model
    harness: lmms_eval
    model: Qwen
    source:
  - {path: run, harness: lmms_eval, model: Qwen, source: blink_jigsaw, seed: 007}
  - {path: mix, harness: lmms_eval, model: Qwen, source: no, seed: 1e3, kind: mixture}
leave_out: [iq test]
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("base", "run", "mix"):
        build.lmms_eval(tmp_path / name, ONE)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "manifest.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as refusal:
        read_manifest(written(folder, text))
    return str(refusal.value)


def test_values_are_text_as_written(folder):
    manifest = read_manifest(written(folder, GOOD))
    assert manifest.runs == (
        ManifestRun(folder / "base", "lmms_eval", "Qwen", "base", "", "", 3),
        ManifestRun(folder / "run", "lmms_eval", "Qwen", "finetune", "Jigsaw", "007", 7),
        ManifestRun(folder / "mix", "lmms_eval", "Qwen", "mixture", "no", "1e3", 8),
    )
    assert manifest.leave_out == {"IQ_Test"}
    assert [run.label for run in manifest.runs] == [
        "Qwen, baseline",
        "Qwen, Jigsaw, seed 007",
        "Qwen, no, mixture, seed 1e3",
    ]


def test_all_faults_at_once_with_their_lines(folder):
    text = faults(
        folder,
        """\
runs:
  - path: bsae
    harness: lmms-eval
    model: ""
    source: ""
  - path: run
    harness: lmms_eval
    modl: Qwen
    seed: 1
    seed: 2
  - path: mix
    harness: lmms_eval
    model: Qwen
    source: ???
  - path: base
    harness: lmms_eval
    model: Qwen
    source: Jigsaw
    kind: base
  - base
leave_out: Jigsaw
lable: x
""",
    )
    assert text.splitlines()[0].endswith("manifest.yaml: 12 faults")
    for told in (
        "line 2: path 'bsae' does not exist in the folder of the manifest (did you mean 'base'?)",
        "line 3: harness is 'lmms-eval' (did you mean 'lmms_eval'?); accepted are lmms_eval, evalscope, vlmeva",
        "line 4: model is empty",
        "line 6: key 'model' is missing",
        "line 6: key 'source' is missing (empty for the untouched model)",
        "line 8: unknown key 'modl' (did you mean 'model'?); accepted are path, harness, model, source, seed, k",
        "line 10: key 'seed' stands there twice",
        "line 14: source is still ???; fill it in",
        "line 15: kind is 'base' with source 'Jigsaw'; the baseline, and it alone, has an empty source",
        "line 20: entry 5: a mapping of path, harness, model, source, seed, kind is needed here",
        "line 21: leave_out: a list is needed here",
        "line 22: unknown key 'lable'; accepted are runs, leave_out",
    ):
        assert told in text, told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "key 'runs' is missing"),
        ("runs: []", "runs is empty"),
        ("- a\n- b", "a mapping of runs, leave_out is needed here"),
        ("runs: [\n  {path: x", "not YAML"),
        ("a: &x [*x]\nruns: []", "an alias stands within what it names"),
        ("a: &x []\nruns: *x", "anchors and aliases"),
        ("runs: !!python/object/apply:os.system [echo]", "entry 1: a mapping"),
        ("runs:\n - {path: base, harness: lmms_eval, model: m, source: ''}\n"
         " - {path: base, harness: lmms_eval, model: m, source: x}", "line 3: path 'base' stands also at line 2"),
        ("runs:\n - {path: base, harness: lmms_eval, model: [m], source: ''}", "model: a text is needed here"),
    ],
)  # fmt: skip
def test_manifests_that_are_refused(folder, text, told):
    assert told in faults(folder, text)


def test_files_that_are_no_manifest(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("runs: Zo\xeb".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_manifest(tmp_path / "latin.yaml")


# drafts


def drafted(folder: Path, *paths: Path) -> str:
    return draft_manifest(find_runs(paths or [folder]), folder / "manifest.yaml")[0]


def test_names_are_guessed_and_marked(tmp_path):
    build.lmms_eval(tmp_path / "logs" / "base" / "Qwen__Qwen2.5-VL-7B-Instruct", ONE)
    peft = "pretrained=Qwen/Qwen2.5-VL-7B-Instruct,peft=/runs/x"
    build.lmms_eval(tmp_path / "logs" / "ft_multi-view_reasoning_s3" / "x", ONE, model_args=peft)
    text = drafted(tmp_path)
    for line in (
        "path: logs/base/Qwen__Qwen2.5-VL-7B-Instruct",
        "model: Qwen2.5-VL-7B  # guess, from the log",
        'source: ""  # guess, from the names: the untouched model',
        "source: Multi-view_Reasoning  # guess, from the names",
        "seed: 3  # guess",
    ):
        assert f" {line}\n" in text, line
    manifest = read_manifest(written(tmp_path, text))
    assert [(run.kind, run.source, run.seed) for run in manifest.runs] == [
        ("base", "", ""), ("finetune", "Multi-view_Reasoning", "3"),
    ]  # fmt: skip


def test_what_cannot_be_guessed_is_left_to_fill_in(tmp_path):
    build.evalscope(tmp_path / "20260818_101500", ONE, model="checkpoint-12")
    build.evalscope(tmp_path / "jigsaw_then_counting", ONE)
    text, n_unknown = draft_manifest(find_runs([tmp_path]), tmp_path / "manifest.yaml")
    assert n_unknown == 4
    assert "fill in: the names tell of Jigsaw and Counting" in text
    told = faults(tmp_path, text)
    assert told.count("is still ???; fill it in") == 4


def test_runs_of_every_harness_are_found(tmp_path):
    for harness, write in build.BUILDERS.items():
        write(tmp_path / harness / "deep" / "base", ONE)
    for model in ("a", "b"):
        build.evalscope(tmp_path / "two", ONE, model=model)
    found = {(run.harness, run.path.relative_to(tmp_path).as_posix()) for run in find_runs([tmp_path])}
    assert found == {
        ("lmms_eval", "lmms_eval/deep/base"),
        ("vlmevalkit", "vlmevalkit/deep/base"),
        ("evalscope", "evalscope/deep/base"),
        ("inspect_ai", "inspect_ai/deep/base"),
        ("evalscope", "two/reviews/a"),
        ("evalscope", "two/reviews/b"),
    }


def test_links_of_vlmevalkit_are_not_another_run(tmp_path):
    real = build.vlmevalkit(tmp_path / "m" / "T20260818_G1a2b3c4d", ONE)
    for file in real.glob("m_*"):
        (tmp_path / "m" / file.name).symlink_to(file)
    assert [run.path for run in find_runs([tmp_path])] == [real]


def test_time_stamps_with_the_same_task_are_listed_one_by_one(tmp_path):
    for stamp in ("20260818_101500", "20260819_101500"):
        build.lmms_eval(tmp_path / "base", ONE, stamp=stamp)
    assert drafted(tmp_path).count("# 2 logs in this folder: keep one for each task") == 2


def test_logs_of_several_models_in_a_folder_are_listed_one_by_one(tmp_path):
    build.inspect_ai(tmp_path, {**ONE, "Counting": [("A", "A")]})
    assert [run.path for run in find_runs([tmp_path])] == [tmp_path]
    log = build.inspect_log("Jigsaw", ONE["Jigsaw"])
    log["eval"]["model_args"] = {"model_path": "/runs/ft_counting_s1"}
    build.dump(tmp_path / "tuned.json", log)
    assert len(find_runs([tmp_path])) == 3
    assert "source: Counting  # guess, from the log\n    seed: 1  # guess" in drafted(
        tmp_path, tmp_path / "tuned.json"
    )


def test_a_file_may_be_given(tmp_path):
    build.inspect_ai(tmp_path, ONE, packed=True)
    (path,) = tmp_path.glob("*.eval")
    assert [(run.path, run.harness) for run in find_runs([path])] == [(path, "inspect_ai")]


def test_nothing_found_is_refused(tmp_path):
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(InputError, match="no log of lmms_eval, evalscope, vlmevalkit, inspect_ai found"):
        find_runs([tmp_path])
    with pytest.raises(InputError, match="no such file"):
        find_runs([tmp_path / "none"])
    with pytest.raises(InputError, match="give folders with logs"):
        list(draft_lines(tmp_path / "m.yaml", []))


def test_files_of_other_programs_are_no_run(tmp_path):
    build.lmms_eval(tmp_path / "base", ONE)
    build.dump(tmp_path / "x" / "my_results.json", {"a": 1})
    build.dump(tmp_path / "base" / "zz_results.json", [1])
    (tmp_path / "thesis" / "reports" / "figures").mkdir(parents=True)
    (tmp_path / "thesis" / "reports" / "figures" / "plot.png").write_bytes(b"")
    assert [run.path for run in find_runs([tmp_path])] == [tmp_path / "base"]
    assert len(read_lmms_eval(tmp_path / "base").replies) == len(ONE["Jigsaw"])


def test_logs_that_cannot_be_read_are_drafted_too(tmp_path):
    build.lmms_eval(tmp_path / "base", ONE)
    broken = tmp_path / "tuned" / "a_results.json"
    build.dump(broken, {"results": {"x": {"acc,none": 0.5}}})
    broken.write_text(broken.read_text()[:-5])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "log.eval").write_bytes(b"PK no archive")
    text = drafted(tmp_path)
    assert "path: tuned/a_results.json" in text
    assert "path: other/log.eval" in text
    with pytest.raises(InputError, match="cut off"):
        read_lmms_eval(broken.parent)


def test_a_manifest_is_never_written_over(tmp_path):
    path = written(tmp_path, "mine")
    with pytest.raises(OutputError, match="cannot be written"):
        _write_draft("other", path)
    assert path.read_text() == "mine"


def test_runs_that_the_manifest_does_not_name_are_told(folder):
    text = "".join(line for line in GOOD.splitlines(keepends=True) if "path: mix" not in line)
    manifest = written(folder, text)
    lines = list(import_lines(manifest, [folder], folder / "p.parquet"))
    assert lines[0] == f"note: {folder / 'mix'} (lmms_eval) is not in {manifest} and is not read."
    assert lines[-1] == f"  tasktransfer analyze {folder / 'p.parquet'} --out out"


# the command and the example


def test_import_drafts_then_reads(tmp_path):
    shutil.copytree(EXAMPLES / "lmms_eval", tmp_path / "lmms_eval")
    first = tasktransfer("import", "lmms_eval", "--manifest", "m.yaml", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "2 runs (lmms_eval)" in first.stdout
    assert not (tmp_path / "predictions.parquet").exists()
    second = tasktransfer("import", "--manifest", "m.yaml", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert "48 answers of 2 runs to 2 targets" in second.stdout
    assert "verdicts differ from the harness's" in second.stderr
    assert (tmp_path / "predictions.parquet").is_file()
    (tmp_path / "m.yaml").write_text("runs: []")
    refused = tasktransfer("import", "--manifest", "m.yaml", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: m.yaml: a fault\n  line 1: runs is empty")


def test_the_example_is_what_its_script_writes(tmp_path):
    shutil.copy(EXAMPLES / "make_lmms_eval.py", tmp_path)
    subprocess.run([sys.executable, tmp_path / "make_lmms_eval.py"], check=True)
    made = sorted(path.relative_to(tmp_path) for path in (tmp_path / "lmms_eval").rglob("*.json*"))
    assert made == sorted(path.relative_to(EXAMPLES) for path in (EXAMPLES / "lmms_eval").rglob("*.json*"))
    assert all((tmp_path / path).read_bytes() == (EXAMPLES / path).read_bytes() for path in made)
