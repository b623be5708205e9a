"""A study as cells: what is to be done, each known by what decides its result.

A cell is one finetune, one control or the untouched model. Its key is a readable name and a digest of the
weights, the items, the method, the optimisation, the seed and the version of this code. Places, engines and
numbers of workers are not in it. The answers of a cell to one target by one scorer are a shard with a digest
of its own, so that a target that is added is only evaluated, and a seed that is added is only trained.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tasktransfer.errors import InputError
from tasktransfer.study.spec import Method, Optimisation, Study
from tasktransfer.tasks.open_form import closed_name
from tasktransfer.tasks.supply import Supply, open_task

__all__ = ["Cell", "ItemSet", "Plan", "Shard", "make_plan"]

SCHEMA = 1  # raise when the same cell would give another result

Kind = Literal["base", "finetune", "control"]


@dataclass(frozen=True)
class ItemSet:
    """Items of one task and split, known by their digest."""

    task: str
    split: str
    n_items: int
    digest: str
    has_options: bool
    label_version: str

    @property
    def key(self) -> str:
        """Name of the file that holds them encoded."""
        return f"{slug(self.task)}-{self.split}-{self.n_items}-{self.digest[:12]}"


@dataclass(frozen=True)
class Shard:
    """What one cell answers to one target, by one scorer."""

    items: ItemSet
    scorer: str
    n_items: int
    digest: str

    @property
    def key(self) -> str:
        """Name of its file, without the ending."""
        return f"{slug(self.items.task)}.{self.scorer}-{self.digest}"


@dataclass(frozen=True)
class Cell:
    """One model to have: untouched, finetuned, or finetuned as a control."""

    label: str  # the model column: the model's name, with that of the variant behind it
    model: str
    kind: Kind
    source: str  # the task, or the name of the control; empty for the untouched model
    seed: int | None
    control: str | None
    training: tuple[ItemSet, ...]  # items of each source that goes in; none for the untouched model
    n_items: int  # trained on, all sources together
    method: Method | None
    optimisation: Optimisation | None
    digest: str
    shards: tuple[Shard, ...]

    @property
    def key(self) -> str:
        """Name of its folder."""
        variant = self.label.removeprefix(self.model).strip(" /")
        parts = [self.model, *([variant] if variant and self.kind != "base" else []), self.source or "base"]
        seed = [] if self.seed is None else [f"seed{self.seed}"]
        return "-".join([*map(slug, parts), *seed, self.digest])

    @property
    def seed_text(self) -> str:
        """The seed as tables have it."""
        return "" if self.seed is None else str(self.seed)


@dataclass(frozen=True)
class Plan:
    """All cells of a study in a fixed order, and the items that they need."""

    study: Study
    cells: tuple[Cell, ...]
    supplies: Mapping[str, Supply]
    model_digests: Mapping[str, str]

    @property
    def item_sets(self) -> list[tuple[str, ItemSet]]:
        """Each (model, items) that some cell needs, once."""
        needed = {}
        for cell in self.cells:
            for items in (*cell.training, *(shard.items for shard in cell.shards)):
                needed[cell.model, items.key] = (cell.model, items)
        return list(needed.values())

    @property
    def n_shards(self) -> int:
        """Shards of all cells together."""
        return sum(len(cell.shards) for cell in self.unique_cells)

    @property
    def unique_cells(self) -> list[Cell]:
        """The cells to be computed; variants share the untouched model."""
        return list({cell.key: cell for cell in self.cells}.values())


def slug(name: str) -> str:
    """A name as part of a file name; what is lost by it is in the digest.

    >>> slug("format-only / Relative Depth")
    'format-only_Relative_Depth'
    """
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("_.-")[:48] or "x"


def digest_of(*facts: Any) -> str:
    """Twelve hexadecimal digits of anything that JSON can say."""
    told = json.dumps(facts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def make_plan(study: Study, model_digests: Mapping[str, str]) -> Plan:
    """Compile a study.

    Parameters
    ----------
    study
        The study.
    model_digests
        What identifies the weights of each model of the study.

    Raises
    ------
    InputError
        A task cannot be opened, or has fewer items than the study asks for.
    """
    supplies: dict[str, Supply] = {}
    faults: list[str] = []
    sources = _item_sets(study, "train", study.sources, study.items.source, supplies, faults)
    targets = _item_sets(study, "test", study.targets, study.items.target, supplies, faults)
    if faults:
        raise InputError("\n".join(dict.fromkeys(faults)))
    cells = [
        cell
        for model in study.models
        for variant in [*study.variants] or [""]
        for cell in _Maker(study, model, variant, model_digests[model], targets).cells(sources)
    ]
    return Plan(study, tuple(cells), supplies, model_digests)


def _item_sets(
    study: Study, split: str, names: Sequence[str], n_items: int, supplies: dict[str, Supply], faults: list[str]
) -> dict[str, ItemSet]:
    """Open tasks and take items of them; what is wrong goes to `faults`."""
    found = {}
    for name in names:
        try:
            if name not in supplies:
                supplies[name] = open_task(name, study.tasks.get(closed_name(name)), seed=study.data_seed)
            digest = supplies[name].digest(split, n_items)
            has_options = bool(supplies[name].draw(split, 1)[0].choices)
        except InputError as error:
            faults.append(str(error))
        else:
            found[name] = ItemSet(name, split, n_items, digest, has_options, supplies[name].label_version)
    return found


class _Maker:
    """The cells of one model under one variant."""

    def __init__(
        self,
        study: Study,
        model: str,
        variant: str,
        weights: str,
        targets: Mapping[str, ItemSet],
    ) -> None:
        chosen = study.variants.get(variant)
        self.study, self.model = study, model
        self.label = f"{model} / {variant}" if variant else model
        self.method = chosen.method if chosen else study.method
        self.optimisation = chosen.optimisation if chosen else study.optimisation
        self.weights = [weights, study.models[model].dtype]
        self.targets = targets

    def cells(self, sources: Mapping[str, ItemSet]) -> list[Cell]:
        """The untouched model, the finetunes by source and seed, the controls."""
        found = [self._cell("base", "", None, None, ())]
        for items in sources.values():
            found += [self._cell("finetune", items.task, seed, None, (items,)) for seed in self.study.seeds]
        mix = tuple(sources.values())
        for control in self.study.controls:
            found += [self._cell("control", control, seed, control, mix) for seed in self.study.seeds]
        for control in self.study.per_source_controls:
            for items in mix:
                name = f"{control}: {items.task}"
                found += [self._cell("control", name, seed, control, (items,)) for seed in self.study.seeds]
        return found

    def _cell(
        self, kind: Kind, source: str, seed: int | None, control: str | None, training: tuple[ItemSet, ...]
    ) -> Cell:
        trained = kind != "base"
        facts = [SCHEMA, self.weights]
        if trained:
            items = [(part.task, part.digest) for part in training]
            how = [self.method.model_dump(), self.optimisation.model_dump()]
            facts += [control, items, self.study.items.source, seed, how]
        digest = digest_of(*facts)
        return Cell(
            label=self.label,
            model=self.model,
            kind=kind,
            source=source,
            seed=seed,
            control=control,
            training=training,
            n_items=self.study.items.source if trained else 0,
            method=self.method if trained else None,
            optimisation=self.optimisation if trained else None,
            digest=digest,
            shards=tuple(shard for target in self.targets.values() for shard in self._shards(target, digest)),
        )

    def _shards(self, items: ItemSet, cell_digest: str) -> list[Shard]:
        """One a scorer; a target without options is always generated, on all of its items."""
        evaluation = self.study.evaluation
        found = []
        for scorer in evaluation.scorers if items.has_options else ("generation",):
            sample = evaluation.generation_items if items.has_options and scorer == "generation" else None
            n_items = min(items.n_items, sample or items.n_items)
            how = [scorer, evaluation.max_new_tokens if scorer == "generation" else None]
            digest = digest_of(SCHEMA, cell_digest, items.task, items.digest, n_items, how, items.label_version)
            found.append(Shard(items, scorer, n_items, digest))
        return found
