"""Similarity of named adapters: words, tables and the figure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tasktransfer.cli import app
from tasktransfer.errors import InputError
from tasktransfer.similarity.adapters import named_adapters
from tasktransfer.similarity.figure import draw_similarity
from tasktransfer.similarity.measure import measure_similarity
from tasktransfer.similarity.save import similarity_lines
from tests.adapters import random_factors, write_adapter
from tests.studies import count_rows, random_counts

TASKS = ["near", "far", "dark", "light"]


@pytest.fixture
def folders(tmp_path):
    """Four sources, two seeds: `near` and `far` learn alike, and so do the seeds of each."""
    random = np.random.default_rng(0)
    shared = random_factors(random)
    given = []
    for task in TASKS:
        own = random_factors(random) if task != "far" else shared
        shared = own if task == "near" else shared
        for seed in "01":
            noise = random_factors(random)
            mixed = {name: (a + 0.2 * noise[name][0], b) for name, (a, b) in own.items()}
            given.append(f"{task}/{seed}={write_adapter(tmp_path / task / seed, mixed)}")
    return given


def test_alike_sources_are_found_alike(folders):
    [found] = measure_similarity(named_adapters(folders))
    square = found.matrix
    assert square.loc["near", "far"] > 0.8 > abs(square.loc["near", "dark"])
    assert (np.diag(square) > 0.8).all()
    assert found.contrast["within"] > 0.8 > found.contrast["between"]
    assert found.agreement == {}
    assert list(found.layers["layer"].unique()) == ["l.0.q", "l.0.up", "l.1.q"]
    assert (found.adapters["norm"] > 0).all()


def test_results_are_held_against_it(folders, tmp_path):
    table = tmp_path / "table.csv"
    base = [40, 40, 40, 40]
    after = np.array([[60, 58, 41, 40], [59, 61, 42, 39], [42, 41, 60, 44], [40, 42, 45, 60]])
    count_rows(base, after, tasks=TASKS).to_csv(table, index=False)
    [found] = measure_similarity(named_adapters(folders), str(table))
    assert found.agreement["raw"].spearman > 0.3
    assert found.agreement["raw"].n_cells == 12
    assert found.agreement["raw"].n_relabellings == 24
    two = pd.concat([random_counts(4, tasks=TASKS, model=name) for name in ("m1", "m2")])
    two.to_csv(table, index=False)
    with pytest.raises(InputError, match="the results hold the models 'm1', 'm2', not ''"):
        measure_similarity(named_adapters(folders), str(table))


def test_the_command_writes_tables_matrix_and_figure(folders, tmp_path):
    result = CliRunner().invoke(app, ["similarity", *folders, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "8 adapters, 4 sources, 2 seeds, 3 layers" in result.output
    assert "100% of the sources are more like" not in result.output  # near is as far is
    names = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert names == {
        "adapters.csv", "pairs.csv", "layers.csv", "summary.json", "similarity_1_adapters.csv",
        "similarity_1_adapters.pdf", "similarity_1_adapters.png",
    }  # fmt: skip
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    matrix = pd.read_csv(tmp_path / "out" / "similarity_1_adapters.csv", index_col="source")
    assert summary["models"][0]["within"] == pytest.approx(np.diag(matrix).mean())
    assert matrix.to_numpy() == pytest.approx(matrix.to_numpy().T)


def test_one_seed_and_an_adapter_that_adds_nothing(tmp_path):
    random = np.random.default_rng(1)
    given = [f"{t}={write_adapter(tmp_path / t, random_factors(random))}" for t in ("a", "b")]
    nothing = {name: (a, 0 * b) for name, (a, b) in random_factors(random).items()}
    given.append(f"zero={write_adapter(tmp_path / 'zero', nothing)}")
    found = measure_similarity(named_adapters(given))
    told = "\n".join(similarity_lines(found))
    assert "'zero' adds nothing to the weights and is left out" in told
    assert "one source under other seeds –" in told
    figure = draw_similarity(found[0].matrix, found[0].layers)
    assert len(figure.axes) == 3  # matrix, its bar, layers


def test_weights_trained_beside_the_factors_are_told(folders):
    file = Path(folders[0].split("=", 1)[1]) / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes().replace(b"base_model.model.l.1.q.lora_", b"base_model.model.l.1.q.whole"))
    found = measure_similarity(named_adapters(folders))
    told = "\n".join(similarity_lines(found))
    assert "1 adapters hold other trained weights too" in told
    assert "adapters of other layers are compared over all" in told
    assert found[0].adapters["layers"].tolist() == [2, *[3] * 7]


def test_names_that_clash_are_refused(folders):
    with pytest.raises(InputError, match="'near/0' is given twice; SOURCE/SEED=path distinguishes seeds"):
        named_adapters([folders[0], folders[0]])
    with pytest.raises(InputError, match="one adapter is like itself"):
        named_adapters(folders[:1])
    alone = [replace(adapter, model=adapter.name) for adapter in named_adapters(folders)]
    with pytest.raises(InputError, match="has one adapter; adapters of one model are compared"):
        measure_similarity(alone)
