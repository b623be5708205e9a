"""A study as cells: what is to be done, each known by what decides its result.

A cell is one finetune, one control, one mixture, a merge of adapters, an adapter that is there already, or the
untouched model. Its key is a readable name and a digest of the weights and how they see and compute, the items,
the method, the optimisation, the seed and the version of this code. Places, engines, devices and numbers of
workers are not in it. The answers of a cell to one target by one scorer are a shard with a digest of its own, so
that a target that is added is only evaluated, and a seed that is added is only trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tasktransfer.files import digest_of, slug
from tasktransfer.study.item_sets import ItemSet, ItemSets, find_item_sets
from tasktransfer.study.spec import Merge, Method, ModelChoice, Optimisation, Study
from tasktransfer.tasks.open_task import Supply

if TYPE_CHECKING:
    from tasktransfer.tables import Kind

__all__ = ["Adapter", "Cell", "Merged", "Plan", "Shard", "adapter_places", "make_plan"]

SCHEMA = 2  # raise when the same cell would give another result


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
class Adapter:
    """One that was trained elsewhere: where it lies, and what identifies it."""

    place: str
    digest: str


@dataclass(frozen=True)
class Merged:
    """Adapters of other cells put together."""

    parts: tuple[Cell, ...]
    weights: tuple[float, ...]
    how: str
    density: float

    @property
    def weight_of(self) -> dict[str, float]:
        """The weight of each source."""
        return {part.source: weight for part, weight in zip(self.parts, self.weights, strict=True)}


@dataclass(frozen=True)
class Cell:
    """One model to have: untouched, finetuned here or elsewhere, on one source or several, or merged."""

    label: str  # the model column: the model's name, with that of the variant behind it
    model: str
    kind: Kind
    source: str  # the task, or the name of the control or mixture; empty for the untouched model
    seed: int | None
    control: str | None
    training: tuple[ItemSet, ...]  # items of each source that goes in; none for the untouched model
    n_items: int  # trained on, all sources together
    method: Method | None
    optimisation: Optimisation | None
    quantised: bool  # language model in 4 bits
    adapter: Adapter | None
    digest: str
    shards: tuple[Shard, ...]
    counts: tuple[int, ...] = ()  # how many of each of `training`, from the first on; none where they are drawn
    merged: Merged | None = None

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
    missing: tuple[str, ...] = ()  # what is not on this machine, and what gets it
    fetched: tuple[str, ...] = ()  # of that, what a run gets from the Hub by itself

    def cell(self, key: str) -> Cell:
        """A cell by the name of its folder."""
        return self._cells_by_key[key]

    def items(self, model: str, key: str) -> ItemSet:
        """Items that some cell of a model needs encoded, by the name of their file."""
        return self._items_by_key[model, key]

    @property
    def item_sets(self) -> list[tuple[str, ItemSet]]:
        """Each (model, items) that some cell needs encoded, once."""
        return [(model, items) for (model, _), items in self._items_by_key.items()]

    def sees(self, model: str) -> str:
        """What identifies all that decides what a model of the study makes of an item."""
        whole = _sees(self.study.models[model], self.model_digests[model])
        return f"{whole}-rotated" if self.study.evaluation.rotations else whole

    @property
    def n_shards(self) -> int:
        """Shards of all cells together."""
        return sum(len(cell.shards) for cell in self.unique_cells)

    @property
    def unique_cells(self) -> list[Cell]:
        """The cells to be computed; variants share the untouched model."""
        return list(self._cells_by_key.values())

    @cached_property
    def _cells_by_key(self) -> dict[str, Cell]:
        return {cell.key: cell for cell in self.cells}

    @cached_property
    def _items_by_key(self) -> dict[tuple[str, str], ItemSet]:
        return {
            (cell.model, items.key): items
            for cell in self.cells
            for items in (*cell.training, *(shard.items for shard in cell.shards))
        }


def _sees(choice: ModelChoice, weights_digest: str) -> str:
    """Digest of all that decides what a model makes of an item."""
    seen = [choice.min_pixels, choice.max_pixels, choice.max_tiles, choice.frame_seconds]
    return digest_of(SCHEMA, weights_digest, choice.dtype, choice.attention, choice.family, seen)


def adapter_places(study: Study) -> dict[tuple[str, str, int], str]:
    """Folder of each adapter that is there already, by (source, model, seed).

    A name without ``{seed}`` is one adapter: it stands for the first seed alone. One without ``{model}`` belongs
    to every model.
    """
    return {
        (name, model, seed): place.replace("{model}", model).replace("{seed}", str(seed))
        for name, place in study.adapters.items()
        for model in study.models
        for seed in (study.seeds if "{seed}" in place else study.seeds[:1])
    }


def make_plan(
    study: Study,
    model_digests: Mapping[str, str],
    adapter_digests: Mapping[str, str] | None = None,
    *,
    here_only: bool = False,
) -> Plan:
    """Compile a study.

    Parameters
    ----------
    study
        The study.
    model_digests
        What identifies the weights of each model of the study.
    adapter_digests
        What identifies each adapter folder of `adapter_places`.
    here_only
        Fetch nothing: items that are not on this machine are counted as their benchmark says, and named in
        `Plan.missing`.

    Raises
    ------
    InputError
        A task cannot be opened, or has fewer items than the study asks for.
    """
    items = find_item_sets(study, here_only=here_only)
    adapters = {
        key: Adapter(place, (adapter_digests or {})[place]) for key, place in adapter_places(study).items()
    }
    makers = [
        _Maker(study, model, variant, model_digests[model], items, adapters)
        for model in study.models
        for variant in [*study.variants] or [""]
    ]
    cells = [cell for maker in makers for cell in maker.cells()]
    fetched = tuple(sentence for sentence, by_run in items.missing.items() if by_run)
    return Plan(study, tuple(cells), items.supplies, model_digests, tuple(items.missing), fetched)


class _Maker:
    """The cells of one model under one variant."""

    def __init__(
        self,
        study: Study,
        model: str,
        variant: str,
        weights: str,
        items: ItemSets,
        adapters: Mapping[tuple[str, str, int], Adapter],
    ) -> None:
        chosen = study.variants.get(variant)
        self.study, self.model = study, model
        self.label = f"{model} / {variant}" if variant else model
        self.method = chosen.method if chosen else study.method
        self.optimisation = chosen.optimisation if chosen else study.optimisation
        self.sees = _sees(study.models[model], weights)
        self.quantised = self.method.kind == "qlora"
        self.items, self.adapters = items, adapters

    def cells(self) -> list[Cell]:
        """The untouched model, the finetunes by source and seed, what is trained already, controls, mixtures."""
        cells = [self._cell("base", "", None)]
        for items in self.items.sources.values():
            cells += self._over_seeds("finetune", items.task, training=(items,), counts=(items.n_items,))
        for (name, model, seed), adapter in self.adapters.items():
            if model == self.model:
                cells.append(self._cell("finetune", name, seed, adapter=adapter))
        of_source = {(cell.source, cell.seed): cell for cell in cells}
        mix = tuple(self.items.sources.values())
        for control in self.study.controls:
            cells += self._over_seeds("control", control, control=control, training=mix)
        for control in self.study.per_source_controls:
            for items in mix:
                cells += self._over_seeds(
                    "control", f"{control}: {items.task}", control=control, training=(items,)
                )
        for name, parts in self.items.mixtures.items():
            training, counts = zip(*parts, strict=True)
            cells += self._over_seeds("mixture", name, training=training, counts=counts)
        for name, merge in self.study.merges.items():
            cells += self._merges(name, merge, of_source)
        return cells

    def _merges(self, name: str, merge: Merge, of_source: Mapping[tuple[str, int | None], Cell]) -> list[Cell]:
        """One for each seed of which all parts are there."""
        cells = []
        weights = sorted(merge.of.items())
        for seed in self.study.seeds:
            parts = [of_source.get((source, seed)) for source, _ in weights]
            there = tuple(part for part in parts if part is not None)
            if len(there) == len(parts):
                merged = Merged(there, tuple(weight for _, weight in weights), merge.how, merge.density)
                cells.append(self._cell("mixture", f"merge-{merge.how}: {name}", seed, merged=merged))
        return cells

    def _over_seeds(self, kind: Kind, source: str, **how: Any) -> list[Cell]:
        more = self.study.more_seeds.get(source, ()) if kind == "finetune" else ()
        return [self._cell(kind, source, seed, **how) for seed in (*self.study.seeds, *more)]

    def _cell(
        self,
        kind: Kind,
        source: str,
        seed: int | None,
        *,
        control: str | None = None,
        training: tuple[ItemSet, ...] = (),
        counts: tuple[int, ...] = (),
        adapter: Adapter | None = None,
        merged: Merged | None = None,
    ) -> Cell:
        # these facts and their order make every key: after a change no finished cell is recognised
        facts: list[Any] = [SCHEMA, self.sees, self.quantised]
        if adapter:
            facts += ["adapter", adapter.digest]
        elif merged:
            parts = [(part.digest, weight) for part, weight in zip(merged.parts, merged.weights, strict=True)]
            facts += ["merge", merged.how, merged.density, parts, seed]
        elif kind == "mixture":
            shares = [(part.task, part.digest, count) for part, count in zip(training, counts, strict=True)]
            facts += ["mixture", shares, seed, self.method.model_dump(), self.optimisation.model_dump()]
        elif training:
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
            n_items=sum(counts) or (self.study.items.source if training else 0),
            method=self.method if training else None,
            optimisation=self.optimisation if training else None,
            quantised=self.quantised,
            adapter=adapter,
            digest=digest,
            shards=tuple(shard for items in self.items.targets.values() for shard in self._shards(items, digest)),
            counts=counts,
            merged=merged,
        )

    def _shards(self, items: ItemSet, cell_digest: str) -> list[Shard]:
        """One a scorer; a target without options is always generated, on all of its items."""
        evaluation = self.study.evaluation
        shards = []
        for scorer in evaluation.scorers if items.has_options else ("generation",):
            sample = evaluation.generation_items if items.has_options and scorer == "generation" else None
            n_items = min(items.n_items, sample or items.n_items)
            how = [scorer, evaluation.max_new_tokens if scorer == "generation" else evaluation.rotations]
            digest = digest_of(SCHEMA, cell_digest, items.task, items.digest, n_items, how, items.label_version)
            shards.append(Shard(items, scorer, n_items, digest))
        return shards
