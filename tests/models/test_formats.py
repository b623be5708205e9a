"""Number formats: bfloat16 and 4 bits, with the adapters in float32."""

from __future__ import annotations

import numpy as np
import pytest

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.models.answering import generate, margin, option_likelihoods
from tasktransfer.models.decoder import activation_checkpointing, whole_decoder
from tasktransfer.models.lora import adapter_targets, lora
from tasktransfer.models.prompts import encode
from tasktransfer.models.saved_adapters import saved_lora
from tasktransfer.models.vlm import load_model
from tests.models.test_answering import letters
from tests.models.test_lora import LORA, learners, same, step
from tests.models.tiny import colour_items, make_tiny
from tests.models.tiny_families import TINY

torch = pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")


@pytest.mark.parametrize("family", list(TINY))
def test_in_bfloat16_batches_flip_no_answer_and_adapters_stay_exact(tiny_folders, tmp_path, items, family):
    vlm, exact = (load_model(tiny_folders(family), dtype=dtype) for dtype in ("bfloat16", "float32"))
    assert {weight.dtype for weight in vlm.model.parameters()} == {torch.bfloat16}
    some = [*items[:4], items[-1]]
    prompts = encode(vlm, some)
    assert prompts[0].features_NDH.dtype == torch.bfloat16
    alone = option_likelihoods(vlm, prompts, tokens=1)
    written = generate(vlm, prompts, tokens=1, max_new_tokens=2)
    for tokens, side in ((10_000, "right"), (300, "left")):
        ours = option_likelihoods(vlm, prompts, tokens=tokens, side=side)
        assert letters(ours) == letters(alone)
        assert max(np.abs(a - b).max() for a, b in zip(ours, alone, strict=True)) < margin(vlm) / 4
        assert generate(vlm, prompts, tokens=tokens, side=side, max_new_tokens=2) == written
    close = option_likelihoods(exact, encode(exact, some))
    assert all(np.allclose(a, b, atol=0.15) for a, b in zip(alone, close, strict=True))
    torch.manual_seed(0)
    with lora(vlm, **LORA) as adapted:
        assert {weight.dtype for weight in learners(adapted)} == {torch.float32}
        losses = [step(vlm, prompts, learners(adapted)) for _ in range(3)]
        told = option_likelihoods(vlm, prompts)
        adapted.save_pretrained(tmp_path, save_embedding_layers=False)
    assert losses[-1] < losses[0]
    with saved_lora(vlm, tmp_path):
        assert same(option_likelihoods(vlm, prompts), told)


def test_options_are_told_apart_below_the_grain_of_bfloat16(tiny_folders):
    """Logits above 1/2 are whole 1/256 apart in bfloat16: options would often tie, and the first letter win."""
    vlm = load_model(tiny_folders("qwen2_5_vl"), dtype="bfloat16")
    logps = option_likelihoods(vlm, encode(vlm, colour_items(16)))
    steps = 256 * np.concatenate([np.diff(logp_K) for logp_K in logps])
    assert np.mean(np.abs(steps - np.rint(steps)) > 0.01) > 0.9


@pytest.fixture
def bitsandbytes():
    return pytest.importorskip("bitsandbytes", reason="4-bit weights need bitsandbytes: pip install '.[qlora]'")


@pytest.mark.parametrize("family", list(TINY))
def test_in_four_bits_the_language_model_alone_and_an_adapter_learns(bitsandbytes, tmp_path, items, family):
    folder = make_tiny(tmp_path / "model", family, wide=True)
    vlm, exact = load_model(folder, quantised=True), load_model(folder)
    packed = [name for name, module in vlm.model.named_modules() if isinstance(module, bitsandbytes.nn.Linear4bit)]
    assert len(packed) == 7 * len(vlm.decoder.layers) == adapter_targets(vlm, "attention+mlp").n
    assert all(name.startswith("model.language_model.layers.") for name in packed)
    prompts = encode(vlm, items[:8])
    plain = encode(exact, items[:8])
    assert all(torch.equal(a.features_NDH, b.features_NDH) for a, b in zip(prompts, plain, strict=True))
    before = option_likelihoods(vlm, prompts)
    torch.manual_seed(0)
    with lora(vlm, **LORA) as adapted:
        vlm.model.train()
        with activation_checkpointing(vlm):
            losses = [step(vlm, prompts, learners(adapted)) for _ in range(4)]
        vlm.model.eval()
        told = option_likelihoods(vlm, prompts)
        adapted.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    assert losses[-1] < losses[0]
    assert same(option_likelihoods(vlm, prompts), before)
    with saved_lora(vlm, tmp_path / "adapter"):
        assert same(option_likelihoods(vlm, prompts), told)
    with pytest.raises(SettingsError, match="4 bits cannot be finetuned in full"), whole_decoder(vlm):
        pass


def test_what_cannot_be_loaded_is_refused_in_words(tiny_folder, tiny_folders, tmp_path, monkeypatch):
    import json
    import shutil

    from safetensors.torch import load_file, save_file

    with pytest.raises(SettingsError, match="dtype 'float16': accepted are float32, bfloat16"):
        load_model(tiny_folder, dtype="float16")
    with pytest.raises(InputError, match=r"cannot be loaded .*attention"):
        load_model(tiny_folder, attention="no_such_attention")
    text = tmp_path / "text"
    text.mkdir()
    (text / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 8}))
    with pytest.raises(InputError, match="'llama' is a model without vision"):
        load_model(text)
    torn = shutil.copytree(tiny_folders("llava"), tmp_path / "torn")
    weights = load_file(torn / "model.safetensors")
    gone = next(name for name in weights if "projector" in name)
    save_file(
        {name: w for name, w in weights.items() if name != gone}, torn / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(InputError, match=r"1 weights are missing, such as .*projector"):
        load_model(torn)
    (torn / "model.safetensors").write_bytes((tiny_folders("llava") / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(InputError, match="the model cannot be loaded"):
        load_model(torn)
    silent = shutil.copytree(tiny_folder, tmp_path / "silent")
    (silent / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="no chat template"):
        load_model(silent)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"need bitsandbytes: pip install 'tasktransfer\[qlora\]'"):
        load_model(tiny_folder, quantised=True)
