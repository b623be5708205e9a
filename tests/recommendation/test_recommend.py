"""The whole answer: counts, expected effects, evidence, the test whether anything helps, errors."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

import tasktransfer as tt
from tasktransfer.analysis.simulation import Simulation, simulate_study
from tasktransfer.errors import InputError, SettingsError
from tasktransfer.recommendation.evidence import MOST_CELLS, gather_evidence
from tasktransfer.recommendation.recommend import recommend, study_fragment
from tasktransfer.stats.shrinkage import plausible_matrices
from tests.recommendation.evidence import evidence_of, transfers_of
from tests.recommendation.test_methods import PGF
from tests.studies import accuracies_of, count_rows


def test_items_are_whole_add_up_and_leave_none_out_by_rounding():
    found = recommend(evidence_of(PGF), "t0", 100, method="threshold")
    assert found.items == {"t0": 34, "t1": 33, "t2": 33}
    assert found.weights == {"t0": 0.34, "t1": 0.33, "t2": 0.33}
    few = recommend(evidence_of(PGF), "t0", 2, method="uniform")  # of a half each, the first two are rounded up
    assert few.items == {"t0": 1, "t1": 1}
    capped = recommend(evidence_of(PGF), "t0", 10, method="uniform", caps={"t0": 1, "t1": 2})
    assert capped.items == {"t2": 4, "t3": 3, "t1": 2, "t0": 1}


def test_expected_effects_are_the_weighted_draws():
    # half t0, half t1 on t0: .4 in both draws; on t1: (-.2 + .6) / 2 = .2, with t0's cell at 0 in the second: .3
    draws = np.repeat(PGF[None], 2, axis=0)
    draws[1, 0, 1] = 0.0
    found = recommend(
        evidence_of(PGF, draws),
        {"t0": 2, "t1": 1},
        10,
        method="top-k",
        exclude=["t2", "t3"],
        protect=["t2"],
        confidence=0.5,
    )
    expected = found.expected.set_index("task")
    assert found.targets == {"t0": pytest.approx(2 / 3), "t1": pytest.approx(1 / 3)}
    assert expected["role"].to_list() == ["target", "target", "target", "protected", "other"]
    assert expected["pgf"].to_list() == pytest.approx([2 / 3 * 0.4 + 1 / 3 * 0.25, 0.4, 0.25, -0.2, 0.1])
    assert expected.loc["t1", ["low", "high"]].to_list() == pytest.approx([0.225, 0.275])
    assert expected["p_harm"].to_list() == [0, 0, 0, 1, 0]
    assert found.p_gain == 1
    assert "protected t2 (-0.20) probably loses" in found.sentence


def test_evidence_tells_every_source_most_items_first():
    p_value = np.full((4, 4), 0.5)
    p_value[:, 0] = [0.001, 0.02, 0.2, 0.4]
    found = recommend(evidence_of(PGF, p_value=p_value), "t0", 90, method="best-single", exclude_target_data=True)
    rows = found.evidence
    assert rows["source"].to_list() == ["t1", "t2", "t3"]
    assert rows["items"].to_list() == [90, 0, 0]
    # one-sided: .01, .1 and, for the loss, 1 - .2; Benjamini-Hochberg over the three
    assert rows["q_helps"].to_list() == pytest.approx([0.03, 0.15, 0.8])
    assert found.p_value == pytest.approx(1 - 0.99**3)  # errors that share nothing
    assert found.helps
    strict = recommend(evidence_of(PGF, p_value=p_value), "t0", 90, exclude_target_data=True, confidence=0.99)
    assert strict.helps is False
    assert strict.sentence.startswith("No evidence that any source helps t0 (p = 0.03, 3 sources). 90 items of t1")


def test_several_targets_are_tested_together():
    # z of one-sided p .02 and .02: 2.054 each; together (2.054 + 2.054) / sqrt(2) = 2.904, p = .00184
    found = recommend(evidence_of(np.full((1, 2), 0.2), p_value=0.04), ["t0", "t1"], 5)
    assert found.p_value == pytest.approx(0.00184, abs=1e-5)


def test_without_any_error_nothing_is_tested():
    found = recommend(transfers_of(PGF), "t0", 10)
    assert found.helps is None
    assert np.isnan(found.p_value)
    assert found.items == {"t0": 10}
    assert "(no error is known)" in found.sentence
    assert found.expected[["low", "high", "p_harm"]].isna().all(axis=None)
    assert any("not tested" in caution for caution in found.cautions)


def test_the_target_alone_helping_itself_is_told():
    p_value = np.full((4, 4), 0.6)
    p_value[0, 0] = 1e-6
    found = recommend(evidence_of(PGF, p_value=p_value), "t0", 10)
    assert found.helps
    assert "no evidence that any task but the target itself helps it (p = 0.66)" in found.cautions


def test_a_protected_task_is_not_sacrificed():
    rng = np.random.default_rng(0)
    pgf = np.array([[0.5, -0.4], [0.35, 0.02], [0.3, 0.0]])
    draws = pgf + 0.05 * rng.standard_normal((500, 3, 2))
    evidence = evidence_of(pgf, draws)
    free = recommend(evidence, "t0", 100, exclude=["t1"], settings=tt.MethodSettings(caution=0))
    assert free.items == {"t0": 100}
    kept = recommend(evidence, "t0", 100, exclude=["t1"], protect="all")
    # t1's own data would make up for the harm; without it, what harms t1 is left
    assert kept.items == {"t2": 100}
    assert kept.expected.set_index("task").loc["t1", "pgf"] > -0.05
    both = recommend(evidence, "t0", 100, protect=["t1"])
    assert both.items["t1"] > 50


def holed(pgf=PGF) -> pd.DataFrame:
    pgf = pgf.copy()
    pgf[1, 0] = pgf[2, 3] = np.nan
    return transfers_of(pgf)


def test_holes_have_a_stated_stand_in_and_are_not_chosen_on_the_target():
    evidence = gather_evidence(holed(), seed=3)
    assert not np.isnan(evidence.draws_DST).any()
    found = recommend(evidence, "t0", 10, exclude_target_data=True)
    assert found.items == {"t2": 10}  # t1, truly the better one, was not measured
    assert any("2 of 16 cells are holes" in caution for caution in found.cautions)
    stand_in = evidence.draws_DST[:, 2, 3]  # what t0 and t1 do to t3
    assert stand_in == pytest.approx(np.full(len(stand_in), 0.1), abs=1e-3)
    assert recommend(evidence, "t0", 10, exclude=["t0", "t2", "t3"], method="uniform").items == {"t1": 10}
    with pytest.raises(InputError, match="none of the sources that may be used was measured on 't0': 't1'"):
        recommend(evidence, "t0", 10, exclude=["t0", "t2", "t3"])


def test_a_finished_analysis_knows_the_errors_of_its_answers(tmp_path):
    study = simulate_study(Simulation(n_tasks=8, n_seeds=3, n_items=150), seed=4)
    study.predictions.to_parquet(tmp_path / "predictions.parquet", index=False)
    analysis = tt.analyze(tt.read_accuracies(tmp_path))
    answers, table = gather_evidence(analysis), gather_evidence(analysis.transfers)
    off = ~np.eye(8, dtype=bool)
    from_answers, from_table = (evidence.draws_DST.std(axis=0)[off] for evidence in (answers, table))
    assert from_table.mean() == pytest.approx(from_answers.mean(), rel=0.1)
    assert table.errors.shared_T == pytest.approx(answers.errors.shared_T, abs=0.03)


def test_a_source_that_is_used_up_is_told():
    # t1 helps by .4 and holds 10 items; the other 90 go to t2, which helps by .1: .13 in all
    pgf = np.array([[0.5, 0, 0], [0.4, 0, 0], [0.1, 0, 0]])
    evidence = evidence_of(pgf, pgf + 0.01 * np.random.default_rng(0).standard_normal((400, 3, 3)))
    found = recommend(evidence, "t0", 100, exclude_target_data=True, caps={"t1": 10})
    assert found.items == {"t2": 90, "t1": 10}
    told = [caution for caution in found.cautions if "used up" in caution]
    assert told == [
        "t1 (10 items, +0.40 by itself) is used up; the rest of the budget goes to sources that help less, and "
        "the mixture is expected to give +0.13. A smaller budget may serve better"
    ]
    assert not [c for c in recommend(evidence, "t0", 10, caps={"t1": 10}).cautions if "used up" in c]


def test_a_budget_other_than_what_was_trained_on_is_told():
    evidence = replace(evidence_of(PGF), train_items=50)
    told = "the sources were trained on 50 items each; what 90 items do may be more or less"
    assert told in recommend(evidence, "t0", 90).cautions
    assert told not in recommend(evidence, "t0", 50).cautions


def test_a_chosen_hole_is_told():
    pgf = PGF.copy()
    pgf[0, 0] = np.nan
    found = recommend(gather_evidence(transfers_of(pgf)), "t0", 10, method="direct")
    assert "what is said of t0 is a guess: t0 was not measured on it" in found.cautions
    found = recommend(gather_evidence(holed()), "t0", 12, method="uniform", exclude_target_data=True)
    assert "what is said of t0 is a guess: t1 was not measured on it" in found.cautions


def test_a_task_never_measured_is_neither_filled_in_nor_cleared():
    pgf = PGF.copy()
    pgf[:, 3] = np.nan
    evidence = gather_evidence(transfers_of(pgf))
    assert np.isnan(evidence.draws_DST[:, :, 3]).all()
    with pytest.raises(InputError, match="no source was measured on the protected task 't3'"):
        recommend(evidence, "t0", 10, protect=["t3"])
    found = recommend(evidence, "t0", 10, protect="all").expected.set_index("task")
    assert found["role"].to_list() == ["target", "target", "protected", "protected", "other"]
    assert np.isnan(found.loc["t3", ["pgf", "p_harm"]].to_numpy(dtype=float)).all()


def test_the_chance_of_a_protected_loss_is_told():
    rng = np.random.default_rng(0)
    pgf = np.array([[0.5, -0.05], [0.1, 0.1]])
    for spread, told in (
        (0.05, r"protected t1 may lose \(-0.05, with a probability of 8\d%\)"),
        (0.01, "probably loses"),
    ):
        draws = pgf + spread * rng.standard_normal((4000, 2, 2))
        evidence = evidence_of(pgf, draws)
        found = recommend(evidence, "t0", 10, exclude=["t1"], protect=["t1"], method="best-single")
        assert re.search(told, found.sentence)
    safe = recommend(evidence, "t0", 10, exclude=["t0"], protect=["t1"], method="best-single")
    assert "no protected task is likely to lose" in safe.sentence


def test_the_same_cell_twice_is_refused():
    table = transfers_of(PGF)
    with pytest.raises(InputError, match="the cell of 't0' on 't0' is there twice"):
        gather_evidence(pd.concat([table, table.iloc[[0]]]))


def test_no_draw_is_above_every_item_right():
    rng = np.random.default_rng(1)
    table = transfers_of(np.array([[0.99, 0.9], [0.95, 1.05]]), p_value=0.1)
    table = table.assign(se_items=0.1, se_shared=0.0, n_items=100.0, baseline=[0.5, 0.5, 0.5, 0.5], gain=0.4,
                         accuracy=0.9, gap=[0.5, 0.4, 0.5, 0.4])  # fmt: skip
    draws = gather_evidence(table, seed=int(rng.integers(9))).draws_DST
    assert draws[:, :, 0].max() <= 1
    assert 1 < draws[:, :, 1].max() <= 1.25 + 1e-6


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({"targets": "t00"}, "no target 't00' \\(did you mean 't0'\\?\\); there are 't0', 't1', 't2', 't3'"),
        ({"targets": []}, "no target given"),
        ({"targets": [1]}, "target 1 is no text"),
        (
            {"budget": 10**13},
            "the budget is 10000000000000; accepted is a whole number of items from 1 to 1000000000000",
        ),
        ({"targets": {"t0": 0}}, "target 't0' has the weight 0; accepted is a number above 0"),
        ({"targets": {"t0": float("nan")}}, "weight nan"),
        ({"budget": 0}, "the budget is 0; accepted is a whole number of items from 1"),
        ({"budget": -5}, "the budget is -5"),
        ({"budget": 2.5}, "the budget is 2.5"),
        ({"budget": float("inf")}, "the budget is inf"),
        ({"budget": "many"}, "the budget is many"),
        ({"exclude": ["t0", "t1", "t2", "t3"]}, "every source is excluded"),
        ({"exclude": ["x"]}, "no excluded source 'x'"),
        ({"protect": ["t0"]}, "'t0' is a target and protected"),
        ({"protect": ["jigsaw"]}, "no protected task 'jigsaw'"),
        ({"caps": 2}, "the budget is 10 items, but the sources hold 8 together"),
        ({"caps": {"t1": -1}}, "the cap of 't1' is -1"),
        ({"model": "other"}, "the evidence is of model 'm', not 'other'"),
    ],
)
def test_errors_say_what_is_accepted(about, told):
    with pytest.raises(InputError, match=told):
        recommend(evidence_of(PGF), **{"targets": "t0", "budget": 10, **about})


@pytest.mark.parametrize(
    "wrong", [{"k": 0}, {"threshold": 1.0}, {"caution": -1}, {"harm_weight": np.inf}, {"seed": -1}]
)
def test_settings_are_checked(wrong):
    with pytest.raises(SettingsError, match="accepted is"):
        tt.MethodSettings(**wrong)
    with pytest.raises(SettingsError, match="confidence is 1;"):
        recommend(evidence_of(PGF), "t0", 10, confidence=1)


def test_what_evidence_is_not_gathered_from():
    two = pd.concat([transfers_of(PGF), transfers_of(PGF, model="n")])
    with pytest.raises(InputError, match="several models, 'm', 'n': choose one"):
        gather_evidence(two)
    assert gather_evidence(two, model="n").model == "n"
    with pytest.raises(InputError, match="no model 'M'"):
        gather_evidence(two, model="M")
    with pytest.raises(InputError, match="every cell is a hole"):
        gather_evidence(transfers_of(PGF * np.nan))
    with pytest.raises(InputError, match="lacks the column 'gain'"):
        gather_evidence(transfers_of(PGF).drop(columns="gain"))
    with pytest.raises(InputError, match="no finetune"):
        gather_evidence(transfers_of(PGF).assign(kind="control"))
    with pytest.raises(InputError, match="table, not dict"):
        gather_evidence({})
    unmeasured = PGF.copy()
    unmeasured[:, 2] = np.nan
    with pytest.raises(InputError, match="no source was measured on the target 't2'"):
        recommend(transfers_of(unmeasured), "t2", 10)


def test_a_fragment_names_the_mixtures():
    found = [recommend(evidence_of(PGF), targets, 100, method="threshold") for targets in ("t0", ["t0", "t3"])]
    text = study_fragment(found)
    assert yaml.safe_load(text) == {
        "mixtures": {
            "threshold-for-t0": {"t0": 34, "t1": 33, "t2": 33},
            "threshold-for-t0+t3": {"t0": 25, "t1": 25, "t2": 25, "t3": 25},
        }
    }


def test_analysis_accuracies_and_transfers_lead_to_the_same(tmp_path):
    rng = np.random.default_rng(5)
    base = [40, 50, 60, 45]
    after = np.clip(np.array(base) + rng.integers(-5, 6, (3, 4, 4)), 0, 100)
    after[:, 1, 0] += 20
    after[0, 3, 1] = 0
    accuracies = accuracies_of(count_rows(base, after), tmp_path)
    analysis = tt.analyze(accuracies)
    answers = [
        tt.recommend(given, "t0", 50, exclude_target_data=True)
        for given in (analysis, tt.read_accuracies(tmp_path / "table.csv"), analysis.transfers)
    ]
    for other in answers[1:]:
        pd.testing.assert_frame_equal(other.expected, answers[0].expected)
        assert other.items == answers[0].items
    assert answers[0].items["t1"] == max(answers[0].items.values())
    # 20 of 60 more answers right; independent of the order of rows
    assert answers[0].evidence.iloc[0]["pgf"] == pytest.approx(float((after[:, 1, 0] - 40).mean() / 60))
    shuffled = gather_evidence(analysis.transfers.sample(frac=1, random_state=1))
    again = recommend(shuffled, "t0", 50, exclude_target_data=True)
    assert again.items == answers[0].items


@pytest.fixture(scope="module")
def simulated() -> pd.DataFrame:
    """Normal errors of a known size around true matrices: what was recommended, said and true."""
    rng = np.random.default_rng(11)
    rows = []
    for study in range(12):
        effect = 0.0 if study % 2 else 0.15
        truth = effect * rng.standard_normal((12, 12))
        np.fill_diagonal(truth, 0.4)
        error = 0.05 * rng.standard_normal((12, 12)) + 0.05 * rng.standard_normal(12)
        noise = 0.05 * rng.standard_normal((250, 12, 12)) + 0.05 * rng.standard_normal((250, 1, 12))
        pgf = truth + error
        drawn = plausible_matrices(
            np.where(np.eye(12), np.nan, pgf), np.where(np.eye(12), np.nan, pgf + noise), seed=study
        )
        drawn[:, np.eye(12, dtype=bool)] = (pgf + noise)[:, np.eye(12, dtype=bool)]
        p_value = 2 * stats.norm.sf(np.abs(pgf) / np.hypot(0.05, 0.05))
        evidence = evidence_of(pgf, drawn, p_value=p_value)
        for t, target in enumerate(evidence.targets[:6]):
            found = recommend(evidence, target, 1000, exclude_target_data=True)
            weights = np.array([found.weights.get(source, 0) for source in evidence.sources])
            expected = found.expected.iloc[0]
            gain = float(weights @ truth[:, t])
            rows.append(
                {
                    "effect": effect,
                    "gain": gain,
                    "best": np.delete(truth[:, t], t).max(),
                    "held": expected["low"] - 1e-9 <= gain <= expected["high"] + 1e-9,
                    "helps": found.helps,
                }
            )
    return pd.DataFrame(rows)


def test_the_best_mixture_is_found_within_noise(simulated):
    real = simulated[simulated["effect"] > 0]
    assert (real["best"] - real["gain"]).mean() < 0.05  # the error of a cell, against effects of .15
    assert real["gain"].mean() > 0.8 * real["best"].mean()


def test_predicted_intervals_cover(simulated):
    assert 0.88 <= simulated["held"].mean() <= 1.0


def test_pure_noise_is_told_at_the_nominal_rate(simulated):
    nothing = simulated[simulated["effect"] == 0]
    assert nothing["helps"].astype(float).mean() <= 0.09  # 36 questions at 5 %, those of a study not independent
    assert simulated.loc[simulated["best"] > 0.3, "helps"].astype(float).mean() > 0.9


def test_a_large_matrix_is_shrunk_towards_what_is_true():
    rng = np.random.default_rng(2)
    n = 50
    assert n * n > MOST_CELLS
    truth = 0.1 * rng.standard_normal(n) + np.where(rng.random((n, n)) < 0.1, 0.3, 0.0)
    pgf = truth + 0.08 * rng.standard_normal((n, n)) + 0.08 * rng.standard_normal(n)
    se = np.hypot(0.08, 0.08) * 0.5  # accuracy; the gap is a half
    table = transfers_of(pgf, p_value=0.5).assign(se_items=se, se_shared=0.08 * 0.5, gap=0.5, n_items=150.0)
    evidence = gather_evidence(table)
    off = ~np.eye(n, dtype=bool)
    middle = evidence.draws_DST.mean(axis=0)
    assert np.square(middle - truth)[off].mean() < 0.8 * np.square(pgf - truth)[off].mean()
    low, high = np.quantile(evidence.draws_DST, [0.025, 0.975], axis=0)
    assert 0.9 <= ((low <= truth) & (truth <= high))[off].mean() <= 0.99
    own = np.diag(evidence.draws_DST.std(axis=0))
    assert own == pytest.approx(np.full(n, np.hypot(0.08, 0.08)), rel=0.25)  # the diagonal keeps its own error
