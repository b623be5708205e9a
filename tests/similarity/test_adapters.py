"""Adapters of any trainer, read without torch; the oracle is PEFT's own update."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tasktransfer.errors import InputError
from tasktransfer.similarity.adapters import elsewhere_trained, layer_factors, read_adapter, run_adapters
from tests.adapters import random_factors, write_adapter

CONFIGS = {
    "plain": {"r": 3, "lora_alpha": 6},
    "rank-stabilised": {"r": 4, "lora_alpha": 6, "use_rslora": True},
    "patterns": {"r": 2, "lora_alpha": 8, "rank_pattern": {"up": 5}, "alpha_pattern": {"1.q": 3, "up": 7}},
}


@pytest.mark.parametrize("kept", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_updates_are_those_that_peft_applies(tmp_path, config, kept):
    torch = pytest.importorskip("torch", reason="PEFT needs torch")
    peft = pytest.importorskip("peft", reason="the oracle is PEFT")

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.up = torch.nn.Linear(6, 4), torch.nn.Linear(4, 7)

    torch.manual_seed(0)
    base = torch.nn.Sequential(Block(), Block())
    told = peft.LoraConfig(target_modules=["q", "up"], init_lora_weights=False, **config)
    adapted = peft.get_peft_model(base, told)
    adapted.to(getattr(torch, kept))
    adapted.save_pretrained(tmp_path)
    adapter = read_adapter(tmp_path, source="x")
    layers = {name.removeprefix("base_model.model."): module for name, module in adapted.named_modules()
              if hasattr(module, "get_delta_weight")}  # fmt: skip
    assert set(adapter.scales) == set(layers) == {"0.q", "0.up", "1.q", "1.up"}
    for name, module in layers.items():
        a, b = adapter.factors(name)
        module.to(torch.float32)  # the values as kept, multiplied exactly
        assert np.allclose(b @ a, module.get_delta_weight("default").detach().numpy(), atol=1e-6)
        assert adapter.shape(name) == (module.in_features, module.out_features)


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


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"use_dora": True}, "DoRA rescales the weights"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base"),
        ({"peft_type": "IA3"}, "is not of a LoRA adapter (peft_type 'IA3')"),
        ({"lora_alpha": None}, "lora_alpha is None"),
    ],
)
def test_what_is_not_only_a_product_is_refused(tmp_path, config, told):
    write_adapter(tmp_path, random_factors(np.random.default_rng(0)), **config)
    with pytest.raises(InputError) as caught:
        read_adapter(tmp_path, source="x")
    assert told in str(caught.value)
    assert str(tmp_path / "adapter_config.json") in str(caught.value)


def test_damaged_folders_are_refused(tmp_path):
    factors = random_factors(np.random.default_rng(0))
    file = write_adapter(tmp_path, factors) / "adapter_model.safetensors"
    whole = file.read_bytes()

    def refusal():
        with pytest.raises(InputError) as caught:
            read_adapter(tmp_path, source="x").factors("l.0.q")
        return str(caught.value)

    for data, told in [
        (whole[:-4], "lora_B.weight is cut off"),
        (whole[:20], "its header is cut off"),
        (b"", "not a readable safetensors file"),
        (whole.replace(b'"F32"', b'"I32"'), "is of type I32"),
        (whole.replace(b"q.lora_B", b"q.lora_X"), "lacks a factor of 'l.0.q', 'l.1.q'"),
        (whole.replace(b'"shape": [5, 2]', b'"shape": [2, 5]'), "do not fit, A (2, 4) and B (2, 5)"),
        (
            whole.replace(np.float32(factors["l.0.q"][0][0, 0]).tobytes(), np.float32("nan").tobytes()),
            "not finite",
        ),
    ]:
        file.write_bytes(data)
        assert told in refusal()
    file.rename(tmp_path / "adapter_model.bin")
    assert "adapter_model.bin, are not read" in refusal()
    (tmp_path / "adapter_config.json").unlink()
    assert "an adapter is a folder as PEFT saves it" in refusal()


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
    assert found.file.parent.parent.name == "now"
    assert elsewhere_trained(tmp_path) == ["theirs"]
    (tmp_path / "cells.json").write_text("{")
    with pytest.raises(InputError, match="its cells cannot be read"):
        run_adapters(tmp_path)
