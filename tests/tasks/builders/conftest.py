"""One drawn source a layout, made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tasks.builders.layouts import LAYOUTS


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> Callable[[str], Path]:
    """Task -> folder of its drawn source; not to be changed by a test."""
    made: dict[object, Path] = {}

    def source(task: str) -> Path:
        layout = LAYOUTS[task]
        if layout not in made:
            made[layout] = tmp_path_factory.mktemp(layout.__name__)
            layout(made[layout])
        return made[layout]

    return source
