"""Ceilings, taxonomy, scale, diagnostics, comparison, the whole, and the simulated truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tasktransfer.analysis.analyze import analyze
from tasktransfer.analysis.ceilings import ceiling_table
from tasktransfer.analysis.comparison import compare
from tasktransfer.analysis.recovery import recovered_truth
from tasktransfer.analysis.settings import Settings
from tasktransfer.analysis.simulation import Simulation, simulate_study
from tasktransfer.errors import InputError, SettingsError
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.report.findings.find import find_findings
from tests.studies import accuracies_of, count_rows, random_counts

BLINK_TWO = ["Jigsaw", "Multi-view_Reasoning"]


def test_a_ceiling_keeps_signs_and_the_order_of_sources(tmp_path):
    accuracies = accuracies_of(random_counts(6, 3, seed=1), tmp_path)
    ceilings = tmp_path / "c.csv"
    pd.DataFrame({"target": [f"t{i}" for i in range(6)], "ceiling": np.linspace(80, 99, 6)}).to_csv(ceilings)
    plain, other = analyze(accuracies), analyze(accuracies, Settings(ceiling=str(ceilings)))
    a, b = plain.matrix("m"), other.matrix("m")
    assert (np.sign(a) == np.sign(b)).all(axis=None)
    assert (a.rank() == b.rank()).all(axis=None)
    assert not np.allclose(a, b)


def test_best_observed_is_the_best_run_of_any_model(tmp_path):
    one, two = random_counts(3, 2, seed=1, model="one"), random_counts(3, 2, seed=2, model="two")
    both = pd.concat([one, two])
    accuracies = accuracies_of(both, tmp_path)
    table = ceiling_table(accuracies, "best-observed").set_index(["model", "target"])["ceiling"]
    best = (both.groupby("target")["n_correct"].max() / 100).to_dict()
    assert table.to_dict() == {(m, t): best[t] for m in ("one", "two") for t in ("t0", "t1", "t2")}


def test_best_observed_ceilings_of_the_paper_keep_two_personas(published):
    found = published.summary["ceiling_sensitivity"]["best-observed"]["personas_in_every_model"]
    assert found == {
        "donor": ["Semantic_Correspondence"], "pirate": [], "sponge": ["Relative_Reflectance"], "sieve": [],
    }  # fmt: skip
    human = published.summary["ceiling_sensitivity"]["human"]["personas_in_every_model"]
    assert human["donor"] == ["Semantic_Correspondence"]
    assert human["pirate"] == ["Functional_Correspondence"]
    assert human["sieve"] == []


def test_ceilings_that_cannot_be(tmp_path):
    accuracies = accuracies_of(random_counts(3, 1), tmp_path)
    with pytest.raises(InputError, match="no human accuracy"):
        ceiling_table(accuracies, "human")
    with pytest.raises(SettingsError, match="did you mean 'human'"):
        ceiling_table(accuracies, "humans")
    odd = tmp_path / "odd.csv"
    for value in (1.5, 0.0):
        pd.DataFrame({"target": ["t0", "t1", "t2"], "ceiling": value}).to_csv(odd, index=False)
        with pytest.raises(InputError, match="hardly a percent"):
            ceiling_table(accuracies, str(odd))
    short = tmp_path / "short.csv"
    pd.DataFrame({"target": ["t0"], "ceiling": [0.9]}).to_csv(short, index=False)
    with pytest.raises(InputError, match="no ceiling for 't1', 't2'"):
        ceiling_table(accuracies, str(short))


def test_pgf_only_values_cannot_take_another_ceiling(tmp_path):
    frame = pd.DataFrame(
        {"seed": "s", "ft_task": list("ab"), "task": list("ba"), "perfection_gap_factor": [0.25, 0.5]}
    )
    frame.to_csv(tmp_path / "p.csv", index=False)
    accuracies = read_accuracies(tmp_path / "p.csv").table
    assert analyze(accuracies).matrix("p").loc["a", "b"] == 0.25
    with pytest.raises(InputError, match="needs accuracies"):
        ceiling_table(accuracies, "best-observed")


def test_taxonomy_of_the_paper(published):
    table = published.taxonomy.set_index(["model", "group"])
    assert table.loc[("3B", "low"), "malleability_pos"] == pytest.approx(0.090, abs=5e-4)
    assert table.loc[("7B", "mid"), "malleability_pos"] == pytest.approx(0.060, abs=5e-4)
    assert table.loc[("32B", "high"), "malleability_pos"] == pytest.approx(0.083, abs=5e-4)
    assert table.loc[("7B", "crop"), "malleability_pos"] == pytest.approx(0.052, abs=5e-4)
    assert table.loc[("32B", "low"), ["n_sources", "n_targets"]].tolist() == [3, 3]


def test_scale_step_is_the_paired_wilcoxon(published):
    trend = published.scale.set_index(["measure", "model"])
    a, b = (
        published.tasks[published.tasks["model"] == m]["transferability_pos"].to_numpy() for m in ("7B", "32B")
    )
    assert trend.loc[("transferability_pos", "32B"), "p_value"] == pytest.approx(stats.wilcoxon(b - a).pvalue)
    assert trend.loc[("transferability_pos", "32B"), "step"] == pytest.approx((b - a).mean())


def test_constant_answer_cells_of_multi_view_are_found(published):
    found = published.diagnostics.query("check == 'constant_answer' and scope == 'target'")
    row = found[(found["model"] == "3B") & (found["target"] == "Multi-view_Reasoning")].iloc[0]
    assert row["value"] == pytest.approx(36 / 48)
    assert row["flagged"]
    runs = published.diagnostics.query("check == 'constant_answer' and scope == 'run' and model == '3B'")
    runs = runs[(runs["target"] == "Multi-view_Reasoning") & (runs["source"] != "Multi-view_Reasoning")]
    assert len(runs) == 36
    assert runs["message"].str.contains(r"\(A\)", regex=True).all()


def test_drift_weak_gaps_and_net_harm_of_the_paper(published):
    flagged = published.diagnostics[published.diagnostics["flagged"].astype(bool)]
    drift = flagged[flagged["check"] == "baseline_drift"].groupby("model").size()
    assert drift.to_dict() == {"7B": 2, "32B": 8}
    gaps = flagged[flagged["check"] == "weak_gap"]
    assert set(zip(gaps["model"], gaps["target"], strict=True)) == {
        ("7B", "Spatial_Relation"),
        ("7B", "Visual_Similarity"),
    }
    assert flagged.loc[flagged["check"] == "net_negative", "model"].tolist() == ["7B"]


def test_baselines_at_chance_and_constant_baselines_are_two_things(published):
    flagged = published.diagnostics[published.diagnostics["flagged"].astype(bool)]
    low = flagged[flagged["check"] == "baseline_at_chance"].groupby("model")["target"].agg(list)
    assert "Object_Localization" not in low["32B"]
    assert "Functional_Correspondence" not in low["7B"]
    constant = flagged[flagged["check"] == "baseline_constant"]
    assert set(zip(constant["model"], constant["target"], strict=True)) == {
        ("3B", "Relative_Reflectance"),
        ("32B", "Relative_Reflectance"),
        ("32B", "Object_Localization"),
    }
    row = constant[constant["target"] == "Object_Localization"].iloc[0]
    assert row["message"] == "1 of 4 baselines score exactly as a constant answer (56.6%: B)"


def test_collapse_is_seen_in_predictions(tmp_path):
    rows = []
    answers = list("AABB")
    for source, predicted in (("", "ABBB"), ("a", "AAAA"), ("c", "AABA")):
        rows += [("m", source, "", "b", str(k), answers[k], p, p == answers[k]) for k, p in enumerate(predicted)]
    columns = ["model", "source", "seed", "target", "item", "answer", "predicted", "correct"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "p.csv", index=False)
    analysis = analyze(read_accuracies(tmp_path / "p.csv").table)
    runs = analysis.diagnostics.query("scope == 'run'")
    assert runs["source"].tolist() == ["a"]
    chance = analysis.diagnostics.query("check == 'baseline_at_chance'").iloc[0]
    assert chance["threshold"] == 0.5


def test_registry_answers_are_not_used_on_another_item_count(tmp_path):
    # 59 right is the count of "(A)" among 133 items, not among 100
    frame = count_rows([50, 50], np.array([[60, 59], [60, 59]]), tasks=BLINK_TWO)
    analysis = analyze(accuracies_of(frame, tmp_path))
    assert not (analysis.diagnostics["check"] == "constant_answer").any()


@pytest.mark.parametrize(("n_items", "checked"), [(150, True), (None, True), (250, False)])
def test_registered_chance_is_used_unless_the_items_are_others(n_items, checked, tmp_path):
    frame = pd.DataFrame(
        {"model": "m", "source": ["", "own"], "seed": "", "target": "Jigsaw", "accuracy": [0.48, 0.6]}
    )
    frame = frame if n_items is None else frame.assign(n_items=n_items)
    analysis = analyze(accuracies_of(frame, tmp_path))
    rows = analysis.diagnostics.query("check == 'baseline_at_chance'")
    assert (len(rows) == 1) == checked
    assert rows["flagged"].all()
    assert bool([note for note in analysis.summary["notes"] if "Jigsaw" in note]) == (not checked)


def test_a_control_enters_nothing_but_its_own_rows(tmp_path):
    frame = random_counts(4, 2, seed=3)
    frame["kind"] = np.where(frame["source"] == "", "base", "finetune")
    with_control = pd.concat([frame, frame[frame["source"] == "t0"].assign(source="format-only", kind="control")])
    plain = analyze(accuracies_of(frame, tmp_path))
    other = analyze(accuracies_of(with_control, tmp_path))
    for table in ("tasks", "edges", "cliques", "decomposition", "ceilings", "scale"):
        pd.testing.assert_frame_equal(getattr(plain, table), getattr(other, table))
    assert set(other.transfers["kind"]) == {"finetune", "control"}


def test_interaction_view_draws_structure_on_the_residual(tmp_path):
    accuracies = accuracies_of(random_counts(6, 2, seed=4), tmp_path)
    raw, net = analyze(accuracies), analyze(accuracies, Settings(on="interaction"))
    values = net.matrix("m", value="interaction")
    assert not np.allclose(values.fillna(0), raw.matrix("m").fillna(0))
    for edge in net.edges.itertuples():
        assert edge.pgf == values.loc[edge.source, edge.target]
    assert set(net.edges["on"]) == {"interaction"}
    pd.testing.assert_frame_equal(raw.transfers, net.transfers)


@pytest.mark.parametrize(
    "change", [{"on": "both"}, {"top_share": 0.0}, {"top_share": 1.5}, {"confidence": 1.0}, {"seed": -1}]
)
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(SettingsError, match="accepted"):
        Settings(**change)


def test_an_analysis_agrees_with_itself(published):
    comparison = compare(published, published)
    assert comparison.agreement["model_a"].tolist() == ["3B", "7B", "32B"]
    ones = comparison.agreement.drop(columns=["model_a", "model_b", "n_cells"])
    assert (ones[["mean_difference", "mean_absolute_difference"]] == 0).all(axis=None)
    rest = ones.drop(columns=["mean_difference", "mean_absolute_difference"])
    assert np.allclose(rest, 1)
    assert (comparison.agreement["n_cells"] == 156).all()


def test_models_of_the_paper_share_little_but_the_targets(published_inputs):
    small, large = (analyze(read_accuracies(text).table) for text in (published_inputs[0], published_inputs[2]))
    pair = compare(small, large).agreement.iloc[0]
    assert pair["spearman_interaction"] == pytest.approx(0.14, abs=5e-3)
    assert pair["spearman_source_effect"] == pytest.approx(-0.20, abs=5e-3)


def test_comparison_matches_registered_spellings_and_common_cells(tmp_path):
    first = random_counts(3, 1, seed=1, tasks=["Jigsaw", "Counting", "mine"])
    second = first.replace({"Jigsaw": "blink_jigsaw", "Counting": "blink_counting", "mine": "theirs"})
    a, b = (analyze(accuracies_of(frame, tmp_path)) for frame in (first, second))
    comparison = compare(a, b)
    assert comparison.agreement["n_cells"].tolist() == [2]
    assert (comparison.cells["difference"] == 0).all()
    assert len(comparison.cells) == 4


def test_what_cannot_be_compared_is_refused(tmp_path):
    a = analyze(accuracies_of(random_counts(3, 1, tasks=list("abc")), tmp_path))
    b = analyze(accuracies_of(random_counts(3, 1, tasks=list("xyz")), tmp_path))
    with pytest.raises(InputError, match="share no cell"):
        compare(a, b)
    two = pd.concat([random_counts(2, 1, model="p"), random_counts(2, 1, model="q")])
    with pytest.raises(InputError, match="cannot be paired"):
        compare(a, analyze(accuracies_of(two, tmp_path)))


@pytest.fixture(scope="module")
def simulated():
    return simulate_study(Simulation(n_items=300, n_seeds=3), seed=11)


def test_simulated_truth_comes_back(simulated, tmp_path):
    simulated.predictions.to_parquet(tmp_path / "p.parquet", index=False)
    analysis = analyze(read_accuracies(tmp_path / "p.parquet").table)
    recovery = recovered_truth(analysis, simulated)
    assert recovery.spearman_cells > 0.85
    assert recovery.sign_agreement > 0.9
    assert recovery.constant_found
    assert recovery.clique_found


def test_simulation_repeats_with_its_seed(simulated):
    again = simulate_study(Simulation(n_items=300, n_seeds=3), seed=11)
    pd.testing.assert_frame_equal(simulated.predictions, again.predictions)
    other = simulate_study(Simulation(n_items=300, n_seeds=3), seed=12)
    assert not simulated.predictions["correct"].equals(other.predictions["correct"])


def test_simulated_accuracies_are_those_of_the_truth():
    study = simulate_study(Simulation(n_items=4000, n_seeds=1, seed_sd=0.0), seed=5)
    rows = study.predictions
    accuracy = rows.groupby(["kind", "source", "target"])["correct"].mean()
    base = accuracy["base"].droplevel("source")
    found = (accuracy["finetune"] - accuracy["finetune"].index.get_level_values("target").map(base)) / (
        1 - accuracy["finetune"].index.get_level_values("target").map(base)
    )
    true = study.truth.set_index(["source", "target"])["pgf"]
    assert np.abs(found - true.reindex(found.index)).max() < 0.12
    assert (found - true.reindex(found.index)).mean() == pytest.approx(0, abs=0.01)


def test_a_task_asked_openly_has_neither_letters_nor_chance(tmp_path):
    rows = []
    for source, predicted in (("", "1111"), ("a", "1211")):
        rows += [("m", source, "b (open)", str(k), "1212"[k], p, p == "1212"[k]) for k, p in enumerate(predicted)]
        rows += [("m", source, "c", str(k), "ABAB"[k], "A", "ABAB"[k] == "A") for k in range(4)]
    columns = ["model", "source", "target", "item", "answer", "predicted", "correct"]
    pd.DataFrame(rows, columns=columns).assign(seed="0").to_csv(tmp_path / "p.csv", index=False)
    found = analyze(read_accuracies(tmp_path / "p.csv").table)
    told = found.diagnostics.set_index(["target", "check"])["message"]
    assert ("b (open)", "baseline_at_chance") not in told.index
    assert told["c", "baseline_at_chance"] == "the baseline of 50.0% stands against a chance of 50.0%"
    assert told["c", "baseline_constant"] == "1 of 1 baselines score exactly as a constant answer (50.0%: A)"
    assert told["b (open)", "baseline_constant"].endswith("(50.0%: 1)")
    assert not [f for f in find_findings(found) if "letter" in f.title + f.text and "throughout" in f.title]
