"""The embedded model as it is shipped: small, loadable as any checkpoint, fluent in what the drawn world asks."""

# what needs torch is imported once it is known to be there
# ruff: noqa: E402
from __future__ import annotations

import subprocess
import sys
from itertools import islice

import numpy as np
import pytest

from tasktransfer.tasks import TOY_TASKS

for needed in ("torch", "transformers", "PIL"):
    pytest.importorskip(needed, reason=f"the embedded model needs {needed}: pip install tasktransfer[models]")

import torch
from recipes.toy_model import build
from recipes.toy_model.features import image_features, patches
from recipes.toy_model.measure import Finetune, accuracy, draw_pool, finetuned
from recipes.toy_model.packing import answer_rows, encode
from recipes.toy_model.processor import load_processor
from recipes.toy_model.words import prompt_text, split_words
from safetensors.torch import load_file
from transformers import Qwen2_5_VLForConditionalGeneration

from tasktransfer.models.toy import WEIGHTS
from tasktransfer.tasks.toyworld import draw_items
from tasktransfer.tasks.toyworld.draw import draw_scenes

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def processor():
    return load_processor(WEIGHTS)


@pytest.fixture(scope="module")
def ids(processor):
    return processor.tokenizer.get_vocab()


@pytest.fixture
def model():
    torch.set_num_threads(1)
    return Qwen2_5_VLForConditionalGeneration.from_pretrained(WEIGHTS).eval()


def inputs(processor, item):
    parts = [{"type": "image"} for _ in item.images]
    chat = [
        {"role": "user", "content": [*parts, {"type": "text", "text": prompt_text(item.question, item.choices)}]}
    ]
    text = processor.apply_chat_template(chat, add_generation_prompt=True)
    return processor(text=[text], images=[list(item.images)], return_tensors="pt")


def test_importing_the_package_reaches_no_torch():
    code = "import sys, tasktransfer.models.toy\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_is_small(model):
    assert sum(file.stat().st_size for file in WEIGHTS.iterdir()) <= 10_000_000
    assert sum(p.numel() for p in model.model.language_model.parameters()) <= 1_000_000
    assert (WEIGHTS / "MODEL_CARD.md").exists()
    assert not [*WEIGHTS.glob("*.bin"), *WEIGHTS.glob("*.pkl")]


@pytest.mark.parametrize("task", list(TOY_TASKS))
def test_every_question_is_in_words_it_knows_and_fits(task, processor):
    unknown = processor.tokenizer.unk_token_id
    for item in draw_items(task, "train", 25, seed=7):
        ids = inputs(processor, item).input_ids[0].tolist()
        assert unknown not in ids
        assert len(ids) + 2 <= 120
        assert unknown not in processor.tokenizer(item.answer).input_ids


def test_words_are_split_as_the_tokenizer_splits(processor):
    for task in TOY_TASKS:
        item = draw_items(task, "train", 1)[0]
        text = prompt_text(item.question, item.choices)
        assert processor.tokenizer.convert_ids_to_tokens(processor.tokenizer(text).input_ids) == split_words(text)


def test_the_processor_keeps_pixels(processor):
    item = draw_items("toy_jigsaw", "test", 1)[0]
    told = inputs(processor, item).pixel_values
    pixels = np.stack([np.asarray(image) for image in item.images])
    assert torch.allclose(told, patches(pixels), atol=1e-6)


def test_batched_features_are_those_of_transformers(model, processor):
    item = draw_items("toy_art_style", "test", 1)[0]
    batch = inputs(processor, item)
    with torch.no_grad():
        theirs = model.model.visual(batch.pixel_values, grid_thw=batch.image_grid_thw).pooler_output
        ours = image_features(model, np.stack([np.asarray(image) for image in item.images]))
    assert torch.allclose(theirs.view_as(ours), ours, atol=1e-4)


@pytest.mark.parametrize("task", ["toy_relative_depth", "toy_forensic_detection"])
def test_a_packed_question_is_answered_as_alone(task, model, processor, ids):
    scene, pixels = next(draw_scenes(task, "test", difficulty=0.5))
    (item,) = draw_items(task, "test", 1)
    own = encode(ids, task, prompt_text(scene.question, scene.choices), scene.answer)
    others = [encode(ids, task, text, answer) for text, answer in scene.probes]
    with torch.no_grad():
        alone = model(**inputs(processor, item)).logits[0, -1]
        features = image_features(model, pixels).flatten(0, 1)[None]
        packed = answer_rows(model, ids, len(pixels), features, [[*others, own, *others]])
    assert torch.allclose(packed.scores[len(others)], alone, atol=1e-3)


def test_it_ends_its_turn(model, processor):
    item = draw_items("toy_spatial_relation", "test", 1)[0]
    batch = inputs(processor, item)
    told = model.generate(**batch, max_new_tokens=4, do_sample=False)[0, batch.input_ids.shape[1] :].tolist()
    assert processor.tokenizer.decode(told[:1]) in item.letters
    assert told[1] == processor.tokenizer.eos_token_id


def test_it_is_a_partial_learner_on_a_small_sample(model, ids):
    """A wide band: the measured numbers are in the model card."""
    shares = {
        task: accuracy(model, ids, draw_pool(model, ids, task, "test", 120)) for task in list(TOY_TASKS)[:13]
    }
    partial = [task for task, share in shares.items() if TOY_TASKS[task].chance < share < 0.95]
    assert len(partial) >= 9, shares


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_it_learns_a_task_from_its_training_items(model, ids):
    pytest.importorskip("peft", reason="finetuning needs peft: pip install tasktransfer[models]")
    gains = {}
    for task in ("toy_relative_depth", "toy_art_style", "toy_semantic_correspondence"):
        settings = Finetune()
        test = draw_pool(model, ids, task, "test", 400)
        before = accuracy(model, ids, test)
        adapted = finetuned(model, ids, draw_pool(model, ids, task, "train", settings.items), settings)
        gains[task] = (accuracy(adapted, ids, test) - before) / (1 - before)
        model = adapted.unload()
    assert sorted(gains.values())[1] >= 0.25, gains


@pytest.mark.slow
def test_the_build_runs_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "TOWER_STEPS", 2)
    monkeypatch.setattr(build, "POOL_ITEMS", 10)
    monkeypatch.setattr(build, "_CHECK_ITEMS", 10)
    held = build.Course("settle", steps=2, share=0.4, check=1, falling=True)
    monkeypatch.setattr(build, "COURSES", (build.Course("probes", steps=2), held))
    build.build(tmp_path / "work", tmp_path / "one")
    (tmp_path / "work" / "settle").rename(tmp_path / "old")
    build.build(tmp_path / "work", tmp_path / "two")
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert load_processor(tmp_path / "two").tokenizer.eos_token == "<|end|>"


def test_scenes_and_items_are_the_same_draw():
    items = draw_items("toy_counting", "test", 5)
    scenes = islice(draw_scenes("toy_counting", "test", difficulty=0.5), 5)
    for item, (scene, pixels) in zip(items, scenes, strict=True):
        assert item.answer == scene.answer
        assert np.array_equal(np.asarray(item.images[0]), pixels[0])
