"""The logs of Inspect AI: ``.json``, and ``.eval`` where the standard library can unpack it.

A log holds one task. Only a log whose status is ``success`` counts. Current ``.eval`` files are packed with
zstd, which Python reads from 3.14 on; ``inspect log dump`` turns them into JSON.
"""

from __future__ import annotations

import json
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

from tasktransfer.errors import InputError, quoted
from tasktransfer.importers.logs import (
    Harness,
    Log,
    Reply,
    Total,
    as_score,
    parse_json,
    pick,
    read_json,
    target_name,
)
from tasktransfer.tasks import find_task

__all__ = ["HARNESS", "read_inspect_ai"]

_GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
_NAMES = ("sub_task", "subset", "task", "category")


def _runs(folder: Path) -> list[Path]:
    """The run a folder holds, or its logs one by one where they are not of one model and different tasks."""
    files = _logs(folder)
    try:
        pairs = [(_model_of_log(content), _target_of_log(content)) for content in map(_load, files)]
    except InputError:  # reading says why
        return files
    models, targets = {model for model, _ in pairs}, {target for _, target in pairs}
    return [folder] if len(models) == 1 and len(targets) == len(files) else files


def _model_of(path: Path) -> str:
    """The model and its arguments as logged, for guessing what was evaluated."""
    files = _logs(path) if path.is_dir() else [path]
    return _model_of_log(_load(files[0]))


def read_inspect_ai(path: Path) -> Log:
    """Read one log, or a folder whose logs are of one model and of different tasks.

    Raises
    ------
    InputError
        There is no log, a log did not end in success, cannot be unpacked or is cut off, or two logs hold the
        same target.
    """
    files = _logs(path) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: holds no log of Inspect AI (.json or .eval)")
    log = Log([], [], [])
    seen: dict[str, Path] = {}
    for file in files:
        part = _read_log(file)
        for target in {*(reply.target for reply in part.replies), *(total.target for total in part.totals)}:
            if target in seen:
                raise InputError(
                    f"{path}: {target} is in {seen[target].name} and in {file.name}; "
                    f"give the file to read as path in the manifest"
                )
            seen[target] = file
        log.replies.extend(part.replies)
        log.totals.extend(part.totals)
        log.notes.extend(part.notes)
    return log


def _logs(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.glob("*") if file.suffix in (".json", ".eval") and file.is_file())
    return [file for file in files if file.suffix == ".eval" or _is_log(file)]


def _is_log(file: Path) -> bool:
    with file.open("rb") as handle:
        start = handle.read(2000)  # both keys stand at the beginning, and logs can be large
    return b'"status"' in start and b'"eval"' in start


def _load(file: Path) -> dict[str, Any]:
    content = _unpack(file) if file.suffix == ".eval" else read_json(file)
    if not isinstance(pick(content, "eval"), dict):
        raise InputError(f"{file}: no log of Inspect AI: the key 'eval' is missing")
    return dict(content)


def _unpack(file: Path) -> dict[str, Any]:
    """The header of an ``.eval`` file with its samples, as the JSON log has them."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if "header.json" not in names:
                raise InputError(f"{file}: holds no header.json: the run was not finished")
            content = parse_json(archive.read("header.json"), f"{file}, header.json")
            samples = sorted(name for name in names if name.startswith("samples/") and name.endswith(".json"))
            content["samples"] = [parse_json(archive.read(name), f"{file}, {name}") for name in samples]
            return dict(content)
    except NotImplementedError as error:  # by zipfile, of a compression it does not know
        raise InputError(
            f"{file}: is packed with zstd, which this Python cannot read; "
            f"write it as JSON with: inspect log dump {file.name} > {file.stem}.json"
        ) from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError(f"{file}: not a readable .eval file ({error})") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error


def _read_log(file: Path) -> Log:
    content = _load(file)
    status = content.get("status")
    if status != "success":
        raise InputError(f"{file}: status is {quoted([status])}; only a log that ended in success is read")
    log = Log([], [], [])
    task = str(pick(content, "eval", "task") or "").rpartition("/")[2]
    planned, done = (pick(content, "results", f"{kind}_samples") for kind in ("total", "completed"))
    if planned and done is not None and done < planned:
        log.notes.append(f"{task}: {done} of {planned} samples were completed")
    scorers = _scorers(content)
    if len(scorers) > 1:
        log.notes.append(f"{task}: verdicts are those of the scorer {scorers[0]!r}, not of {quoted(scorers[1:])}")
    scorer = scorers[0] if scorers else None
    samples = content.get("samples") or []
    failed = sum(1 for sample in samples if pick(sample, "error"))
    if failed:
        log.notes.append(f"{task}: {failed} samples ended in an error and are left out")
    target = _target_of_log(content)
    for position, sample in enumerate(samples, start=1):
        if not pick(sample, "error"):
            named = _target_of_sample(pick(sample, "metadata")) if _is_blink(content) else None
            log.replies.append(_reply(f"{file}, sample {position}", sample, named or target, scorer))
    if not samples:
        log.totals.extend(_totals(content, target))
    return log


def _model_of_log(content: dict[str, Any]) -> str:
    return f"{pick(content, 'eval', 'model')} {json.dumps(pick(content, 'eval', 'model_args'), sort_keys=True)}"


def _is_blink(content: dict[str, Any]) -> bool:
    names = (pick(content, "eval", "task"), pick(content, "eval", "dataset", "name"))
    return any("blink" in str(name).lower() for name in names)


def _target_of_log(content: dict[str, Any]) -> str:
    """The task of the log, or for BLINK the registered task in its name or arguments."""
    task = str(pick(content, "eval", "task") or "").rpartition("/")[2]
    arguments = pick(content, "eval", "task_args") or {}
    names = [task, *map(str, arguments.values())] if _is_blink(content) else []
    return target_name(next((name for name in names if find_task(name)), task))


def _target_of_sample(metadata: Any) -> str | None:
    """The registered task that the metadata of a sample of BLINK names."""
    names = (str(pick(metadata, key)) for key in _NAMES)
    return next((target_name(name) for name in names if find_task(name)), None)


def _scorers(content: dict[str, Any]) -> list[str]:
    names = [str(pick(score, "name")) for score in pick(content, "results", "scores") or []]
    first = pick(content, "samples", 0, "scores") or {}
    return list(dict.fromkeys(names or first))


def _reply(place: str, sample: Any, target: str, scorer: str | None) -> Reply:
    if pick(sample, "id") is None:
        raise InputError(f"{place}: a sample needs an id")
    answer = sample.get("target", "")
    text = pick(sample, "output", "completion")
    if not isinstance(text, str):
        text = pick(sample, "output", "choices", 0, "message", "content")
    return Reply(
        target=target,
        item=str(sample["id"]),
        answer=str(answer[0] if isinstance(answer, list) and len(answer) == 1 else answer),
        text=text if isinstance(text, str) else None,
        choices=tuple(map(str, pick(sample, "choices") or ())),
        verdict=_verdict(pick(sample, "scores", scorer) if scorer else None),
        epoch=str(sample.get("epoch", "")),
    )


def _verdict(score: Any) -> float:
    value = pick(score, "value")
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    return _GRADES[value] if isinstance(value, str) and value in _GRADES else as_score(value)


def _totals(content: dict[str, Any], target: str) -> list[Total]:
    """The accuracy of a log without samples."""
    value = pick(content, "results", "scores", 0, "metrics", "accuracy", "value")
    epochs = pick(content, "eval", "config", "epochs") or 1
    done = pick(content, "results", "completed_samples")
    n_items = done / epochs if done else math.nan  # each epoch of an item counts as a sample
    return [] if math.isnan(as_score(value)) else [Total(target, as_score(value), n_items)]


HARNESS = Harness("inspect_ai", "*.eval", read_inspect_ai, _runs, _model_of)
