"""Planning."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tasktransfer.analysis.simulation import Simulation, simulate_study
from tasktransfer.errors import SettingsError
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.planning.power import Design, achieved_power, items_needed, seeds_needed, smallest_gain


def test_known_rules_of_thumb():
    one = Design(items=130, seeds=1, seed_sd=0.0)
    assert smallest_gain(one) == pytest.approx(0.095, abs=0.002)
    assert smallest_gain(Design(items=130, seeds=1, seed_sd=0.0, cells=156)) == pytest.approx(0.15, abs=0.01)
    assert items_needed(0.03, one) == pytest.approx(1300, rel=0.02)
    assert items_needed(0.02, one) == pytest.approx(2900, rel=0.02)


@pytest.mark.parametrize("n_seeds", [1, 4])
def test_the_smallest_gain_is_found_at_its_power(n_seeds):
    """Paired answers with the stated discordance; seeds change the same items, as the formula assumes."""
    design = Design(items=200, seeds=n_seeds, discordance=0.2, seed_sd=0.0)
    gain = smallest_gain(design)
    rng, found, n_studies = np.random.default_rng(0), 0, 2000
    for _ in range(n_studies):
        change = rng.choice([1, -1, 0], size=200, p=[(0.2 + gain) / 2, (0.2 - gain) / 2, 0.8])
        found += stats.ttest_1samp(change, 0).pvalue < 0.05
    assert found / n_studies == pytest.approx(0.80, abs=0.04)


def test_fewest_numbers_are_just_enough():
    design = Design(items=200, seeds=4, seed_sd=0.01, cells=20)
    n_items = items_needed(0.06, design)
    assert smallest_gain(Design(items=n_items, seeds=4, seed_sd=0.01, cells=20)) <= 0.06
    assert smallest_gain(Design(items=n_items - 1, seeds=4, seed_sd=0.01, cells=20)) > 0.06
    scattered = Design(items=200, seeds=4, seed_sd=0.03, cells=20)
    n_seeds = seeds_needed(0.125, scattered)
    assert n_seeds > 2
    assert smallest_gain(Design(items=200, seeds=n_seeds, seed_sd=0.03, cells=20)) <= 0.125
    assert smallest_gain(Design(items=200, seeds=n_seeds - 1, seed_sd=0.03, cells=20)) > 0.125


def test_where_no_number_is_enough():
    assert items_needed(0.01, Design(seeds=2, seed_sd=0.05)) is None
    assert seeds_needed(0.01, Design(items=50)) is None


def test_a_finished_study_tells_what_it_could_see(tmp_path):
    study = simulate_study(Simulation(n_tasks=8, n_items=300, n_seeds=3), seed=1)
    study.predictions.to_parquet(tmp_path / "p.parquet", index=False)
    found = achieved_power(read_accuracies(tmp_path / "p.parquet").items)
    assert len(found) == 64
    assert (found["n_items"] == 300).all()
    assert (found["n_seeds"] == 3).all()
    assert found["discordance"].between(0, 1).all()
    assert 0.02 < found["smallest_gain"].median() < 0.2
    strict = achieved_power(read_accuracies(tmp_path / "p.parquet").items, cells=56)
    assert (strict["smallest_gain"] > found["smallest_gain"]).all()


@pytest.mark.parametrize(
    "change", [{"items": 1}, {"seeds": 0}, {"discordance": 0}, {"power": 1}, {"alpha": 0}, {"seed_sd": 0.6}]
)
def test_designs_that_cannot_be_are_refused(change):
    with pytest.raises(SettingsError, match="accepted"):
        Design(**change)


def test_a_gain_must_be_positive():
    with pytest.raises(SettingsError, match="above 0"):
        items_needed(0.0, Design())
