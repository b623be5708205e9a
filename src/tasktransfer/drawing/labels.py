"""Names as they are shown: one line, no control characters, not too long. Tables keep them exactly as given."""

from __future__ import annotations

from collections.abc import Iterable

from tasktransfer.tasks import find_task
from tasktransfer.tasks.open_form import OPEN_SUFFIX, closed_name

__all__ = ["WORDS", "label_of", "list_labels", "printable", "short_names"]

WORDS = {
    "transferability_pos": "positive transferability",
    "transferability_neg": "negative transferability",
    "malleability_pos": "positive malleability",
    "malleability_neg": "negative malleability",
}


def label_of(task: str, width: int = 28) -> str:
    """Display label of a task: the abbreviation of BLINK's, else its name on one line, cut to `width`.

    One's own ``counting`` keeps its name: an abbreviation needs BLINK's own spelling or a ``blink_`` prefix.
    """
    closed = closed_name(task)
    if closed != task:
        return label_of(closed, max(width - len(OPEN_SUFFIX), 4)) + OPEN_SUFFIX
    facts = find_task(task)
    if facts and (task.replace(" ", "_") == facts.name or task.lower().startswith("blink_")):
        return facts.abbreviation
    return printable(task, width)


def short_names(tasks: Iterable[str]) -> dict[str, str]:
    """Registered abbreviations of tasks, each with the name as it is given; tasks shown by their name have none.

    >>> short_names(["Jigsaw", "toy_counting", "my task"])
    {'JG': 'Jigsaw', 'tCN': 'toy_counting'}
    """
    shown = {label_of(task): printable(task) for task in map(closed_name, tasks)}
    return {label: name for label, name in shown.items() if label != name}


def printable(text: str, width: int = 28) -> str:
    """Text on one line, control characters escaped, cut in its middle: names of one family differ at their ends.

    >>> printable("a rather long name of task 17", 15)
    'a rathe…task 17'
    """
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return shown if len(shown) <= width else f"{shown[: (width - 1) // 2]}…{shown[-(width // 2) :]}"


def list_labels(tasks: list[str], limit: int = 12) -> str:
    """Labels of tasks, comma-separated, the rest counted."""
    shown = ", ".join(label_of(task) for task in tasks[:limit])
    return shown + (f" and {len(tasks) - limit} more" if len(tasks) > limit else "")
