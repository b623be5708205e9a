"""How the page lies on a screen and on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasktransfer.analysis.analyze import analyze
from tasktransfer.report.page.page import render_report
from tests.report.page.browser import find, find_all, open_page
from tests.report.page.studies import HOSTILE, T13, accuracies


@pytest.mark.browser
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


@pytest.mark.browser
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


@pytest.mark.browser
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


@pytest.mark.browser
def test_paper_shows_everything_but_the_controls(page: Any) -> None:
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert page.execute_script("return document.querySelectorAll('details:not([open])').length") == 0
    gone = "return arguments[0].every(s => getComputedStyle(document.querySelector(s)).display === 'none')"
    assert page.execute_script(gone, [".bar", ".toc", "#diagnostics-tools"])
    there = "return arguments[0].every(s => document.querySelector(s).getBoundingClientRect().height > 0)"
    assert page.execute_script(there, ["#taxonomy svg", "#graph-svg .edge", "#matrix-grid", "#diagnostics-table"])
    cut = "return [...document.querySelectorAll('.scroller, .cliques')].map(n => n.scrollHeight - n.clientHeight)"
    assert max(page.execute_script(cut)) <= 1
    page.execute_script("window.dispatchEvent(new Event('afterprint'))")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert page.execute_script("return document.querySelectorAll('details:not([open])').length") > 0
