"""A first manifest, drafted from the names of folders and files.

Every value that is a guess says so in a comment; what could not be guessed stands as ``???`` and is refused
until it is filled in.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tasktransfer.errors import InputError, OutputError, quoted
from tasktransfer.importers.harnesses import HARNESSES
from tasktransfer.importers.manifest import UNKNOWN
from tasktransfer.tasks import BLINK

__all__ = ["FoundRun", "draft_lines", "draft_manifest", "find_runs"]

_MODEL = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9.]*(?:[-_][A-Za-z0-9.]+)*?[-_]\d+(?:\.\d+)?[bB](?![A-Za-z0-9])"
)
_SEED = re.compile(r"(?<![a-z])(?:seed|s)[-_=]?(\d+)(?![0-9a-z])", re.IGNORECASE)
_BASELINE = re.compile(
    r"(?<![a-z])(?:base|baseline|zero[-_ ]?shot|original|pretrained|vanilla|untouched)(?![a-z])", re.IGNORECASE
)
_HUB_MODEL = re.compile(r"pretrained=[A-Za-z][\w.-]*/[\w.-]+(?=,|$)")


class FoundRun(NamedTuple):
    """A run found on disk."""

    path: Path
    harness: str
    n_of_folder: int  # runs that were found in the same folder


def find_runs(paths: Iterable[Path]) -> list[FoundRun]:
    """Find the runs of every harness in folders and below them, in the order of their names.

    Raises
    ------
    InputError
        A path does not exist, or nothing in any of them is a log of a known harness.
    """
    runs: list[FoundRun] = []
    given = list(paths)
    for path in given:
        if path.is_dir():
            for folder, below, _ in os.walk(path):
                below.sort()
                runs.extend(_runs_of(Path(folder)))
        elif path.exists():
            runs.extend(run._replace(path=path, n_of_folder=1) for run in _runs_of(path.parent)[:1])
        else:
            raise InputError(f"{path}: no such file or folder")
    if not runs:
        raise InputError(
            f"{quoted(given)}: no log of {', '.join(HARNESSES)} found there; each has files of its own: "
            f"{'; '.join(row.files for row in HARNESSES.values())}"
        )
    return list(dict.fromkeys(runs))


def _runs_of(folder: Path) -> list[FoundRun]:
    for harness in HARNESSES.values():
        if paths := harness.find(folder):
            return [FoundRun(path, harness.name, len(paths)) for path in paths]
    return []


def draft_manifest(runs: Iterable[FoundRun], manifest: Path) -> tuple[str, int]:
    """Draft a manifest as text, with the number of values left to fill in.

    Parameters
    ----------
    runs
        As `find_runs` returns them.
    manifest
        Where the manifest will stand; paths are written relative to its folder.
    """
    lines = [
        "# Drafted from the names of folders and files. Check every line marked `guess`, fill in every ???.",
        "# source is the task finetuned on, empty for the untouched model. Paths start at this file's folder.",
        "# A run that is a control or a mixture has the key kind, with that value, too.",
        "runs:",
    ]
    for run in runs:
        lines.extend(_entry(run, manifest.parent))
    lines.append("leave_out: []  # targets to skip, e.g. [IQ_Test]")
    text = "\n".join(lines) + "\n"
    return text, text.count(f": {_yaml(UNKNOWN)}  #")


def _write_draft(text: str, manifest: Path) -> None:
    """Write a draft where no file stands yet."""
    try:
        with manifest.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except OSError as error:
        raise OutputError(f"{manifest}: cannot be written ({error.strerror})") from error


def draft_lines(manifest: Path, paths: list[Path]) -> Iterator[str]:
    """Draft the manifest from the logs below `paths`, and say what to do with it."""
    if not paths:
        raise InputError(f"{manifest}: no such file; give folders with logs, and it is drafted from them")
    runs = find_runs(paths)
    text, n_unknown = draft_manifest(runs, manifest)
    _write_draft(text, manifest)
    yield f"{manifest} drafted: {len(runs)} runs ({', '.join(sorted({run.harness for run in runs}))})."
    if n_unknown:
        yield f"Fill in what stands as ??? ({n_unknown}), and check the lines marked as guesses. Then:"
    else:
        yield "Nothing is left to fill in; check the lines marked as guesses. Then:"
    yield f"  tasktransfer import --manifest {manifest}"


def _entry(run: FoundRun, folder: Path) -> list[str]:
    path = Path(os.path.relpath(run.path.resolve(), folder.resolve())).as_posix()
    try:
        logged = HARNESSES[run.harness].model_of(run.path)
    except InputError:  # a log that cannot be read; reading it says why
        logged = ""
    source, why = _guess_source(path, logged)
    seed = _SEED.search(path) or _SEED.search(logged)
    note = f"  # {run.n_of_folder} logs in this folder: keep one for each task" if run.n_of_folder > 1 else ""
    seed_text = f"{_yaml(seed[1])}  # guess" if seed else '""  # none seen in the names'
    return [
        f"  - path: {_yaml(path)}{note}",
        f"    harness: {run.harness}",
        f"    model: {_model(path, logged)}",
        f"    source: {_yaml(source)}  # {why}",
        f"    seed: {seed_text}",
    ]


def _model(path: str, logged: str) -> str:
    for text, where in ((logged, "the log"), (path, "the names")):
        if match := _MODEL.search(text.replace("__", "/")):
            return f"{_yaml(match[0])}  # guess, from {where}"
    return f"{_yaml(UNKNOWN)}  # fill in"


def _guess_source(path: str, logged: str) -> tuple[str, str]:
    """The task finetuned on and how it was guessed; the empty text where a baseline is named."""
    for text, where in ((path, "the names"), (logged, "the log")):
        tasks = _tasks_named(text)
        if len(tasks) == 1:
            return tasks[0], f"guess, from {where}"
        if len(tasks) > 1:
            return UNKNOWN, f"fill in: {where} tell of {' and '.join(tasks)}"
    if _BASELINE.search(path):
        return "", "guess, from the names: the untouched model"
    if _HUB_MODEL.search(logged) and "peft=" not in logged:
        return "", "guess, from the log: a released model, no adapter"
    return UNKNOWN, 'fill in: the task finetuned on, or "" for the untouched model'


def _tasks_named(text: str) -> list[str]:
    """The registered tasks whose names are in a text."""
    folded = re.sub(r"[-_ ]+", "_", text.lower())
    return [task.name for task in BLINK if re.sub(r"[-_ ]+", "_", task.name.lower()) in folded]


def _yaml(value: str) -> str:
    """A scalar on one line of YAML, in quotes where it needs them; JSON strings are YAML."""
    return value if re.fullmatch(r"[A-Za-z0-9][\w./-]*", value) else json.dumps(value, ensure_ascii=False)
