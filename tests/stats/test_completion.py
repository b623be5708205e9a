"""Truth that is additive or of low rank is found again; noise is left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.stats.completion import METHODS, complete, even_scale, pgf_scale

N = 13
NAMES = [f"t{k}" for k in range(N)]
OFF = ~np.eye(N, dtype=bool)


def frame(values):
    return pd.DataFrame(values, index=NAMES, columns=NAMES)


def additive_truth(rng):
    return rng.normal(0, 0.15, (N, 1)) + rng.normal(0, 0.2, (1, N)) + 0.1


def masked(truth, rng, share=0.5, noise=0.0):
    """The measured half of a matrix given on the even scale, and which cells are held out."""
    measured = (rng.random((N, N)) < share) & OFF
    seen = truth + rng.normal(0, noise, (N, N)) if noise else truth
    return frame(np.where(measured, pgf_scale(seen), np.nan)), OFF & ~measured


def error(completion, truth, held):
    return float(np.sqrt(np.mean((even_scale(completion.values.to_numpy()) - truth)[held] ** 2)))


def test_an_additive_truth_is_found_exactly():
    rng = np.random.default_rng(0)
    truth = additive_truth(rng)
    given, held = masked(truth, rng)
    assert error(complete(given, "additive"), truth, held) < 1e-5
    assert error(complete(given, "low-rank"), truth, held) < 1e-5
    assert error(complete(given, "target mean"), truth, held) > 0.05


def test_a_pair_of_factors_is_found():
    rng = np.random.default_rng(1)
    factor = np.outer(rng.choice([-1.0, 1.0], N), rng.choice([-1.0, 1.0], N))
    truth = additive_truth(rng) * 0.5 + 0.3 * factor
    given, held = masked(truth, rng, share=0.7, noise=0.02)
    found = complete(given, "low-rank")
    assert "singular values" in found.how
    assert error(found, truth, held) < 0.5 * error(complete(given, "additive"), truth, held)


def test_what_is_known_of_pairs_is_used_when_it_tells():
    rng = np.random.default_rng(2)
    known = rng.normal(size=(N, N))
    truth = additive_truth(rng) + 0.2 * known
    given, held = masked(truth, rng, noise=0.05)
    side = {"gradients": frame(7 * known + 3), "noise": frame(rng.normal(size=(N, N)))}
    found = complete(given, "side", side=side)
    assert "side information" in found.how
    assert error(found, truth, held) < 0.5 * error(complete(given, "additive"), truth, held)


def test_on_noise_nothing_is_worse_than_the_additive_fit():
    """Over 10 matrices of pure noise around additive effects."""
    errors = {method: [] for method in METHODS}
    for seed in range(10):
        rng = np.random.default_rng(100 + seed)
        truth = additive_truth(rng)
        given, held = masked(truth, rng, noise=0.2)
        side = {"gradients": frame(rng.normal(size=(N, N)))}
        for method in ("additive", "low-rank", "side", "side+low"):
            errors[method].append(error(complete(given, method, side=side), truth, held))
    for method in ("low-rank", "side", "side+low"):
        assert np.mean(errors[method]) < 1.05 * np.mean(errors["additive"])


def test_the_error_it_tells_is_about_the_error_it_makes():
    told, made = [], []
    for seed in range(10):
        rng = np.random.default_rng(200 + seed)
        truth = additive_truth(rng)
        noisy = truth + rng.normal(0, 0.2, (N, N))
        given, held = masked(noisy, rng, share=0.6)
        found = complete(given, "additive")
        told.append(found.error)
        made.append(error(found, even_scale(pgf_scale(noisy)), held))
    assert np.mean(told) == pytest.approx(np.mean(made), rel=0.1)


def test_a_source_that_was_never_trained_gets_the_mean_of_the_others():
    rng = np.random.default_rng(3)
    truth = additive_truth(rng)
    given = frame(np.where(OFF, pgf_scale(truth), np.nan))
    given.loc["t0"] = np.nan
    found = even_scale(complete(given, "additive").values.to_numpy())
    assert found[0, 1:] == pytest.approx(truth[1:, 1:].mean(axis=0), abs=1e-4)


def test_the_diagonal_is_neither_read_nor_filled():
    rng = np.random.default_rng(4)
    given, _ = masked(additive_truth(rng), rng)
    with_self = frame(np.where(OFF, given, 1.0))
    found = complete(with_self)
    assert np.isnan(np.diag(found.values)).all()
    pd.testing.assert_frame_equal(found.values, complete(given).values)


def test_wide_losses_come_back():
    values = np.array([-22.0, -1.0, -0.1, 0.0, 0.4, 1.0])
    assert pgf_scale(even_scale(values)) == pytest.approx(values)


def test_what_cannot_be_done_is_told():
    given = frame(np.full((N, N), np.nan))
    given.iloc[0, 1:4] = 0.1
    with pytest.raises(InputError, match="3 cells are measured"):
        complete(given)
    with pytest.raises(SettingsError, match="did you mean 'additive'"):
        complete(given, "aditive")
    with pytest.raises(SettingsError, match="needs side information"):
        complete(given, "side")
    given.iloc[0, 4] = 0.1
    with pytest.raises(InputError, match="lacks sources"):
        complete(given, "side", side={"few": given.iloc[:3]})
