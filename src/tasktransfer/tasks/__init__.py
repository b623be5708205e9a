"""What is asked: facts about tasks. Both wings of the package stand on it; no torch."""

from tasktransfer.tasks.benchmarks.blink import BLINK, BLINK_TASKS, PAPER_TASKS
from tasktransfer.tasks.benchmarks.registry import find_task
from tasktransfer.tasks.task import GRANULARITIES, LEVELS, Task
from tasktransfer.tasks.toyworld.registry import FAMILIES, TOY_TASKS

__all__ = [
    "BLINK",
    "BLINK_TASKS",
    "FAMILIES",
    "GRANULARITIES",
    "LEVELS",
    "PAPER_TASKS",
    "TOY_TASKS",
    "Task",
    "find_task",
]
