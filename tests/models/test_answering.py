"""Batching, padding and shared image features change no answer; transformers itself is the oracle."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace

import numpy as np
import pytest

from tasktransfer.models.answering import generate, margin, option_likelihoods, pad
from tasktransfer.models.prompts import encode, question_text
from tests.models.tiny import colour_items

torch = pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")

WAYS = list(itertools.product((400, 10_000), ("left", "right")))


def direct_inputs(vlm, item):
    content = [{"type": "image"}] * len(item.images) + [{"type": "text", "text": question_text(item)}]
    text = vlm.processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    images = list(item.images)
    if "Onevision" in type(vlm.model).__name__:
        images = [images]  # one item of several pictures, not several items
    return vlm.processor(text=[text], images=images, return_tensors="pt")


def letters(logps):
    return [int(np.argmax(logp_K)) for logp_K in logps]


def test_likelihoods_are_those_of_transformers_from_pixels(vlm, prompts):
    ours = option_likelihoods(vlm, prompts[:8])
    for item, prompt, logp_K in zip(colour_items(64)[:8], prompts[:8], ours, strict=True):
        with torch.inference_mode():
            logits = vlm.model(**direct_inputs(vlm, item)).logits[0, -1]
        assert np.allclose(logits.log_softmax(-1)[prompt.option_ids_K], logp_K, atol=1e-5)


def test_written_answers_are_those_of_transformers_from_pixels(vlm, prompts):
    ours = generate(vlm, prompts[:8], max_new_tokens=5)
    for item, reply in zip(colour_items(64)[:8], ours, strict=True):
        inputs = direct_inputs(vlm, item)
        with torch.inference_mode():
            written = vlm.model.generate(**inputs, max_new_tokens=5, do_sample=False)
        new = written[0, inputs["input_ids"].shape[1] :]
        assert vlm.processor.tokenizer.decode(new, skip_special_tokens=True) == reply


def test_batch_and_padding_flip_no_answer(vlm, prompts):
    alone = option_likelihoods(vlm, prompts, tokens=1)
    written = generate(vlm, prompts, tokens=1, max_new_tokens=4)
    assert len(set(letters(alone))) > 1
    for tokens, side in WAYS:
        ours = option_likelihoods(vlm, prompts, tokens=tokens, side=side)
        assert letters(ours) == letters(alone)
        assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(ours, alone, strict=True))
        assert generate(vlm, prompts, tokens=tokens, side=side, max_new_tokens=4) == written


def test_near_ties_are_decided_alike_in_every_batch(vlm, prompts):
    """Letters whose words differ by rounding only: what a batch does to the last digits would flip them."""
    table = vlm.model.get_input_embeddings().weight
    before = table.detach().clone()
    a, b, c, d = (vlm.processor.tokenizer.convert_tokens_to_ids(letter) for letter in "ABCD")
    try:
        with torch.no_grad():
            generator = torch.Generator().manual_seed(0)
            for other in (b, c, d):
                table[other] = table[a] + 3e-8 * torch.randn(table.shape[1], generator=generator)
        alone = option_likelihoods(vlm, prompts, tokens=1)
        gaps = [np.diff(np.sort(logp_K)[-2:])[0] for logp_K in alone]
        assert max(gaps) < margin(vlm) / 10
        assert len(set(letters(alone))) > 1
        for tokens, side in WAYS:
            assert letters(option_likelihoods(vlm, prompts, tokens=tokens, side=side)) == letters(alone)
    finally:
        with torch.no_grad():
            table.copy_(before)


def test_an_item_does_not_depend_on_its_neighbours(vlm, prompts):
    again = encode(vlm, colour_items(64)[5:7])
    for field in ("ids_L", "positions_PL", "features_NDH", "option_ids_K", "target_ids_A"):
        assert torch.equal(getattr(again[0], field), getattr(prompts[5], field))


def test_a_batch_lies_where_the_model_does(any_vlm, items):
    """A model without weights stands for one on a card: what stayed behind would not mix with it."""
    elsewhere = replace(any_vlm, model=copy.deepcopy(any_vlm.model).to("meta"))
    batch = pad(elsewhere, encode(any_vlm, items[:3]), with_target=True)
    deep = [part for value in batch.deep.values() for part in (value if isinstance(value, list) else [value])]
    assert {tensor.device.type for tensor in (*batch[:3], *deep)} == {"meta"}
