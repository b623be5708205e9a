"""Where jobs are done: every engine has one signature and leaves the same files.

A new engine is a module here with a class of this form, and a name in `ENGINES`.

=========== ==================================================================
here        in this process, one after another: what a debugger sees
processes   by several processes of this machine, each with GPUs of its own
=========== ==================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, Protocol

from tasktransfer.errors import SettingsError, closest
from tasktransfer.study.jobs import Job, Outcome
from tasktransfer.study.plan import Plan
from tasktransfer.study.store import Store

__all__ = ["ENGINES", "Do", "Engine", "find_engine"]

Do = Callable[[Sequence[Job]], Iterator[Outcome]]

ENGINES = {"here": "Here", "processes": "Processes"}  # module in this folder -> its class


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


def find_engine(name: str, **settings: Any) -> Engine:
    """An engine by its name, with its own settings.

    >>> find_engine("processes", workers=2)
    Processes(workers=2)

    Raises
    ------
    SettingsError
        No such engine.
    """
    if name not in ENGINES:
        raise SettingsError(f"no engine {name!r}{closest(name, ENGINES)}; there are {', '.join(ENGINES)}")
    engine: Engine = getattr(import_module(f"tasktransfer.study.engines.{name}"), ENGINES[name])(**settings)
    return engine
