"""The demo's studies are the files a reader finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasktransfer.study.file import load_study
from tasktransfer.study.template import demo_study

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.mark.parametrize(("quick", "name"), [(False, "toy-demo"), (True, "toy-quick")])
def test_the_demo_is_the_study_file(quick, name):
    assert demo_study(quick=quick) == load_study(STUDIES / f"{name}.yaml")
