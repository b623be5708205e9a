"""The adapters that are compared: of a run, or folders of any trainer."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tasktransfer.errors import InputError
from tasktransfer.similarity.adapters import elsewhere_trained, layer_factors, read_adapter, run_adapters
from tests.adapters import random_factors, write_adapter


def test_layers_come_in_the_order_of_the_model(tmp_path):
    random = np.random.default_rng(0)
    names = ("m.10.q", "m.9.q", "m.9.k")
    first = read_adapter(write_adapter(tmp_path / "a", random_factors(random, layers=names)), source="a")
    second = read_adapter(
        write_adapter(tmp_path / "b", random_factors(random, layers=names[:2], rank=1)), source="b"
    )
    found = list(layer_factors([first, second]))
    assert [name for name, _ in found] == ["m.9.k", "m.9.q", "m.10.q"]
    assert [[pair is None for pair in pairs] for _, pairs in found] == [
        [False, True],
        [False, False],
        [False, False],
    ]


def test_other_bases_are_refused(tmp_path):
    random = np.random.default_rng(0)
    one = read_adapter(write_adapter(tmp_path / "a", random_factors(random)), source="a", seed="0")
    wide = random_factors(random, shapes=((5, 8), (3, 6), (5, 4)))
    two = read_adapter(write_adapter(tmp_path / "b", wide), source="b")
    with pytest.raises(
        InputError, match=r"'b' and 'a/0' belong to different bases: 'l.0.q' is 5 x 8 in one and 5 x 4"
    ):
        list(layer_factors([one, two]))
    other = random_factors(random, layers=("x.q", "x.k", "x.v"))
    three = read_adapter(write_adapter(tmp_path / "c", other), source="c")
    with pytest.raises(InputError, match="share no layer"):
        list(layer_factors([one, three]))


OLDER_NAMES = {
    "model.language_model.layers.0.q": "language_model.model.layers.0.q",
    "model.language_model.layers.1.q": "model.layers.1.q",
    "model.visual.blocks.0.attn": "visual.blocks.0.attn",
}


def test_adapters_from_before_the_renaming_share_their_layers(tmp_path):
    random = np.random.default_rng(0)
    now = random_factors(random, layers=tuple(OLDER_NAMES))
    then = random_factors(random, layers=tuple(OLDER_NAMES.values()))
    pair = [read_adapter(write_adapter(tmp_path / key, value), source=key) for key, value in
            (("now", now), ("then", then))]  # fmt: skip
    assert [name for name, _ in layer_factors(pair)] == list(OLDER_NAMES)
    assert all(None not in factors for _, factors in layer_factors(pair))


def test_dora_applies_and_cannot_be_compared(tmp_path):
    write_adapter(tmp_path, random_factors(np.random.default_rng(0)), use_dora=True)
    with pytest.raises(InputError, match="DoRA rescales the weights"):
        read_adapter(tmp_path, source="x")


def write_cell(folder, key, **facts):
    cell = folder / "cells" / key
    write_adapter(cell / "adapter", random_factors(np.random.default_rng(len(key))))
    (cell / "trained.json").write_text("{}")
    told = {"model": "m", "kind": "finetune", "source": "a", "seed": 0} | facts
    (cell / "cell.json").write_text(json.dumps(told))
    return cell


def test_finished_adapters_of_a_run(tmp_path):
    with pytest.raises(InputError, match="holds no finished adapter"):
        run_adapters(tmp_path)
    write_cell(tmp_path, "one")
    write_cell(tmp_path, "two", source="b", kind="control")
    (write_cell(tmp_path, "half", source="c") / "trained.json").unlink()
    found = run_adapters(tmp_path)
    assert [(a.model, a.kind, a.source, a.seed) for a in found] == [
        ("m", "finetune", "a", "0"),
        ("m", "control", "b", "0"),
    ]
    write_cell(tmp_path, "zero")
    with pytest.raises(InputError, match="one and zero are two adapters of one model, source and seed"):
        run_adapters(tmp_path)


def test_cells_of_an_earlier_study_are_left_out(tmp_path):
    for name in ("before", "now"):
        write_cell(tmp_path, name)
    write_cell(tmp_path, "theirs", source="theirs", adapter="0123")
    write_cell(tmp_path, "theirs-before", source="gone", adapter="0123")
    for name in ("theirs", "theirs-before"):  # only asked: neither trained nor kept
        (tmp_path / "cells" / name / "trained.json").unlink()
    (tmp_path / "cells.json").write_text(json.dumps(["now", "theirs"]))
    [found] = run_adapters(tmp_path)
    assert found.peft.folder.parent.name == "now"
    assert elsewhere_trained(tmp_path) == ["theirs"]
    (tmp_path / "cells.json").write_text("{")
    with pytest.raises(InputError, match="its cells cannot be read"):
        run_adapters(tmp_path)
