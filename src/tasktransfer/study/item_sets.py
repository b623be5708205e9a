"""The items of a study's tasks: opened, counted, and known by what they are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tasktransfer.errors import InputError
from tasktransfer.files import slug
from tasktransfer.study.spec import Study
from tasktransfer.tasks.benchmarks.benchmark import Benchmark
from tasktransfer.tasks.benchmarks.registry import BENCHMARKS, benchmark_of
from tasktransfer.tasks.open_form import closed_name
from tasktransfer.tasks.open_task import Supply, missing, open_task

__all__ = ["ItemSet", "ItemSets", "find_item_sets"]


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


Mixed = tuple[tuple[ItemSet, int], ...]  # the first so many of each


class ItemSets(NamedTuple):
    """The items of all sources, targets and mixtures of a study."""

    supplies: Mapping[str, Supply]
    sources: Mapping[str, ItemSet]
    targets: Mapping[str, ItemSet]
    mixtures: Mapping[str, Mixed]
    missing: Mapping[str, bool]  # what is not on this machine and what gets it; whether a run does


def find_item_sets(study: Study, *, here_only: bool) -> ItemSets:
    """Open the tasks of a study and take items of them.

    Parameters
    ----------
    study
        The study.
    here_only
        Fetch nothing: count what is not here as its benchmark says.

    Raises
    ------
    InputError
        Tasks that cannot be opened, or have fewer items than are to be trained on; all of them at once.
    """
    finder = _Finder(study, here_only)
    sources = finder.find("train", study.sources)
    targets = finder.find("test", study.targets)
    mixtures = {name: finder.mixed(name) for name in study.mixtures}
    if finder.faults:
        raise InputError("\n".join(dict.fromkeys(finder.faults)))
    return ItemSets(finder.supplies, sources, targets, mixtures, finder.told())


class _Finder:
    """Opens each task once and keeps what is wrong and what is missing."""

    def __init__(self, study: Study, here_only: bool) -> None:
        self.study, self.here_only = study, here_only
        self.supplies: dict[str, Supply] = {}
        self.faults: list[str] = []
        self.absent: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self.found: dict[tuple[str, str, int | None], ItemSet] = {}

    def told(self) -> dict[str, bool]:
        """What is not here, and whether a run gets it from the Hub by itself.

        One sentence for the test items of a benchmark, since one command gets them, and for each dataset.
        """
        sentences = {}
        for (split, name_of), absent in self.absent.items():
            benchmark = BENCHMARKS.get(name_of)
            data = self._data(benchmark)
            fetched = split == "test" and data is None
            if benchmark and split == "test" and len(absent) > 1:
                command = benchmark.repo.command(data)
                sentences[f"the items of {len(absent)} targets of {benchmark.name}: {command}"] = fetched
                continue
            for name, sentence in absent:
                dataset = self.study.datasets.get(closed_name(name))
                whole = self._missing(name, *self._splits_absent(name)) if dataset else None
                sentences[whole or sentence] = dataset.folder is None if dataset else fetched
        return sentences

    def _splits_absent(self, name: str) -> list[str]:
        """The splits of a task that are not here, be it asked with its options or openly."""
        splits = [
            split
            for (split, _), absent in self.absent.items()
            if closed_name(name) in {closed_name(other) for other, _ in absent}
        ]
        return sorted(set(splits), reverse=True)  # train before test

    def find(self, split: str, names: tuple[str, ...]) -> dict[str, ItemSet]:
        """The items of each task."""
        of_task = {}
        for name in names:
            try:
                of_task[name] = self._items(name, split)
            except InputError as error:
                self.faults.append(str(error))
        return of_task

    def mixed(self, name: str) -> Mixed:
        """The items of a mixture, tasks in alphabetical order: the same mixture has the same digest.

        They are the first of what a source of the same name is trained on, where that holds enough.
        """
        parts = []
        for task, n_items in sorted(self.study.mixtures[name].items()):
            try:
                parts.append((self._enough(task, n_items), n_items))
            except InputError as error:
                self.faults.append(f"mixtures.{name}: {error}")
        return tuple(parts)

    def _enough(self, task: str, n_items: int) -> ItemSet:
        if n_items <= self.study.items.source:
            with suppress(InputError):  # the task holds fewer than a source has, which may be enough
                return self._items(task, "train")
        return self._items(task, "train", n_items)

    def _items(self, name: str, split: str, n_items: int | None = None) -> ItemSet:
        """The items of a task: so many, or as many as the study says."""
        key = (name, split, n_items)
        if key not in self.found:
            absent = self._missing(name, split) if self.here_only else None
            if absent:
                benchmark = benchmark_of(closed_name(name))
                same = self.absent.setdefault((split, benchmark.name if benchmark else ""), [])
                same += [(name, absent)] * ((name, absent) not in same)
            of_task = self._expected if absent else self._at_hand
            self.found[key] = of_task(name, split, n_items)
        return self.found[key]

    def _places(self, name: str) -> dict[str, Path | None]:
        """A benchmark's local copy and a task's training folder."""
        training = self.study.training.get(name) or self.study.training.get(closed_name(name))
        data = self._data(benchmark_of(closed_name(name)))
        return {"data": data, "training": Path(training) if training else None}

    def _data(self, benchmark: Benchmark | None) -> Path | None:
        """The local copy of a benchmark."""
        place = self.study.data.get(benchmark.name) if benchmark else None
        return Path(place) if place else None

    def _missing(self, name: str, *splits: str) -> str | None:
        return missing(name, self.study.place_of(name), splits=splits, **self._places(name))

    def _expected(self, name: str, split: str, n_items: int | None) -> ItemSet:
        """What a benchmark is known to hold, or what was asked for, of items that are not here."""
        closed = closed_name(name)
        benchmark = benchmark_of(closed)
        expected = benchmark.expected(closed, self.study.video.frames) if benchmark else None
        asked = self._asked(name, split)
        there = expected.n_items if expected and split == "test" else None
        n_items = n_items or min(filter(None, (asked, there)), default=0)
        has_options = closed == name and (expected.has_options if expected else True)
        return ItemSet(name, split, n_items, "not here", has_options, "")

    def _at_hand(self, name: str, split: str, n_items: int | None) -> ItemSet:
        if name not in self.supplies:
            video = self.study.video
            self.supplies[name] = open_task(
                name,
                self.study.place_of(name),
                seed=self.study.data_seed,
                frames=video.frames,
                strict=video.strict,
                **self._places(name),
            )
        supply = self.supplies[name]
        n_items = n_items or self._count(supply, split)
        digest = supply.digest(split, n_items)
        has_options = bool(supply.draw(split, 1)[0].choices)
        return ItemSet(name, split, n_items, digest, has_options, supply.label_version)

    def _asked(self, name: str, split: str) -> int | None:
        """How many items the study asks for; None for all."""
        items = self.study.items
        return items.source if split == "train" else self.study.more_items.get(name, items.target)

    def _count(self, supply: Supply, split: str) -> int:
        """As many as asked for; of a benchmark's test items at most so many, or all."""
        asked = self._asked(supply.name, split)
        if asked is not None:
            return supply.n_items(split, asked)
        available = supply.available(split)
        if available is None:
            raise InputError(
                f"items.target: target {supply.name!r} is drawn without end and has no 'all'; say a number "
                f"there or in more_items.{supply.name}"
            )
        return available
