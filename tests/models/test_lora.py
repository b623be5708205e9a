"""Adapters of every family: they learn, come back as they were, and reach what they are meant to reach."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.models.answering import option_likelihoods
from tasktransfer.models.decoder import activation_checkpointing, whole_decoder
from tasktransfer.models.lora import adapter_targets, lora
from tasktransfer.models.prompts import encode
from tasktransfer.models.saved_adapters import check_adapter, read_adapter, saved_lora
from tasktransfer.models.vlm import load_model
from tasktransfer.study.train.finetune import answer_loss
from tests.models.tiny import colour_items

torch = pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")

LORA = {"r": 2, "alpha": 4, "dropout": 0.0, "layers": "attention+mlp", "name": "tiny"}
EVERYWHERE = LORA | {"projector": True, "vision": True}
# maps of decoder, projector and vision tower: of LLaVA's three vision blocks the last is not used
COUNTS = {
    "Qwen2_5_VL": (14, 2, 5),
    "Qwen3VL": (21, 6, 12),
    "Llava": (14, 2, 12),
    "LlavaOnevision": (14, 2, 12),
    "InternVL": (14, 2, 12),
}


def step(vlm, prompts, weights, lr=0.05):
    """One step of descent; the loss before it."""
    optimizer = torch.optim.SGD(weights, lr=lr)
    loss = answer_loss(vlm, prompts)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def learners(adapted):
    return [weight for weight in adapted.parameters() if weight.requires_grad]


def same(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.fixture
def trained(any_vlm, tmp_path):
    """A saved adapter of the language model, and what the model says with it."""
    prompts = encode(any_vlm, colour_items(6))
    torch.manual_seed(0)
    with lora(any_vlm, **LORA) as adapted:
        losses = [step(any_vlm, prompts, learners(adapted)) for _ in range(4)]
        any_vlm.model.eval()
        told = option_likelihoods(any_vlm, prompts)
        adapted.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    return tmp_path / "adapter", prompts, told, losses


def test_steps_lower_the_loss_and_the_saved_adapter_scores_identically(any_vlm, trained):
    folder, prompts, told, losses = trained
    n_layers = len(any_vlm.decoder.layers)
    assert all(later < earlier for earlier, later in pairwise(losses))
    untouched = option_likelihoods(any_vlm, prompts)
    with saved_lora(any_vlm, folder) as found:
        assert same(option_likelihoods(any_vlm, prompts), told)
        assert (found.kind, found.decoder, found.reaches_pixels) == ("LoRA", 7 * n_layers, False)
        assert not any(weight.requires_grad for weight in any_vlm.model.parameters())
    assert same(option_likelihoods(any_vlm, prompts), untouched)
    assert not same(told, untouched)
    assert check_adapter(any_vlm, folder).base == "tiny"


def test_targets_are_counted_by_part_and_stay_in_it(any_vlm):
    name = type(any_vlm.model).__name__.removesuffix("ForConditionalGeneration")
    targets = adapter_targets(any_vlm, "attention+mlp", projector=True, vision=True)
    assert (targets.decoder, targets.projector, targets.vision) == COUNTS[name]
    assert str(
        targets
    ) == "{} maps of the language model, {} maps of the projector, {} maps of the vision tower".format(
        *COUNTS[name]
    )
    n_attention = 4 * len(any_vlm.decoder.layers)
    assert adapter_targets(any_vlm, "attention").n == n_attention
    with lora(any_vlm, **(LORA | {"layers": "attention"})) as adapted:
        wrapped = [name for name, _ in adapted.named_parameters() if "lora_A" in name]
        assert len(wrapped) == n_attention
        assert not any(part in name for name in wrapped for part in ("visual", "vision", "projector"))


def test_projector_and_vision_tower_learn_and_come_back(any_vlm, tmp_path):
    prompts = encode(any_vlm, colour_items(6), keep_pixels=True)
    torch.manual_seed(0)
    with lora(any_vlm, **EVERYWHERE) as adapted:
        with torch.no_grad():  # B is zero at first, and then nothing behind it has a gradient
            for name, weight in adapted.named_parameters():
                if "lora_B" in name:
                    weight.normal_(std=0.05)
        first = answer_loss(any_vlm, prompts)
        first.backward()
        still = [n for n, weight in adapted.named_parameters() if weight.requires_grad and not weight.grad.any()]
        assert still == []
        adapted.zero_grad()
        assert step(any_vlm, prompts, learners(adapted), lr=0.01) == first.item()
        assert answer_loss(any_vlm, prompts).item() < first.item()
        told = option_likelihoods(any_vlm, prompts)
        adapted.save_pretrained(tmp_path / "adapter", save_embedding_layers=False)
    found = check_adapter(any_vlm, tmp_path / "adapter")
    assert found.reaches_pixels
    assert found.n == adapter_targets(any_vlm, "attention+mlp", projector=True, vision=True).n
    with saved_lora(any_vlm, tmp_path / "adapter"):
        assert same(option_likelihoods(any_vlm, prompts), told)


def test_checkpointing_changes_no_gradient(any_vlm):
    prompts = encode(any_vlm, colour_items(4), keep_pixels=True)
    found = []
    for checkpointed in (False, True):
        torch.manual_seed(0)
        with lora(any_vlm, **EVERYWHERE) as adapted:
            with torch.no_grad():
                for name, weight in adapted.named_parameters():
                    if "lora_B" in name:
                        weight.normal_(std=0.05)
            any_vlm.model.train()
            if checkpointed:
                with activation_checkpointing(any_vlm), _count_recomputed(any_vlm) as passes:
                    answer_loss(any_vlm, prompts).backward()
                assert set(passes) == {2}
            else:
                answer_loss(any_vlm, prompts).backward()
            found.append(
                {name: weight.grad for name, weight in adapted.named_parameters() if weight.requires_grad}
            )
    plain, recomputed = found
    assert all(torch.allclose(plain[name], recomputed[name], atol=1e-6) for name in plain)


def _count_recomputed(vlm):
    """How often each decoder layer is run."""
    from contextlib import contextmanager

    @contextmanager
    def counting():
        passes = [0] * len(vlm.decoder.layers)

        def hook(number):
            def count(*_):
                passes[number] += 1

            return count

        hooks = [
            layer.mlp.register_forward_pre_hook(hook(number)) for number, layer in enumerate(vlm.decoder.layers)
        ]
        try:
            yield passes
        finally:
            for one in hooks:
                one.remove()

    return counting()


def saved(vlm, folder, **changed):
    """An adapter of the given settings, saved with weights that change something."""
    from peft import LoraConfig, get_peft_model

    settings = {"r": 2, "lora_alpha": 4, "target_modules": adapter_targets(vlm, "attention").pattern} | changed
    torch.manual_seed(0)
    adapted = get_peft_model(vlm.model, LoraConfig(**settings))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.05)
    prompts = encode(vlm, colour_items(3))
    told = option_likelihoods(vlm, prompts)
    adapted.save_pretrained(folder, save_embedding_layers=False)
    adapted.unload()
    vlm.model.requires_grad_(False)
    return prompts, told


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"use_rslora": True, "r": 8}, "rsLoRA"),
        ({"target_modules": ["q_proj", "v_proj"], "exclude_modules": r".*visual.*"}, "LoRA"),
        ({"rank_pattern": {r"layers\.0\.self_attn\.q_proj": 4}, "alpha_pattern": {"v_proj": 32}}, "LoRA"),
        ({"layers_to_transform": [1], "target_modules": ["o_proj"]}, "LoRA"),
    ],
)
def test_adapters_of_other_trainers_score_as_they_did(vlm, tmp_path, settings, kind):
    prompts, told = saved(vlm, tmp_path, **settings)
    assert check_adapter(vlm, tmp_path).kind == kind
    with saved_lora(vlm, tmp_path):
        assert same(option_likelihoods(vlm, prompts), told)


OLD_NAMES = {
    "qwen2_5_vl": (("model.language_model.layers", "model.layers"), ("model.visual.", "visual.")),
    "llava": (
        ("model.language_model.layers", "language_model.model.layers"),
        ("model.vision_tower.encoder", "vision_tower.vision_model.encoder"),
        ("model.multi_modal_projector", "multi_modal_projector"),
    ),
    "internvl": (
        ("model.language_model.layers", "language_model.model.layers"),
        ("model.vision_tower.", "vision_tower."),
        ("model.multi_modal_projector", "multi_modal_projector"),
    ),
}


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("family", list(OLD_NAMES))
def test_module_names_of_older_transformers_are_renamed(tiny_folders, tmp_path, family):
    from safetensors.torch import load_file, save_file

    vlm = load_model(tiny_folders(family))
    pattern = adapter_targets(vlm, "attention", projector=True, vision=True).pattern
    prompts, told = saved(vlm, tmp_path, target_modules=pattern)
    path = tmp_path / "adapter_model.safetensors"
    older = {}
    for name, weight in load_file(path).items():
        for now, then in OLD_NAMES[family]:
            name = name.replace(f"base_model.model.{now}", f"base_model.model.{then}")
        older[name] = weight
    save_file(older, path)
    assert check_adapter(vlm, tmp_path).n == len(older) // 2
    with saved_lora(vlm, tmp_path):
        assert same(option_likelihoods(vlm, prompts), told)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_adapters_that_cannot_be_used_are_refused_in_words(vlm, tmp_path):
    from safetensors.torch import load_file, save_file

    good = tmp_path / "good"
    saved(vlm, good)

    def broken(name, change):
        folder = shutil.copytree(good, tmp_path / name)
        weights, config = (
            load_file(folder / "adapter_model.safetensors"),
            json.loads((folder / "adapter_config.json").read_text()),
        )
        change(weights, config)
        save_file(weights, folder / "adapter_model.safetensors")
        (folder / "adapter_config.json").write_text(json.dumps(config))
        return folder

    def zero(weights, _):
        for key in weights:
            if "lora_B" in key:
                weights[key].zero_()

    def widen(weights, _):
        key = next(iter(weights))
        weights[key] = torch.ones(weights[key].shape[0], weights[key].shape[1] + 1)

    def elsewhere(weights, _):
        module = next(iter(weights)).partition(".lora_")[0]
        for key in [key for key in weights if key.startswith(module)]:
            weights[key.replace("layers.0", "layers.9")] = weights.pop(key)

    def halve(weights, _):
        weights.pop(next(iter(weights)))

    def misname(_, config):
        config["alpha_pattern"] = {"w_proj": 3}

    def poison(weights, _):
        weights[next(iter(weights))].fill_(float("nan"))

    refused = {
        broken("zero", zero): "changes nothing",
        broken("wide", widen): r"belongs to another model: .* has \d+ features here",
        broken("far", elsewhere): "there is no .*layers.9",
        broken("half", halve): "lacks a factor of",
        broken("nan", poison): "no finite likelihoods",
        broken("misnamed", misname): "alpha_pattern names 'w_proj', and it wraps no such map",
        broken(
            "ia3", lambda _, config: config.update(peft_type="IA3")
        ): r"not of a LoRA adapter \(peft_type 'IA3'\)",
        broken("pissa", lambda _, config: config.update(init_lora_weights="pissa")): "changes the base too",
        broken("lora_ga", lambda _, config: config.update(init_lora_weights="lora_ga")): "changes the base too",
        broken("side", lambda *_: None): r"more than low-rank matrices \('non_lora_state_dict.bin'\)",
        broken(
            "head", lambda _, config: config.update(modules_to_save=["lm_head"])
        ): "more than low-rank matrices",
        tmp_path: "adapter_config.json: is not there",
    }
    (tmp_path / "side" / "non_lora_state_dict.bin").write_bytes(b"PK")
    for folder, told in refused.items():
        with pytest.raises(InputError, match=told):
            check_adapter(vlm, folder)
    (good / "adapter_model.safetensors").rename(good / "adapter_model.bin")
    with pytest.raises(InputError, match=r"pickled weights, adapter_model.bin, are not read"):
        read_adapter(good, vlm)
    with pytest.raises(SettingsError, match=r"did you mean 'attention\+mlp'"):
        adapter_targets(vlm, "attention+mpl")


def test_whole_language_model_of_every_family_learns_and_comes_back(any_vlm, tmp_path):
    from safetensors.torch import save_file

    prompts = encode(any_vlm, colour_items(4))
    before = option_likelihoods(any_vlm, prompts)
    with whole_decoder(any_vlm) as named:
        losses = [step(any_vlm, prompts, list(named.values()), lr=0.01) for _ in range(3)]
        told = option_likelihoods(any_vlm, prompts)
        save_file({n: w.detach().contiguous() for n, w in named.items()}, tmp_path / "model.safetensors")
    assert losses[-1] < losses[0]
    assert same(option_likelihoods(any_vlm, prompts), before)
    with whole_decoder(any_vlm, tmp_path / "model.safetensors"):
        assert same(option_likelihoods(any_vlm, prompts), told)
