"""The graph, cliques and personas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.cliques import find_cliques
from tasktransfer.analysis.graph import transfer_edges
from tasktransfer.analysis.personas import assign_personas
from tasktransfer.analysis.transferability import aggregate_transfer
from tasktransfer.drawing.labels import label_of
from tasktransfer.report.page.page import render_report
from tests.report.page.browser import edges_of, edges_told, errors, find, find_all, move_slider, open_page, pick
from tests.report.page.studies import TASKS, shown_matrix


@pytest.mark.browser
@pytest.mark.parametrize("view", ["raw", "interaction"])
def test_slider_keeps_the_edges_of_the_package(page: Any, study: Analysis, view: str) -> None:
    find(page, f"#control-{view}").click()
    expected = shown_matrix(study, "small", "mean", "perfect", view)
    for share in (0.01, 0.1, 0.29, 0.5, 0.83, 1.0):
        move_slider(page, share)
        assert edges_told(page) == edges_of(expected, share)
        drawn = page.execute_script(
            "return [...document.querySelectorAll('#graph-svg .edge')].map(e => [+e.dataset.s, +e.dataset.t])"
        )
        names = list(expected.index)
        edges = transfer_edges(expected, top_share=share)
        assert {(names[s], names[t]) for s, t in drawn} == set(zip(edges["source"], edges["target"], strict=True))
        assert find(page, "#share-told").text == f"{share:.0%}"


@pytest.mark.browser
def test_slider_moves_by_key_and_goes_back(page: Any, study: Analysis) -> None:
    expected = shown_matrix(study, "small", "mean", "perfect", "raw")
    slider = find(page, "#share")
    slider.send_keys("\ue014" * 5)  # arrow right
    assert find(page, "#share-told").text == "25%"
    assert edges_told(page) == edges_of(expected, 0.25)
    find(page, "#share-reset").click()
    assert find(page, "#share-told").text == "20%"
    assert edges_told(page) == edges_of(expected, 0.2)


@pytest.mark.browser
def test_choosing_a_clique_marks_it_everywhere(page: Any, study: Analysis) -> None:
    expected = shown_matrix(study, "small", "mean", "perfect", "raw")
    for sign in ("positive", "negative"):
        buttons = find_all(page, f"#cliques-{sign} button")
        found = find_cliques(expected, sign).cliques
        assert [int(find(button, "b").text) for button in buttons] == [len(clique) for clique in found]
        assert {find(button, ".names").text for button in buttons} == {
            " · ".join(label_of(task) for task in clique) for clique in found
        }
    find(page, "#cliques-positive button").click()
    members = find_cliques(expected, "positive").cliques[0]
    names = list(expected.index)
    lit = page.execute_script(
        "return [...document.querySelectorAll('#matrix-grid td:not(.dim)')].map(c => [+c.dataset.s, +c.dataset.t])"
    )
    assert {(names[s], names[t]) for s, t in lit} == {(a, b) for a in members for b in members}
    marked = page.execute_script(
        "return [...document.querySelectorAll('#graph-svg .node.marked')].map(n => +n.dataset.place)"
    )
    assert {names[place] for place in marked} == set(members)
    assert find(page, "#cliques-positive button").get_attribute("aria-pressed") == "true"
    cells = [cell.text for cell in find_all(page, "#clique-cells td")]
    inside = expected.loc[list(members), list(members)].to_numpy().ravel()
    np.testing.assert_allclose([float(c.replace("−", "-")) for c in cells], inside, atol=0.0051)
    find(page, "#clique-clear").click()
    assert find_all(page, "#matrix-grid td.dim") == []
    assert find_all(page, "#clique-cells td") == []


@pytest.mark.browser
def test_a_task_of_the_graph_shows_its_own_arrows(page: Any, study: Analysis) -> None:
    edges = transfer_edges(shown_matrix(study, "small", "mean", "perfect", "raw"))
    for place, task in enumerate(TASKS):
        node = find(page, f"#graph-svg .node[data-place='{place}']")
        page.execute_script("arguments[0].focus()", node)
        own = edges[(edges["source"] == task) | (edges["target"] == task)]
        assert len(find_all(page, "#graph-svg.focusing .edge.on")) == len(own)
        assert find(page, "#node h3").text == task
        assert len(find_all(page, "#node li")) == len(own)
    node.send_keys("\ue007")  # enter holds it when the focus goes
    page.execute_script("document.activeElement.blur()")
    assert node.get_attribute("aria-pressed") == "true"
    assert find(page, "#node h3").text == TASKS[-1]


@pytest.mark.browser
def test_personas_follow_the_controls(page: Any, study: Analysis) -> None:
    pick(page, "control-model", "large <i>")
    find(page, "#control-interaction").click()
    aggregates = aggregate_transfer(shown_matrix(study, "large <i>", "mean", "perfect", "interaction"))
    page.execute_script("document.querySelector('#personas details').open = true")
    rows = [
        [c.text for c in row.find_elements("css selector", "td")]
        for row in find_all(page, "#personas-table tbody tr")
    ]
    assert [row[0] for row in rows] == TASKS
    assert [row[5] for row in rows] == [text.replace(";", ", ") or "–" for text in assign_personas(aggregates)]
    told = [[float(text.replace("−", "-")) for text in row[1:5]] for row in rows]
    np.testing.assert_allclose(told, aggregates.to_numpy(), atol=6e-5)
    for kind, up, across in (("source", "pirate", "donor"), ("target", "sieve", "sponge")):
        labels = [text.split(";") for text in assign_personas(aggregates)]
        drawn = find_all(page, f"#plane-{kind} .point[data-place]")
        assert len(drawn) == len(TASKS)
        for point in drawn:
            held = labels[int(point.get_attribute("data-place"))]
            look = {(True, True): "both", (True, False): "gain", (False, True): "harm", (False, False): ""}
            expected = look[across in held, up in held]
            assert point.get_attribute("class").split()[1:] == ([expected] if expected else [])


@pytest.mark.browser
def test_the_published_tables_give_the_papers_edges(browser: Any, published: Analysis, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_report(published), encoding="utf-8")
    open_page(browser, path)
    pick(browser, "control-model", "32B")
    assert find(browser, "#edges-told").text == "23 positive + 10 negative edges"
    assert [o.text for o in find_all(browser, "#control-ceiling option")] == ["perfect", "human", "best-observed"]
    assert errors(browser) == []
