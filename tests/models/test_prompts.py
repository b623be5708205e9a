"""Where the answer begins, and the orders of options."""

from __future__ import annotations

import numpy as np
import pytest

from tasktransfer.errors import InputError
from tasktransfer.models.answer_tokens import answer_text
from tasktransfer.models.answering import option_likelihoods
from tasktransfer.models.budget import halved_once, token_batches
from tasktransfer.models.prompts import encode, rotations_of
from tests.models.tiny import colour_items

torch = pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")


@pytest.mark.parametrize(
    ("prompt", "whole", "end", "answer"),
    [  # as the templates of the Hub write it: Qwen and InternVL, LLaVA-1.5, LLaVA-OneVision
        ("<|im_start|>assistant\n", "<|im_start|>assistant\nB<|im_end|>\n", "<|im_end|>", "B<|im_end|>"),
        ("USER: hi ASSISTANT:", "USER: hi ASSISTANT: B ", "</s>", " B</s>"),
        ("<|im_start|>assistant\n", "<|im_start|>assistant \nB<|im_end|>", "<|im_end|>", "B<|im_end|>"),
    ],
)
def test_the_answer_follows_the_prompt_and_closes_the_turn(prompt, whole, end, answer):
    assert answer_text(prompt, whole, end) == answer


def test_another_prompt_than_was_asked_is_refused():
    with pytest.raises(InputError, match="does not leave the prompt as it is"):
        answer_text("1 question assistant:", "2 question assistant: B", "</s>")


def test_rotations_ask_every_option_at_every_letter():
    item = next(item for item in colour_items(64) if len(item.choices) == 4)
    asked = [item, *rotations_of(item)]
    places = {pair for one in asked for pair in zip(one.letters, one.choices, strict=True)}
    assert len(places) == 16
    right = item.choices[item.letters.index(item.answer)]
    assert all(one.choices[one.letters.index(one.answer)] == right for one in asked)


def test_rotated_likelihoods_are_the_mean_over_what_is_asked_apart(any_vlm):
    items = colour_items(4)
    ours = option_likelihoods(any_vlm, encode(any_vlm, items, rotations=True), rotations=True)
    for item, logp_K in zip(items, ours, strict=True):
        wanted = dict.fromkeys(item.choices, 0.0)
        asked = [item, *rotations_of(item)]
        for one, told in zip(asked, option_likelihoods(any_vlm, encode(any_vlm, asked)), strict=True):
            for text, value in zip(one.choices, told, strict=True):
                wanted[text] += float(value) / len(asked)
        assert np.allclose(logp_K, [wanted[text] for text in item.choices], atol=1e-5)


def test_a_liking_for_a_letter_cancels(vlm):
    """With A liked more than it should be, answers by rotation stay and answers in one order do not."""
    items = [item for item in colour_items(32) if len(item.choices) == 4]
    prompts = encode(vlm, items, rotations=True)
    before = option_likelihoods(vlm, prompts, rotations=True)
    head, shift = vlm.head, 3.0
    letter = int(prompts[0].option_ids_K[0])

    def liking(_, __, logits):
        changed = logits.clone()
        changed[..., letter] += shift
        return changed

    hook = head.register_forward_hook(liking)
    try:
        plain = [int(np.argmax(logp_K)) for logp_K in option_likelihoods(vlm, prompts)]
        after = option_likelihoods(vlm, prompts, rotations=True)
    finally:
        hook.remove()
    assert [int(np.argmax(a)) for a in after] == [int(np.argmax(b)) for b in before]
    assert plain.count(0) > len(plain) / 2


def test_rotations_that_were_not_encoded_are_missed(vlm, prompts):
    with pytest.raises(InputError, match=r"item 'c0000' was not encoded with its rotations"):
        option_likelihoods(vlm, prompts, rotations=True)


def test_batches_hold_every_number_once_within_the_budget():
    lengths = np.random.default_rng(0).integers(1, 400, 300).tolist()
    batches = token_batches(lengths, 1000)
    assert sorted(number for batch in batches for number in batch) == list(range(300))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[number] for number in batch) <= 1000
    assert len(batches) < 300 / 2


def test_a_budget_is_halved_once_when_memory_runs_out(vlm, prompts):
    def small_card(_, __, inputs):
        if inputs["inputs_embeds"].shape[:2].numel() > 1500:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore words.")

    def ask(tokens):
        return option_likelihoods(vlm, prompts, tokens=tokens)

    wanted, told = ask(10_000), []
    hook = vlm.decoder.register_forward_pre_hook(small_card, with_kwargs=True)
    try:
        found = halved_once(ask, 2500, say=told.append)
        with pytest.raises(torch.OutOfMemoryError):
            halved_once(ask, 10_000, say=told.append)
    finally:
        hook.remove()
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(found, wanted, strict=True))
    assert told[0] == (
        "memory ran out with batches of 2500 tokens (CUDA out of memory. Tried to allocate 2.00 GiB.); trying 1250"
    )
