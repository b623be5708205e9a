"""The engines. A new one is a file beside this one and a row here.

=========== ==================================================================
here        in this process, one after another: what a debugger sees
processes   by several processes of this machine, each with GPUs of its own
=========== ==================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from tasktransfer.errors import SettingsError, closest
from tasktransfer.study.engines.engine import Engine
from tasktransfer.study.engines.here import Here
from tasktransfer.study.engines.processes import Processes

__all__ = ["ENGINES", "find_engine"]

ENGINES: MappingProxyType[str, Callable[..., Engine]] = MappingProxyType({"here": Here, "processes": Processes})


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
    return ENGINES[name](**settings)
