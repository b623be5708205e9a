"""Recommend, train what was recommended, and judge it: the one place that sees both wings.

::

    DIR/                      the grid, as `run` leaves it
    DIR/realise/choosing/     the grid's answers to the half of the items that recommendations are made from
    DIR/realise/trained/      the mixtures, trained with seeds that the grid has not used, on all targets
    DIR/realise/merged/       the same mixtures as merges of the grid's adapters
    DIR/realise/judging/      everybody's answers to the other half
    DIR/realise/              tables, figure and report of the results

Each part is a study of its own in a folder of its own, so a killed run goes on where it was by the same call. What
parts share (encoded items, the untouched model's answers, the grid's adapters) is linked, not made again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasktransfer.analysis.analyze import analyze
from tasktransfer.analysis.halves import choosing_half
from tasktransfer.analysis.measure import measure
from tasktransfer.analysis.settings import Settings
from tasktransfer.errors import InputError, quoted
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.realise.choices import Trial, make_choices
from tasktransfer.realise.judgement import Outcome, judge
from tasktransfer.realise.merged import merge_agreement, merge_table
from tasktransfer.recommendation.request import Request
from tasktransfer.study.file import load_study
from tasktransfer.study.item_sets import find_item_sets
from tasktransfer.study.plan import Plan
from tasktransfer.study.run import run_study
from tasktransfer.study.spec import Merge, Study
from tasktransfer.study.store import Store, write_table
from tasktransfer.tables import Accuracies
from tasktransfer.tasks.open_task import Supply

__all__ = ["realise"]

_NO_MORE: dict[str, object] = {"controls": (), "per_source_controls": (), "more_seeds": {}}


def realise(
    study: Study | str | Path,
    out: str | Path,
    request: Request,
    trial: Trial | None = None,
    *,
    workers: int = 1,
    overrides: Sequence[str] = (),
    quiet: bool = False,
) -> Outcome:
    """Run a study's grid, train what each method recommends from it, and judge on items that did not choose.

    Parameters
    ----------
    study
        A study, or the path of a study file.
    out
        Folder of the study; one that `run_study` wrote is taken up.
    request
        What to help, each target by mixtures of its own, with how many items.
    trial
        Which methods are tried, and how.
    workers, overrides, quiet
        As in `run_study`.

    Raises
    ------
    InputError, SettingsError
        The study or the request is not as it must be, or no method recommends anything.
    OutputError
        A folder cannot be written to.
    """
    trial = trial or Trial()
    checked = study if isinstance(study, Study) else load_study(study, overrides=overrides)
    _check(checked, request, trial)
    root, folder = Path(out), Path(out) / "realise"
    grid = run_study(
        study, root, workers=workers, overrides=overrides if study is not checked else (), quiet=quiet
    )
    plan = Store(root).read_plan()
    answers = pq.read_table(root / "predictions.parquet")
    chosen = choosing_half(_names(answers))
    choosing = _half(folder / "choosing", [answers], chosen, chooses=True)
    evidence = analyze(choosing, Settings(confidence=request.confidence))
    choices, notes = make_choices(
        evidence, _of_study(request, plan.study, _there(plan.study, plan.supplies)), trial
    )
    mixtures = {choice.mixture: choice.items for choice in choices}
    parts = [_Part(folder / "trained", _trained(plan.study, mixtures, trial.n_seeds), ("base",))]
    merges, names = _merges(mixtures, trial.merges, plan.study)
    if merges:
        merged = plan.study.model_copy(update=_NO_MORE | {"mixtures": {}, "merges": merges})
        parts.append(_Part(folder / "merged", merged, ("base", "finetune")))
    failed = [_run_part(part, plan, Store(root), workers=workers, quiet=quiet) for part in parts]
    tables = [answers, *(pq.read_table(part.folder / "predictions.parquet") for part in parts)]
    _refuse_none_trained(tables[1], mixtures, failed[0], parts[0].folder)
    judged = _half(folder / "judging", tables, chosen, chooses=False)
    assert judged.items is not None
    merge_gains = merge_table(measure(judged).transfers, names)
    return Outcome(
        choices,
        judge(judged.items, choices, protect=request.protect, confidence=request.confidence),
        merge_gains,
        merge_agreement(merge_gains, confidence=request.confidence),
        notes,
        reduce(or_, failed, grid.failed),
        request.confidence,
    )


def _check(study: Study, request: Request, trial: Trial) -> None:
    """Raise what is wrong before anything is trained."""
    _refuse_several(study)
    request.check_names(study.sources, study.targets)
    here = _of_study(request, study, _there(study, find_item_sets(study, here_only=True).supplies))
    for target in request.targets:
        without = trial.target_data == "without" and trial.methods != ("direct",)
        usable = [s for s in study.sources if s not in here.exclude and not (without and s == target)]
        if not usable:
            raise InputError(f"every source is excluded, so there is nothing to train on for {target!r}")
        if (together := replace(here, sources=tuple(usable)).held.sum()) < request.budget:
            raise InputError(
                f"the budget is {request.budget} items, but the sources that {target!r} may be helped by hold "
                f"{together:g} together: {quoted(usable)}"
            )


def _of_study(request: Request, study: Study, there: Mapping[str, int]) -> Request:
    """The request with what a study has: adapters of others cannot be mixed, no source holds more than it does."""
    caps = request.caps if isinstance(request.caps, Mapping) else dict.fromkeys(study.sources, request.caps)
    known = {s: [n for n in (caps.get(s), there.get(s)) if n is not None] for s in study.sources}
    return replace(
        request,
        exclude=(*study.adapters, *request.exclude),
        caps={source: min(items) for source, items in known.items() if items},
    )


def _refuse_several(study: Study) -> None:
    if len(study.models) > 1 or len(study.variants) > 1:
        raise InputError(
            f"realise takes one model and one way of training; the study has {quoted(study.models)}"
            f"{f' and the variants {quoted(study.variants)}' if study.variants else ''}"
        )
    if len(study.sources) < 2:
        raise InputError("realise needs a study with two sources or more: their finetunes are what it chooses by")


def _there(study: Study, supplies: Mapping[str, Supply]) -> dict[str, int]:
    """Items that sources hold, of those that are here and have an end."""
    counts = {source: supplies[source].available("train") for source in study.sources if source in supplies}
    return {source: count for source, count in counts.items() if count is not None}


def _names(answers: pa.Table) -> pd.DataFrame:
    """Target, item and, where there is one, cluster of each answer."""
    named = [name for name in ("target", "item", "cluster") if name in answers.column_names]
    return answers.select(named).to_pandas()


def _half(folder: Path, tables: Sequence[pa.Table], chosen: Set[tuple[str, str]], *, chooses: bool) -> Accuracies:
    """Answers to one half of the items, kept as a table of their own; the untouched model's once."""
    parts = []
    for number, table in enumerate(tables):
        if number:
            table = table.filter(pc.equal(table["kind"], "mixture"))
        names = zip(table["target"].to_pylist(), table["item"].to_pylist(), strict=True)
        parts.append(table.filter(pa.array([(name in chosen) == chooses for name in names])))
    folder.mkdir(parents=True, exist_ok=True)
    write_table(pa.concat_tables(parts).combine_chunks(), folder / "predictions.parquet")
    return read_accuracies(folder)


class _Part(NamedTuple):
    """A study of its own that takes from the grid what that has finished."""

    folder: Path
    study: Study
    taken: tuple[str, ...]  # kinds of cells


def _trained(study: Study, mixtures: Mapping[str, dict[str, int]], n_seeds: int | None) -> Study:
    """The mixtures, with seeds that no cell of the grid has."""
    used = [*study.seeds, *(seed for seeds in study.more_seeds.values() for seed in seeds)]
    seeds = range(max(used) + 1, max(used) + 1 + (n_seeds or len(study.seeds)))
    changed = {"sources": (), "adapters": {}, "merges": {}, "mixtures": dict(mixtures), "seeds": tuple(seeds)}
    return study.model_copy(update=_NO_MORE | changed)


def _merges(
    mixtures: Mapping[str, dict[str, int]], hows: Sequence[str], study: Study
) -> tuple[dict[str, Merge], dict[str, tuple[str, str]]]:
    """Merges of the grid's adapters by the mixtures' weights, and what each source of them stands for.

    A mixture of one source is its finetune, which is there.
    """
    names, merges = {}, {}
    for number, (name, items) in enumerate(mixtures.items()):
        for how in hows if study.method.kind != "full" and len(items) > 1 else ():
            key = f"{number}-{how}"
            weights = {task: count / sum(items.values()) for task, count in items.items()}
            merges[key] = Merge(of=weights, how=how)  # type: ignore[arg-type]
            names[f"merge-{how}: {key}"] = (how, name)
    return merges, names


def _run_part(part: _Part, plan: Plan, grid: Store, *, workers: int, quiet: bool) -> dict[str, str]:
    """Do what is missing of a part; what failed."""
    finished = [cell.key for cell in plan.cells if cell.kind in part.taken]
    _link_finished(grid, Store(part.folder), finished)
    return run_study(part.study, part.folder, workers=workers, quiet=quiet).failed


def _refuse_none_trained(
    answers: pa.Table, mixtures: Mapping[str, dict[str, int]], failed: Mapping[str, str], folder: Path
) -> None:
    if not set(answers["source"].to_pylist()) & set(mixtures):
        first = next(iter(failed.values()), "not finished")
        raise InputError(
            f"none of the {len(mixtures)} recommended mixtures was trained, so there is nothing to judge; the "
            f"first failed with: {first}. `tasktransfer status {folder}` shows more; the same command tries again"
        )


def _link_finished(source: Store, destination: Store, cells: Sequence[str]) -> None:
    """Give one study what another has finished: files are replaced whole, never changed, so links are safe."""
    for path in _finished_files(source.root, cells):
        place = destination.root / path.relative_to(source.root)
        if place.exists():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            try:
                os.link(path, place)
            except FileExistsError:  # another process was first; it is an OSError too, and nothing to copy
                raise
            except OSError:  # another file system, or one without links
                shutil.copy2(path, place)


def _finished_files(root: Path, cells: Sequence[str]) -> Iterator[Path]:
    """Encoded items and whole cells; a cell's record after what it speaks of."""
    yield from sorted((root / "items").rglob("*.safetensors"))
    for key in cells:
        files = [path for path in (root / "cells" / key).rglob("*") if path.is_file()]
        yield from sorted(files, key=lambda path: (path.suffix == ".json", path))
