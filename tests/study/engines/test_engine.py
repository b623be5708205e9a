"""Whatever does the jobs, and in whatever order: the same files."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from tasktransfer.errors import SettingsError
from tasktransfer.study.engines.here import Here
from tasktransfer.study.engines.registry import ENGINES, find_engine
from tasktransfer.study.jobs import missing_jobs
from tasktransfer.study.run import run_study
from tasktransfer.study.store import Store
from tests.bench import table_bytes

MERGED = ["merges={both: {of: {one: 1, two: 1}}}"]


class Backwards:
    """An engine of one's own, which does the last job of a stage first."""

    at_once = 1

    @contextmanager
    def opened(self, plan, store):
        with Here().opened(plan, store) as do:
            yield lambda jobs: do(jobs[::-1])


@pytest.fixture(scope="module")
def merged(bench, tmp_path_factory):
    """The study and a merge of its adapters, done here."""
    result = run_study(bench / "study.yaml", tmp_path_factory.mktemp("merged"), overrides=MERGED, quiet=True)
    assert not result.failed
    return result.folder


@pytest.mark.parametrize("engine", [Backwards(), find_engine("processes", workers=2)], ids=["own", "processes"])
def test_every_engine_leaves_the_same_table(bench, merged, tmp_path, engine):
    result = run_study(bench / "study.yaml", tmp_path, engine=engine, overrides=MERGED, quiet=True)
    assert not result.failed
    assert table_bytes(tmp_path) == table_bytes(merged)


def test_jobs_come_in_stages_that_need_what_was_before(merged, tmp_path):
    plan, store = Store(merged).read_plan(), Store(tmp_path / "empty")
    items, cells, merges = missing_jobs(plan, store, plan.unique_cells)
    assert {job.kind for job in items} == {"items"}
    assert len(items) == 4  # two tasks, train and test
    assert {job.key for job in cells} == {cell.key for cell in plan.unique_cells if not cell.merged}
    assert [job.key for job in merges] == [cell.key for cell in plan.unique_cells if cell.merged]
    assert missing_jobs(plan, Store(merged), []) == []


def test_every_engine_of_the_list_is_there():
    for name in ENGINES:
        assert find_engine(name).at_once == 1


def test_an_unknown_engine_is_refused_with_the_nearest():
    with pytest.raises(
        SettingsError, match="no engine 'proceses' \\(did you mean 'processes'\\?\\); there are here,"
    ):
        find_engine("proceses")
