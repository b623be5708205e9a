"""The numbers of the page against the package's own."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tasktransfer.analysis.analyze import Analysis, analyze
from tasktransfer.analysis.cliques import find_cliques
from tasktransfer.analysis.personas import assign_personas
from tasktransfer.analysis.pgf import tasks_of
from tasktransfer.analysis.settings import Settings
from tasktransfer.analysis.transferability import AGGREGATES, aggregate_transfer
from tasktransfer.report.page import certainty as certainty_payload
from tasktransfer.report.page.payload import build_payload, json_in_html
from tests.report.page.studies import TASKS, accuracies, shown_matrix


def test_every_view_is_the_packages_own(study: Analysis) -> None:
    told = build_payload(study)
    ceilings = list(dict.fromkeys([study.settings.ceiling, *study.summary["ceiling_sensitivity"]]))
    assert len(ceilings) == 2
    seeds = ["mean", "a", "b", "c"]
    for m, model in enumerate(study.models):
        for s, seed in enumerate(seeds):
            for c, ceiling in enumerate(ceilings):
                for view in ("raw", "interaction"):
                    body = told["views"][f"{m}|{seed if not s else s - 1}|{c}|{view}"]
                    expected = shown_matrix(study, model, seed, ceiling, view)
                    np.testing.assert_allclose(
                        np.array(body["values"], dtype=float), expected.to_numpy().ravel(), atol=1e-7
                    )
                    aggregates = aggregate_transfer(expected)
                    for name in AGGREGATES:
                        np.testing.assert_allclose(
                            body["aggregates"][name], aggregates[name], rtol=1e-4, atol=1e-9
                        )
                    assert body["personas"] == assign_personas(aggregates).tolist()
                    for sign in ("positive", "negative"):
                        names = [[expected.index[i] for i in clique] for clique in body["cliques"][sign]["list"]]
                        found = [list(clique) for clique in find_cliques(expected, sign).cliques]
                        assert sorted(names) == sorted(found)
    assert len(told["views"]) == 2 * 4 * 2 * 2


def test_large_studies_keep_the_mean_and_say_so() -> None:
    names = [f"t{i}" for i in range(61)]
    told = build_payload(analyze(accuracies(["m"], names[:3], names, seeds=("a", "b"))))
    assert set(told["views"]) == {"0|mean|0|raw", "0|mean|0|interaction"}
    assert "61 tasks" in told["leftOut"]
    assert told["seeds"] == []


def test_interaction_as_the_chosen_view_brings_its_own_cliques() -> None:
    analysis = analyze(accuracies(["m"], TASKS, TASKS), Settings(on="interaction"))
    told = build_payload(analysis)
    body = told["views"]["0|mean|0|interaction"]["cliques"]["positive"]
    assert body["total"] == len(find_cliques(analysis.matrix("m", value="interaction"), "positive").cliques)
    assert told["on"] == "interaction"


def test_the_payload_holds_what_the_errors_leave(controlled: Analysis) -> None:
    told = build_payload(controlled)
    known, bare = told["certainty"]
    assert bare is None
    order = [tasks_of(controlled.transfers)[i] for i in told["models"][0]["tasks"]]
    for measure in AGGREGATES:
        rows = controlled.aggregates
        rows = rows[(rows["model"] == "known") & (rows["measure"] == measure)].set_index("task").loc[[*order, ""]]
        for name, column in (
            ("low", "low"),
            ("debiased", "debiased"),
            ("noise", "noise_level"),
            ("value", "value"),
        ):
            np.testing.assert_allclose(known["measures"][measure][name], rows[column], rtol=1e-3, atol=1e-9)
    tasks = controlled.tasks[controlled.tasks["model"] == "known"].set_index("task").loc[order]
    np.testing.assert_allclose(known["labels"]["sieve"], tasks["p_sieve"], atol=1e-3)
    assert known["ranks"]["rank_high"] == tasks["rank_high"].tolist()
    edges = controlled.edges[controlled.edges["model"] == "known"]
    expected = {
        str(order.index(row.source) * len(order) + order.index(row.target)): row.probability
        for row in edges.itertuples()
    }
    assert known["edges"] == pytest.approx(expected, abs=1e-3)
    cliques = controlled.cliques[
        (controlled.cliques["model"] == "known") & (controlled.cliques["sign"] == "positive")
    ]
    told_cliques = told["views"]["0|mean|0|raw"]["cliques"]["positive"]
    np.testing.assert_allclose(told_cliques["probability"], cliques["probability"], atol=1e-3)
    assert len(told_cliques["list"]) == len(cliques) > 0
    assert "probability" not in told["views"]["0|mean|0|interaction"]["cliques"]["positive"]
    assert json.loads(json_in_html(told)) == told


def test_probabilities_of_many_edges_are_bounded(monkeypatch: pytest.MonkeyPatch, controlled: Analysis) -> None:
    monkeypatch.setattr(certainty_payload, "EDGES", 2)
    monkeypatch.setattr(certainty_payload, "CONTROL_ROWS", 3)
    told = build_payload(controlled)
    kept = told["certainty"][0]["edges"]
    edges = controlled.edges[controlled.edges["model"] == "known"]
    values = np.abs(np.array(told["views"]["0|mean|0|raw"]["values"], dtype=float))
    assert sorted(values[[int(cell) for cell in kept]]) == pytest.approx(
        sorted(edges["pgf"].abs().nlargest(2)), abs=1e-9
    )
    assert len(told["controls"]["rows"]) == 3
    assert told["controls"]["cut"] == len(controlled.control_columns) - 3 > 0
