"""What the tests of the page do in a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasktransfer.analysis.graph import transfer_edges


def open_page(browser: Any, path: Path) -> None:
    browser.get_log("browser")
    browser.get(path.as_uri())
    assert browser.execute_script("return document.documentElement.dataset.ready") == "yes", errors(browser)


def errors(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def find(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def find_all(browser: Any, selector: str) -> list[Any]:
    return list(browser.find_elements("css selector", selector))


def pick(browser: Any, control: str, text: str) -> None:
    from selenium.webdriver.support.ui import Select

    Select(find(browser, f"#{control}")).select_by_visible_text(text)


def texts(browser: Any, selector: str) -> list[list[str]]:
    script = (
        "return [...document.querySelectorAll(arguments[0])]"
        ".map(tr => [...tr.querySelectorAll('td')].map(td => td.textContent))"
    )
    rows: list[list[str]] = browser.execute_script(script, f"{selector} tbody tr")
    return rows


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
