"""The benchmarks, and what is known of tasks by name. A new benchmark is a file beside this one and a row here."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType

from tasktransfer.tasks.benchmarks import blink, vsi_bench
from tasktransfer.tasks.benchmarks.benchmark import Benchmark
from tasktransfer.tasks.task import Task, folded
from tasktransfer.tasks.toyworld.registry import TOY_TASKS

__all__ = ["BENCHMARKS", "BENCHMARK_TASKS", "benchmark_of", "find_task"]

BENCHMARKS = MappingProxyType({row.name: row for row in (blink.BENCHMARK, vsi_bench.BENCHMARK)})
BENCHMARK_TASKS = MappingProxyType({name: row for row in BENCHMARKS.values() for name in row.tasks})
_FACTS = {folded(task.name): task for task in TOY_TASKS.values()} | {
    folded(name): task
    for row in BENCHMARKS.values()
    for task in row.facts
    for name in (task.name, f"{row.name}_{task.name}")
}


@lru_cache(maxsize=4096)
def find_task(name: str) -> Task | None:
    """Look a name up among the facts of benchmarks and the drawn tasks.

    Case, spaces and dashes do not count, nor the benchmark's name before it, nor what harnesses put behind it.
    Returns None for a task of which nothing is known.

    >>> find_task("blink_multi_view_reasoning").abbreviation
    'MR'
    >>> find_task("my own task") is None
    True
    """
    return _FACTS.get(folded(name).removesuffix("_concat"))


def benchmark_of(name: str) -> Benchmark | None:
    """The benchmark that a task of a study belongs to; None for any other task."""
    return BENCHMARK_TASKS.get(name)
