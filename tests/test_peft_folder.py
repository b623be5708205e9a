"""One reader of PEFT's folders, whoever asks; the oracle is PEFT's own update."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tasktransfer.errors import InputError
from tasktransfer.peft_folder import read_peft_folder
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
    adapter = read_peft_folder(tmp_path)
    layers = {name.removeprefix("base_model.model."): module for name, module in adapted.named_modules()
              if hasattr(module, "get_delta_weight")}  # fmt: skip
    assert set(adapter.maps) == set(layers) == {"0.q", "0.up", "1.q", "1.up"}
    for name, module in layers.items():
        a, b = adapter.factors(name)
        module.to(torch.float32)  # the values as kept, multiplied exactly
        assert np.allclose(b @ a, module.get_delta_weight("default").detach().numpy(), atol=1e-6)
        assert adapter.shape(name) == (module.in_features, module.out_features)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base"),
        ({"init_lora_weights": "lora_ga"}, "initialisation 'lora_ga' changes the base"),
        ({"init_lora_weights": "made-up"}, "changes the base"),
        ({"use_qalora": True, "qalora_group_size": 16}, "'use_qalora' makes more of an adapter"),
        ({"use_something_new": True}, "'use_something_new' makes more of an adapter"),
        ({"kasa_config": {"beta": 1e-4}}, "'kasa_config' makes more"),
        ({"alora_invocation_tokens": [1, 2]}, "'alora_invocation_tokens' makes more"),
        ({"peft_type": "IA3"}, "is not of a LoRA adapter (peft_type 'IA3')"),
        ({"lora_alpha": None}, "lora_alpha is None"),
    ],
)
def test_what_is_not_only_a_product_is_refused(tmp_path, config, told):
    write_adapter(tmp_path, random_factors(np.random.default_rng(0)), **config)
    with pytest.raises(InputError) as caught:
        read_peft_folder(tmp_path)
    assert told in str(caught.value)
    assert str(tmp_path / "adapter_config.json") in str(caught.value)


def test_damaged_folders_are_refused(tmp_path):
    factors = random_factors(np.random.default_rng(0))
    file = write_adapter(tmp_path, factors) / "adapter_model.safetensors"
    whole = file.read_bytes()

    def refusal():
        with pytest.raises(InputError) as caught:
            read_peft_folder(tmp_path).factors("l.0.q")
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


def test_idle_settings_of_any_peft_are_no_reason_to_refuse(tmp_path):
    idle = {
        "peft_version": "0.99", "use_dora": False, "use_qalora": False, "kasa_config": None, "loftq_config": {},
        "eva_config": {"rho": 2}, "megatron_core": "megatron.core", "qalora_group_size": 16, "a_new_key": "value",
        "init_lora_weights": "eva",
    }  # fmt: skip
    assert (
        read_peft_folder(write_adapter(tmp_path, random_factors(np.random.default_rng(0)), **idle)).kind == "LoRA"
    )


def test_what_else_was_trained_is_named(tmp_path):
    factors = random_factors(np.random.default_rng(0))
    assert read_peft_folder(write_adapter(tmp_path / "plain", factors)).beside == ()
    heads = read_peft_folder(write_adapter(tmp_path / "heads", factors, modules_to_save=["lm_head"]))
    assert heads.beside == ("modules_to_save=['lm_head']",)
    assert read_peft_folder(write_adapter(tmp_path / "bias", factors, bias="all")).beside == ("bias='all'",)
    for name in ("non_lora_state_dict.bin", "non_lora_trainables.bin"):
        (tmp_path / "plain" / name).write_bytes(b"PK")
    assert read_peft_folder(tmp_path / "plain").beside == ("non_lora_state_dict.bin", "non_lora_trainables.bin")


def test_patterns_speak_of_the_names_that_the_trainer_had(tmp_path):
    layers = ("language_model.model.layers.0.q_proj", "language_model.model.layers.1.q_proj")
    factors = random_factors(np.random.default_rng(0), layers=layers, rank=2)
    write_adapter(tmp_path, factors, lora_alpha=4, alpha_pattern={r"language_model\.model\.layers\.1\.q_proj": 16})
    adapter = read_peft_folder(tmp_path)
    assert adapter.maps == ["model.language_model.layers.0.q_proj", "model.language_model.layers.1.q_proj"]
    assert [adapter.scale(name) for name in adapter.maps] == [2.0, 8.0]
    config = json.loads((tmp_path / "adapter_config.json").read_text()) | {"alpha_pattern": {"w_proj": 3}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="alpha_pattern names 'w_proj'"):
        read_peft_folder(tmp_path)
