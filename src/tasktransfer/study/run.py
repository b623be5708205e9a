"""Running a study: what is missing is done through an engine, in stages, and joined into one table."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tasktransfer.errors import OutputError, SettingsError
from tasktransfer.files import write_json, write_text
from tasktransfer.run_folder import CHECKS
from tasktransfer.study.checks import Check, check_training, checks_csv, unhelped, unseen_items
from tasktransfer.study.engines.engine import Engine
from tasktransfer.study.engines.registry import find_engine
from tasktransfer.study.file import load_study
from tasktransfer.study.jobs import missing_jobs, work_of
from tasktransfer.study.lock import locked
from tasktransfer.study.plan import Plan
from tasktransfer.study.plan_study import plan_study, taken_from_hub
from tasktransfer.study.progress import Progress, duration
from tasktransfer.study.spec import Study, study_text
from tasktransfer.study.store import Store

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunResult", "resume_study", "run_study"]

_PACKAGES = (
    "tasktransfer",
    "torch",
    "transformers",
    "peft",
    "numpy",
    "pyarrow",
    "pillow",
    "safetensors",
    "tokenizers",
)


class RunResult(NamedTuple):
    """What a run left behind."""

    predictions: pd.DataFrame  # one row a model, kind, source, seed, target, item and scorer
    failed: dict[str, str]  # cell -> what went wrong
    checks: list[Check]  # is each cell trained?
    folder: Path


def run_study(
    study: Study | str | Path,
    out: str | Path,
    *,
    workers: int = 1,
    engine: Engine | None = None,
    overrides: Sequence[str] = (),
    quiet: bool = False,
) -> RunResult:
    """Do what is missing of a study.

    A cell that fails does not stop the others. Stopped at any moment, by whatever means, the same call goes on
    where it was. The predictions do not depend on the engine, the number of workers or interruptions.

    Parameters
    ----------
    study
        A study, or the path of a study file.
    out
        Folder of the study; one process at a time writes to it.
    workers
        Processes of this machine. With 1, and one GPU a finetune, everything happens in this one.
    engine
        What does the jobs instead, of `tasktransfer.study.engines.engine`.
    overrides
        ``key.key=value`` each, for a study file.
    quiet
        Show no progress; the log is written all the same.

    Raises
    ------
    InputError, SettingsError
        The study, or an option, is not as it must be.
    OutputError
        The folder cannot be written to, is full, or belongs to another run.
    """
    if isinstance(study, Study):
        checked, text = study, study_text(study)
    else:
        checked, text = load_study(study, overrides=overrides), Path(study).read_text(encoding="utf-8")
    return _run(checked, Path(out), _engine(checked, workers, engine), text=text, overrides=overrides, quiet=quiet)


def resume_study(
    out: str | Path, *, workers: int = 1, engine: Engine | None = None, quiet: bool = False
) -> RunResult:
    """Do what is missing of the study that was last run in a folder; see `run_study`.

    Parameters
    ----------
    out
        Folder of the study.
    workers
        Processes of this machine. With 1, and one GPU a finetune, everything happens in this one.
    engine
        What does the jobs instead, of `tasktransfer.study.engines.engine`.
    quiet
        Show no progress; the log is written all the same.

    Raises
    ------
    InputError, SettingsError
        The folder holds no study, or an option is not as it must be.
    OutputError
        The folder cannot be written to, is full, or belongs to another run.
    """
    study = Store(Path(out)).read_study()
    return _run(study, Path(out), _engine(study, workers, engine), quiet=quiet)


def _run(
    study: Study,
    root: Path,
    engine: Engine,
    *,
    text: str | None = None,
    overrides: Sequence[str] = (),
    quiet: bool,
) -> RunResult:
    _require_packages()
    plan = plan_study(study)
    with locked(root):
        store, progress = Store(root), Progress(root / "run.log", quiet=quiet)
        store.sweep()  # under the lock: what is half-written belongs to no run that is alive
        for sentence in (*taken_from_hub(study), *unseen_items(plan)):
            progress.tell(sentence)
        changed = store.changed_keys(plan)
        kept = text is not None and store.write_study(plan, text, overrides)
        _tell_changes(store, plan, progress, changed, kept=kept)
        write_json(root / "environment.json", environment())
        _do_missing(plan, store, engine, progress)
        return _joined(plan, store, progress)


def _engine(study: Study, workers: int, engine: Engine | None) -> Engine:
    if workers < 1:
        raise SettingsError(f"workers is {workers}; accepted is a whole number from 1")
    if engine is not None:
        return engine
    return find_engine("here") if workers == study.compute.gpus == 1 else find_engine("processes", workers=workers)


def _do_missing(plan: Plan, store: Store, engine: Engine, progress: Progress) -> None:
    """Do what is not finished, stage by stage."""
    for cell in plan.unique_cells:
        for sentence in store.damage(cell):
            progress.tell(sentence)
    missing = {cell.key: cell for cell in plan.unique_cells if not store.is_done(cell)}
    kept = len(plan.unique_cells) - len(missing)
    progress.tell(
        f"{len(plan.unique_cells)} cells: {kept} finished before, {len(missing)} to do, {engine.at_once} at a time"
    )
    stages = missing_jobs(plan, store, list(missing.values()))
    work = {job: work_of(missing.get(job.key), store) for jobs in stages for job in jobs}
    progress.plan(sum(work.values()))
    started = time.monotonic()
    with engine.opened(plan, store) as do:
        for jobs in stages:
            for job, error, fatal in do(jobs):
                if fatal:
                    raise OutputError(
                        f"{store.root}: {error}. What was finished is kept; the same command goes on from there."
                    )
                if error:
                    progress.tell(f"failed: {job.key}: {error}")
                    if job.key in missing and store.error(missing[job.key]) is None:  # the process died with it
                        store.write_error(missing[job.key], {"error": error, "trace": ""})
                progress.advance(work[job], f"{job.kind} {job.key}")
    if work:
        progress.tell(f"{len(work)} jobs in {duration(time.monotonic() - started)}")


def _joined(plan: Plan, store: Store, progress: Progress) -> RunResult:
    checks = check_training(plan, store)
    write_text(store.root / CHECKS, checks_csv(checks))
    table = store.write_predictions(plan)
    for sentence in unhelped(checks):
        progress.tell(sentence)
    failed = {
        cell.key: str((store.error(cell) or {"error": "not finished"})["error"])
        for cell in plan.unique_cells
        if not store.is_done(cell)
    }
    if failed:
        progress.tell(
            f"{len(failed)} of {len(plan.unique_cells)} cells are missing; `tasktransfer retry` tries again"
        )
    return RunResult(table.to_pandas(), failed, checks, store.root)


def _tell_changes(store: Store, plan: Plan, progress: Progress, changed: Sequence[str], *, kept: bool) -> None:
    """Say how the study differs from the one that was run here before."""
    if not changed:
        return
    ours = {cell.key for cell in plan.cells}
    others = [path.name for path in (store.root / "cells").glob("*") if path.name not in ours]
    where = "; the earlier file is kept in earlier/" if kept else ""
    progress.tell(f"the study was edited ({', '.join(changed[:8])}){where}")
    if others:
        progress.tell(
            f"{len(others)} earlier cells are no part of it any more: they stay in cells/ and are left out of "
            f"predictions.parquet"
        )


def _require_packages() -> None:
    """Refuse to begin where nothing could be trained."""
    missing = [name for name in ("torch", "transformers", "peft", "PIL") if find_spec(name) is None]
    if missing:
        raise SettingsError(f"running a study needs {', '.join(missing)}: pip install 'tasktransfer[models]'")


def environment() -> dict[str, str]:
    """Versions that results may depend on; no names of machines."""
    versions = {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "absent"
    return versions | {"image_backend": "pil"}
