"""However it is asked, the same accuracies under the same settings give the same cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasktransfer.analysis.analyze import analyze
from tasktransfer.analysis.halves import choosing_half, choosing_items
from tasktransfer.analysis.measure import measure
from tasktransfer.analysis.settings import Settings
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.recommendation.evidence import gather_evidence
from tasktransfer.recommendation.recommend import recommend
from tasktransfer.report.page.payload import build_payload

LARGE = Path(__file__).parents[2] / "examples" / "large.csv"
SETTINGS = Settings(margin=0.12, confidence=0.9)
VERDICTS = {"+": "positive", "-": "negative", "0": "negligible", "?": "undecided"}


@pytest.fixture(scope="module")
def accuracies():
    return read_accuracies(LARGE)


def as_analyzed(accuracies, ceiling):
    return analyze(accuracies, replace(SETTINGS, ceiling=ceiling)).transfers


@pytest.mark.parametrize("ceiling", ["perfect", "best-observed"])
def test_measuring_is_the_first_half_of_the_analysis(accuracies, ceiling):
    measured = measure(accuracies, replace(SETTINGS, ceiling=ceiling))
    pd.testing.assert_frame_equal(measured.transfers, as_analyzed(accuracies, ceiling))


def test_the_page_switched_to_a_ceiling_shows_what_the_analysis_under_it_does(accuracies):
    """Intervals move with the draws where the ceiling is itself observed, and verdicts heed the margin."""
    page = build_payload(analyze(accuracies, SETTINGS))
    position = page["ceilings"].index("best-observed")
    assert position > 0
    body = page["views"][f"0|mean|{position}|raw"]
    expected = as_analyzed(accuracies, "best-observed").set_index(["source", "target"])
    names = [task["name"] for task in page["tasks"]]
    expected = expected.reindex(pd.MultiIndex.from_product([names, names]))
    for end in ("low", "high"):
        np.testing.assert_allclose(np.array(body[end], dtype=float), expected[end], rtol=1e-3, atol=1e-9)
    assert [VERDICTS[sign] for sign in body["verdict"]] == expected["verdict"].tolist()
    wide = as_analyzed(accuracies, "perfect")
    assert (expected["high"].to_numpy() != wide["high"].to_numpy()).all()


def items_of(study):
    """Item-level answers in which verdicts of negligible are possible."""
    from tasktransfer.analysis.simulation import Simulation, simulate_study

    return simulate_study(Simulation(n_tasks=8, n_items=60, n_seeds=2), seed=study).predictions


def test_the_margin_reaches_the_page_under_every_ceiling(tmp_path):
    items_of(0).to_parquet(tmp_path / "predictions.parquet")
    answers = read_accuracies(tmp_path / "predictions.parquet")
    wide = analyze(answers, Settings(margin=0.4))
    page = build_payload(wide)
    position = page["ceilings"].index("best-observed")
    expected = analyze(answers, Settings(margin=0.4, ceiling="best-observed"))
    names = [task["name"] for task in page["tasks"]]
    verdicts = expected.transfers.set_index(["source", "target"]).reindex(
        pd.MultiIndex.from_product([names, names])
    )["verdict"]
    shown = [VERDICTS[sign] for sign in page["views"][f"0|mean|{position}|raw"]["verdict"]]
    assert shown == verdicts.tolist()
    assert "negligible" in shown


def ends(recommendation):
    rows = recommendation.evidence.set_index(["source", "target"])
    return rows[["low", "high", "verdict"]].sort_index()


@pytest.mark.parametrize("given", ["accuracies", "analysis", "evidence"])
def test_measured_ends_beside_a_recommendation_are_at_its_level(accuracies, given):
    target = accuracies.table["target"].iloc[0]
    forms = {
        "accuracies": lambda: accuracies,
        "analysis": lambda: analyze(accuracies),
        "evidence": lambda: gather_evidence(accuracies),
    }
    chosen = recommend(forms[given](), target, 100, confidence=0.6)
    expected = measure(accuracies, Settings(confidence=0.6)).transfers
    expected = expected[(expected["kind"] == "finetune") & (expected["target"] == target)]
    expected = expected.set_index(["source", "target"])[["low", "high", "verdict"]].sort_index()
    pd.testing.assert_frame_equal(ends(chosen), expected, check_dtype=False)
    assert not chosen.cautions or "measured intervals" not in " ".join(chosen.cautions)


def test_ends_that_cannot_be_made_anew_are_left_out_and_it_is_said(accuracies):
    table = measure(accuracies).transfers
    target = accuracies.table["target"].iloc[0]
    chosen = recommend(table, target, 100, confidence=0.6)
    assert ends(chosen)[["low", "high"]].isna().all(axis=None)
    assert any("95%" in caution and "60%" in caution for caution in chosen.cautions)
    assert ends(recommend(table, target, 100))[["low", "high"]].notna().all(axis=None)


# ---- halves


def test_halves_do_not_depend_on_order_and_share_nothing():
    names = [f"i{number}" for number in range(31)]
    chosen = choosing_items("t", names)
    assert choosing_items("t", np.random.default_rng(0).permutation(names).tolist()) == chosen
    assert len(chosen) == 16
    assert choosing_items("u", names) != chosen


def test_items_of_a_cluster_are_in_one_half():
    cluster_of = {f"i{number}": f"scene {number // 4}" for number in range(40)}
    chosen = choosing_items("t", cluster_of)
    assert len(chosen) == 20
    for scene in cluster_of.values():
        assert len({item in chosen for item in cluster_of if cluster_of[item] == scene}) == 1
    alone = [f"i{number}" for number in range(40)]
    assert choosing_items("t", {item: item for item in alone}) == choosing_items("t", alone)


def test_halves_are_balanced_in_items_whoever_asks():
    """One large scene and many small ones: a half holds as many items as the other, not as many scenes."""
    sizes = [40, *[2] * 20]
    rows = [(f"i{s}-{k}", f"scene {s}") for s, size in enumerate(sizes) for k in range(size)]
    table = pd.DataFrame(rows, columns=["item", "cluster"]).assign(target="t")
    chosen = choosing_half(pd.concat([table, table.assign(target="u")]).sample(frac=1, random_state=0))
    assert {item for target, item in chosen if target == "t"} == choosing_items("t", dict(rows))
    assert 40 <= sum(target == "t" for target, _ in chosen) <= 42 + 38  # at most the scene that fills it beyond


def test_an_item_without_a_cluster_is_one_of_its_own():
    table = pd.DataFrame({"target": "t", "item": list("abcdef"), "cluster": ["x", "x", "", None, "", ""]})
    expected = choosing_items("t", {**dict.fromkeys("ab", "x"), **{item: item for item in "cdef"}})
    assert {item for _, item in choosing_half(table)} == expected
