"""Recommend, train what was recommended, and judge it: the one place that sees both wings.

::

    DIR/                      the grid, as `run` leaves it
    DIR/realise/choosing/     the grid's answers to the half of the items that recommendations are made from
    DIR/realise/trained/      the mixtures, trained with seeds that the grid has not used, on all targets
    DIR/realise/merged/       the same mixtures as merges of the grid's adapters
    DIR/realise/judging/      everybody's answers to the other half
    DIR/realise/              tables, figure and report of what came out

Each part is a study of its own in a folder of its own, so a killed run goes on where it was by the same call. What
parts share (encoded items, the untouched model's answers, the grid's adapters) is linked, not made again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tasktransfer.analysis.ceilings import ceiling_table
from tasktransfer.analysis.pgf import pgf_table, transfers_table
from tasktransfer.analysis.pipeline import Analysis, analyze
from tasktransfer.errors import InputError, SettingsError, closest, quoted
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.selection.choices import Choice, choosing_items, make_choices
from tasktransfer.selection.judgement import Outcome, judge
from tasktransfer.selection.merged import merge_agreement, merge_table
from tasktransfer.selection.methods import METHODS
from tasktransfer.study.plan import Plan
from tasktransfer.study.run import run_study
from tasktransfer.study.spec import Merge, Study
from tasktransfer.study.store import Store, write_table
from tasktransfer.study.study_file import load_study
from tasktransfer.tables import Accuracies

__all__ = ["Wish", "realise"]

WAYS = ("linear", "cat", "ties", "dare_linear", "dare_ties")
_NO_CONTROLS: dict[str, object] = {"controls": (), "per_source_controls": ()}
TARGET_DATA = ("with", "without", "both")


@dataclass(frozen=True)
class Wish:
    """What is asked of `realise`, beside the study.

    Parameters
    ----------
    targets
        Tasks to help.
    budget
        Items of each mixture.
    methods
        Of `tasktransfer.selection.methods.METHODS`.
    n_seeds
        Fresh seeds a mixture; as many as the grid has where None.
    target_data
        ``with``, ``without`` or ``both``, see `tasktransfer.selection.choices.make_choices`.
    n_random
        Random mixtures.
    merges
        Ways of merging; none for no merges.
    confidence
        Of every interval.
    """

    targets: tuple[str, ...]
    budget: int
    methods: tuple[str, ...] = tuple(METHODS)
    n_seeds: int | None = None
    target_data: str = "with"
    n_random: int = 1
    merges: tuple[str, ...] = ("linear", "cat")
    confidence: float = 0.95

    def check(self, study: Study) -> None:
        """Raise what is wrong before anything is computed."""
        for target in self.targets:
            if target not in study.targets:
                near = closest(target, study.targets)
                raise InputError(f"{target!r} is no target of the study{near}; there are {quoted(study.targets)}")
        if not self.targets:
            raise InputError("no target is named; at least one of the study's is needed")
        if self.budget < 1:
            raise SettingsError(f"the budget is {self.budget}; accepted is a whole number of items from 1")
        if self.n_seeds is not None and self.n_seeds < 1:
            raise SettingsError(f"seeds is {self.n_seeds}; accepted is a whole number from 1")
        if self.n_random < 1:
            raise SettingsError(f"random is {self.n_random}; accepted is a whole number from 1")
        for what, given, known in (
            ("method", self.methods, METHODS),
            ("way of merging", self.merges, WAYS),
            ("use of target data", (self.target_data,), TARGET_DATA),
        ):
            for name in given:
                if name not in known:
                    raise SettingsError(f"no {what} {name!r}{closest(name, known)}; there are {', '.join(known)}")
        if len(study.models) > 1 or len(study.variants) > 1:
            raise InputError(
                f"realise takes one model and one way of training; the study has {quoted(study.models)}"
                f"{f' and the variants {quoted(study.variants)}' if study.variants else ''}"
            )
        if len(study.sources) < 2:
            raise InputError(
                "realise needs a study with two sources or more: their finetunes are what it chooses by"
            )


def realise(
    study: Study | str | Path,
    out: str | Path,
    wish: Wish,
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
    wish
        What to recommend for, and how.
    workers, overrides, quiet
        As in `run_study`.

    Raises
    ------
    InputError, SettingsError
        The study or the wish is not as it must be, or no method recommends anything.
    OutputError
        A folder cannot be written to.
    """
    checked = study if isinstance(study, Study) else load_study(study, overrides=overrides)
    wish.check(checked)
    root = Path(out)
    grid = run_study(
        study, root, workers=workers, overrides=overrides if study is not checked else (), quiet=quiet
    )
    plan = Store(root).read_plan()
    folder = root / "realise"
    answers = pq.read_table(root / "predictions.parquet")
    halves = _halves(answers)
    evidence = analyze(_half(folder / "choosing", [answers], halves, chooses=True))
    choices, notes = _choose(evidence, plan, wish)
    parts = dict.fromkeys(choice.mixture for choice in choices)
    mixtures = {name: next(c.items for c in choices if c.mixture == name) for name in parts}
    trained = _train(plan, Store(root), folder / "trained", mixtures, wish, workers=workers, quiet=quiet)
    merged, names = _merge(plan, Store(root), folder / "merged", mixtures, wish, workers=workers, quiet=quiet)
    tables = [
        answers,
        *(pq.read_table(path / "predictions.parquet") for path in (folder / "trained", merged) if path),
    ]
    judged = _half(folder / "judging", tables, halves, chooses=False)
    assert judged.items is not None
    merges = merge_table(_transfers(judged), names)
    return Outcome(
        choices,
        judge(judged.items, choices, confidence=wish.confidence),
        merges,
        merge_agreement(merges, confidence=wish.confidence),
        notes,
        {**grid.failed, **trained},
    )


def _halves(answers: pa.Table) -> Mapping[str, set[str]]:
    """For each target the items that choose."""
    pairs = answers.select(["target", "item"]).group_by(["target", "item"]).aggregate([]).to_pandas()
    return {str(target): choosing_items(str(target), rows["item"]) for target, rows in pairs.groupby("target")}


def _half(
    folder: Path, tables: Sequence[pa.Table], halves: Mapping[str, set[str]], *, chooses: bool
) -> Accuracies:
    """Answers to one half of the items, kept as a table of their own; the untouched model's once."""
    parts = []
    for number, table in enumerate(tables):
        if number:
            table = table.filter(pc.equal(table["kind"], "mixture"))
        names = zip(table["target"].to_pylist(), table["item"].to_pylist(), strict=True)
        parts.append(table.filter(pa.array([(item in halves[target]) == chooses for target, item in names])))
    folder.mkdir(parents=True, exist_ok=True)
    write_table(pa.concat_tables(parts).combine_chunks(), folder / "predictions.parquet")
    return read_accuracies(folder)


def _choose(evidence: Analysis, plan: Plan, wish: Wish) -> tuple[list[Choice], list[str]]:
    held = {source: plan.supplies[source].available("train") for source in plan.study.sources}
    return make_choices(
        evidence,
        wish.targets,
        wish.budget,
        methods=wish.methods,
        target_data=wish.target_data,
        n_random=wish.n_random,
        caps={source: count for source, count in held.items() if count is not None} or None,
        exclude=tuple(plan.study.adapters),
        confidence=wish.confidence,
    )


def _train(
    plan: Plan,
    grid: Store,
    folder: Path,
    mixtures: Mapping[str, dict[str, int]],
    wish: Wish,
    *,
    workers: int,
    quiet: bool,
) -> dict[str, str]:
    """Train and ask the mixtures; what failed."""
    first = max(plan.study.seeds) + 1
    seeds = tuple(range(first, first + (wish.n_seeds or len(plan.study.seeds))))
    changed = {"sources": (), "adapters": {}, "merges": {}, "mixtures": dict(mixtures), "seeds": seeds}
    study = plan.study.model_copy(update=_NO_CONTROLS | changed)
    _link_finished(grid, Store(folder), [cell.key for cell in plan.cells if cell.kind == "base"])
    return run_study(study, folder, workers=workers, quiet=quiet).failed


def _merge(
    plan: Plan,
    grid: Store,
    folder: Path,
    mixtures: Mapping[str, dict[str, int]],
    wish: Wish,
    *,
    workers: int,
    quiet: bool,
) -> tuple[Path | None, dict[str, tuple[str, str]]]:
    """Merge the grid's adapters by the mixtures' weights and ask them; where that is, and what stands for what.

    A mixture of one source is its finetune, which is there.
    """
    if not wish.merges or plan.study.method.kind == "full":
        return None, {}
    names, merges = {}, {}
    for number, (name, items) in enumerate(mixtures.items()):
        for how in wish.merges:
            if len(items) > 1:
                key = f"{number}-{how}"
                weights = {task: count / sum(items.values()) for task, count in items.items()}
                merges[key] = Merge(of=weights, how=how)  # type: ignore[arg-type]
                names[f"merge-{how}: {key}"] = (how, name)
    if not merges:
        return None, {}
    study = plan.study.model_copy(update=_NO_CONTROLS | {"mixtures": {}, "merges": merges})
    kept = [cell.key for cell in plan.cells if cell.kind in ("base", "finetune")]
    _link_finished(grid, Store(folder), kept)
    run_study(study, folder, workers=workers, quiet=quiet)
    return folder, names


def _transfers(judged: Accuracies) -> pd.DataFrame:
    """Means over the judging half."""
    return transfers_table(pgf_table(judged.table, ceiling_table(judged.table)))


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
            except FileExistsError:
                raise
            except OSError:  # another file system, or one without links
                shutil.copy2(path, place)


def _finished_files(root: Path, cells: Sequence[str]) -> Iterator[Path]:
    """Encoded items and whole cells; a cell's record after what it speaks of."""
    yield from sorted((root / "items").rglob("*.safetensors"))
    for key in cells:
        found = [path for path in (root / "cells" / key).rglob("*") if path.is_file()]
        yield from sorted(found, key=lambda path: (path.suffix == ".json", path))
