"""Studies of odd shapes and sizes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasktransfer.analysis import structure_tables
from tasktransfer.analysis.analyze import Analysis, analyze
from tasktransfer.analysis.chance import CliqueChance
from tasktransfer.analysis.decomposition import decompose
from tasktransfer.analysis.pgf import matrix
from tasktransfer.analysis.settings import Settings
from tasktransfer.report.page.page import render_report
from tests.report.page.browser import (
    assert_cells,
    edges_of,
    edges_told,
    errors,
    find,
    find_all,
    move_slider,
    open_page,
    pick,
    read_grid,
)
from tests.report.page.studies import T13, accuracies, different_tasks, pgf_only

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
    "registered tasks, no defined cell": lambda: analyze(
        accuracies(["m"], ["Counting", "Forensics"], ["Counting", "Forensics"], base=100, seeds=("s",))
    ),
    "every task registered": lambda: analyze(accuracies(["m"], ["Jigsaw", "Art_Style"], ["Jigsaw", "Art_Style"])),
}


@pytest.mark.browser
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


@pytest.mark.browser
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
