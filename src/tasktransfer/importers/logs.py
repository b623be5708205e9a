"""What the log of any evaluation harness says, in one form, and how its JSON is read.

A log holds replies (one per item, with the harness's own verdict) or only totals (an accuracy per target).
The readers of the harnesses fill this form in; nothing here or there decides whether a reply is right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasktransfer.errors import InputError
from tasktransfer.tasks import find_task

__all__ = [
    "Harness",
    "Log",
    "Reply",
    "Total",
    "as_score",
    "fractions",
    "parse_json",
    "pick",
    "read_json",
    "read_json_lines",
    "read_text",
    "target_name",
]


class Reply(NamedTuple):
    """One answer of a model to one item."""

    target: str
    item: str
    answer: str  # the right answer, as logged
    text: str | None  # what the model wrote; None where the log does not hold it
    choices: tuple[str, ...]  # option texts; empty where the log does not hold them
    verdict: float  # the harness's own score in [0, 1]; NaN where it gave none
    epoch: str = ""  # which repetition of the item, where there are several


class Total(NamedTuple):
    """The accuracy of one target as the harness reports it."""

    target: str
    accuracy: float  # fraction
    n_items: float  # NaN where the log does not say


class Log(NamedTuple):
    """All that one run of a harness says."""

    replies: list[Reply]
    totals: list[Total]
    notes: list[str]  # things to know, as parts of a sentence


class Harness(NamedTuple):
    """A row of `tasktransfer.importers.harnesses.HARNESSES`: an evaluation harness and how its logs are met."""

    name: str  # as a manifest calls it
    files: str  # what a run leaves, in words
    read: Callable[[Path], Log]  # a run, as a manifest names it
    find: Callable[[Path], list[Path]]  # the runs that a folder holds, without those below it
    model_of: Callable[[Path], str]  # the model of a run as logged, for a guess; empty where it is not


def target_name(name: str) -> str:
    """The registered name of a task where there is one, else the name as given."""
    task = find_task(name)
    return task.name if task is not None else name


def read_json(path: Path) -> Any:
    """Read a JSON file; `InputError` names the file and the line that cannot be read."""
    return parse_json(read_text(path), str(path))


def read_json_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place (file and line) and the object of each line; empty lines are skipped."""
    # not splitlines: a text in JSON may hold other signs that end lines, such as U+2028
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            place = f"{path}, line {number}"
            value = parse_json(line, place)
            if not isinstance(value, dict):
                raise InputError(f"{place}: an object in braces is needed on every line")
            yield place, value


def read_text(path: Path) -> str:
    """Read a file as UTF-8; `InputError` where that cannot be."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def parse_json(text: str | bytes, place: str) -> Any:
    """Parse JSON, NaN included; `place` begins the message of the error."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = f", line {error.lineno}" if "\n" in error.doc else ""
        raise InputError(
            f"{place}{line}: not readable as JSON ({error.msg}, column {error.colno}); "
            f"the file may have been cut off while it was written"
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{place}: not readable as JSON ({type(error).__name__})") from error


def pick(value: Any, *keys: str | int) -> Any:
    """Follow keys and positions into nested objects; None where one is missing.

    >>> pick({"a": [{"b": 1}]}, "a", 0, "b"), pick({"a": None}, "a", "b")
    (1, None)
    """
    for key in keys:
        if isinstance(key, int):
            value = value[key] if isinstance(value, list) and -len(value) <= key < len(value) else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


def as_score(value: Any) -> float:
    """A verdict as a number in [0, 1]; NaN for anything else, N/A and NaN included.

    >>> as_score(True), as_score("0.5"), as_score("N/A"), as_score(2)
    (1.0, 0.5, nan, nan)
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.nan
    return number if 0 <= number <= 1 else math.nan


def fractions(totals: Sequence[Total], place: str, *, percent: bool = False) -> tuple[list[Total], list[str]]:
    """Totals in fractions and notes; where one value of a file is above 1, all are taken for percent.

    Parameters
    ----------
    totals
        As they stand, accuracies in [0, 1] or [0, 100]; those that are NaN are left out, with a note.
    place
        Begins the message of an error.
    percent
        They are known to be percent.

    Raises
    ------
    InputError
        An accuracy is outside [0, 100].
    """
    known = [total for total in totals if not math.isnan(total.accuracy)]
    notes = [f"{total.target} has no accuracy" for total in totals if math.isnan(total.accuracy)]
    if any(not 0 <= total.accuracy <= 100 for total in known):
        worst = next(total for total in known if not 0 <= total.accuracy <= 100)
        raise InputError(f"{place}: {worst.accuracy:g} for {worst.target} is no accuracy (0 to 1, or percent)")
    if not percent and any(total.accuracy > 1 for total in known):
        notes.append("accuracies above 1 are read as percent")
        percent = True
    if percent:
        known = [total._replace(accuracy=total.accuracy / 100) for total in known]
    return known, notes
