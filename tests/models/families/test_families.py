"""Each family against transformers itself: the whole model, from pixels, is the oracle of what we do in parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.models.answering import generate, option_likelihoods
from tasktransfer.models.families import FAMILIES, Pixels, family_named, family_of
from tasktransfer.models.prompts import encode
from tasktransfer.models.vlm import load_model
from tasktransfer.tasks.item import Item
from tests.models.test_answering import direct_inputs, letters
from tests.models.tiny import colour_items, video_items
from tests.models.tiny_families import TINY

torch = pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")

MINE = FAMILIES["llava"]  # a family by an importable name


def test_every_item_is_scored_as_by_transformers_from_pixels(any_vlm, items):
    ours = option_likelihoods(any_vlm, encode(any_vlm, items))
    first = any_vlm.processor.tokenizer.convert_tokens_to_ids(list("ABCD"))
    for item, logp_K in zip(items, ours, strict=True):
        with torch.inference_mode():
            logits = any_vlm.model(**direct_inputs(any_vlm, item)).logits[0, -1]
        assert np.allclose(logits.log_softmax(-1)[first[: len(item.choices)]], logp_K, atol=1e-5)


def test_written_answers_are_those_of_transformers(any_vlm, items):
    some = [*items[:4], items[-1]]
    ours = generate(any_vlm, encode(any_vlm, some), max_new_tokens=5)
    for item, reply in zip(some, ours, strict=True):
        inputs = direct_inputs(any_vlm, item)
        with torch.inference_mode():
            written = any_vlm.model.generate(**inputs, max_new_tokens=5, do_sample=False)
        new = written[0, inputs["input_ids"].shape[1] :]
        assert any_vlm.processor.tokenizer.decode(new, skip_special_tokens=True) == reply


def test_batch_and_padding_flip_no_answer_of_any_family(any_vlm, items):
    prompts = encode(any_vlm, items)
    alone = option_likelihoods(any_vlm, prompts, tokens=1)
    written = generate(any_vlm, prompts, max_new_tokens=2, tokens=1)
    assert len(set(letters(alone))) > 1
    for tokens, side in ((200, "right"), (10_000, "left"), (10_000, "right")):
        ours = option_likelihoods(any_vlm, prompts, tokens=tokens, side=side)
        assert letters(ours) == letters(alone)
        assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(ours, alone, strict=True))
        assert generate(any_vlm, prompts, max_new_tokens=2, tokens=tokens, side=side) == written


def test_pixels_that_are_kept_give_the_features_of_now(any_vlm, items):
    now = option_likelihoods(any_vlm, encode(any_vlm, items[:5]))
    kept = encode(any_vlm, items[:5], keep_pixels=True)
    assert all(prompt.features_NDH is None and prompt.pixels for prompt in kept)
    later = option_likelihoods(any_vlm, kept)
    assert all(np.array_equal(a, b) for a, b in zip(now, later, strict=True))


def test_the_answer_begins_where_the_template_asks_for_it(any_vlm, items):
    tokenizer = any_vlm.processor.tokenizer
    prompt = encode(any_vlm, items[:1])[0]
    assert tokenizer.decode(prompt.target_ids_A).split() == [items[0].answer, tokenizer.eos_token]
    assert tokenizer.convert_ids_to_tokens(prompt.option_ids_K) == list(items[0].letters)


def test_pictures_are_seen(any_vlm):
    red, blue = (
        next(item for item in colour_items(64) if item.choices[item.letters.index(item.answer)] == colour)
        for colour in ("red", "blue")
    )
    other = replace(red, images=blue.images[:1] * len(red.images))
    one, other = option_likelihoods(any_vlm, encode(any_vlm, [red, other]))
    assert not np.allclose(one, other, atol=1e-3)


def test_items_without_pictures_and_without_options_go_through(any_vlm):
    bare = Item("bare", (), "how many ?", (), "3")
    prompt = encode(any_vlm, [bare])[0]
    assert len(prompt.features_NDH) == 0
    assert len(generate(any_vlm, [prompt, *encode(any_vlm, video_items(1))], max_new_tokens=2)) == 2


def test_a_lost_place_names_the_item(any_vlm, items):
    features = any_vlm.family.features
    short = replace(any_vlm.family, features=lambda model, inputs: features(model, inputs)[1:])
    wrong = replace(any_vlm, family=short)
    with pytest.raises(InputError, match=r"item 'c0000': \d+ image features for \d+ places"):
        encode(wrong, items[:1])


def test_what_the_processor_returns_is_not_dropped(any_vlm, items):
    known = any_vlm.family.image_inputs
    wrong = replace(any_vlm, family=replace(any_vlm.family, image_inputs=known[1:]))
    with pytest.raises(InputError, match="item 'c0000': the processor returned 'pixel_values'"):
        encode(wrong, items[:1])


def test_one_picture_is_tiled_and_several_are_not(tiny_folders):
    """LLaVA-OneVision: 16 places a tile; one picture is its overview and its tiles with a column of line ends."""
    vlm = load_model(tiny_folders("llava_onevision"))
    single, several = (
        next(item for item in colour_items(64, sizes=(48,)) if len(item.images) == count) for count in (1, 3)
    )
    one, three = encode(vlm, [single, several])
    assert len(three.features_NDH) == 3 * (16 + 1)
    assert len(one.features_NDH) == 16 + 8 * (8 + 1)


@pytest.mark.parametrize(
    ("family", "pixels", "counts"),
    [
        ("qwen2_5_vl", Pixels(most=16 * 16), {1}),
        ("qwen3_vl", Pixels(least=64 * 64, most=64 * 64), {16}),
        ("internvl", Pixels(tiles=1), {4}),
        ("llava_onevision", Pixels(tiles=1), {16 + 4 * (4 + 1)}),
    ],
)
def test_limits_on_pixels_reach_processor_and_model(tiny_folders, family, pixels, counts):
    vlm = load_model(tiny_folders(family), pixels=pixels)
    single = [item for item in colour_items(32) if len(item.images) == 1]
    prompts = encode(vlm, single)
    assert {len(prompt.features_NDH) for prompt in prompts} == counts
    with torch.inference_mode():
        logits = vlm.model(**direct_inputs(vlm, single[0])).logits[0, -1]
    logp_K = option_likelihoods(vlm, prompts[:1])[0]
    assert np.allclose(logits.log_softmax(-1)[prompts[0].option_ids_K], logp_K, atol=1e-5)


def test_limits_that_a_family_does_not_have_are_refused(tiny_folders):
    with pytest.raises(
        SettingsError, match="tiles is not a setting of this family, which has only least and most"
    ):
        load_model(tiny_folders("qwen3_vl"), pixels=Pixels(tiles=4))
    with pytest.raises(SettingsError, match="most is not a setting of this family, which has no such setting"):
        load_model(tiny_folders("llava"), pixels=Pixels(most=1000))
    with pytest.raises(SettingsError, match="at least 2000 and at most 1000 pixels"):
        load_model(tiny_folders("qwen2_5_vl"), pixels=Pixels(least=2000, most=1000))
    with pytest.raises(SettingsError, match="at least 256 and at most 100 pixels cannot both be"):
        load_model(tiny_folders("qwen2_5_vl"), pixels=Pixels(most=100))


def test_a_family_of_ones_own_is_an_importable_name(tiny_folders):
    assert family_named("tests.models.families.test_families:MINE") is MINE
    vlm = load_model(tiny_folders("llava"), family="tests.models.families.test_families:MINE")
    assert vlm.family is MINE
    for name, told in (
        ("lava", "did you mean 'llava'"),
        ("tests.models.nothing:MINE", "cannot be imported"),
        ("tests.models.families.test_families:TINY", "is a dict, not"),
    ):
        with pytest.raises(InputError, match=told):
            family_named(name)


def test_every_tiny_model_is_of_its_family(tiny_folders):
    assert list(TINY) == list(FAMILIES)
    assert all(family_of(tiny_folders(name)) is family for name, family in FAMILIES.items())
