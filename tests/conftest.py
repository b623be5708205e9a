"""Where the paper's released tables are, and small studies to build tests on."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from tasktransfer.analysis import structure_tables
from tasktransfer.analysis.analyze import Analysis, analyze
from tasktransfer.analysis.chance import clique_chance
from tasktransfer.drawing import style as look
from tasktransfer.importers.inputs import read_accuracies
from tests.bench import bench, reference  # noqa: F401  (fixtures of all rooms that run a study)

ROOT = Path(__file__).parents[1]
PUBLISHED = Path(os.environ.get("TASKTRANSFER_PUBLISHED", ROOT.parent / "shared" / "published_pgf"))


def pytest_configure() -> None:
    """As `tasktransfer.cli.app.main` does, for the sake of time."""
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def rough_figures() -> Iterator[None]:
    """Coarse pictures and the quicker kind of font: what is drawn stays the same, in a third of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(look, "PNG_DPI", 50)
        patch.setitem(look._STYLE, "pdf.fonttype", 3)
        yield


@pytest.fixture(scope="session", autouse=True)
def few_draws() -> Iterator[None]:
    """Nulls of cliques from a tenth of the draws; how many there are is the business of tests of the nulls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure_tables, "clique_chance", partial(clique_chance, n_draws=99))
        yield


@pytest.fixture(scope="session")
def published_inputs() -> list[str]:
    """The released tables as NAME=path in size order; the test skips where they are absent."""
    found = {size: next(iter(PUBLISHED.glob(f"*-{size}-instruct.csv")), None) for size in ("3B", "7B", "32B")}
    if not all(found.values()):
        pytest.skip("the paper's released tables are not here; set TASKTRANSFER_PUBLISHED to their folder")
    return [f"{size}={path}" for size, path in found.items()]


@pytest.fixture(scope="session")
def published(published_inputs: list[str]) -> Analysis:
    """The default analysis of the released tables, with all draws of its nulls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structure_tables, "clique_chance", clique_chance)
        return analyze(read_accuracies(*published_inputs))


@pytest.fixture(scope="session")
def released(published_inputs: list[str]) -> pd.DataFrame:
    """The released rows, read without our code, with a column model."""
    parts = []
    for text in published_inputs:
        size, path = text.split("=", 1)
        parts.append(pd.read_csv(path).assign(model=size))
    return pd.concat(parts, ignore_index=True)
