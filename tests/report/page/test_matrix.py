"""The matrix, and the controls that switch it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.report.page.page import render_report
from tests.report.page.browser import (
    assert_cells,
    edges_of,
    edges_told,
    errors,
    find,
    find_all,
    open_page,
    pick,
    read_grid,
)
from tests.report.page.studies import different_tasks, shown_matrix


@pytest.mark.browser
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


@pytest.mark.browser
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


@pytest.mark.browser
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


@pytest.mark.browser
def test_a_hole_is_hatched_and_never_a_zero(page: Any) -> None:
    hole = find(page, "#matrix-grid td[data-s='5'][data-t='4']")
    assert "hole" in hole.get_attribute("class")
    assert hole.text == ""
    assert "repeating-linear-gradient" in hole.value_of_css_property("background-image")
    page.execute_script("arguments[0].focus()", hole)
    assert "hole" in find(page, "#cell").text
    assert "missing" in find(page, "#cell").text


@pytest.mark.browser
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
