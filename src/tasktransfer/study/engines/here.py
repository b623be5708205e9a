"""Jobs done in this process, one after another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tasktransfer.study.do_job import do_job
from tasktransfer.study.engines.engine import Do
from tasktransfer.study.loading import Loading
from tasktransfer.study.plan import Plan
from tasktransfer.study.store import Store

__all__ = ["Here"]


@dataclass(frozen=True)
class Here:
    """The engine `here`; see `tasktransfer.study.engines.engine.Engine`."""

    at_once = 1

    @contextmanager
    def opened(self, plan: Plan, store: Store) -> Iterator[Do]:
        """Models stay loaded for the time of the block."""
        loading = Loading(plan, store)
        yield lambda jobs: (do_job(job, loading) for job in jobs)
