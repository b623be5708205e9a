"""Whole studies on data in the benchmarks' own layouts, with small models of real families; and their plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasktransfer.errors import InputError
from tasktransfer.models.families.registry import CHECKPOINTS
from tasktransfer.study.estimate import estimates
from tasktransfer.study.file import check_study, load_study
from tasktransfer.study.plan_study import plan_study
from tasktransfer.study.run import run_study
from tests.models.tiny_families import make_tiny
from tests.tasks.released import write_blink, write_training, write_vsi

STUDIES = Path(__file__).parents[2] / "studies"
REAL = sorted(path for path in STUDIES.glob("*.yaml") if not path.name.startswith("toy-"))
TARGETS = ("blink_jigsaw", "blink_counting", "vsi_object_counting", "vsi_route_planning")
STUDY = """\
name: released
models: {tiny: model}
sources: [blink_jigsaw]
targets: [blink_jigsaw, blink_counting, vsi_object_counting, vsi_route_planning]
data: {blink: BLINK, vsi_bench: VSI-Bench}
training: {blink_jigsaw: training}
video: {frames: 2}
seeds: [0]
items: {source: 8, target: 6}
controls: [no-image]
optimisation: {steps: 2, batch: 4}
evaluation: {scorers: [likelihood, generation], generation_items: 3}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    for name in TARGETS[:2]:
        write_blink(folder / "BLINK", name)
    write_vsi(folder / "VSI-Bench")
    write_training(folder / "training")
    return folder


@pytest.mark.parametrize("family", ["qwen2_5_vl", "internvl"])
def test_blink_and_vsi_bench_from_their_files_to_the_report(data, tmp_path, family):
    from typer.testing import CliRunner

    from tasktransfer.cli import app

    make_tiny(tmp_path / "model", family)
    study = STUDY.replace("model}", f"{tmp_path}/model}}")
    for name in ("BLINK", "VSI-Bench", "training"):
        study = study.replace(f": {name}", f": {data / name}")
    (tmp_path / "study.yaml").write_text(study)
    done = CliRunner().invoke(
        app, ["run", str(tmp_path / "study.yaml"), "--out", str(tmp_path / "out"), "--quiet"]
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "report" / "report.html").is_file()
    table = run_study(tmp_path / "study.yaml", tmp_path / "out", quiet=True).predictions
    counts = table.groupby(["target", "scorer"]).size()
    assert counts["blink_jigsaw", "likelihood"] == 3 * 6  # untouched, finetune, control
    assert counts["blink_jigsaw", "generation"] == 3 * 3
    assert set(table.loc[table["target"] == "vsi_object_counting", "scorer"]) == {"generation"}
    assert table.loc[table["target"] == "blink_jigsaw", "label_version"].nunique() == 1


def test_training_data_that_is_missing_is_told_before_anything_runs(data, tmp_path):
    make_tiny(tmp_path / "model")
    study = STUDY.replace("model}", f"{tmp_path}/model}}").replace("training}", "nowhere}")
    study = study.replace(": BLINK", f": {data}/BLINK").replace(": VSI-Bench", f": {data}/VSI-Bench")
    (tmp_path / "study.yaml").write_text(study)
    with pytest.raises(InputError, match="tasktransfer build-train blink_jigsaw"):
        run_study(tmp_path / "study.yaml", tmp_path / "out", quiet=True)
    assert not (tmp_path / "out" / "cells").exists()


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_studies_of_real_checkpoints_are_planned_offline(path, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    plan = plan_study(load_study(path), here_only=True)
    costs = {cost.model: cost for cost in estimates(plan)}
    assert set(costs) == set(plan.study.models)
    for name, choice in plan.study.models.items():
        assert any(f"hf download {choice.weights}" in sentence for sentence in plan.missing)
        weights = 2 * CHECKPOINTS[choice.weights].parameters.all / 1e9
        whole = any(cell.method and cell.method.kind == "full" for cell in plan.cells)
        assert weights < costs[name].memory < (10 if whole else 2) * weights + 20
        assert costs[name].training > 0
    for source in plan.study.sources:
        dataset = plan.study.datasets.get(source)
        how = (
            f"build-train {source.removesuffix(' (open)')}"
            if dataset is None
            else f"hf download {dataset.dataset}"
        )
        assert any(how in sentence for sentence in plan.missing)


def test_the_hours_are_those_of_a_hand_count(tmp_path, monkeypatch):
    """3B at 6 N operations a token and step: two thirds of that for LoRA, whose base gets no gradients."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    text = (
        "name: one\nmodels: {m: {weights: Qwen/Qwen2.5-VL-3B-Instruct, max_pixels: 401408}}\n"
        "sources: [blink_jigsaw]\nseeds: [0]\noptimisation: {steps: 100, batch: 10}\nitems: {source: 100}\n"
    )
    (cost,) = estimates(plan_study(check_study(text), here_only=True), tflops=100)
    tokens = 1000 * (105 + 140)  # three pictures of 35 tokens, and the text
    by_hand = 4 * 2.77e9 * tokens / 100e12 / 3600  # layers without embeddings
    assert cost.training == pytest.approx(by_hand, rel=0.1)
    assert cost.n_trained == 1


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (
            "{weights: Qwen/Qwen2.5-VL-3B-Instruct, max_tiles: 4}",
            r"models\.m\.max_tiles: is not a setting of Qwen2_5",
        ),
        ("{weights: toy, max_tiles: 4}", "accepted are min_pixels and max_pixels"),
        ("{weights: llava-hf/llava-1.5-7b-hf, max_pixels: 9}", "it has none of this kind"),
        ("{weights: OpenGVLab/InternVL3-1B-hf, frame_seconds: 1}", "frames of a video as images only"),
    ],
)
def test_settings_that_a_family_does_not_have_are_told_by_plan(choice, told, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    text = f"name: one\nmodels: {{m: {choice}}}\nsources: [toy_jigsaw]\nseeds: [0]\n"
    with pytest.raises(InputError, match=told):
        plan_study(check_study(text), here_only=True)


def test_an_id_that_nothing_is_known_of_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    text = "name: one\nmodels: {m: OpenGVLab/InternVL3-2B}\nsources: [toy_jigsaw]\nseeds: [0]\n"
    plan = plan_study(check_study(text), here_only=True)
    assert "did you mean 'OpenGVLab/InternVL3-2B-hf'?" in plan.missing[0]
    assert list(estimates(plan)) == []
