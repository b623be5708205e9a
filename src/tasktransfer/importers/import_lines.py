"""What ``tasktransfer import`` does and tells: a draft of the manifest first, the tables once there is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from tasktransfer.errors import InputError
from tasktransfer.importers.draft import draft_manifest, find_runs, write_draft
from tasktransfer.importers.harnesses import read_harness_logs, write_harness_logs
from tasktransfer.importers.manifest import read_manifest

__all__ = ["draft_lines", "import_lines"]


def draft_lines(manifest: Path, paths: list[Path]) -> Iterator[str]:
    """Draft the manifest from the logs below `paths`, and tell what to do with it."""
    if not paths:
        raise InputError(f"{manifest}: no such file; give folders with logs, and it is drafted from them")
    runs = find_runs(paths)
    text, n_unknown = draft_manifest(runs, manifest)
    write_draft(text, manifest)
    yield f"{manifest} drafted: {len(runs)} runs ({', '.join(sorted({run.harness for run in runs}))})."
    if n_unknown:
        yield f"Fill in what stands as ??? ({n_unknown}), and check the lines marked as guesses. Then:"
    else:
        yield "Nothing is left to fill in; check the lines marked as guesses. Then:"
    yield f"  tasktransfer import --manifest {manifest}"


def import_lines(manifest: Path, paths: Iterable[Path], out: Path) -> Iterator[str]:
    """Read the logs of a manifest, write the tables, and tell what was read and what to know about it."""
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
