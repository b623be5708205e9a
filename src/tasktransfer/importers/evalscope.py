"""The reviews and reports of EvalScope, both report schemas.

A folder ``TIMESTAMP`` holds ``reviews/MODEL/DATASET_SUBSET.jsonl`` (one line per item) and
``reports/MODEL/DATASET.json`` (one score per subset, rounded to four decimals). Aggregates over subsets are
left out. Predictions alone hold no right answers and are not enough.
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

__all__ = ["HARNESS", "read_evalscope"]

_ROOMS = {"reviews": "*.jsonl", "reports": "*.json"}
_ACCURACIES = ("mean_acc", "acc", "accuracy")


def _runs(folder: Path) -> list[Path]:
    """The run a folder holds, or the models in it one by one where there are several."""
    models = _models(folder)
    if len(models) < 2:
        return [folder] if models else []
    return [next(folder / room / model for room in _ROOMS if (folder / room / model).is_dir()) for model in models]


def _model_of(path: Path) -> str:
    """The models as the folders name them, for guessing what was evaluated."""
    return " ".join(_models(path))


def read_evalscope(path: Path) -> Log:
    """Read a time-stamped folder of one model, or ``reviews/MODEL`` or ``reports/MODEL`` in it.

    Raises
    ------
    InputError
        There are neither reviews nor reports, several models, or a file is cut off.
    """
    folder, models = (path.parent.parent, [path.name]) if path.parent.name in _ROOMS else (path, _models(path))
    if len(models) > 1:
        raise InputError(
            f"{path}: holds the models {quoted(models)}; "
            f"an entry for each, with path {path.name}/reviews/MODEL, is needed"
        )
    log = Log([], [], [])
    for model in models:
        for file in sorted((folder / "reviews" / model).glob(_ROOMS["reviews"])):
            log.replies.extend(_reply(place, line, file.stem) for place, line in read_json_lines(file))
        for file in sorted((folder / "reports" / model).glob(_ROOMS["reports"])):
            _read_report(file, log)
    if not log.replies and not log.totals:
        raise InputError(f"{path}: holds neither reviews nor reports of EvalScope; did the run finish?")
    return log


def _models(folder: Path) -> list[str]:
    files = (file for room, form in _ROOMS.items() for file in (folder / room).glob(f"*/{form}"))
    return sorted({file.parent.name for file in files})


def _reply(place: str, line: dict[str, Any], subset: str) -> Reply:
    sample = pick(line, "sample_score")
    score = pick(sample, "score")
    if score is None or line.get("index") is None:
        raise InputError(f"{place}: no review of EvalScope: index or sample_score.score is missing")
    values = pick(score, "value") or {}
    main = pick(score, "main_score_name") or next(iter(values), None)
    item, group = line["index"], pick(sample, "group_id")
    text = pick(score, "prediction")
    return Reply(
        target=target_name(subset),
        item=str(item if group is None else group),  # repetitions of an item share the group
        answer=str(line.get("target", "")),
        text=text if isinstance(text, str) else _said(line, "assistant"),
        choices=find_choices(_said(line, "user") or str(line.get("input", ""))),
        verdict=as_score(values.get(main)),
        epoch=str(pick(sample, "sample_id")),
    )


def _said(line: dict[str, Any], role: str) -> str | None:
    """The last message of a role as text."""
    said = pick(line, "messages") or pick(line, "input")
    for message in reversed(said if isinstance(said, list) else []):
        if pick(message, "role") == role:
            content = pick(message, "content")
            parts = content if isinstance(content, list) else [{"text": content}]
            return "\n".join(part["text"] for part in parts if isinstance(pick(part, "text"), str))
    return None


def _read_report(file: Path, log: Log) -> None:
    report = read_json(file)
    metrics = pick(report, "metrics")
    if not isinstance(metrics, list):
        raise InputError(f"{file}: no report of EvalScope: the list 'metrics' is missing")
    accuracies = [metric for metric in metrics if _metric_name(metric) in _ACCURACIES]
    if len(accuracies) != 1:
        names = quoted(_metric_name(metric) for metric in metrics)
        log.notes.append(f"{file.name} is left out: one accuracy is needed among its metrics {names}")
        return
    dataset = str(pick(report, "dataset_name") or file.stem)
    subsets = [
        subset
        for category in pick(accuracies[0], "categories") or []
        for subset in pick(category, "subsets") or []
        if not pick(subset, "is_aggregate")
    ]
    totals = [
        Total(target_name(f"{dataset}_{pick(s, 'name')}"), _number(pick(s, "score")), _number(pick(s, "num")))
        for s in subsets
    ]
    known, notes = fractions(totals, str(file))
    log.totals.extend(known)
    log.notes.extend(notes)


def _metric_name(metric: Any) -> str:
    return str(pick(metric, "identity", "name") or pick(metric, "name") or "")


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


HARNESS = Harness("evalscope", "reviews/ and reports/", read_evalscope, _runs, _model_of)
