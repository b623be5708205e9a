"""Frames as a video: the whole model of transformers, and a patch taken by hand, are the oracles."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.models.answering import generate, option_likelihoods
from tasktransfer.models.families.video import video_inputs
from tasktransfer.models.prompts import _conversation, encode
from tasktransfer.models.vlm import load_model
from tasktransfer.tasks.item import Item
from tests.models.tiny import colour_items, make_tiny, video_items

torch = pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")


@pytest.fixture(scope="module", params=["qwen2_5_vl", "qwen3_vl"])
def paired(request, tmp_path_factory):
    """A model whose patches are of two frames, as those of the Hub are."""
    return load_model(make_tiny(tmp_path_factory.mktemp("paired") / request.param, request.param, frames=2))


def asked(vlm, item):
    return vlm.processor.apply_chat_template(_conversation(item, True), add_generation_prompt=True, tokenize=False)


def test_a_video_is_scored_as_by_transformers(paired):
    items = [*video_items(2), *colour_items(3)]
    prompts = encode(paired, items, frame_seconds=0.5)
    ours = option_likelihoods(paired, prompts)
    replies = generate(paired, prompts, max_new_tokens=4)
    images = option_likelihoods(paired, encode(paired, items))
    for item, prompt, logp_K, reply in list(zip(items, prompts, ours, replies, strict=True))[:2]:
        inputs = video_inputs(paired, asked(paired, item), item.images, 0.5)
        with torch.inference_mode():
            logits = paired.model(**inputs).logits[0, -1]
            written = paired.model.generate(**inputs, max_new_tokens=4, do_sample=False)
        assert np.allclose(logits.log_softmax(-1)[prompt.option_ids_K], logp_K, atol=1e-5)
        new = written[0, inputs["input_ids"].shape[1] :]
        assert paired.processor.tokenizer.decode(new, skip_special_tokens=True) == reply
        assert len(prompt.features_NDH) == 2 * 4  # two steps of 32 x 32 pixels: a picture each
    assert not np.allclose(ours[0], images[0], atol=1e-3)
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(ours[2:], images[2:], strict=True))


def test_a_patch_holds_the_same_place_of_two_frames(paired):
    item = video_items(1)[0]
    inputs = video_inputs(paired, asked(paired, item), item.images[:3], 1.0)
    assert inputs["video_grid_thw"].tolist() == [[2, 4, 4]]
    images = paired.processor.image_processor
    mean, std = (np.array(values)[:, None, None] for values in (images.image_mean, images.image_std))
    frames = [(np.asarray(frame).transpose(2, 0, 1) / 255 - mean) / std for frame in item.images[:3]]
    frames.append(frames[2])  # the odd last one again
    patches = inputs["pixel_values_videos"].view(2, 2, 2, 2, 2, 3, 2, 8, 8)
    for step, (top, left) in ((0, (0, 0)), (1, (3, 1))):
        found = patches[step, top // 2, left // 2, top % 2, left % 2]
        wanted = [frame[:, 8 * top : 8 * top + 8, 8 * left : 8 * left + 8] for frame in frames[2 * step :][:2]]
        assert np.allclose(found, np.stack(wanted, axis=1), atol=1e-5)


def test_time_is_told_to_the_model(paired):
    item = video_items(1)[0]
    slow, fast = (encode(paired, [item], frame_seconds=seconds)[0] for seconds in (4.0, 0.5))
    assert not np.allclose(option_likelihoods(paired, [slow])[0], option_likelihoods(paired, [fast])[0], atol=1e-4)


def test_the_times_of_qwen3_are_the_middle_of_each_step(tmp_path):
    vlm = load_model(make_tiny(tmp_path, "qwen3_vl", frames=2))
    text, _ = vlm.family.video(vlm.processor, [2, 4, 4], 0.5)
    places = "<|vision_start|>" + "<|video_pad|>" * 4 + "<|vision_end|>"
    assert text == f"<0.2 seconds>{places}<1.2 seconds>{places}"


def test_what_is_no_video_is_refused(paired, tiny_folders):
    frames = (Image.new("RGB", (32, 32)), Image.new("RGB", (40, 32)))
    with pytest.raises(InputError, match="item 'odd': the frames of a video are of several sizes"):
        encode(paired, [Item("odd", frames, "?", ("red", "green"), "A", is_video=True)], frame_seconds=1.0)
    with pytest.raises(SettingsError, match="LlavaForConditionalGeneration is given frames as images only"):
        encode(load_model(tiny_folders("llava")), video_items(1), frame_seconds=1.0)
