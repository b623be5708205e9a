"""The file itself: the same each time, loads nothing, and what stands in it without a script."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from tasktransfer.analysis.analyze import Analysis, analyze
from tasktransfer.drawing.labels import label_of
from tasktransfer.report.figures.write import EMBEDDED, draw_figures
from tasktransfer.report.findings import Finding
from tasktransfer.report.page.page import Section, render_report
from tasktransfer.report.page.payload import json_in_html
from tasktransfer.tables import Accuracies
from tests.report.page.studies import TASKS

SECTIONS = [
    *("findings", "matrix", "graph", "cliques", "personas", "certainty", "taxonomy"),
    *("scale", "decomposition", "ceilings", "diagnostics", "settings"),
]


def payload_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="payload">(.*?)</script>', page, re.DOTALL)
    assert found

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is not JSON")

    told: dict[str, Any] = json.loads(found[1], parse_constant=refuse)
    return told


def test_page_is_the_same_for_the_same_input(study: Analysis, study_page: str) -> None:
    assert study_page == render_report(analyze(Accuracies(study.accuracies, tuple(study.summary["notes"]))))


def test_page_loads_nothing(study_page: str) -> None:
    page = study_page
    assert "http" not in re.sub(r"http://www\.w3\.org/(2000/svg|1999/xlink)|http-equiv", "", page)
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest|<link|<iframe|innerHTML|insertAdjacent", page)
    assert "default-src 'none'" in page


def test_hostile_names_cannot_leave_the_payload(study_page: str) -> None:
    page = study_page
    assert page.count("</script") == 2
    assert "<img" not in page
    assert "<b>signs" not in page
    assert [task["name"] for task in payload_of(page)["tasks"]] == TASKS
    assert json_in_html({"a": "<>&\u2028\u2029"}) == '{"a":"\\u003c\\u003e\\u0026\\u2028\\u2029"}'


def test_sections_stand_in_order_and_findings_lead_to_them(study_page: str) -> None:
    page = study_page
    assert re.findall(r'<section id="(\w+)"', page) == SECTIONS
    assert set(re.findall(r'href="#(\w+)"', page)) <= set(SECTIONS)


def test_largest_cliques_stand_beside_their_nulls(study: Analysis, study_page: str) -> None:
    page = study_page
    told = study.summary["models"]["small"]["largest_clique"]["positive"]
    for null, words in (("within_target", "permuted within"), ("additive", "effects kept")):
        chance = told["against_chance"][null]
        size, p_value = f">{chance['mean_null_size']:.1f}<", f">{chance['p_value']:.2g}<"
        (row,) = [line for line in page.splitlines() if ">small<" in line and "positive" in line and words in line]
        assert f">{told['size']}<" in row
        assert size in row
        assert p_value in row


def test_controls_have_a_section_only_where_there_are_any(study_page: str, controlled_page: str) -> None:
    page = controlled_page
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections == [*SECTIONS[:9], "controls", *SECTIONS[9:]]
    assert set(re.findall(r'href="#(\w+)"', page)) <= set(sections)
    assert "strongest control</th>" in page
    assert "strongest control</th>" not in study_page


def test_means_with_their_noise_are_told_without_a_script(study: Analysis, study_page: str) -> None:
    page = study_page.split('id="certain-means"')[1].split("</table>")[0]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", line) for line in page.split("</tr>")]
    rows = [row for row in rows if row]
    means = study.aggregates[study.aggregates["task"] == ""]
    assert len(rows) == len(means) == 8
    for row, mean in zip(rows, means.itertuples(), strict=True):
        told = [float(text.replace("−", "-")) for text in (row[1], row[2], *row[3].split(" to "), row[4])]
        expected = [mean.value, mean.debiased, mean.low, mean.high, mean.noise_level]
        np.testing.assert_allclose(told, expected, atol=5.1e-4)


def test_the_best_source_of_each_target_is_told(study: Analysis, study_page: str) -> None:
    page = study_page
    section = page.split('id="best-sources"')[1].split("</details>")[0]
    values = study.matrix(study.models[0]).to_numpy(copy=True)
    np.fill_diagonal(values, np.nan)
    matrix = study.matrix(study.models[0])
    for j in np.flatnonzero(~np.isnan(values).all(axis=0)):
        target, best = (escape(label_of(matrix.index[k])) for k in (j, np.nanargmax(values[:, j])))
        assert f'<th scope="row">{target}</th><td>{best}</td>' in section


def test_figures_that_no_control_changes_are_the_saved_ones(controlled: Analysis, controlled_page: str) -> None:
    drawn = {one.name: one.svg() for one in draw_figures(controlled, only=EMBEDDED)}
    assert set(drawn) == set(EMBEDDED)
    page = controlled_page
    assert all(page.count(svg) == 1 for svg in drawn.values())
    assert page == render_report(controlled, pictures=drawn)
    body = page.split("</head>")[1]
    assert "<style" not in body  # of a figure it would be a style of the whole page
    ids = re.findall(r'\bid="([^"]+)"', body)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", body)) <= set(ids)
    split = page.split('<section id="decomposition"')[1].split("</section>")[0]
    assert 'aria-label="Shares of target, source and interaction; the table holds them"' in split
    shares = controlled.decomposition.set_index(["model", "component"])["share"]
    for (model, component), share in shares.dropna().items():
        assert f'<th scope="row">{model}</th><td>{component}</td><td class="number">{share:.1%}</td>' in split


def test_sections_of_other_questions_stand_behind_the_findings(study: Analysis) -> None:
    finding = Finding("What we asked", "It is so.", "", "asked")
    page = render_report(study, [Section("asked", "We <ask>", Markup("<p>body</p>"), finding)])
    assert re.findall(r'<section id="(\w+)"', page)[:3] == ["findings", "asked", "matrix"]
    assert '<h2 id="asked-title">We &lt;ask&gt;</h2>\n  <p>body</p>' in page
    first = page.split('<ol class="findings">')[1].split("</li>")[0]
    assert '<a href="#asked">What we asked</a>' in first
