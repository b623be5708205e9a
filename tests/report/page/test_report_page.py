"""The report page against the package's own numbers, in a real browser where one is installed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape

from tasktransfer.analysis import structure_tables
from tasktransfer.analysis.analyze import Analysis, analyze
from tasktransfer.analysis.ceilings import available_ceilings
from tasktransfer.analysis.chance import CliqueChance, clique_chance
from tasktransfer.analysis.cliques import find_cliques
from tasktransfer.analysis.decomposition import decompose
from tasktransfer.analysis.graph import transfer_edges
from tasktransfer.analysis.personas import assign_personas
from tasktransfer.analysis.pgf import matrix, pgf_table, tasks_of, transfers_table
from tasktransfer.analysis.settings import Settings
from tasktransfer.analysis.transferability import AGGREGATES, aggregate_transfer
from tasktransfer.drawing.labels import label_of
from tasktransfer.report.page import certainty as certainty_payload
from tasktransfer.report.page.page import render_report
from tasktransfer.report.page.payload import build_payload, json_in_html
from tasktransfer.tables import ACCURACY_COLUMNS, Accuracies

HOSTILE = "</script><img src=x onerror=alert(1)>"
SECTIONS = [
    *("findings", "matrix", "graph", "cliques", "personas", "certainty", "taxonomy"),
    *("scale", "decomposition", "ceilings", "diagnostics", "settings"),
]
TASKS = ["Visual_Similarity", "Art_Style", HOSTILE, "my own & <b>task</b>", "Jigsaw", "spare"]
ITEMS = {"Visual_Similarity": 135, "Art_Style": 117, "Jigsaw": 150}


# ---- studies


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    """The page shows what the nulls gave; how many draws that took is another test's business."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure_tables, "clique_chance", partial(clique_chance, n_draws=99))
        yield


def accuracies(
    models: list[str],
    sources: list[str],
    targets: list[str],
    *,
    seeds: tuple[str, ...] = ("a", "b", "c"),
    holes: float = 0.0,
    base: int | None = None,
) -> pd.DataFrame:
    """A made-up study with whole counts; `base` sets every baseline's right answers."""
    draw = np.random.default_rng(7)
    rows: list[tuple[Any, ...]] = []
    for model in models:
        start = {t: base if base is not None else int(draw.integers(35, 70)) for t in targets}
        for seed in seeds:
            for target in targets:
                n_items = ITEMS.get(target, 100)
                rows.append((model, "base", "", seed, target, n_items, start[target]))
                for source in sources:
                    if draw.random() >= holes:
                        right = int(np.clip(start[target] + draw.integers(-18, 24), 0, n_items))
                        rows.append((model, "finetune", source, seed, target, n_items, right))
    frame = pd.DataFrame(rows, columns=["model", "kind", "source", "seed", "target", "n_items", "n_correct"])
    frame = frame.assign(
        accuracy=frame["n_correct"] / frame["n_items"], pgf=np.nan, top_share=np.nan, n_choices=np.nan
    )
    return frame.assign(top_answer="").astype({"n_items": float, "n_correct": float})[list(ACCURACY_COLUMNS)]


@pytest.fixture(scope="module")
def study() -> Analysis:
    table = accuracies(["small", "large <i>"], TASKS, TASKS)
    gone = (table["source"] == "spare") & (table["target"] == "Jigsaw") & (table["model"] == "small")
    one_letter = (table["target"] == "Visual_Similarity") & (table["source"] == "Art_Style")
    table.loc[one_letter, ["n_correct", "accuracy"]] = [64, 64 / 135]
    return analyze(Accuracies(table[~gone].reset_index(drop=True), ("a note with <b>signs</b>",)))


@pytest.fixture(scope="module")
def controlled() -> Analysis:
    """Two models, the second without seeds or items; a control of the first."""
    table = accuracies(["known", "bare"], TASKS[:5], TASKS[:5])
    control = table[(table["source"] == "Jigsaw") & (table["model"] == "known")]
    table = pd.concat([table, control.assign(kind="control", source="shuffled <b>")], ignore_index=True)
    bare = (table["model"] == "bare").to_numpy()
    table = table[~bare | ((table["seed"] == "a") & (table["kind"] != "base")).to_numpy()].reset_index(drop=True)
    bare = (table["model"] == "bare").to_numpy()
    table.loc[bare, "pgf"] = table.loc[bare, "accuracy"] - 0.5
    table.loc[bare, ["accuracy", "n_items", "n_correct"]] = np.nan
    return analyze(table)


def shown_matrix(analysis: Analysis, model: str, seed: str, ceiling: str, view: str) -> pd.DataFrame:
    """The matrix of one setting, computed the long way round."""
    pgf = pgf_table(analysis.accuracies, available_ceilings(analysis.accuracies, ceiling)[ceiling])
    rows = pgf if seed == "mean" else pgf[pgf["seed"] == seed]
    here = set(tasks_of(analysis.transfers, model))
    order = [task for task in tasks_of(analysis.transfers) if task in here]
    raw = matrix(transfers_table(rows), model, tasks=order)
    return raw if view == "raw" else decompose(raw).interaction


def payload_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="payload">(.*?)</script>', page, re.DOTALL)
    assert found

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is not JSON")

    told: dict[str, Any] = json.loads(found[1], parse_constant=refuse)
    return told


# ---- the file


def test_page_is_the_same_for_the_same_input(study: Analysis) -> None:
    assert render_report(study) == render_report(
        analyze(Accuracies(study.accuracies, tuple(study.summary["notes"])))
    )


def test_page_loads_nothing(study: Analysis) -> None:
    page = render_report(study)
    assert "http" not in re.sub(r"http://www\.w3\.org/2000/svg|http-equiv", "", page)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|<link|<iframe|innerHTML|insertAdjacent", page)
    assert "default-src 'none'" in page


def test_hostile_names_cannot_leave_the_payload(study: Analysis) -> None:
    page = render_report(study)
    assert page.count("</script") == 2
    assert "<img" not in page
    assert "<b>signs" not in page
    assert [task["name"] for task in payload_of(page)["tasks"]] == TASKS
    assert json_in_html({"a": "<>&\u2028\u2029"}) == '{"a":"\\u003c\\u003e\\u0026\\u2028\\u2029"}'


def test_sections_stand_in_order_and_findings_lead_to_them(study: Analysis) -> None:
    page = render_report(study)
    assert re.findall(r'<section id="(\w+)"', page) == SECTIONS
    assert set(re.findall(r'href="#(\w+)"', page)) <= set(SECTIONS)


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


def test_largest_cliques_stand_beside_their_nulls(study: Analysis) -> None:
    page = render_report(study)
    told = study.summary["models"]["small"]["largest_clique"]["positive"]
    for null, words in (("within_target", "permuted within"), ("additive", "effects kept")):
        chance = told["against_chance"][null]
        size, p_value = f">{chance['mean_null_size']:.1f}<", f">{chance['p_value']:.2g}<"
        (row,) = [line for line in page.splitlines() if ">small<" in line and "positive" in line and words in line]
        assert f">{told['size']}<" in row
        assert size in row
        assert p_value in row


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


def test_controls_have_a_section_only_where_there_are_any(controlled: Analysis, study: Analysis) -> None:
    page = render_report(controlled)
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections == [*SECTIONS[:9], "controls", *SECTIONS[9:]]
    assert set(re.findall(r'href="#(\w+)"', page)) <= set(sections)
    assert "strongest control</th>" in page
    assert "strongest control</th>" not in render_report(study)


def test_means_with_their_noise_are_told_without_a_script(study: Analysis) -> None:
    page = render_report(study).split('id="certain-means"')[1].split("</table>")[0]
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", line) for line in page.split("</tr>")]
    rows = [row for row in rows if row]
    means = study.aggregates[study.aggregates["task"] == ""]
    assert len(rows) == len(means) == 8
    for row, mean in zip(rows, means.itertuples(), strict=True):
        told = [float(text.replace("−", "-")) for text in (row[2], row[3], *row[4].split(" to "), row[5])]
        expected = [mean.value, mean.debiased, mean.low, mean.high, mean.noise_level]
        np.testing.assert_allclose(told, expected, atol=5.1e-4)


# ---- the browser

pytest_browser = pytest.mark.browser
Save = Callable[[Analysis], Path]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver_program = shutil.which("chromedriver")
    if not program or not driver_program:
        pytest.skip("no chromium with a chromedriver on the path")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    flags = (
        "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
        "disable-component-update disable-sync force-prefers-reduced-motion window-size=1366,900"
    )
    for flag in [*flags.split(), f"user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver_program)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def open_page(browser: Any, path: Path) -> None:
    browser.get_log("browser")
    browser.get(path.as_uri())
    assert browser.execute_script("return document.documentElement.dataset.ready") == "yes", errors(browser)


def errors(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture(scope="module")
def saved(study: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_report(study), encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Any, saved: Path) -> Iterator[Any]:
    """The study's page, opened afresh; whatever the test does must leave the console silent."""
    open_page(browser, saved)
    yield browser
    assert errors(browser) == []


def find(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def find_all(browser: Any, selector: str) -> list[Any]:
    return list(browser.find_elements("css selector", selector))


def pick(browser: Any, control: str, text: str) -> None:
    from selenium.webdriver.support.ui import Select

    Select(find(browser, f"#{control}")).select_by_visible_text(text)


def read_grid(browser: Any) -> list[list[str]]:
    script = (
        "return [...document.querySelectorAll('#matrix-grid tbody tr')].map(tr => [...tr.querySelectorAll('td')]"
        ".map(td => td.classList.contains('hole') ? 'hole' : td.textContent))"
    )
    rows: list[list[str]] = browser.execute_script(script)
    return rows


def assert_cells(rows: list[list[str]], expected: pd.DataFrame) -> None:
    told = [[np.nan if cell == "hole" else float(cell.replace("−", "-")) for cell in row] for row in rows]
    np.testing.assert_allclose(np.array(told), expected.to_numpy(), atol=0.005 + 1e-6)


def edges_told(browser: Any) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+) positive \+ (\d+) negative edges?", find(browser, "#edges-told").text)
    assert found
    return int(found[1]), int(found[2])


def edges_of(expected: pd.DataFrame, share: float) -> tuple[int, int]:
    signs = transfer_edges(expected, top_share=share)["sign"]
    return int((signs == "positive").sum()), int((signs == "negative").sum())


def move_slider(browser: Any, value: float) -> None:
    browser.execute_script(
        "const s = document.getElementById('share'); s.value = arguments[0];"
        "s.dispatchEvent(new Event('input', {bubbles: true}))",
        str(value),
    )


@pytest_browser
def test_each_setting_shows_its_own_matrix_and_graph(page: Any, study: Analysis) -> None:
    # the colours tell more than two decimals do, so a view is also told by its edges
    seen = set()
    for model in study.models:
        pick(page, "control-model", model)
        for seed in ("mean", "a", "b", "c"):
            pick(page, "control-seed", "mean over 3" if seed == "mean" else seed)
            for ceiling in ("perfect", "best-observed"):
                pick(page, "control-ceiling", ceiling)
                for view in ("raw", "interaction"):
                    find(page, f"#control-{view}").click()
                    expected = shown_matrix(study, model, seed, ceiling, view)
                    rows = read_grid(page)
                    assert_cells(rows, expected)
                    assert edges_told(page) == edges_of(expected, 0.2)
                    seen.add(str(rows))
                    told = find(page, "#graph .scope").text
                    assert model in told
                    assert ceiling in told
                    assert ("interaction" if view == "interaction" else "raw PGF") in told
    assert len(seen) == 2 * 4 * 2 * 2


@pytest_browser
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


@pytest_browser
def test_slider_moves_by_key_and_goes_back(page: Any, study: Analysis) -> None:
    expected = shown_matrix(study, "small", "mean", "perfect", "raw")
    slider = find(page, "#share")
    slider.send_keys("\ue014" * 5)  # arrow right
    assert find(page, "#share-told").text == "25%"
    assert edges_told(page) == edges_of(expected, 0.25)
    find(page, "#share-reset").click()
    assert find(page, "#share-told").text == "20%"
    assert edges_told(page) == edges_of(expected, 0.2)


@pytest_browser
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


@pytest_browser
def test_arrow_keys_walk_through_the_matrix(page: Any, study: Analysis) -> None:
    expected = shown_matrix(study, "small", "mean", "perfect", "raw")
    first = find(page, "#matrix-grid td")
    assert first.get_attribute("tabindex") == "0"
    assert len(find_all(page, "#matrix-grid td[tabindex='0']")) == 1
    page.execute_script("arguments[0].focus()", first)
    walk = [
        ("\ue015", 1, 0),
        ("\ue014", 1, 1),
        ("\ue010", 1, 5),
        ("\ue013", 0, 5),
        ("\ue013", 0, 5),
        ("\ue011", 0, 0),
    ]
    for key, row, column in walk:
        page.switch_to.active_element.send_keys(key)
        here = page.switch_to.active_element
        assert (here.get_attribute("data-s"), here.get_attribute("data-t")) == (str(row), str(column))
        source, target = expected.index[row], expected.columns[column]
        assert find(page, "#cell h3").text == f"{source} → {target}"
        said = find(page, "#cell-live").get_attribute("textContent")
        assert said == f"{source} to {target}: raw PGF {expected.iloc[row, column]:+.3f}".replace("-0", "−0")
    assert len(find_all(page, "#matrix-grid td[tabindex='0']")) == 1


@pytest_browser
def test_pointing_at_a_cell_tells_its_counts(page: Any, study: Analysis) -> None:
    from selenium.webdriver import ActionChains

    runs = study.pgf[
        (study.pgf["model"] == "small")
        & (study.pgf["source"] == "Art_Style")
        & (study.pgf["target"] == "Visual_Similarity")
    ]
    cell = find(page, "#matrix-grid td[data-s='1'][data-t='0']")
    ActionChains(page).move_to_element(cell).perform()
    told = find(page, "#cell").text
    for run in runs.itertuples():
        assert f"{run.seed} {run.baseline_correct:.0f} → 64 of 135" in told
    assert "3 of 3 runs score as (A) throughout" in told
    assert f"{runs['gain'].mean() * 100:+.1f} points".replace("-", "−") in told
    assert "constant" in cell.get_attribute("class")
    pick(page, "control-seed", "b")
    ActionChains(page).move_to_element(find(page, "#matrix-grid td[data-s='1'][data-t='0']")).perform()
    assert f"{runs['baseline_correct'].iloc[1]:.0f} → 64 of 135" in find(page, "#cell").text
    assert "scores as (A) throughout" in find(page, "#cell").text


@pytest_browser
def test_a_hole_is_hatched_and_never_a_zero(page: Any) -> None:
    hole = find(page, "#matrix-grid td[data-s='5'][data-t='4']")
    assert "hole" in hole.get_attribute("class")
    assert hole.text == ""
    assert "repeating-linear-gradient" in hole.value_of_css_property("background-image")
    page.execute_script("arguments[0].focus()", hole)
    assert "hole" in find(page, "#cell").text
    assert "missing" in find(page, "#cell").text


@pytest_browser
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


@pytest_browser
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


@pytest_browser
def test_labels_do_not_cover_each_other(browser: Any, tmp_path: Path) -> None:
    names = [f"a task named {i}" for i in range(20)]
    path = tmp_path / "report.html"
    path.write_text(render_report(analyze(accuracies(["m"], names, names))), encoding="utf-8")
    open_page(browser, path)
    script = """
      const boxes = [...document.querySelectorAll(arguments[0])].map(n => n.getBoundingClientRect());
      const along = (a, b) => a.left < b.right - 1 && b.left < a.right - 1;
      const hits = (a, b) => along(a, b) && a.top < b.bottom - 3 && b.top < a.bottom - 3;
      return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b => hits(a, b))).length"""
    for group in ("#plane-source text", "#plane-target text", ".ranks text", "#matrix-grid thead th"):
        assert len(find_all(browser, group)) > 1, group
        assert browser.execute_script(script, group) == 0, group
    # long labels around the circle are turned outward; short ones stay level and apart
    assert len(find_all(browser, "#graph-svg text[transform]")) == len(names)
    path.write_text(render_report(analyze(accuracies(["m"], T13, T13))), encoding="utf-8")
    open_page(browser, path)
    assert find_all(browser, "#graph-svg text[transform]") == []
    assert browser.execute_script(script, "#graph-svg text") == 0


@pytest_browser
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


@pytest_browser
def test_hostile_names_are_text(page: Any) -> None:
    assert (
        page.execute_script("return document.images.length + document.querySelectorAll('td b i, h3 b').length")
        == 0
    )
    row = find(page, "#matrix-grid tbody tr:nth-child(3) th")
    assert row.get_attribute("title") == HOSTILE
    assert HOSTILE[:10] in row.text
    page.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert HOSTILE in find(page, "#personas-table").text
    assert "a note with <b>signs</b>" in find(page, ".notes").text
    from selenium.common.exceptions import NoAlertPresentException

    with pytest.raises(NoAlertPresentException):
        _ = page.switch_to.alert.text


@pytest_browser
def test_nothing_is_fetched_and_nothing_overflows(page: Any) -> None:
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    for width in (1366, 1280, 390):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        page.refresh()
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
        if width > 1000:
            holder = "const h = document.getElementById('matrix-holder'); return h.scrollWidth - h.clientWidth"
            assert page.execute_script(holder) <= 0, "the matrix must not need scrolling on a laptop"
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest_browser
def test_paper_shows_everything_but_the_controls(page: Any) -> None:
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert page.execute_script("return document.querySelectorAll('details:not([open])').length") == 0
    gone = "return arguments[0].every(s => getComputedStyle(document.querySelector(s)).display === 'none')"
    assert page.execute_script(gone, [".bar", ".toc", "#diagnostics-tools"])
    there = "return arguments[0].every(s => document.querySelector(s).getBoundingClientRect().height > 0)"
    assert page.execute_script(there, ["#taxonomy rect", "#graph-svg .edge", "#matrix-grid", "#diagnostics-table"])
    cut = "return [...document.querySelectorAll('.scroller, .cliques')].map(n => n.scrollHeight - n.clientHeight)"
    assert max(page.execute_script(cut)) <= 1
    page.execute_script("window.dispatchEvent(new Event('afterprint'))")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert page.execute_script("return document.querySelectorAll('details:not([open])').length") > 0


@pytest.fixture
def sure_page(browser: Any, controlled: Analysis, tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "report.html"
    path.write_text(render_report(controlled), encoding="utf-8")
    open_page(browser, path)
    yield browser
    assert errors(browser) == []


def texts(browser: Any, selector: str) -> list[list[str]]:
    script = (
        "return [...document.querySelectorAll(arguments[0])]"
        ".map(tr => [...tr.querySelectorAll('td')].map(td => td.textContent))"
    )
    rows: list[list[str]] = browser.execute_script(script, f"{selector} tbody tr")
    return rows


@pytest_browser
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


@pytest_browser
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


@pytest_browser
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


@pytest_browser
def test_noise_is_a_line_in_the_interaction(sure_page: Any, controlled: Analysis) -> None:
    shares = controlled.decomposition.set_index(["model", "component"])["share"]["known"]
    (line,) = find_all(sure_page, ".stack .noise-part")
    width = sure_page.execute_script("return parseFloat(arguments[0].style.width)", line)
    assert width == pytest.approx(100 * min(1, shares["noise"] / shares["interaction"]), rel=1e-3)
    assert len(find_all(sure_page, ".stack .segment")) == 6
    assert [row[1] for row in texts(sure_page, "#decomposition-holder")].count("noise") == 1


@pytest_browser
def test_lines_over_models_are_lines(sure_page: Any) -> None:
    """A path without `fill: none` would be a black wedge."""
    drawn = find_all(sure_page, "#scale-holder path.noise-line, #scale-holder path.control-line")
    assert len(drawn) == 8
    assert {line.value_of_css_property("fill") for line in drawn} == {"none"}


@pytest_browser
def test_unknown_errors_are_told(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_report(pgf_only()), encoding="utf-8")
    open_page(browser, path)
    assert "The error of no cell is known" in find(browser, "#certainty-unknown").text
    assert find_all(browser, ".chance, rect.noise-box, .noise-line, .noise-part, #certainty-holder") == []
    assert errors(browser) == []


# ---- other shapes


def pgf_only() -> Analysis:
    table = accuracies(["m"], TASKS[:4], TASKS[:4], seeds=("x",))
    table = table[table["kind"] == "finetune"].reset_index(drop=True)
    values = np.linspace(-0.5, 0.9, len(table))
    return analyze(table.assign(pgf=values, accuracy=np.nan, n_items=np.nan, n_correct=np.nan))


def different_tasks() -> Analysis:
    one = accuracies(["one"], ["a", "b", "c"], ["a", "b", "c"])
    two = accuracies(["two"], ["c", "d"], ["c", "d"], seeds=("c", "d"))
    return analyze(pd.concat([one, two], ignore_index=True))


T13 = [f"task {i}" for i in range(13)]
SHAPES: dict[str, Callable[[], Analysis]] = {
    "two tasks, one seed": lambda: analyze(accuracies(["m"], T13[:2], T13[:2], seeds=("",))),
    "three sources, thirteen targets": lambda: analyze(accuracies(["m"], T13[:3], T13)),
    "thirteen sources, three targets": lambda: analyze(accuracies(["m", "n"], T13, T13[:3])),
    "sources that are no targets": lambda: analyze(accuracies(["m"], T13[:4], T13[8:])),
    "one task": lambda: analyze(accuracies(["m"], T13[:1], T13[:1])),
    "no defined cell": lambda: analyze(accuracies(["m"], T13[:3], T13[:3], base=100, seeds=("s",))),
    "many holes": lambda: analyze(accuracies(["m", "n"], T13, T13, holes=0.8)),
    "values without counts": pgf_only,
    "models with other tasks": different_tasks,
    "a control": lambda: analyze(
        pd.concat(
            [
                frame := accuracies(["m", "n"], T13[:4], T13[:4]),
                frame[frame["source"] == T13[0]].assign(kind="control", source="c"),
            ],
            ignore_index=True,
        )
    ),
    "self-transfer counted": lambda: analyze(
        accuracies(["m"], T13[:5], T13[:5]), Settings(include_self=True, top_share=0.333, on="interaction")
    ),
    "every task registered": lambda: analyze(accuracies(["m"], ["Jigsaw", "Art_Style"], ["Jigsaw", "Art_Style"])),
}


@pytest_browser
@pytest.mark.parametrize("shape", SHAPES)
def test_odd_shapes_open_and_answer(shape: str, browser: Any, tmp_path: Path) -> None:
    analysis = SHAPES[shape]()
    path = tmp_path / "report.html"
    path.write_text(render_report(analysis), encoding="utf-8")
    open_page(browser, path)
    for model in analysis.models:
        pick(browser, "control-model", model)
        for view in ("interaction", "raw"):
            find(browser, f"#control-{view}").click()
            shown = analysis.matrix(model, value="pgf" if view == "raw" else view)
            rows = analysis.transfers[
                (analysis.transfers["model"] == model) & (analysis.transfers["kind"] == "finetune")
            ]
            assert_cells(
                read_grid(browser),
                shown.loc[
                    [t for t in shown.index if t in set(rows["source"])],
                    [t for t in shown.columns if t in set(rows["target"])],
                ],
            )
            assert edges_told(browser) == edges_of(shown, analysis.settings.top_share)
            if shown.shape[0] > 1:
                browser.execute_script("document.querySelector('#graph-svg .node').focus()")
        for cell in find_all(browser, "#matrix-grid td")[:3]:
            browser.execute_script("arguments[0].focus()", cell)
            assert find(browser, "#cell h3").text
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    words = re.sub(r"(or|is) undefined", "", find(browser, "main").text)
    assert not re.search(r"\b(NaN|undefined|Infinity|None|nan)\b", words)
    drawn = browser.execute_script(
        "return [...document.querySelectorAll('svg *')].flatMap(n => [...n.attributes])"
        ".filter(a => /NaN|Infinity|undefined|null/.test(a.value)).map(a => a.name + '=' + a.value)"
    )
    assert drawn == []
    assert errors(browser) == []


@pytest_browser
def test_a_seed_that_the_next_model_lacks_falls_back_to_the_mean(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_report(different_tasks()), encoding="utf-8")
    open_page(browser, path)
    pick(browser, "control-seed", "a")
    pick(browser, "control-model", "two")
    assert "mean over 2" in find(browser, "#matrix .scope").text
    assert [option.text for option in find_all(browser, "#control-seed option")] == ["mean over 2", "c", "d"]
    pick(browser, "control-seed", "d")
    assert "seed d" in find(browser, "#matrix .scope").text
    assert errors(browser) == []


def test_the_best_source_of_each_target_is_told(study: Analysis) -> None:
    page = render_report(study)
    section = page.split('id="best-sources"')[1].split("</details>")[0]
    values = study.matrix(study.models[0]).to_numpy(copy=True)
    np.fill_diagonal(values, np.nan)
    matrix = study.matrix(study.models[0])
    for j in np.flatnonzero(~np.isnan(values).all(axis=0)):
        target, best = (escape(label_of(matrix.index[k])) for k in (j, np.nanargmax(values[:, j])))
        assert f"<td>{target}</td><td>{best}</td>" in section


@pytest_browser
@pytest.mark.slow
def test_two_hundred_tasks_open_and_work(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from selenium.webdriver import ActionChains

    monkeypatch.setattr(structure_tables, "clique_chance", lambda *_, **__: CliqueChance(0, np.nan, np.nan, 0))
    names = [f"task {i:03d}" for i in range(200)]
    analysis = analyze(accuracies(["m"], names, names, seeds=("x",), holes=0.02))
    written = render_report(analysis)
    assert len(written.encode()) < 5_000_000
    path = tmp_path / "report.html"
    path.write_text(written, encoding="utf-8")
    open_page(browser, path)
    assert "200 tasks" in find(browser, "#left-out").text
    assert not find(browser, "#control-seed").is_enabled()
    assert not find(browser, "#control-ceiling").is_enabled()
    canvas = find(browser, "#matrix-canvas")
    browser.execute_script("arguments[0].focus()", canvas)
    canvas.send_keys("\ue015\ue015\ue014")  # down, down, right
    values = matrix(analysis.transfers, "m", tasks=names)
    assert find(browser, "#cell h3").text == "task 002 → task 001"
    told = find(browser, "#cell .big").text
    assert (
        told == "hole"
        if np.isnan(values.iloc[2, 1])
        else told.startswith(f"{values.iloc[2, 1]:+.3f}".replace("-", "−"))
    )
    ActionChains(browser).move_to_element(canvas).perform()
    assert find(browser, "#cell h3").text != "task 002 → task 001"
    for share in (0.05, 0.2):
        move_slider(browser, share)
        assert edges_told(browser) == edges_of(values, share)
    find(browser, "#control-interaction").click()
    assert edges_told(browser) == edges_of(decompose(values).interaction, 0.2)
    find(browser, "#cliques-positive button").click()
    assert find(browser, "#held").is_displayed()
    assert errors(browser) == []


@pytest_browser
def test_the_published_tables_give_the_papers_edges(browser: Any, published: Analysis, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_report(published), encoding="utf-8")
    open_page(browser, path)
    pick(browser, "control-model", "32B")
    assert find(browser, "#edges-told").text == "23 positive + 10 negative edges"
    assert [o.text for o in find_all(browser, "#control-ceiling option")] == ["perfect", "human", "best-observed"]
    assert errors(browser) == []
