"""Logs of evaluation harnesses as our tables, run by run as a manifest names them.

Whatever of a model and a target has replies in every run becomes item-level predictions, scored here. Where
one run has only totals, all runs of that model and target become totals as the harness reports them: a baseline
scored by one reader and a finetune scored by another would show a transfer that is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tasktransfer.errors import InputError, OutputError, quoted
from tasktransfer.files import refusing_to_write, written_whole
from tasktransfer.importers.draft import find_runs
from tasktransfer.importers.harnesses import HARNESSES
from tasktransfer.importers.logs import Log, Total
from tasktransfer.importers.manifest import Manifest, ManifestRun, read_manifest
from tasktransfer.importers.rescoring import ITEM_COLUMNS, score_replies
from tasktransfer.importers.run_checks import (
    count_notes,
    label_notes,
    label_versions,
    refuse_two_answers,
    refuse_two_harnesses,
)
from tasktransfer.tables import ACCURACY_KEY, write_csv

__all__ = ["PREDICTIONS", "TOTALS", "HarnessLogs", "import_lines", "read_harness_logs", "write_harness_logs"]

PREDICTIONS = (*ACCURACY_KEY, *ITEM_COLUMNS[1:], "scorer", "harness", "label_version")
TOTALS = (*ACCURACY_KEY, "n_items", "accuracy", "harness")


class HarnessLogs(NamedTuple):
    """What the runs of a manifest say."""

    predictions: pd.DataFrame  # columns `PREDICTIONS`, a row per run, target and item; may be empty
    totals: pd.DataFrame  # columns `TOTALS`, a row per run and target that has no items; may be empty
    notes: tuple[str, ...]  # one sentence for each run or model with things to know


class _ReadRun(NamedTuple):
    run: ManifestRun
    items: pd.DataFrame
    totals: list[Total]  # as the harness reports them; from its verdicts where it reports none
    notes: list[str]


def read_harness_logs(manifest: str | Path) -> HarnessLogs:
    """Read the logs that a manifest names.

    Parameters
    ----------
    manifest
        Path of the manifest; ``tasktransfer import`` drafts one.

    Returns
    -------
    HarnessLogs
        Item-level predictions, totals where there are no items, and what to know about them.

    Raises
    ------
    InputError
        The manifest has faults, a log cannot be read, two runs hold the same cell, a model was measured by two
        harnesses, or the right answers of an item differ between runs of a model.
    """
    checked = read_manifest(Path(manifest))
    runs = [_read_run(run, checked) for run in checked.runs]
    _refuse_same_cells(runs, Path(manifest))
    refuse_two_harnesses(read.run for read in runs)
    by_items = _cells_with_items(runs)
    predictions = pd.concat([_predictions(read, by_items) for read in runs], ignore_index=True)
    totals = pd.DataFrame([row for read in runs for row in _total_rows(read, by_items)], columns=list(TOTALS))
    refuse_two_answers(predictions)
    predictions["label_version"] = label_versions(predictions)
    notes = [f"{read.run.label}: {'; '.join(read.notes)}." for read in runs if read.notes]
    notes.extend(count_notes(predictions, totals))
    notes.extend(label_notes(predictions, totals))
    if len(predictions) and len(totals):
        names = quoted(totals["target"].unique(), limit=14)
        notes.append(f"{names}: some runs have no samples, so all are taken as the harness scored them.")
    return HarnessLogs(predictions[list(PREDICTIONS)], totals, tuple(notes))


def write_harness_logs(logs: HarnessLogs, out: Path) -> list[Path]:
    """Write predictions to `out` and totals beside it (``-totals``), or the only one there is to `out`.

    Raises
    ------
    OutputError
        `out` is neither ``.parquet`` nor ``.csv``, or cannot be written.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise OutputError(f"{out}: cannot tell what to write; accepted are .parquet and .csv")
    beside = out.with_name(f"{out.stem}-totals{out.suffix}")
    tables = [(logs.predictions, out), (logs.totals, beside if len(logs.predictions) else out)]
    written = [(table, path) for table, path in tables if len(table)]
    for table, path in written:
        _write(table, path)
    return [path for _, path in written]


def _write(table: pd.DataFrame, path: Path) -> None:
    with refusing_to_write(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as partial:
        if path.suffix == ".csv":
            write_csv(table, partial)
        else:
            table.to_parquet(partial, index=False)


def _read_run(run: ManifestRun, manifest: Manifest) -> _ReadRun:
    log = _read_log(run)
    replies = [reply for reply in log.replies if reply.target not in manifest.leave_out]
    reported = [total for total in log.totals if total.target not in manifest.leave_out]
    items, notes = score_replies(Log(replies, reported, log.notes), str(run.path))
    if items.empty and not reported:
        raise InputError(f"{run.path}: nothing is left to read for {run.label}")
    totals = {total.target: total for total in _verdict_totals(items)}
    for total in reported:
        notes.extend(_total_notes(total, totals.get(total.target)))
        totals[total.target] = _merged(total, totals.get(total.target))
    return _ReadRun(run, items, list(totals.values()), [*log.notes, *notes])


def _read_log(run: ManifestRun) -> Log:
    try:
        return HARNESSES[run.harness].read(run.path)
    except (AttributeError, KeyError, TypeError) as error:  # JSON, but of another shape
        raise InputError(
            f"{run.path}: not in a form of {run.harness} that is known ({type(error).__name__}: {error})"
        ) from error


def _verdict_totals(items: pd.DataFrame) -> Iterator[Total]:
    """The mean verdict of each target; NaN where an item has none."""
    for target, rows in items.groupby("target", sort=False):
        yield Total(str(target), float(rows["harness_correct"].mean(skipna=False)), float(len(rows)))


def _merged(total: Total, verdicts: Total | None) -> Total:
    return total._replace(n_items=verdicts.n_items) if verdicts and math.isnan(total.n_items) else total


def _total_notes(total: Total, verdicts: Total | None) -> Iterator[str]:
    """Where a result is not that of its samples: the two may be of different runs."""
    if verdicts is None:
        return
    if not math.isnan(total.n_items) and total.n_items != verdicts.n_items:
        yield f"{total.target} has {total.n_items:g} items in the results and {verdicts.n_items:g} in the samples"
    elif abs(verdicts.accuracy - total.accuracy) * verdicts.n_items > 0.5:
        yield (
            f"{total.target} is {total.accuracy:.4f} in the results and {verdicts.accuracy:.4f} by the verdicts "
            f"of the samples: are they of one run?"
        )


def _refuse_same_cells(runs: Iterable[_ReadRun], manifest: Path) -> None:
    seen: dict[tuple[str, ...], ManifestRun] = {}
    for read in runs:
        run = read.run
        for target in _targets(read):
            cell = (run.model, run.kind, run.source, run.seed, target)
            if cell in seen:
                raise InputError(
                    f"{manifest}, lines {seen[cell].line} and {run.line}: both hold {target} of {run.label}; "
                    f"take one of them out, or tell them apart by seed"
                )
            seen[cell] = run


def _targets(read: _ReadRun) -> list[str]:
    return list(dict.fromkeys([*read.items["target"], *(total.target for total in read.totals)]))


def _cells_with_items(runs: Iterable[_ReadRun]) -> set[tuple[str, str]]:
    """The models and targets for which every run has items."""
    some: set[tuple[str, str]] = set()
    lacking: set[tuple[str, str]] = set()
    for read in runs:
        with_items = set(read.items["target"])
        for target in _targets(read):
            (some if target in with_items else lacking).add((read.run.model, target))
    return some - lacking


def _predictions(read: _ReadRun, by_items: set[tuple[str, str]]) -> pd.DataFrame:
    run = read.run
    targets = [target for model, target in by_items if model == run.model]
    rows = read.items[read.items["target"].isin(targets)]
    return rows.assign(
        model=run.model,
        kind=run.kind,
        source=run.source,
        seed=run.seed,
        scorer="generation",
        harness=run.harness,
    )


def _total_rows(read: _ReadRun, by_items: set[tuple[str, str]]) -> Iterator[tuple[str | float, ...]]:
    run = read.run
    for total in read.totals:
        if (run.model, total.target) not in by_items and not math.isnan(total.accuracy):
            key = (run.model, run.kind, run.source, run.seed, total.target)
            yield (*key, total.n_items, total.accuracy, run.harness)


def import_lines(manifest: Path, paths: Iterable[Path], out: Path) -> Iterator[str]:
    """Read the logs of a manifest, write the tables, and report what was read and what to know about it.

    Parameters
    ----------
    manifest
        Which log is which run.
    paths
        Files and folders with logs; runs there that the manifest does not name are noted.
    out
        As for `write_harness_logs`.
    """
    logs = read_harness_logs(manifest)
    written = write_harness_logs(logs, out)
    for note in (*_unlisted(manifest, paths), *logs.notes):
        yield f"note: {note}"
    if len(logs.predictions):
        runs = logs.predictions[["model", "kind", "source", "seed"]].drop_duplicates()
        yield f"{len(logs.predictions)} answers of {len(runs)} runs to {_n_targets(logs.predictions)} targets."
    if len(logs.totals):
        yield f"{len(logs.totals)} accuracies on {_n_targets(logs.totals)} targets (no items there)."
    yield f"  tasktransfer analyze {' '.join(map(str, written))} --out out"


def _n_targets(table: pd.DataFrame) -> int:
    return int(table["target"].nunique())


def _unlisted(manifest: Path, paths: Iterable[Path]) -> Iterator[str]:
    """Runs below `paths` that the manifest does not name."""
    given = list(paths)
    listed = {run.path.resolve() for run in read_manifest(manifest).runs}
    for run in find_runs(given) if given else ():
        if not {run.path.resolve(), *run.path.resolve().parents} & listed:
            yield f"{run.path} ({run.harness}) is not in {manifest} and is not read."
