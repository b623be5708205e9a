"""Where and in what portions a study is computed, and what it is trained on, beyond the plainest case."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasktransfer.errors import InputError
from tasktransfer.study.run import run_study
from tasktransfer.study.spec import Optimisation

STUDY = "study.yaml"


def table(out):
    return pd.read_parquet(out / "predictions.parquet")


def adapter_of(out, word):
    from safetensors.numpy import load_file

    (cell,) = [path for path in (out / "cells").iterdir() if word in path.name]
    return load_file(cell / "adapter" / "adapter_model.safetensors")


def close_adapters(a, b, tolerance=2e-4):
    return set(a) == set(b) and all(np.allclose(a[name], b[name], atol=tolerance) for name in a)


def run_out(given, most_items):
    import torch

    if len(given[2]["inputs_embeds"]) > most_items:
        raise torch.OutOfMemoryError("no room")


def trained(bench, optimisation, *, dropout=0.1, tokens=16384, checkpoint=None, most_items=None, n_items=12):
    """A finetune of the small model by itself, on a device with room for so many items; weights and curve."""
    import torch

    from tasktransfer.models.lora import lora
    from tasktransfer.models.prompts import encode
    from tasktransfer.models.vlm import load_model
    from tasktransfer.study.train.finetune import finetune
    from tests.models.tiny import colour_items

    vlm = load_model(bench / "model")
    prompts = encode(vlm, colour_items(12))[:n_items]
    if most_items:
        vlm.decoder.register_forward_pre_hook(lambda *given: run_out(given, most_items), with_kwargs=True)
    torch.manual_seed(0)
    with lora(vlm, r=2, alpha=4, dropout=dropout, layers="attention", name="tiny") as adapted:
        named = {name: weight for name, weight in adapted.named_parameters() if weight.requires_grad}
        seed = np.random.SeedSequence(3)
        curve = finetune(vlm, named, prompts, optimisation, seed=seed, tokens=tokens, checkpoint=checkpoint)
        return {name: weight.detach().clone().numpy() for name, weight in named.items()}, curve


def test_without_an_item_nothing_is_trained(bench):
    with pytest.raises(InputError, match="there is no item to train on"):
        trained(bench, Optimisation(steps=1), n_items=0)


def test_portions_make_the_same_step(bench):
    how = Optimisation(steps=3, batch=6, lr=0.01)
    whole, curve = trained(bench, how, dropout=0)
    parts, pieces = trained(bench, how, dropout=0, tokens=1)
    assert [step["loss"] for step in curve] == pytest.approx([step["loss"] for step in pieces], rel=1e-4)
    assert close_adapters(whole, parts)
    assert any(np.abs(whole[name]).max() > 0 for name in whole if "lora_B" in name)


def test_where_memory_runs_out_portions_are_halved_once_and_it_is_said(bench):
    import torch

    how = Optimisation(steps=2, batch=6, lr=0.01)
    whole, curve = trained(bench, how, dropout=0)
    halves, told = trained(bench, how, dropout=0, most_items=4)
    assert "tokens" not in curve[0]
    assert {step["tokens"] for step in told} == {told[0]["tokens"]}
    assert close_adapters(whole, halves)
    with pytest.raises(torch.OutOfMemoryError):
        trained(bench, how, dropout=0, most_items=1)


def test_a_finetune_goes_on_where_it_was_saved(bench, tmp_path):
    from tasktransfer.study.train.checkpoint import Checkpoint

    how = Optimisation(steps=6, batch=4, lr=0.01)
    undisturbed, curve = trained(bench, how)
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", every=2)
    _, first = trained(bench, how.model_copy(update={"stop": 5 / 6}), checkpoint=checkpoint)
    assert len(first) == 5  # saved after four
    resumed, second = trained(bench, how, checkpoint=checkpoint)
    assert second == curve
    assert all(np.array_equal(undisturbed[name], resumed[name]) for name in undisturbed)


def test_a_damaged_checkpoint_is_a_new_beginning(bench, tmp_path):
    from tasktransfer.study.train.checkpoint import Checkpoint

    how = Optimisation(steps=2, batch=4)
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", every=1)
    _, curve = trained(bench, how, checkpoint=checkpoint)
    content = checkpoint.path.read_bytes()
    checkpoint.path.write_bytes(content[: len(content) // 2])
    assert trained(bench, how, checkpoint=checkpoint)[1] == curve


def test_features_that_are_not_kept_give_the_same_answers(bench, reference, tmp_path):
    run_study(bench / STUDY, tmp_path, overrides=["compute.keep_features=false"], quiet=True)
    ours, theirs = table(tmp_path), table(reference)
    assert (ours["predicted"] == theirs["predicted"]).all()
    assert close_adapters(adapter_of(tmp_path, "one-seed0"), adapter_of(reference, "one-seed0"))


def test_a_small_budget_of_tokens_gives_the_same_answers_of_the_untouched_model(bench, reference, tmp_path):
    run_study(bench / STUDY, tmp_path, overrides=["compute.tokens=1", "controls=[]"], quiet=True)
    ours, theirs = (found[found["kind"] == "base"] for found in (table(tmp_path), table(reference)))
    pd.testing.assert_frame_equal(ours.reset_index(drop=True), theirs.reset_index(drop=True))
    assert close_adapters(adapter_of(tmp_path, "one-seed0"), adapter_of(reference, "one-seed0"))


def test_the_vision_tower_may_learn(bench, reference, tmp_path):
    changes = ["method.vision=true", "method.projector=true", "controls=[no-image]"]
    result = run_study(bench / STUDY, tmp_path, overrides=changes, quiet=True)
    assert not result.failed
    names = adapter_of(tmp_path, "one-seed0")
    assert any("visual.blocks" in name for name in names)
    assert any("merger" in name for name in names)
    ours, theirs = (found[found["kind"] == "base"] for found in (table(tmp_path), table(reference)))
    pd.testing.assert_frame_equal(ours.reset_index(drop=True), theirs.reset_index(drop=True))


def test_rotated_options_give_one_answer_an_item(bench, tmp_path):
    changes = ["evaluation.rotations=true", "sources=[one]", "targets=[one, two]", "controls=[]"]
    result = run_study(bench / STUDY, tmp_path, overrides=changes, quiet=True)
    assert not result.failed
    assert not result.predictions.duplicated(["source", "target", "item"]).any()


def test_a_control_without_images_needs_no_second_model_beside_the_one_in_4_bits(bench, tmp_path):
    import torch

    from tasktransfer.models.prompts import blanked, encode
    from tasktransfer.study.file import load_study
    from tasktransfer.study.loading import Loading
    from tasktransfer.study.plan_study import plan_study
    from tasktransfer.study.store import Store
    from tasktransfer.study.train.training_items import training_prompts

    pytest.importorskip("bitsandbytes", reason="4-bit weights need bitsandbytes: pip install '.[qlora]'")
    changes = ["method.kind=qlora", "controls=[no-image]", "sources=[one]"]
    plan = plan_study(load_study(bench / STUDY, overrides=changes))
    loading = Loading(plan, Store(tmp_path))
    (cell,) = [cell for cell in plan.cells if cell.control]
    loading.prepare(cell.model, cell.training[0], pixels=False)
    exact = loading.vlm(cell.model)
    drawn = {item.id: item for item in loading.draw(cell.training[0])}
    vlm = loading.vlm_of(cell)
    prompts = training_prompts(vlm, cell, loading, seed=np.random.SeedSequence(0))
    assert loading.vlm_of(cell) is vlm
    alone = encode(exact, [blanked(drawn[prompt.item]) for prompt in prompts])
    assert len(prompts) == 12
    assert all(torch.equal(a.features_NDH, b.features_NDH) for a, b in zip(prompts, alone, strict=True))


def existing(bench, tmp_path, place):
    text = (bench / STUDY).read_text().replace("sources: [one, two]", f"adapters: {{one: '{place}'}}")
    text = text.replace("model}", f"{bench}/model}}").replace("controls: [format-only]\n", "")
    for name in ("one", "two", "count"):
        text = text.replace(f"{name}: {name}", f"{name}: {bench}/{name}")
    path = tmp_path / "with_adapters.yaml"
    path.write_text(text)
    return path


def test_an_adapter_that_is_there_is_asked_and_not_trained(bench, reference, tmp_path):
    (cell,) = [path for path in (reference / "cells").iterdir() if "one-seed0" in path.name]
    study = existing(bench, tmp_path, cell / "adapter")
    result = run_study(study, tmp_path / "out", quiet=True)
    assert not result.failed
    ours, theirs = (
        found[found["source"] == "one"].reset_index(drop=True) for found in (result.predictions, table(reference))
    )
    pd.testing.assert_frame_equal(ours, theirs)
    assert not list((tmp_path / "out").rglob("adapter_model.safetensors"))


def test_an_adapter_that_changes_nothing_fails_alone(bench, reference, tmp_path):
    import shutil

    from safetensors.numpy import load_file, save_file

    (cell,) = [path for path in (reference / "cells").iterdir() if "one-seed0" in path.name]
    shutil.copytree(cell / "adapter", tmp_path / "empty")
    weights = load_file(tmp_path / "empty" / "adapter_model.safetensors")
    emptied = {name: weight * 0 if "lora_B" in name else weight for name, weight in weights.items()}
    save_file(emptied, tmp_path / "empty" / "adapter_model.safetensors")
    result = run_study(existing(bench, tmp_path, tmp_path / "empty"), tmp_path / "out", quiet=True)
    assert "changes nothing" in next(iter(result.failed.values()))
    assert set(result.predictions["kind"]) == {"base"}


def test_a_missing_adapter_is_a_fault_of_the_study(bench, tmp_path):
    with pytest.raises(InputError, match=r"adapters\.one: no PEFT adapter"):
        run_study(existing(bench, tmp_path, tmp_path / "nowhere-{seed}"), tmp_path / "out", quiet=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lora", "full"])
def test_a_finetune_shared_by_two_processes(bench, tmp_path, kind):
    changes = ["compute.device=cpu", f"method.kind={kind}", "sources=[one]", "optimisation.batch=5"]
    run_study(bench / STUDY, tmp_path / "alone", overrides=changes, quiet=True)
    result = run_study(bench / STUDY, tmp_path / "shared", overrides=[*changes, "compute.gpus=2"], quiet=True)
    assert not result.failed, (tmp_path / "shared" / "workers.log").read_text()[-3000:]
    alone, shared = table(tmp_path / "alone"), table(tmp_path / "shared")
    assert (alone["predicted"] == shared["predicted"]).mean() > 0.9
    logps = [np.concatenate(found["option_loglikelihoods"].to_list()) for found in (alone, shared)]
    assert np.allclose(*logps, atol=0.01)
