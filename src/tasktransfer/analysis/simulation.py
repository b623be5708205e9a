"""A study with a known truth: item-level predictions drawn from chosen transfers.

True accuracy of the model finetuned on source i on target j, on the PGF scale with ceiling 1:

    pgf_ij = target_j + source_i + pair_ij        accuracy_ij = baseline_j + pgf_ij * (1 - baseline_j)

Items are crossed with runs, as in a real study: every run answers the same items, so an item that is hard for the
untouched model is hard after finetuning too. Each answer is right when

    sqrt(r) * hardness_item + sqrt(1 - r) * luck_run_item < quantile(accuracy of the run)

with standard normal hardness and luck. Seeds shift the accuracy of a run on the logit scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats

from tasktransfer.errors import SettingsError

__all__ = ["SimulatedStudy", "Simulation", "simulate_study"]

LETTERS = np.array(list("ABCD"), dtype=object)
_CONSTANT = 6  # the target on which some finetunes collapse
_COLLAPSED_SOURCES = [1, 3, 5, 7]
_COLUMNS = (
    "model",
    "kind",
    "source",
    "seed",
    "target",
    "item",
    "scorer",
    "answer",
    "predicted",
    "correct",
)
TASK_NAMES = (
    "alder", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "spruce", "yew",
)  # fmt: skip


@dataclass(frozen=True)
class Simulation:
    """Design and truth of a simulated study.

    Parameters
    ----------
    n_tasks
        Sources and targets, at least 8: the planted roles need them.
    n_items
        Items a target.
    n_seeds
        Training seeds a source.
    seed_sd
        SD of a run's accuracy on the logit scale.
    item_correlation
        r above, in [0, 1): how much of an answer is the item's own hardness.
    target_sd, source_sd, pair_sd
        SD of the true effects, in PGF.
    """

    n_tasks: int = 13
    n_items: int = 400
    n_seeds: int = 4
    seed_sd: float = 0.08
    item_correlation: float = 0.7
    target_sd: float = 0.10
    source_sd: float = 0.04
    pair_sd: float = 0.05


class SimulatedStudy(NamedTuple):
    """Predictions as a run writes them, and what is true of them."""

    predictions: pd.DataFrame
    truth: pd.DataFrame  # source, target, pgf
    planted: dict[str, list[str]]  # clique, donor, sieve, constant


def simulate_study(
    simulation: Simulation | None = None, *, seed: int = 0, model: str = "simulated"
) -> SimulatedStudy:
    """Draw a study with planted structure.

    Planted: a clique of four tasks that help each other beyond target and source effects, one donor, one sieve,
    and one target on which four of the finetunes answer a single letter throughout.

    Parameters
    ----------
    simulation
        Design and truth; by default a study of the paper's size with 400 items a target.
    seed
        Same seed, same study.
    model
        Name in the predictions.
    """
    simulation = simulation or Simulation()
    # two streams: the truth of a seed is the same with any number of items and seeds
    effects, draws = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    names = _names(simulation.n_tasks)
    planted = {"clique": names[:4], "donor": [names[4]], "sieve": [names[5]], "constant": [names[6]]}
    baseline, pgf = _true_effects(simulation, effects)
    accuracy = np.clip(baseline + pgf * (1 - baseline), 0.02, 0.98)
    shape = (simulation.n_tasks, simulation.n_items)
    hardness = draws.standard_normal(shape)
    answers = draws.permuted(np.broadcast_to(np.arange(shape[1]) % len(LETTERS), shape), axis=1)
    runs = [("", "", baseline, False)]
    for s in range(simulation.n_seeds):
        jitter = simulation.seed_sd * draws.standard_normal(accuracy.shape)
        shifted = special.expit(special.logit(accuracy) + jitter)
        runs.extend((names[i], str(s), shifted[i], i in _COLLAPSED_SOURCES) for i in range(len(names)))
    parts = []
    for source, run_seed, of_run, collapses in runs:
        luck = draws.standard_normal(shape)
        latent = np.sqrt(simulation.item_correlation) * hardness + np.sqrt(1 - simulation.item_correlation) * luck
        right = latent < stats.norm.ppf(of_run)[:, None]
        predicted = np.where(right, answers, (answers + draws.integers(1, 4, shape)) % len(LETTERS))
        if collapses:
            predicted[_CONSTANT] = 0
        parts.append(_rows(names, source, run_seed, answers, predicted))
    pgf[_COLLAPSED_SOURCES, _CONSTANT] = (1 / len(LETTERS) - baseline[_CONSTANT]) / (1 - baseline[_CONSTANT])
    source_of, target_of = np.indices(pgf.shape).reshape(2, -1)
    named = np.array(names, dtype=object)
    return SimulatedStudy(
        pd.concat(parts, ignore_index=True).assign(model=model)[list(_COLUMNS)],
        pd.DataFrame({"source": named[source_of], "target": named[target_of], "pgf": pgf.ravel()}),
        planted,
    )


def _names(n_tasks: int) -> list[str]:
    if n_tasks < 8:
        raise SettingsError(f"a simulated study needs at least 8 tasks for its planted roles, not {n_tasks}")
    return [*TASK_NAMES[:n_tasks], *(f"task {i}" for i in range(len(TASK_NAMES), n_tasks))]


def _true_effects(simulation: Simulation, effects: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Baselines by target and true PGF by source and target, with the planted roles."""
    n_tasks = simulation.n_tasks
    baseline = effects.uniform(0.35, 0.75, n_tasks)
    baseline[_CONSTANT] = 0.27  # near chance, where answering one letter costs little
    target = 0.03 + simulation.target_sd * effects.standard_normal(n_tasks)
    source = simulation.source_sd * effects.standard_normal(n_tasks)
    pair = simulation.pair_sd * effects.standard_normal((n_tasks, n_tasks))
    source[4] = np.abs(source).max() + 0.10  # the donor
    target[5] = -np.abs(target).max() - 0.15  # the sieve
    target[_CONSTANT] = 0.0
    pgf = target[None, :] + source[:, None] + pair
    pgf[:4, :4] = np.abs(pgf[:4, :4]) + 0.15  # the clique
    np.fill_diagonal(pgf, effects.uniform(0.3, 0.6, n_tasks))
    return baseline, np.minimum(pgf, 0.9)


def _rows(names: list[str], source: str, seed: str, answers: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """One run's answers on every target, as rows of the predictions table."""
    n_items = answers.shape[1]
    items = np.array([f"{name} {k}" for name in names for k in range(n_items)], dtype=object)
    return pd.DataFrame(
        {
            "kind": "finetune" if source else "base",
            "source": source,
            "seed": seed,
            "target": np.repeat(np.array(names, dtype=object), n_items),
            "item": items,
            "scorer": "likelihood",
            "answer": LETTERS[answers.ravel()],
            "predicted": LETTERS[predicted.ravel()],
            "correct": (answers == predicted).ravel(),
        }
    )
