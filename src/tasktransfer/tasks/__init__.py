"""What is asked: facts about tasks. Both wings of the package stand on it; no torch."""

from tasktransfer.tasks.blink import BLINK, PAPER_TASKS, find_task
from tasktransfer.tasks.task import GRANULARITIES, LEVELS, Task

__all__ = ["BLINK", "GRANULARITIES", "LEVELS", "PAPER_TASKS", "Task", "find_task"]
