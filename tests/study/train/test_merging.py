"""Merged adapters against the sums of their updates, written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasktransfer.errors import InputError

torch = pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")

WEIGHTS = (0.7, 0.2)


@pytest.fixture(scope="module")
def vlm(bench):
    from tasktransfer.models.vlm import load_model

    return load_model(bench / "model")


@pytest.fixture(scope="module")
def adapters(reference) -> list[Path]:
    folders = sorted(path for path in (reference / "cells").iterdir() if (path / "adapter").is_dir())
    return [path / "adapter" for path in folders if "format" not in path.name]


def factors(folder: Path) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """A and B of each map, the scaling of 2 in B; read without this package."""
    from safetensors.torch import load_file

    tensors = load_file(folder / "adapter_model.safetensors")
    names = [name.removesuffix(".lora_A.weight") for name in tensors if ".lora_A." in name]
    return {name: (tensors[f"{name}.lora_A.weight"], 2 * tensors[f"{name}.lora_B.weight"]) for name in names}


def updates_of(wrapped) -> dict[str, torch.Tensor]:
    """What the merged adapter adds to each map."""
    found = {}
    for name, module in wrapped.named_modules():
        if hasattr(module, "lora_A") and "merged" in module.lora_A:
            a, b = module.lora_A["merged"].weight, module.lora_B["merged"].weight
            found[name] = module.scaling["merged"] * (b @ a)
    return found


def merged(vlm, folders, weights, how, *, density=0.5, seed=0):
    from tasktransfer.models.merging import merged_lora

    with merged_lora(vlm, folders, weights, how=how, density=density, seed=seed) as wrapped:
        return updates_of(wrapped)


def test_cat_is_the_weighted_sum_of_updates(vlm, adapters):
    one, two = map(factors, adapters)
    found = merged(vlm, adapters, WEIGHTS, "cat")
    assert set(found) == set(one)
    for name, update in found.items():
        wanted = sum(w * (f[name][1] @ f[name][0]) for w, f in zip(WEIGHTS, (one, two), strict=True))
        assert torch.allclose(update, wanted, atol=1e-6)
        assert update.abs().max() > 1e-4


def test_linear_sums_the_factors(vlm, adapters):
    one, two = map(factors, adapters)
    roots = np.sqrt(WEIGHTS)
    found = merged(vlm, adapters, WEIGHTS, "linear")
    assert set(found) == set(one)
    for name, update in found.items():
        a, b = (sum(r * f[name][part] for r, f in zip(roots, (one, two), strict=True)) for part in (0, 1))
        assert torch.allclose(update, b @ a, atol=1e-6)


def test_dare_with_nothing_dropped_is_linear_and_else_follows_its_seed(vlm, adapters):
    linear = merged(vlm, adapters, WEIGHTS, "linear")
    whole = merged(vlm, adapters, WEIGHTS, "dare_linear", density=1.0)
    assert linear
    assert all(torch.allclose(whole[name], linear[name], atol=1e-6) for name in linear)
    first, again, other = (merged(vlm, adapters, WEIGHTS, "dare_linear", seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.allclose(first[name], other[name]) for name in first)


@pytest.mark.parametrize("how", ["ties", "dare_ties"])
def test_pruned_merges_are_neither_nothing_nor_the_sum(vlm, adapters, how):
    exact, found = (merged(vlm, adapters, WEIGHTS, way) for way in ("cat", how))
    assert found
    assert all(update.abs().max() > 0 for update in found.values())
    assert any(not torch.allclose(found[name], exact[name], atol=1e-6) for name in exact)


@pytest.mark.parametrize("how", ["linear", "cat"])
def test_one_adapter_of_weight_one_answers_as_itself(vlm, adapters, how):
    from tasktransfer.models.answering import option_likelihoods
    from tasktransfer.models.merging import merged_lora
    from tasktransfer.models.prompts import encode
    from tasktransfer.models.saved_adapters import saved_lora
    from tests.models.tiny import colour_items

    prompts = encode(vlm, colour_items(6))
    before = option_likelihoods(vlm, prompts)
    with saved_lora(vlm, adapters[0]):
        own = option_likelihoods(vlm, prompts)
    with merged_lora(vlm, adapters[:1], [1.0], how=how, density=0.5, seed=0):
        found = option_likelihoods(vlm, prompts)
    after = option_likelihoods(vlm, prompts)
    for number in range(len(prompts)):
        assert np.allclose(found[number], own[number], atol=1e-4)
        assert np.array_equal(after[number], before[number])  # the model is as it was
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(own, before, strict=True))


def test_what_cannot_be_merged(vlm, adapters, tmp_path):
    import json
    import shutil

    other = tmp_path / "dora"
    shutil.copytree(adapters[0], other)
    config = json.loads((other / "adapter_config.json").read_text())
    (other / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    with pytest.raises(InputError, match="a DoRA adapter; plain LoRA can be merged"):
        merged(vlm, [adapters[0], other], WEIGHTS, "cat")
    with pytest.raises(InputError, match="an adapter is a folder as PEFT saves it"):
        merged(vlm, [adapters[0], tmp_path], WEIGHTS, "cat")


def test_a_merge_of_an_adapter_that_failed_says_so(bench, tmp_path, monkeypatch):
    import tasktransfer.study.do_job as do_job
    from tasktransfer.study.run import run_study

    train = do_job._train

    def fail(cell, loading):
        if cell.source == "two":
            raise InputError("no luck")
        train(cell, loading)

    monkeypatch.setattr(do_job, "_train", fail)
    changes = ["merges={both: {of: {one: 1, two: 1}}}", "controls=[]"]
    result = run_study(bench / "study.yaml", tmp_path, overrides=changes, quiet=True)
    told = next(told for key, told in result.failed.items() if "merge" in key)
    assert "there is no adapter to merge of tiny-two-seed0" in told
