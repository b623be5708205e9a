"""Items that training never reaches are told, with how many it sees."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tasktransfer.cli import app
from tasktransfer.errors import InputError
from tasktransfer.study.checks import unseen_items
from tasktransfer.study.file import check_study
from tasktransfer.study.plan_study import plan_study

STUDY = """\
name: short
models: {toy: toy}
sources: [toy_jigsaw, toy_counting]
seeds: [0, 1]
items: {source: 48, target: 8}
mixtures: {m: {toy_jigsaw: 300, toy_counting: 40}}
optimisation: {steps: 6, batch: 8}
"""


def told(text):
    return unseen_items(plan_study(check_study(text), here_only=True))


def test_what_is_not_reached_is_told_once():
    # 6 x 8 = 48: every item of a source, 48 of the 340 of the mixture
    assert told(STUDY) == ["training sees 48 of 340 items of mixture m (6 steps x batch 8)"]
    assert told(STUDY.replace("batch: 8", "batch: 60")) == []


def test_sources_share_a_line_and_a_stop_counts():
    text = STUDY + "variants: {whole: {}, half: {optimisation: {stop: 0.5}}}\n"
    each = "each of the sources 'toy_jigsaw', 'toy_counting'"
    assert f"training sees 24 of 48 items of {each} (3 of 6 steps x batch 8)" in told(text)


def test_plan_and_run_say_it(bench, tmp_path):
    from tasktransfer.study.run import run_study

    (bench / "short.yaml").write_text((bench / "study.yaml").read_text().replace("batch: 4", "batch: 2"))
    line = "training sees 8 of 12 items of each of the sources 'one', 'two' (4 steps x batch 2)"
    output = CliRunner().invoke(app, ["plan", str(bench / "short.yaml")]).output
    assert line in " ".join(output.split())
    run_study(bench / "short.yaml", tmp_path / "out", quiet=True)
    log = (tmp_path / "out" / "run.log").read_text()
    assert line in log
    assert log.index(line) < log.index("cells: 0 finished before")


@pytest.mark.parametrize("given", ["all", "1.5", "yes"])
def test_how_many_items_a_source_may_have_is_told(given):
    with pytest.raises(InputError) as error:
        check_study(STUDY.replace("source: 48", f"source: {given}"))
    assert "accepted is a whole number from 1" in str(error.value)
    assert "`all` is for items.target" in str(error.value)
