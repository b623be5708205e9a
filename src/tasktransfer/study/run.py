"""Running a study: what is missing is done, in any number of processes, and joined into one table."""

from __future__ import annotations

import hashlib
import math
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tasktransfer.errors import InputError, OutputError, SettingsError
from tasktransfer.files import write_json, write_text
from tasktransfer.peft_folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from tasktransfer.run_folder import CHECKS
from tasktransfer.study.checks import Check, check_training, checks_csv, unhelped
from tasktransfer.study.do_job import Job, Outcome, Workshop
from tasktransfer.study.engines.processes import do_here, do_in_processes
from tasktransfer.study.file import load_study
from tasktransfer.study.lock import locked
from tasktransfer.study.model_settings import missing_weights, require_settings
from tasktransfer.study.plan import Cell, Plan, adapter_places, make_plan
from tasktransfer.study.progress import Progress, duration
from tasktransfer.study.spec import Study, study_text
from tasktransfer.study.store import Store
from tasktransfer.study.unseen import unseen_items

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunResult", "plan_study", "resume_study", "run_study", "taken_from_hub"]

_ITEMS_JOB = 64  # encoding items is about as much work as asking so many
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


def plan_study(study: Study, *, here_only: bool = False) -> Plan:
    """The cells of a study. Reads the weights once to know them.

    Parameters
    ----------
    study
        The study.
    here_only
        Fetch nothing. What is not on this machine is named in `Plan.missing`, with what gets it, and the digests
        of what depends on it are no real ones.
    """
    from tasktransfer.models.vlm import cached_weights, locate_weights, weights_digest

    digests, missing = {}, []
    places = {name: cached_weights(choice.weights, choice.revision) for name, choice in study.models.items()}
    require_settings(study, places)
    for name, choice in study.models.items():
        place = places[name]
        if place is None and here_only:
            missing.append(missing_weights(name, choice))
            digests[name] = f"{choice.weights}@{choice.revision}"
        else:
            digests[name] = weights_digest(place or locate_weights(choice.weights, choice.revision))
    adapters = {place: _adapter_digest(Path(place)) for place in adapter_places(study).values()}
    planned = make_plan(study, digests, adapters, here_only=here_only)
    return replace(planned, missing=(*missing, *planned.missing), fetched=(*missing, *planned.fetched))


def _adapter_digest(folder: Path) -> str:
    """What identifies a PEFT adapter: its weights and how they are added."""
    whole = hashlib.sha256()
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        try:
            with (folder / name).open("rb") as handle:
                whole.update(hashlib.file_digest(handle, "sha256").digest())
        except OSError as error:
            raise InputError(
                f"{folder / name}: cannot be read ({error.strerror}); an adapter is a PEFT folder with "
                f"{ADAPTER_CONFIG} and {ADAPTER_WEIGHTS} (pickled weights are not read)"
            ) from error
    return whole.hexdigest()


def run_study(
    study: Study | str | Path,
    out: str | Path,
    *,
    workers: int = 1,
    overrides: Sequence[str] = (),
    quiet: bool = False,
) -> RunResult:
    """Do what is missing of a study.

    A cell that fails does not stop the others. Stopped at any moment, by whatever means, the same call goes on
    where it was. The predictions do not depend on `workers` or interruptions.

    Parameters
    ----------
    study
        A study, or the path of a study file.
    out
        Folder of the study; one process at a time writes to it.
    workers
        Processes. With 1 everything happens in this one.
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
    root = Path(out)
    if isinstance(study, Study):
        return _run(study, study_text(study), root, workers=workers, quiet=quiet)
    checked = load_study(study, overrides=overrides)
    text = Path(study).read_text(encoding="utf-8")
    return _run(checked, text, root, overrides=overrides, workers=workers, quiet=quiet)


def resume_study(out: str | Path, *, workers: int = 1, quiet: bool = False) -> RunResult:
    """Do what is missing of the study that was last run in a folder; see `run_study`."""
    study = Store(Path(out)).read_study()
    return _run(study, None, Path(out), workers=workers, quiet=quiet)


def _run(
    study: Study,
    text: str | None,
    root: Path,
    *,
    overrides: Sequence[str] = (),
    workers: int,
    quiet: bool,
) -> RunResult:
    if workers < 1:
        raise SettingsError(f"workers is {workers}; accepted is a whole number from 1")
    _require_packages()
    plan = plan_study(study)
    with locked(root):
        store = Store(root)
        progress = Progress(root / "run.log", quiet=quiet)
        store.sweep()
        for sentence in (*taken_from_hub(study), *unseen_items(plan)):
            progress.tell(sentence)
        changed = store.changed_keys(plan)
        kept = text is not None and store.write_study(plan, text, overrides)
        _tell_changes(store, plan, progress, changed, kept=kept)
        write_json(root / "environment.json", environment())
        _do_missing(plan, store, progress, workers=workers)
        return _joined(plan, store, progress)


def _require_packages() -> None:
    """Refuse to begin where nothing could be trained."""
    missing = [name for name in ("torch", "transformers", "peft", "PIL") if find_spec(name) is None]
    if missing:
        raise SettingsError(f"running a study needs {', '.join(missing)}: pip install 'tasktransfer[models]'")


def _do_missing(plan: Plan, store: Store, progress: Progress, *, workers: int) -> None:
    cells = plan.unique_cells
    for cell in cells:
        for sentence in store.damage(cell):
            progress.tell(sentence)
    missing = [cell for cell in cells if not store.is_done(cell)]
    jobs = [*_item_jobs(plan, store, missing), *(Job("cell", cell.model, cell.key) for cell in missing)]
    kept = len(cells) - len(missing)
    progress.tell(f"{len(cells)} cells: {kept} finished before, {len(missing)} to do, {workers} at a time")
    by_key = {cell.key: cell for cell in missing}
    work = {job: _work(by_key.get(job.key), store) for job in jobs}
    progress.plan(sum(work.values()))
    started = time.monotonic()
    for outcome in _outcomes(plan, store, jobs, workers=workers):
        if outcome.fatal:
            raise OutputError(
                f"{store.root}: {outcome.error}. What was finished is kept; the same command goes on from there."
            )
        if outcome.error:
            progress.tell(f"failed: {outcome.job.key}: {outcome.error}")
            if outcome.job.key in by_key and store.error(by_key[outcome.job.key]) is None:
                store.write_error(by_key[outcome.job.key], {"error": outcome.error, "trace": ""})
        progress.advance(work[outcome.job], f"{outcome.job.kind} {outcome.job.key}")
    if jobs:
        progress.tell(f"{len(jobs)} jobs in {duration(time.monotonic() - started)}")


def _outcomes(plan: Plan, store: Store, jobs: list[Job], *, workers: int) -> Iterator[Outcome]:
    """Items first, since every cell needs them; then the cells; at last what is merged of them."""
    gpus, device = plan.study.compute.gpus, plan.study.compute.device
    if workers == gpus == 1:
        yield from do_here(Workshop(plan, store), jobs)
        return
    log = store.root / "workers.log"
    merges = {cell.key for cell in plan.cells if cell.merged}
    for last in (False, True):
        some = [job for job in jobs if (job.key in merges) == last]
        if some:
            yield from do_in_processes(store.root, some, workers=workers, log=log, gpus=gpus, device=device)


def _item_jobs(plan: Plan, store: Store, missing: Sequence[Cell]) -> list[Job]:
    """Items that a missing cell needs and that are not encoded yet."""
    needed = {
        Job("pixels" if _keeps_pixels(plan, cell) else "items", cell.model, items.key)
        for cell in missing
        for items in (
            *(cell.training if not store.is_trained(cell) else ()),
            *(shard.items for shard in store.missing_shards(cell)),
        )
    }
    jobs = [
        (Job(kind, model, items.key), store.items_file(model, plan.sees(model), items, pixels=kind == "pixels"))
        for kind in ("items", "pixels")
        for model, items in plan.item_sets
    ]
    return [job for job, file in jobs if job in needed and not file.is_file()]


def _keeps_pixels(plan: Plan, cell: Cell) -> bool:
    """Whether images go through the vision tower each time; adapters from elsewhere tell when they are loaded."""
    return bool(cell.method and cell.method.changes_vision) or not plan.study.compute.keep_features


def _work(cell: Cell | None, store: Store) -> float:
    """Roughly how many items go through the language model; a step back counts twice a step forth."""
    if cell is None:
        return 2.0 * _ITEMS_JOB
    training = 0.0
    if cell.optimisation is not None and not store.is_trained(cell):
        training = 3.0 * math.ceil(cell.optimisation.steps * cell.optimisation.stop) * cell.optimisation.batch
    return 1 + training + sum(shard.n_items for shard in store.missing_shards(cell))


def taken_from_hub(study: Study) -> list[str]:
    """The tasks whose name is taken as one on the Hub, in one sentence: a folder may have been meant."""
    found = {name: source.dataset for name, source in study.datasets.items() if source.folder is None}
    if not found:
        return []
    names = ", ".join(f"{name} ({dataset})" for name, dataset in found.items())
    return [f"taken as Hub datasets, since there is no such folder: {names}"]


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


def environment() -> dict[str, str]:
    """Versions that results may depend on; no names of machines."""
    found = {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return found | {"image_backend": "pil"}
