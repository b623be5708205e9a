"""What an engine is: it does the jobs of a plan, in one signature, and leaves the same files as any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from tasktransfer.study.jobs import Job, Outcome
from tasktransfer.study.plan import Plan
from tasktransfer.study.store import Store

__all__ = ["Do", "Engine"]

Do = Callable[[Sequence[Job]], Iterator[Outcome]]


class Engine(Protocol):
    """Does the jobs of a plan whose study is written in a store."""

    @property
    def at_once(self) -> int:
        """How many jobs are done at a time."""

    def opened(self, plan: Plan, store: Store) -> AbstractContextManager[Do]:
        """Be ready for the time of a block, whose value does one stage of jobs.

        It yields one outcome a job, as they come, in any order; a job that fails is an outcome, not an error.
        Stages are asked one after another, so whatever takes long to start may be kept between them.
        """
