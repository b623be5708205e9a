"""The optimiser against a grid and against the conditions of a maximum."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tasktransfer.recommendation.mixture import best_mixture


def objective(w: np.ndarray, gain_DS: np.ndarray, harm_DSP: np.ndarray, a: float, b: float) -> float:
    gain = gain_DS @ w
    lost = np.maximum(0, -np.einsum("dsp,s->dp", harm_DSP, w)).mean(axis=0).sum()
    return float(gain.mean() - a * gain.std() - b * lost)


def draws(seed: int, n_sources: int, n_protected: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mean, spread = rng.normal(0.1, 0.1, n_sources), rng.uniform(0.03, 0.2, n_sources)
    gain = mean + spread * rng.standard_normal((300, n_sources)) + 0.05 * rng.standard_normal((300, 1))
    harm = rng.normal(0, 0.2, (n_sources, n_protected)) + 0.1 * rng.standard_normal((300, n_sources, n_protected))
    return gain, harm


@pytest.mark.parametrize("seed", range(4))
def test_no_mixture_of_a_grid_is_better(seed):
    gain, harm = draws(seed, 4, 2)
    most = np.array([0.5, 1.0, 0.3, 0.7])
    found = best_mixture(gain, harm, caution=1.0, harm_weight=3.0, most=most)
    assert found.sum() == pytest.approx(1)
    assert (found <= most + 1e-9).all()
    steps = [np.array([*w, 20 - sum(w)]) / 20 for w in product(range(21), repeat=3) if sum(w) <= 20]
    best = max(objective(w, gain, harm, 1, 3) for w in steps if (w <= most + 1e-9).all())
    assert objective(found, gain, harm, 1, 3) >= best - 1e-4


@pytest.mark.parametrize("seed", range(2))
def test_of_many_sources_none_left_out_would_improve_it(seed):
    gain, harm = draws(seed, 120, 1)
    found = best_mixture(gain, harm, caution=2.0, harm_weight=1.0, most=np.full(120, 0.2))
    value = objective(found, gain, harm, 2, 1)
    giver = int(np.argmax(found))
    for taker in range(120):
        moved = found.copy()
        step = min(0.005, 0.2 - moved[taker], moved[giver])
        moved[giver] -= step
        moved[taker] += step
        assert objective(moved, gain, harm, 2, 1) <= value + 1e-4
