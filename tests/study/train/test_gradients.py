"""Gradients are those of the loss, as differences tell; no test item is seen; the fit is the penalised optimum."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.study.train.linearised import OptionItems, fit_linear, right_probability
from tests.models.tiny import colour_items, number_items, write_task

STUDY = """\
name: foretold
models: {tiny: model}
tasks: {one: one, two: two, count: count, tested: tested}
sources: [one, two]
targets: [one, two, count, tested]
seeds: [0]
items: {source: 12, target: 8}
optimisation: {steps: 4, batch: 4, lr: 0.01}
"""


@pytest.fixture(scope="module")
def planned(bench, tmp_path_factory):
    """A study of which nothing was run; ``tested`` has test items alone."""
    from tasktransfer.study.file import load_study
    from tasktransfer.study.plan_study import plan_study
    from tasktransfer.study.store import Store

    folder = tmp_path_factory.mktemp("foretold")
    shutil.copytree(bench / "model", folder / "model")
    for name, items in {
        "one": colour_items(24),
        "two": colour_items(24, seed=1),
        "count": number_items(24),
    }.items():
        write_task(folder / name, items)
    write_task(folder / "tested", colour_items(8, seed=2), splits=("test",))
    (folder / "study.yaml").write_text(STUDY)
    return plan_study(load_study(folder / "study.yaml")), Store(folder / "out")


@pytest.fixture(scope="module")
def estimates(planned):
    from tasktransfer.study.train.gradients import estimate_transfer

    return estimate_transfer(*planned, n_items=6, draws=2)


@pytest.fixture
def adapted(planned):
    """The model with a fresh adapter, its B, and some prompts."""
    import torch

    from tasktransfer.models.lora import lora
    from tasktransfer.study.loading import Loading

    plan, store = planned
    cell = next(cell for cell in plan.cells if cell.kind == "finetune")
    loading = Loading(plan, store)
    vlm = loading.vlm_of(cell)
    prompts = loading.prompts(cell, cell.training[0])
    torch.manual_seed(0)
    with lora(vlm, r=2, alpha=4, dropout=0, layers="attention+mlp", name="x") as model:
        for name, weight in model.named_parameters():
            weight.requires_grad_("lora_B" in name)
        vlm.model.eval()
        yield vlm, [weight for weight in model.parameters() if weight.requires_grad], prompts


def moved(weights, direction_P, step):
    """Put step times a direction into B."""
    import torch

    start = 0
    with torch.no_grad():
        for weight in weights:
            part = direction_P[start : start + weight.numel()].reshape(tuple(weight.shape))
            weight.copy_(step * torch.as_tensor(part))
            start += weight.numel()


def slope(function, weights, direction_P, step=0.02):
    """Central difference of a function of B along a direction, at B = 0, its cubic part taken off."""
    import torch

    found = []
    for size in (step, 2 * step):
        ends = []
        for sign in (1, -1):
            moved(weights, direction_P, sign * size)
            with torch.no_grad():
                ends.append(function())
        found.append((ends[0] - ends[1]) / (2 * size))
    moved(weights, direction_P, 0.0)
    return (4 * found[0] - found[1]) / 3


def test_the_mean_gradient_is_that_of_the_loss(adapted):
    from tasktransfer.study.train.finetune import answer_loss
    from tasktransfer.study.train.gradients import mean_gradient

    vlm, weights, prompts = adapted
    gradient_P, loss = mean_gradient(vlm, weights, prompts[:5], tokens=60)  # in several portions
    n_answers = sum(len(prompt.target_ids_A) for prompt in prompts[:5])
    along_P = gradient_P / np.linalg.norm(gradient_P)

    def mean_loss():
        return float(answer_loss(vlm, prompts[:5]).detach()) / n_answers

    assert slope(mean_loss, weights, along_P) == pytest.approx(float(gradient_P @ along_P), rel=0.01)
    assert loss == pytest.approx(mean_loss(), rel=1e-5)


def test_the_gradient_of_an_option_is_that_of_its_log_odds(adapted):
    from tasktransfer.models.answering import option_likelihoods
    from tasktransfer.study.train.gradients import option_gradients

    vlm, weights, prompts = adapted
    prompt = prompts[0]
    logits_K, gradients_KP = option_gradients(vlm, weights, prompt)
    assert np.allclose(gradients_KP.sum(dim=0), 0, atol=1e-5)
    logp_K = option_likelihoods(vlm, [prompt])[0]
    assert logits_K.numpy() - logits_K.numpy().mean() == pytest.approx(logp_K - logp_K.mean(), abs=1e-5)

    along_P = gradients_KP[0].numpy() / np.linalg.norm(gradients_KP[0])

    def above_the_others():
        logp_K = option_likelihoods(vlm, [prompt])[0]
        return float(logp_K[0] - logp_K.mean())

    seen = slope(above_the_others, weights, along_P)
    assert seen == pytest.approx(float(gradients_KP[0].numpy() @ along_P), rel=0.01)


def test_one_row_a_cell_and_nothing_trained(estimates, planned):
    table = estimates.table
    assert list(zip(table["source"], table["target"], strict=True)) == [
        (source, target) for source in ("one", "two") for target in ("one", "two", "count")
    ]
    assert table["cosine"].abs().max() <= 1
    assert (np.sign(table["inner"]) == np.sign(table["first_order"])).all()
    assert table["linear"].isna().tolist() == [False, False, True] * 2  # numbers have no options
    assert not list((planned[1].root / "cells").glob("*"))


def test_no_test_item_is_seen(estimates, planned):
    seen = [path.name for path in (planned[1].root / "items").rglob("*.safetensors")]
    assert len(seen) == 3
    assert all("-train-" in name for name in seen)
    assert any("target 'tested' is left out" in note for note in estimates.notes)


def test_the_same_seed_gives_the_same_table(estimates, planned):
    from tasktransfer.study.train.gradients import estimate_transfer

    pd.testing.assert_frame_equal(estimates.table, estimate_transfer(*planned, n_items=6, draws=2).table)


def test_passes_are_counted(estimates, planned):
    from tasktransfer.study.loading import Loading

    plan, store = planned
    cell = next(cell for cell in plan.cells if cell.kind == "finetune")
    loading = Loading(plan, store)
    both = [prompt for cell in plan.cells if cell.training for prompt in loading.prompts(cell, cell.training[0])]
    asked = sum(prompt.n_tokens * (1 + len(prompt.option_ids_K)) for prompt in both)
    assert estimates.passes["tiny", "options"] == asked
    assert estimates.passes["tiny", "mean"] > 2 * sum(prompt.n_tokens for prompt in both)  # and those of count
    assert cell.n_items == 12


def test_too_few_items_are_told(planned):
    from tasktransfer.study.train.gradients import estimate_transfer

    with pytest.raises(SettingsError, match="n_items is 1"):
        estimate_transfer(*planned, n_items=1)


def test_a_study_that_only_takes_early_steps_is_told(planned):
    from dataclasses import replace

    from tasktransfer.study.train.gradients import estimate_transfer

    plan, store = planned
    early = plan.study.optimisation.model_copy(update={"stop": 0.5})
    cells = tuple(replace(cell, optimisation=early if cell.optimisation else None) for cell in plan.cells)
    with pytest.raises(InputError, match="trains no source to its end"):
        estimate_transfer(replace(plan, cells=cells), store)


def test_the_fit_is_the_penalised_optimum():
    """Two options and one feature: the slope of the loss has one root, found by another method."""
    x = np.array([1.0, 2.0, -0.5, 0.7, 1.5, 0.2])
    items = OptionItems([np.zeros(2)] * 6, [np.array([[value], [-value]]) for value in x], [0, 0, 0, 1, 0, 1])
    sign = np.array([1, 1, 1, -1, 1, -1])
    size = float((x**2).mean())
    optima = [
        optimize.brentq(
            lambda w, p=penalty: -(2 * x * sign * special.expit(-2 * x * sign * w)).mean() + p * size * w, -50, 50
        )
        for penalty in 10.0 ** np.arange(0, -7, -1.0)
    ]
    found = float(fit_linear(items)[0])
    assert min(abs(found - optimum) for optimum in optima) < 1e-3
    before = right_probability(items, np.zeros(1))
    assert before == pytest.approx(0.5)
    assert right_probability(items, np.array([found])) > before


def test_a_fit_without_features_moves_nothing():
    items = OptionItems([np.zeros(2)] * 8, [np.zeros((2, 3))] * 8, [0, 1] * 4)
    assert not fit_linear(items).any()
