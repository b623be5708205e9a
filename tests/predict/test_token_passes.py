"""What a grid costs in passes: each source by its own seeds, and adapters that are there by their asking alone."""

from __future__ import annotations

import pytest


def passes(bench, out, text):
    from tasktransfer.predict.token_passes import grid_passes
    from tasktransfer.study.file import check_study
    from tasktransfer.study.plan_study import plan_study
    from tasktransfer.study.store import Store

    study = check_study((bench / "study.yaml").read_text() + text, folder=bench)
    return grid_passes(plan_study(study), Store(out))["tiny"]


def test_every_source_has_its_own_seeds(bench, tmp_path):
    training, asking = passes(bench, tmp_path, "more_seeds: {two: [1, 2]}\n")
    once_training, once_asking = passes(bench, tmp_path, "")
    assert training == pytest.approx({"one": once_training["one"], "two": 3 * once_training["two"]})
    assert asking["one"] == once_asking["one"] == once_asking["two"]
    assert asking["two"] == pytest.approx({task: 3 * spent for task, spent in once_asking["two"].items()})
    assert set(asking["two"]) == {"one", "two"}


def test_an_adapter_that_is_there_is_asked_and_not_trained(bench, reference, tmp_path):
    there = next((reference / "cells").glob("*-two-seed0-*")) / "adapter"
    training, asking = passes(bench, tmp_path, f"adapters: {{theirs: '{there}'}}\n")
    assert training["theirs"] == 0 < training["one"]
    assert asking["theirs"] == asking["one"]
