"""Benchmarks as tasks: test items from their own files, training items from a folder.

Nothing is read before it is needed, so that a source does not need the files of the benchmark, nor a target a
training folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tasktransfer.errors import InputError
from tasktransfer.tasks.benchmarks.blink import BLINK_TASKS
from tasktransfer.tasks.benchmarks.blink_items import BLINK_REPO, BlinkItems, blink_file, hidden_reason, read_blink
from tasktransfer.tasks.benchmarks.vsi_bench import (
    ARCHIVES,
    QUESTIONS,
    VSI_REPO,
    VSI_TASKS,
    VSI_VERSION,
    VsiItems,
    read_vsi,
    released_items,
)
from tasktransfer.tasks.own.folder import SPLITS, FolderTask, read_folder_task

if TYPE_CHECKING:
    from tasktransfer.tasks.item import Item

__all__ = [
    "BENCHMARK_TASKS",
    "Benchmark",
    "Expected",
    "benchmark_of",
    "download_of",
    "expected_items",
    "open_benchmark",
]

BENCHMARK_TASKS = (*BLINK_TASKS, *VSI_TASKS)
_OWN_FOLDER = "name a folder of your own with items.jsonl"


class Benchmark:
    """One task of a benchmark.

    Parameters
    ----------
    name
        One of `BENCHMARK_TASKS`.
    data
        A local copy of the repository, or None for the Hub's cache and the Hub.
    training
        A folder with training items, or None.
    """

    def __init__(self, name: str, data: Path | None, training: Path | None) -> None:
        self.name, self.data, self.training = name, data, training

    @cached_property
    def test(self) -> BlinkItems | VsiItems:
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


class _Blink(Benchmark):
    @cached_property
    def test(self) -> BlinkItems:
        return read_blink(BLINK_TASKS[self.name], self.data)

    def missing_test(self) -> str | None:
        file = blink_file(BLINK_TASKS[self.name])
        found = BLINK_REPO.local(file, self.data)
        return None if found else f"{self.name}: {BLINK_REPO.missing(file, self.data)}"

    def missing_training(self) -> str:
        source, place = _public_source(self.name)
        if not source:
            called = BLINK_TASKS[self.name].name.replace("_", " ")
            return _no_training(self, f"BLINK has none, and {called} has no builder; {_OWN_FOLDER}")
        command = (
            f"tasktransfer build-train {self.name} --from {place} --out {self.training or 'DIR'} "
            f"--against {self.data or 'BLINK_DIR'}"
        )
        then = "" if self.training else f"; and name it in the study: training: {{{self.name}: DIR}}"
        return _no_training(self, f"BLINK has none; make them from {source}: {command}{then}")

    def refuse_split(self, split: str) -> None:
        if split not in SPLITS:
            task = BLINK_TASKS[self.name]
            raise InputError(f"{self.name}: no split {split!r}; {hidden_reason(task)}")

    def label_version(self) -> str:
        at_hand = "test" in vars(self) or self.missing_test() is None
        return self.test.label_version if at_hand else ""

    def notes(self) -> Sequence[str]:
        return self.test.notes if "test" in vars(self) else ()


class _Vsi(Benchmark):
    def __init__(self, name: str, data: Path | None, training: Path | None, n_frames: int, scorer: str) -> None:
        super().__init__(name, data, training)
        self.n_frames, self.scorer = n_frames, scorer

    @cached_property
    def test(self) -> VsiItems:
        return read_vsi(self.name, self.data, n_frames=self.n_frames, scorer=self.scorer)

    def missing_test(self) -> str | None:
        told = VSI_REPO.local(QUESTIONS, self.data)
        if not told:
            everything = " ".join((QUESTIONS, *ARCHIVES))
            return f"{self.name}: {VSI_REPO.missing(QUESTIONS, self.data, files=everything)}"
        lacking = [file for file in ARCHIVES if not self._has_videos(file)]
        files = " ".join(lacking)
        return f"{self.name}: {VSI_REPO.missing(lacking[0], self.data, files=files)}" if lacking else None

    def _has_videos(self, archive: str) -> bool:
        unpacked = self.data is not None and (self.data / archive.removesuffix(".zip")).is_dir()
        return unpacked or VSI_REPO.local(archive, self.data) is not None

    def missing_training(self) -> str:
        return _no_training(self, f"VSI-Bench has none; {_OWN_FOLDER}")

    def label_version(self) -> str:
        return VSI_VERSION


def _public_source(name: str) -> tuple[str, str]:
    """What training items are made from, and a word for its folder; empty where there is no builder."""
    try:
        from tasktransfer.tasks.builders.registry import BUILDERS
    except ImportError:  # builders need Pillow, planning does not
        return "their public source (docs/training-sets.md)", "DIR"
    builder = BUILDERS.get(name)
    return (builder.source, builder.place) if builder else ("", "")


def _no_training(task: Benchmark, remedy: str) -> str:
    where = f"{task.training} is no folder" if task.training else "no folder of training items is named"
    return f"{task.name}: {where}; {remedy}"


class Expected(NamedTuple):
    """What a benchmark's task is known to hold, without its files."""

    n_items: int
    has_options: bool


def expected_items(name: str) -> Expected:
    """The test items of one of `BENCHMARK_TASKS`, as released."""
    if name in BLINK_TASKS:
        return Expected(BLINK_TASKS[name].n_items or 0, True)
    return Expected(*released_items(name))


def benchmark_of(name: str) -> Literal["blink", "vsi_bench"] | None:
    """The benchmark that a task belongs to; None for any other task."""
    if name in BLINK_TASKS:
        return "blink"
    return "vsi_bench" if name in VSI_TASKS else None


def download_of(benchmark: str, data: Path | None) -> str:
    """The command that fetches a benchmark, into `data` or into the Hub's cache."""
    return (BLINK_REPO if benchmark == "blink" else VSI_REPO).command(data)


def open_benchmark(
    name: str, data: Path | None, training: Path | None, *, n_frames: int = 32, scorer: str = "mra"
) -> Benchmark:
    """One of `BENCHMARK_TASKS`, with nothing read yet."""
    if name in BLINK_TASKS:
        return _Blink(name, data, training)
    return _Vsi(name, data, training, n_frames, scorer)
