"""The studies whose pages are looked at, and a browser where one is installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasktransfer.analysis.analyze import Analysis, analyze
from tasktransfer.report.page.page import render_report
from tasktransfer.tables import Accuracies
from tests.report.page.browser import errors, open_page
from tests.report.page.studies import TASKS, accuracies


@pytest.fixture(scope="session")
def study() -> Analysis:
    table = accuracies(["small", "large <i>"], TASKS, TASKS)
    gone = (table["source"] == "spare") & (table["target"] == "Jigsaw") & (table["model"] == "small")
    one_letter = (table["target"] == "Visual_Similarity") & (table["source"] == "Art_Style")
    table.loc[one_letter, ["n_correct", "accuracy"]] = [64, 64 / 135]
    return analyze(Accuracies(table[~gone].reset_index(drop=True), ("a note with <b>signs</b>",)))


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def study_page(study: Analysis) -> str:
    return render_report(study)


@pytest.fixture(scope="session")
def controlled_page(controlled: Analysis) -> str:
    return render_report(controlled)


@pytest.fixture(scope="session")
def saved(study_page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(study_page, encoding="utf-8")
    return path


@pytest.fixture
def page(browser: Any, saved: Path) -> Iterator[Any]:
    """The study's page, opened afresh; whatever the test does must leave the console silent."""
    open_page(browser, saved)
    yield browser
    assert errors(browser) == []


@pytest.fixture
def sure_page(browser: Any, controlled_page: str, tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "report.html"
    path.write_text(controlled_page, encoding="utf-8")
    open_page(browser, path)
    yield browser
    assert errors(browser) == []
