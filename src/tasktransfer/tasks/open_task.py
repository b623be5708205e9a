"""Where the items of a task come from: the drawn world, a benchmark, a folder, a Hub dataset, or a function."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tasktransfer.errors import InputError, closest, quoted
from tasktransfer.tasks.benchmarks.benchmark import BenchmarkTask
from tasktransfer.tasks.benchmarks.registry import BENCHMARK_TASKS, benchmark_of
from tasktransfer.tasks.item import Item
from tasktransfer.tasks.open_form import NEEDS_OPTIONS, OPEN_SUFFIX, as_open, closed_name
from tasktransfer.tasks.own.folder import SPLITS, read_folder_task
from tasktransfer.tasks.own.function import find_function, is_function
from tasktransfer.tasks.own.hub_dataset import HubDataset, read_hub_dataset
from tasktransfer.tasks.toyworld import TOY_TASKS

__all__ = ["KNOWN_TASKS", "Supply", "missing", "open_task"]

KNOWN_TASKS = (*TOY_TASKS, *BENCHMARK_TASKS)
_PROBE = 16


def _endless(_split: str) -> int | None:
    return None


def _nothing_promised(_split: str) -> bool:
    return False


@dataclass(frozen=True)
class Supply:
    """A task that items can be drawn from.

    Parameters
    ----------
    name
        As the study calls it.
    version
        Which release of the answers it gives, or a function that says so once the data have been opened; empty
        where there is but one.
    draw
        ``(split, n_items)`` -> the items, always the same ones.
    digest
        ``(split, n_items)`` -> what identifies those items, whatever place they come from.
    available
        ``split`` -> how many items there are; None where any number can be drawn.
    is_benchmark
        Its test items are a fixed set: asking for more means all of them.
    tell
        What should be known of the data, in sentences; none before they have been opened.
    promised
        ``split`` -> whether its place was named or part of its files is there, so that lacking it is a fault.
    """

    name: str
    version: str | Callable[[], str]
    draw: Callable[[str, int], list[Item]]
    digest: Callable[[str, int], str]
    available: Callable[[str], int | None] = _endless
    is_benchmark: bool = False
    tell: Callable[[], Sequence[str]] = tuple
    promised: Callable[[str], bool] = _nothing_promised

    @property
    def label_version(self) -> str:
        """Which release of the answers it gives."""
        return self.version if isinstance(self.version, str) else self.version()

    def n_items(self, split: str, asked: int) -> int:
        """How many items are had when so many are asked for.

        All test items of a benchmark where it has fewer. Training items are never fewer than asked: sources of
        different size would pass for transfer, so `draw` refuses.
        """
        there = self.available(split) if self.is_benchmark and split == "test" else None
        return asked if there is None else min(asked, there)

    def clusters(self, split: str, n_items: int) -> dict[str, str]:
        """Cluster of each item by its id; empty where the first names none, so that not all are drawn for nothing.

        Raises
        ------
        InputError
            The first item names one and some item does not.
        """
        if not self.draw(split, 1)[0].cluster:
            return {}
        items = self.draw(split, n_items)
        lost = [item.id for item in items if not item.cluster]
        if lost:
            raise InputError(f"task {self.name!r}: item {quoted(lost)} names no cluster; others do")
        return {item.id: item.cluster for item in items}


def open_task(
    name: str,
    place: str | HubDataset | None = None,
    *,
    seed: int = 0,
    data: Path | None = None,
    training: Path | None = None,
    frames: int = 32,
    strict: bool = False,
) -> Supply:
    """Find a task: one of `KNOWN_TASKS`, or what `place` names.

    Parameters
    ----------
    name
        The name used in tables; with the suffix `OPEN_SUFFIX` the task is asked openly, see
        `tasktransfer.tasks.open_form`.
    place
        A folder with ``items.jsonl``; ``module:function`` with the signature
        ``function(split, n_items, *, seed) -> list[Item]``; or a Hub dataset with its columns.
    seed
        Seed of whatever is drawn.
    data
        The local copy of a benchmark or Hub dataset, in the layout of its repository; None asks the Hub's cache,
        then the Hub. Nothing is read before it is needed.
    training
        A folder with ``items.jsonl``: the training items of a benchmark, which has none of its own.
    frames
        Frames taken of each video of VSI-Bench.
    strict
        Score numbers of VSI-Bench by the strict relative accuracy.

    Raises
    ------
    InputError
        The name is unknown, or the place holds no task.
    """
    if name.endswith(OPEN_SUFFIX):
        how: dict[str, Any] = {"data": data, "training": training, "frames": frames, "strict": strict}
        return _asked_openly(name, open_task(closed_name(name), place, seed=seed, **how))
    if place is None and name in BENCHMARK_TASKS:
        return _benchmark(BENCHMARK_TASKS[name].open(name, data, training, frames, strict))
    if place is None:
        return _drawn(name, seed)
    if isinstance(place, HubDataset):
        hub = read_hub_dataset(name, place, data)
        return Supply(name, "", hub.draw, hub.digest, hub.count, promised=hub.promised)
    if is_function(place):
        return _own_function(name, place, seed)
    task = read_folder_task(Path(place))
    return Supply(name, "", task.draw, task.digest, task.count)


def missing(
    name: str,
    place: str | HubDataset | None = None,
    *,
    splits: Sequence[str] = SPLITS,
    data: Path | None = None,
    training: Path | None = None,
) -> str | None:
    """Say what a task lacks and the command that gets it, without network; None where nothing is missing.

    Cheap: files are looked for, not read. Folders and functions of one's own lack nothing that a command gets.

    Parameters
    ----------
    name
        The name used in tables, with or without `OPEN_SUFFIX`.
    place
        As for `open_task`.
    splits
        The splits that are needed: ``train``, ``test`` or both.
    data
        The local copy of a benchmark or Hub dataset; None looks in the Hub's cache.
    training
        A folder with ``items.jsonl``: the training items of a benchmark.
    """
    if place is None and (benchmark := benchmark_of(closed_name(name))):
        return benchmark.open(closed_name(name), data, training, 32, False).missing(splits)
    if isinstance(place, HubDataset):
        return place.missing(data, splits)
    return None


def _benchmark(task: BenchmarkTask) -> Supply:
    return Supply(
        task.name,
        task.label_version,
        task.draw,
        task.digest,
        task.count,
        is_benchmark=True,
        tell=task.notes,
        promised=task.promised,
    )


def _asked_openly(name: str, closed: Supply) -> Supply:
    """The same items without their options; the label version is that of the answers, so it stays."""
    if closed.name in NEEDS_OPTIONS:
        raise InputError(f"task {name!r} cannot be asked openly: {NEEDS_OPTIONS[closed.name]}")

    def draw(split: str, n_items: int) -> list[Item]:
        try:
            return [as_open(item) for item in closed.draw(split, n_items)]
        except InputError as error:
            raise InputError(f"task {name!r}: {error}") from error

    def digest(split: str, n_items: int) -> str:
        """That of the items as choices and of what becomes of the first of them."""
        asked = [(item.question, item.answer, item.scorer) for item in draw(split, min(n_items, _PROBE))]
        return hashlib.sha256(f"{closed.digest(split, n_items)} {asked}".encode()).hexdigest()

    return replace(closed, name=name, draw=draw, digest=digest)


def _drawn(name: str, seed: int) -> Supply:
    if name not in TOY_TASKS:
        raise InputError(f"unknown task {name!r}{closest(name, KNOWN_TASKS)}")

    def draw(split: str, n_items: int) -> list[Item]:
        from tasktransfer.tasks.toyworld import draw_items

        return draw_items(name, split, n_items, seed=seed)

    return _probed(name, TOY_TASKS[name].label_version, draw)


def _own_function(name: str, place: str, seed: int) -> Supply:
    function = find_function(place, f"task {name!r}: {place!r}")
    return _probed(name, "", lambda split, n_items: list(function(split, n_items, seed=seed)))


def _probed(name: str, label_version: str, draw: Callable[[str, int], list[Item]]) -> Supply:
    def digest(split: str, n_items: int) -> str:
        """Drawing is a function of the seed: the first items show a change."""
        whole = hashlib.sha256(f"{split} {n_items}\n".encode())
        for item in draw(split, n_items if n_items < _PROBE else _PROBE):
            facts = (item.id, item.question, item.choices, item.answer, item.is_video)
            # no empty scorer, so that items without one keep the digest they had before there were scorers
            whole.update(repr((*facts, item.scorer) if item.scorer else facts).encode())
            for image in item.images:
                whole.update(repr((image.size, image.mode)).encode() + image.tobytes())
        return whole.hexdigest()

    return Supply(name, label_version, draw, digest)
