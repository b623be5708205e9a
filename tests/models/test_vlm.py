"""Loading, prompts and adapters."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from tasktransfer.errors import InputError
from tasktransfer.models.answering import option_likelihoods
from tasktransfer.models.decoder import decoder_weights, whole_decoder
from tasktransfer.models.lora import adapter_targets, lora
from tasktransfer.models.prompts import answered, blanked, encode
from tasktransfer.models.vlm import load_model, locate_weights, weights_digest
from tasktransfer.study.train.finetune import answer_loss
from tests.models.test_answering import direct_inputs
from tests.models.tiny import colour_items

torch = pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")

LORA = {"r": 2, "alpha": 4, "dropout": 0.0, "layers": "attention", "name": "tiny"}


def test_the_embedded_model_loads_by_the_same_code():
    vlm = load_model(locate_weights("toy"))
    prompt = encode(vlm, [toy_item()])[0]
    assert option_likelihoods(vlm, [prompt])[0].shape == (2,)


def toy_item():
    from tasktransfer.tasks.toyworld import draw_items

    return draw_items("toy_relative_depth", "test", 1, seed=0)[0]


def test_identity_is_the_content_not_the_place(tiny_folder, tmp_path):
    copy = shutil.copytree(tiny_folder, tmp_path / "elsewhere")
    assert weights_digest(copy) == weights_digest(tiny_folder)
    (copy / "chat_template.jinja").write_text("another prompt")
    assert weights_digest(copy) != weights_digest(tiny_folder)


def test_a_hub_id_that_is_not_there_is_told(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="model 'nobody/no-such-model' is no folder, and could not be had"):
        locate_weights("nobody/no-such-model")
    with pytest.raises(InputError, match="model 'no//model' is no folder, and could not be had"):
        locate_weights("no//model")


def test_folders_that_are_no_model_are_refused(tiny_folder, tmp_path):
    with pytest.raises(InputError, match=r"no config.json"):
        load_model(tmp_path)
    with pytest.raises(InputError, match="pickled weights are not read"):
        weights_digest(tmp_path)
    copy = shutil.copytree(tiny_folder, tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"model_type": "qwen2_5_v"}))
    with pytest.raises(InputError, match="did you mean 'qwen2_5_vl'"):
        load_model(copy)


def test_a_template_that_rewrites_the_prompt_is_refused(vlm):
    kept = vlm.processor.chat_template
    vlm.processor.chat_template = kept.replace("<|im_start|> {{", "<|im_start|> {{ messages | length }} {{")
    try:
        with pytest.raises(InputError, match="does not leave the prompt as it is"):
            encode(vlm, colour_items(1))
    finally:
        vlm.processor.chat_template = kept


def test_loss_is_that_of_transformers_with_the_prompt_masked(vlm, prompts):
    item, prompt = colour_items(64)[3], prompts[3]
    inputs = direct_inputs(vlm, item)
    target = prompt.target_ids_A[None]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], target], dim=1)
    for key, value in (("attention_mask", 1), ("mm_token_type_ids", 0)):
        inputs[key] = torch.cat([inputs[key], torch.full_like(target, value)], dim=1)
    labels = inputs["input_ids"].clone()
    labels[:, : -target.shape[1]] = -100
    with torch.inference_mode():
        theirs = vlm.model(**inputs, labels=labels).loss.item()
        ours = answer_loss(vlm, [prompt]).item() / target.shape[1]
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_the_answer_ends_with_the_turn(vlm, prompts):
    decoded = vlm.processor.tokenizer.decode(prompts[0].target_ids_A)
    assert decoded.split() == [prompts[0].answer, "<|im_end|>"]
    other = answered(vlm, prompts[0], colour_items(1)[0], "D")
    assert vlm.processor.tokenizer.decode(other.target_ids_A).split() == ["D", "<|im_end|>"]


def test_blanked_items_look_alike(vlm):
    features = [prompt.features_NDH for prompt in encode(vlm, [blanked(i) for i in colour_items(6, sizes=(32,))])]
    assert all(torch.allclose(part[:4], features[0][:4], atol=1e-6) for part in features)


def test_adapter_wraps_the_decoder_alone_and_leaves_no_trace(vlm, prompts):
    before = option_likelihoods(vlm, prompts[:4])
    assert adapter_targets(vlm, "attention+mlp").n == 2 * 7
    with lora(vlm, **LORA) as adapted:
        wrapped = [name for name, _ in adapted.named_parameters() if "lora_A" in name]
        assert len(wrapped) == 2 * 4
        assert not any("visual" in name for name in wrapped)
        with torch.no_grad():
            for name, weight in adapted.named_parameters():
                if "lora_B" in name:
                    weight.fill_(0.1)
        assert not np.allclose(option_likelihoods(vlm, prompts[:1])[0], before[0])
    after = option_likelihoods(vlm, prompts[:4])
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert not any("lora" in name for name, _ in vlm.model.named_modules())


def test_whole_decoder_comes_back(vlm, prompts):
    before = option_likelihoods(vlm, prompts[:4])
    with whole_decoder(vlm) as named:
        assert not any("visual" in name for name in named)
        with torch.no_grad():
            next(iter(named.values())).add_(1)
        assert not np.allclose(option_likelihoods(vlm, prompts[:1])[0], before[0])
    after = option_likelihoods(vlm, prompts[:4])
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert not any(weight.requires_grad for weight in decoder_weights(vlm).values())
