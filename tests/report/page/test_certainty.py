"""How sure the structure is, what controls reach, and the diagnostics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.report.page.page import render_report
from tests.report.page.browser import errors, find, find_all, move_slider, open_page, pick, texts
from tests.report.page.studies import pgf_only


@pytest.mark.browser
def test_probabilities_stand_where_the_view_is_the_analysed_one(sure_page: Any, controlled: Analysis) -> None:
    tasks = controlled.tasks[controlled.tasks["model"] == "known"]
    table = texts(sure_page, "#personas-table")
    assert [row[7] for row in table] == [f"{p + 1e-9:.0%}" for p in tasks["p_pirate"]]
    assert [row[10] for row in table] == [
        f"{row.rank:.0f} ({row.rank_low:.0f}–{row.rank_high:.0f})" for row in tasks.itertuples()
    ]
    edges = controlled.edges[controlled.edges["model"] == "known"]
    arrows = {(row[0], row[1]): row[3] for row in texts(sure_page, "#edges-table")}
    for edge in edges.itertuples():
        assert abs(int(arrows[edge.source, edge.target].rstrip("%")) - 100 * edge.probability) <= 0.51
    pale = sure_page.execute_script("return document.querySelectorAll('#graph-svg .edge.unlikely').length")
    assert pale == (edges["probability"] < 0.5).sum()
    cliques = controlled.cliques[
        (controlled.cliques["model"] == "known") & (controlled.cliques["sign"] == "positive")
    ]
    told = [int(node.text.rstrip("%")) for node in find_all(sure_page, "#cliques-positive .chance")]
    np.testing.assert_allclose(told, 100 * cliques["probability"], atol=0.51)
    assert len(find_all(sure_page, "#personas rect.noise-box")) == 2
    assert len(find_all(sure_page, "#plane-source .control-mark")) == 1
    chances = "#graph-svg .edge.unlikely, .chance, rect.noise-box, .planes .control-mark"
    assert find_all(sure_page, chances)
    find(sure_page, "#control-interaction").click()
    assert find_all(sure_page, chances) == []
    assert {len(row) for row in texts(sure_page, "#personas-table")} == {6}
    find(sure_page, "#control-raw").click()
    move_slider(sure_page, 0.5)
    assert {len(row) for row in texts(sure_page, "#edges-table")} == {3}
    assert find_all(sure_page, "#graph-svg .edge.unlikely") == []


@pytest.mark.browser
def test_intervals_of_the_chosen_model(sure_page: Any, controlled: Analysis) -> None:
    rows = controlled.aggregates
    rows = rows[(rows["model"] == "known") & (rows["task"] != "") & rows["value"].notna()]
    told = texts(sure_page, "#sure-table")
    numbers = [[float(text.replace("−", "-")) for text in row[2:]] for row in told]
    columns = ["value", "debiased", "low", "high", "noise_level"]
    np.testing.assert_allclose(numbers, rows[columns], atol=1e-4)
    assert [row[0] for row in told] == rows["task"].tolist()
    drawn = find_all(sure_page, "#certainty-holder .sure-row")
    assert len(drawn) == len(rows) + 4  # and the mean in each panel
    assert len(find_all(sure_page, "#certainty-holder .control-line")) == 2
    pick(sure_page, "control-model", "bare")
    assert "The error of no cell" in find(sure_page, "#certainty-holder").text
    assert find_all(sure_page, "#sure-table, #certainty-legend *, .chance, rect.noise-box") == []


@pytest.mark.browser
def test_controls_by_target(sure_page: Any, controlled: Analysis) -> None:
    rows = controlled.control_columns
    whole, rows = rows[rows["target"] == ""].iloc[0], rows[rows["target"] != ""]
    told = texts(sure_page, "#controls-table")
    assert [row[0] for row in told] == rows["target"].tolist()
    for shown, row in zip(told, rows.itertuples(), strict=True):
        numbers = [float(shown[k].replace("−", "-")) for k in (1, 3, 4)]
        np.testing.assert_allclose(numbers, [row.control_pgf, row.mean_pgf, row.mean_net], atol=5.1e-4)
        assert float(shown[5].rstrip("%").replace("−", "-")) == pytest.approx(100 * row.share_explained, abs=0.06)
    over_all = find(sure_page, "#controls-holder li").text
    assert over_all.startswith("shuffled <b>")
    assert f"net {whole['mean_net']:+.3f}".replace("-", "−") in over_all
    pick(sure_page, "control-model", "bare")
    assert find(sure_page, "#controls-holder").text == "This model has no control."


@pytest.mark.browser
def test_unknown_errors_are_told(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_report(pgf_only()), encoding="utf-8")
    open_page(browser, path)
    assert "The error of no cell is known" in find(browser, "#certainty-unknown").text
    assert find_all(browser, ".chance, rect.noise-box, .noise-line, .noise-part, #certainty-holder") == []
    assert errors(browser) == []


@pytest.mark.browser
def test_diagnostics_filter_and_sort(page: Any, study: Analysis) -> None:
    table = study.diagnostics.assign(flagged=study.diagnostics["flagged"].astype(bool))

    def told() -> int:
        rows = find_all(page, "#diagnostics-table tbody tr")
        assert find(page, "#diagnostics-told").text.startswith(f"{len(rows)} row")
        return len(rows)

    assert told() == table["flagged"].sum() > 0
    find(page, "#filter-flagged").click()
    assert told() == len(table)
    pick(page, "filter-model", "small")
    assert told() == (table["model"] == "small").sum()
    pick(page, "filter-check", "weak_gap")
    assert told() == ((table["model"] == "small") & (table["check"] == "weak_gap")).sum() > 1

    find(page, "#diagnostics-table th:nth-child(5) button").click()
    column = "#diagnostics-table tbody td:nth-child(5)"
    down = [float(cell.text) for cell in find_all(page, column)]
    assert down == sorted(down, reverse=True)
    assert find(page, "#diagnostics-table th:nth-child(5)").get_attribute("aria-sort") == "descending"
    find(page, "#diagnostics-table th:nth-child(5) button").click()
    up = [float(cell.text) for cell in find_all(page, column)]
    assert up == sorted(down) != down

    pick(page, "filter-check", "all")
    pick(page, "filter-scope", "run")
    assert told() == ((table["model"] == "small") & (table["scope"] == "run")).sum() > 0
    pick(page, "filter-scope", "all")
    find(page, "#filter-text").send_keys("JIGSAW")
    words = table[["source", "target", "seed", "message", "check"]].apply(
        lambda c: c.str.lower().str.contains("jigsaw")
    )
    assert told() == (words.any(axis=1) & (table["model"] == "small")).sum() > 0
    find(page, "#filter-text").send_keys(" nowhere")
    assert "0 rows" in find(page, "#diagnostics-told").text
