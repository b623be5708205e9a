"""What a benchmark is: one row, and tasks with test items from its own files and training items from a folder.

Nothing is read before it is needed, so that a source does not need the files of the benchmark, nor a target a
training folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tasktransfer.errors import InputError
from tasktransfer.tasks.own.folder import SPLITS, FolderTask, read_folder_task

if TYPE_CHECKING:
    from tasktransfer.tasks.hub_files import HubRepo
    from tasktransfer.tasks.item import Item
    from tasktransfer.tasks.task import Task

__all__ = ["OWN_FOLDER", "Benchmark", "BenchmarkTask", "Expected", "TestItems", "no_training"]

OWN_FOLDER = "name a folder of your own with items.jsonl"


class Expected(NamedTuple):
    """What a task is known to hold, without its files."""

    n_items: int  # of the test split
    has_options: bool
    pictures: list[tuple[int, int]]  # width and height of those of a usual item


@dataclass(frozen=True)
class Benchmark:
    """A row of `tasktransfer.tasks.benchmarks.registry.BENCHMARKS`.

    Parameters
    ----------
    name
        As a study calls it under ``data``.
    tasks
        Names of its tasks in a study.
    repo
        Where its files lie on the Hub.
    open
        ``(name, data, training, frames, strict)`` -> one of its tasks, with nothing read yet.
    expected
        ``(name, frames)`` -> what a task is known to hold.
    facts
        What is known of its tasks by the names that tables use.
    """

    name: str
    tasks: tuple[str, ...]
    repo: HubRepo
    open: Callable[[str, Path | None, Path | None, int, bool], BenchmarkTask]
    expected: Callable[[str, int], Expected]
    facts: tuple[Task, ...] = ()


class TestItems(Protocol):
    """Test items of one task, checked."""

    @property
    def label_version(self) -> str:
        """The release of the answers."""

    def __len__(self) -> int: ...

    def draw(self, n_items: int) -> list[Item]:
        """The first so many, all where there are fewer."""

    def digest(self, n_items: int) -> str:
        """What identifies those."""


class BenchmarkTask:
    """One task of a benchmark.

    Parameters
    ----------
    name
        As a study calls it.
    data
        A local copy of the repository, or None for the Hub's cache and the Hub.
    training
        A folder with training items, or None.
    """

    def __init__(self, name: str, data: Path | None, training: Path | None) -> None:
        self.name, self.data, self.training = name, data, training

    @cached_property
    def test(self) -> TestItems:
        """The test items; opened when first asked for."""
        raise NotImplementedError

    @cached_property
    def train(self) -> FolderTask:
        """The training items; opened when first asked for.

        Raises
        ------
        InputError
            There is no folder of them, or something is wrong with it.
        """
        if self.training is None or not self.training.is_dir():
            raise InputError(self.missing_training())
        return read_folder_task(self.training, split="train")

    def missing(self, splits: Sequence[str]) -> str | None:
        """What lacks for some splits, without network."""
        # a cached property is among vars once it was asked for; looking there does not open it
        no_test = self.missing_test() if "test" in splits and "test" not in vars(self) else None
        has_folder = self.training is not None and (self.training / "items.jsonl").is_file()
        no_training = self.missing_training() if "train" in splits and not has_folder else None
        return "\n".join(text for text in (no_training, no_test) if text) or None

    def missing_test(self) -> str | None:
        """What lacks of the test items."""
        raise NotImplementedError

    def missing_training(self) -> str:
        """That there are no training items, and what to do."""
        raise NotImplementedError

    def label_version(self) -> str:
        """The release of the answers; empty as long as the test items are not at hand, as for a mere source."""
        raise NotImplementedError

    def refuse_split(self, split: str) -> None:
        """Raise for a split that is neither of a study's."""
        if split not in SPLITS:
            raise InputError(f"{self.name}: no split {split!r}; accepted are {' and '.join(SPLITS)}")

    def draw(self, split: str, n_items: int) -> list[Item]:
        """Items of a split; of the test all where there are fewer than asked for."""
        self.refuse_split(split)
        return self.test.draw(n_items) if split == "test" else self.train.draw(split, n_items)

    def digest(self, split: str, n_items: int) -> str:
        """What identifies those items."""
        self.refuse_split(split)
        if split == "test":
            return self.test.digest(min(n_items, len(self.test)))
        return self.train.digest(split, n_items)

    def count(self, split: str) -> int:
        """How many items a split has."""
        self.refuse_split(split)
        return len(self.test) if split == "test" else self.train.count(split)

    def promised(self, split: str) -> bool:
        """Whether a folder was named for a split."""
        return (self.training if split == "train" else self.data) is not None

    def notes(self) -> Sequence[str]:
        """What should be known of the test items, once they are open."""
        return ()


def no_training(task: BenchmarkTask, remedy: str) -> str:
    """That a task has no training items, and what to do."""
    where = f"{task.training} is no folder" if task.training else "no folder of training items is named"
    return f"{task.name}: {where}; {remedy}"
