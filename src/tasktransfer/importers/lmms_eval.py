"""The results and samples of lmms-eval.

A folder of one model holds ``STAMP_results.json`` and, where samples were logged, ``STAMP_samples_TASK.jsonl``.
Several stamps are read together where they hold different tasks; the same task under two stamps is refused,
because which of them is meant cannot be known. Groups repeat their tasks and are left out.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tasktransfer.errors import InputError, quoted
from tasktransfer.importers.logs import (
    Harness,
    Log,
    Reply,
    Total,
    as_score,
    fractions,
    pick,
    read_json,
    read_json_lines,
    target_name,
)
from tasktransfer.tasks.answers.options import find_choices

__all__ = ["HARNESS", "read_lmms_eval"]

_RESULTS = "results.json"


def _runs(folder: Path) -> list[Path]:
    """The run a folder holds, or its result files one by one where two of them hold the same task."""
    files = _results_files(folder)
    try:
        tasks = [task for file in files for task in _tasks(_results(file))]
    except InputError:  # reading says why
        return files
    return files if len(set(tasks)) < len(tasks) else [folder] if files else []


def _model_of(path: Path) -> str:
    """The arguments of the model as logged, for guessing what was evaluated."""
    files = _results_files(path)
    return str(pick(_results(files[0]), "config", "model_args") or "") if files else ""


def read_lmms_eval(path: Path) -> Log:
    """Read a folder of one model, or one results file with the samples beside it.

    Raises
    ------
    InputError
        There are no results, a file is cut off, or a task is in two results files.
    """
    files = _results_files(path)
    if not files:
        raise InputError(f"{path}: holds no results of lmms-eval (STAMP_results.json); did the run finish?")
    log = Log([], [], [])
    seen: dict[str, Path] = {}
    for file in files:
        results = _results(file)
        tasks = _tasks(results)
        for task in tasks:
            if task in seen:
                raise InputError(
                    f"{path}: {task} is in {seen[task].name} and in {file.name}; "
                    f"give the file to read as path in the manifest"
                )
            seen[task] = file
        stated = [total for task in tasks if (total := _read_task(file, task, results, log)) is not None]
        totals, notes = fractions(stated, str(file))
        log.totals.extend(totals)
        log.notes.extend(notes)
    return log


def _results_files(path: Path) -> list[Path]:
    if path.is_dir():
        named = sorted([*path.glob(_RESULTS), *path.glob(f"*_{_RESULTS}")])
        return [file for file in named if not _is_of_another_program(file)]
    return [path] if path.name.endswith(_RESULTS) else []


def _is_of_another_program(file: Path) -> bool:
    """Whether a file that has the name is whole and yet holds no results; one cut off may have held some."""
    try:
        return not isinstance(pick(read_json(file), "results"), dict)
    except InputError:
        return False


def _results(file: Path) -> dict[str, Any]:
    results = read_json(file)
    if not isinstance(pick(results, "results"), dict):
        raise InputError(f"{file}: no results of lmms-eval: the key 'results' is missing")
    return dict(results)


def _tasks(results: dict[str, Any]) -> list[str]:
    """The tasks that were run, without groups of tasks."""
    subtasks = pick(results, "group_subtasks") or {}
    groups = {*(pick(results, "groups") or {}), *(name for name, below in subtasks.items() if below)}
    counted = pick(results, "n-samples")
    return [task for task in results["results"] if task not in groups and (not counted or task in counted)]


def _read_task(file: Path, task: str, results: dict[str, Any], log: Log) -> Total | None:
    """Add the replies of a task to the log; return its accuracy as it stands."""
    scores = results["results"][task]
    scored = pick(results, "n-samples", task, "effective") or pick(scores, "samples")
    whole = pick(results, "n-samples", task, "original")
    if scored and whole and scored < whole:
        log.notes.append(f"{task} was limited to {scored} of {whole} items")
    metric, value = _accuracy(scores)
    samples = file.with_name(f"{file.name.removesuffix(_RESULTS)}samples_{task}.jsonl")
    if samples.is_file():
        log.replies.extend(_reply(place, line, task, metric) for place, line in read_json_lines(samples))
    elif metric is None:
        log.notes.append(
            f"{task} is left out: its metrics {quoted(scores)} are no single accuracy, without samples"
        )
    return Total(target_name(task), value, float(scored or math.nan)) if metric is not None else None


def _accuracy(scores: dict[str, Any]) -> tuple[str | None, float]:
    """The metric that is the accuracy of a task, and its value; None where none or several could be."""
    values: dict[str, float] = {}
    for key, value in scores.items():
        name, comma, _ = key.partition(",")  # "acc,none": metric and filter; keys of one word are no metrics
        if comma and "_stderr" not in name and name not in values:
            try:
                values[name] = float(value)
            except (TypeError, ValueError):
                values[name] = math.nan
    likely = [name for name in values if name.endswith(("acc", "accuracy", "exact_match"))]
    names = list(values) if len(values) == 1 else likely
    return (names[0], values[names[0]]) if len(names) == 1 else (None, math.nan)


def _reply(place: str, line: dict[str, Any], task: str, metric: str | None) -> Reply:
    verdict = next((value for value in line.values() if isinstance(value, dict) and _is_verdict(value)), {})
    item = verdict.get("id", line.get("doc_id"))
    if item is None:
        raise InputError(f"{place}: neither doc_id nor an id in a metric; a sample needs one")
    kind = verdict.get("sub_task") if task.startswith("blink") else verdict.get("question_type")
    verdicts = (verdict.get(key) for key in ("is_correct", "accuracy", "MRA:.5:.95:.05") if key in verdict)
    text = next((verdict[key] for key in ("pred", "prediction") if isinstance(verdict.get(key), str)), None)
    return Reply(
        target=target_name(str(kind or task)),
        item=str(item),
        answer=str(verdict.get("gt_content", verdict.get("ground_truth", line.get("target", "")))),
        text=text if text is not None else _response(line),
        choices=find_choices(str(line.get("input", ""))),
        verdict=as_score(next(verdicts, line.get(metric) if metric else None)),
    )


def _is_verdict(value: dict[str, Any]) -> bool:
    return bool({"is_correct", "question_type", "gt_content"} & value.keys())


def _response(line: dict[str, Any]) -> str | None:
    value = line.get("resps", line.get("filtered_resps"))
    while isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else None


HARNESS = Harness("lmms_eval", "*_results.json", read_lmms_eval, _runs, _model_of)
