"""VSI-Bench: questions about videos of rooms, some with options, some answered by a number [1]_.

Numbers are scored by mean relative accuracy, as the reference code computes it or strictly as the paper prints it.
The benchmark scores directions as the mean over three levels that differ in size (217, 378 and 373 items). So that
the mean over items is that mean, ``vsi_object_rel_direction`` takes the same number of each level, alternating:
651 items at most. Each level is a task of its own as well, with all of its items.

The wording around a question is ours: scores are for comparing models here, not for a leaderboard.

References
----------
.. [1] Yang et al., "Thinking in Space", CVPR 2025.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tasktransfer.errors import InputError, closest, quoted, raise_faults
from tasktransfer.tasks.benchmarks.benchmark import (
    OWN_FOLDER,
    Benchmark,
    BenchmarkTask,
    Expected,
    no_training,
)
from tasktransfer.tasks.hub_files import HubRepo
from tasktransfer.tasks.item import Item
from tasktransfer.tasks.video_frames import Frames, Video, find_in_archive, find_video

__all__ = ["BENCHMARK", "VSI_REPO", "VSI_TASKS", "VSI_VERSION", "VsiItems", "read_vsi"]

VSI_REPO = HubRepo("nyu-visionx/VSI-Bench", "bdcadb3fea447621a828a24911801faba3587c12")
VSI_VERSION = "vsi-bench-full"
QUESTIONS = "test.jsonl"
ARCHIVES = ("arkitscenes.zip", "scannet.zip", "scannetpp.zip")
_COLUMNS = ("id", "dataset", "scene_name", "question_type", "question", "ground_truth", "options")
_DIRECTIONS = tuple(f"object_rel_direction_{level}" for level in ("easy", "medium", "hard"))
# question type -> items, and whether it has options
_TYPES = {
    "object_counting": (565, False),
    "object_abs_distance": (834, False),
    "object_size_estimation": (953, False),
    "room_size_estimation": (288, False),
    "object_rel_distance": (710, True),
    "object_rel_direction_easy": (217, True),
    "object_rel_direction_medium": (378, True),
    "object_rel_direction_hard": (373, True),
    "route_planning": (194, True),
    "obj_appearance_order": (618, True),
}
# as a study calls them -> the question types they hold
VSI_TASKS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {f"vsi_{kind}": (kind,) for kind in _TYPES if kind not in _DIRECTIONS}
    | {"vsi_object_rel_direction": _DIRECTIONS}
    | {f"vsi_{kind}": (kind,) for kind in _DIRECTIONS}
)
_FRAMES_SAID = "The images are frames of one video, in order of time."
_FRAME = (640, 480)  # width and height of a usual one
_NUMBER_ASKED = "Answer with one number."


class _Task(BenchmarkTask):
    def __init__(self, name: str, data: Path | None, training: Path | None, n_frames: int, scorer: str) -> None:
        super().__init__(name, data, training)
        self.n_frames, self.scorer = n_frames, scorer

    @cached_property
    def test(self) -> VsiItems:
        return read_vsi(self.name, self.data, n_frames=self.n_frames, scorer=self.scorer)

    def missing_test(self) -> str | None:
        questions = VSI_REPO.local(QUESTIONS, self.data)
        if not questions:
            everything = " ".join((QUESTIONS, *ARCHIVES))
            return f"{self.name}: {VSI_REPO.missing(QUESTIONS, self.data, files=everything)}"
        lacking = [file for file in ARCHIVES if not self._has_videos(file)]
        files = " ".join(lacking)
        return f"{self.name}: {VSI_REPO.missing(lacking[0], self.data, files=files)}" if lacking else None

    def _has_videos(self, archive: str) -> bool:
        unpacked = self.data is not None and (self.data / archive.removesuffix(".zip")).is_dir()
        return unpacked or VSI_REPO.local(archive, self.data) is not None

    def missing_training(self) -> str:
        return no_training(self, f"VSI-Bench has none; {OWN_FOLDER}")

    def label_version(self) -> str:
        return VSI_VERSION


@dataclass(frozen=True)
class VsiItems:
    """The checked questions of one task."""

    path: Path
    rows: tuple[dict[str, Any], ...]
    data: Path | None
    n_frames: int
    scorer: str
    label_version: str = VSI_VERSION

    def __len__(self) -> int:
        return len(self.rows)

    def draw(self, n_items: int) -> list[Item]:
        """The first `n_items`, all where there are fewer; videos are found now and decoded when looked at."""
        return [self._item(row) for row in self.rows[:n_items]]

    def digest(self, n_items: int) -> str:
        """SHA-256 over those questions, the rule for frames, and a fingerprint of each video."""
        whole = hashlib.sha256(f"linspace {self.n_frames} {self.scorer}".encode())
        for row in self.rows[:n_items]:
            whole.update(json.dumps(row, sort_keys=True).encode())
        scenes = {(row["dataset"], row["scene_name"]): row for row in self.rows[:n_items]}
        for scene in sorted(scenes):
            whole.update(self._video(scenes[scene]).fingerprint().encode())
        return whole.hexdigest()

    def _item(self, row: dict[str, Any]) -> Item:
        asked = [_FRAMES_SAID, row["question"]] + ([] if row["options"] else [_NUMBER_ASKED])
        return Item(
            id=str(row["id"]),
            images=Frames(self._video(row), self.n_frames),
            question="\n".join(asked),
            choices=tuple(row["options"]),
            answer=row["ground_truth"],
            is_video=True,
            scorer="" if row["options"] else self.scorer,
            cluster=f"{row['dataset']}/{row['scene_name']}",
        )

    def _video(self, row: dict[str, Any]) -> Video:
        dataset, scene = row["dataset"], row["scene_name"]
        if self.data is not None:
            video = find_video(self.data, dataset, scene)
            place = f"{self.data}: has no {dataset}/{scene}.mp4, no folder {dataset}/{scene} of frames"
            place += f" and no {dataset}.zip with it"
            get = VSI_REPO.command(self.data)
        else:
            video = find_in_archive(VSI_REPO.get(f"{dataset}.zip", None), scene)
            place = f"{VSI_REPO.name}: {dataset}.zip has no {scene}.mp4"
            get = VSI_REPO.command(None, f"{dataset}.zip")
        if video is None:
            raise InputError(f"item {row['id']} of {self.path}: {place}; get it with: {get}")
        return video


def read_vsi(name: str, data: Path | None, *, n_frames: int = 32, scorer: str = "mra") -> VsiItems:
    """Find and check the questions of a task.

    Parameters
    ----------
    name
        One of `VSI_TASKS`.
    data
        A local copy of the repository; next to ``test.jsonl`` lie the zip archives, or folders with the videos or
        with frames. None asks the Hub's cache, then the Hub.
    n_frames
        Frames taken of each video, fewer where it has fewer.
    scorer
        ``mra`` or ``mra-strict``.

    Raises
    ------
    InputError
        The file is not available, or does not hold what VSI-Bench holds.
    """
    path = VSI_REPO.get(QUESTIONS, data)
    kinds = VSI_TASKS[name]
    rows = [row for row in _read_table(path) if row["question_type"] in kinds]
    faults = [fault for row in rows for fault in _faults(row)]
    twice = [key for key, times in Counter(str(row["id"]) for row in rows).items() if times > 1]
    faults += [f"item {key} stands there twice" for key in twice]
    counts = Counter(row["question_type"] for row in rows)
    faults += [
        f"has {counts[kind]} items of {kind}; VSI-Bench has {_TYPES[kind][0]}"
        for kind in kinds
        if counts[kind] != _TYPES[kind][0]
    ]
    raise_faults(faults, f"{path}: ")
    cleaned = [{key: row[key] for key in _COLUMNS} | _plain(row) for row in rows]
    return VsiItems(path, tuple(_balanced(cleaned, kinds)), data, n_frames, scorer)


def _read_table(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: not JSON, cut short perhaps ({error})") from error
        missing = [key for key in _COLUMNS if key not in row]
        if missing:
            faults = "; ".join(f"no {key!r}{closest(key, row)}" for key in missing)
            raise InputError(f"{path}, line {number}: {faults}. Its keys are {quoted(row, limit=12)}")
        yield row


def _faults(row: dict[str, Any]) -> Iterator[str]:
    at, answer, options = f"item {row['id']}", row["ground_truth"], row["options"] or []
    if bool(options) != _TYPES[row["question_type"]][1]:
        yield f"{at}: {row['question_type']} {'has' if options else 'lacks'} options"
        return
    letters = "ABCDEFGH"[: len(options)]
    if options and answer not in list(letters):
        yield f"{at}: the answer is {answer!r}, which is none of its options {quoted(letters)}"
    if not options and not re.fullmatch(r"-?\d+(\.\d+)?", str(answer)):
        yield f"{at}: the answer is {answer!r}, which is no number"
    wrong = [text for letter, text in zip(letters, options, strict=True) if not text.startswith(f"{letter}. ")]
    if wrong:
        yield f"{at}: the options {quoted(wrong)} do not begin with their letters, as in 'A. left'"


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Options without their letters, and the answer as text."""
    options = [text.partition(". ")[2] for text in row["options"] or []]
    return {"options": options, "ground_truth": str(row["ground_truth"])}


def _balanced(rows: Sequence[dict[str, Any]], kinds: Sequence[str]) -> list[dict[str, Any]]:
    """The same number of each type, alternating; which ones is decided by their ids, not by a seed."""
    parts = [[row for row in rows if row["question_type"] == kind] for kind in kinds]
    if len(parts) == 1:
        return parts[0]
    smallest = min(map(len, parts))
    for part in parts:
        part.sort(key=lambda row: hashlib.sha256(str(row["id"]).encode()).digest())
    return list(chain.from_iterable(zip(*(part[:smallest] for part in parts), strict=True)))


def _expected(name: str, frames: int) -> Expected:
    counts = [_TYPES[kind] for kind in VSI_TASKS[name]]
    return Expected(min(count for count, _ in counts) * len(counts), counts[0][1], [_FRAME] * frames)


BENCHMARK = Benchmark(
    name="vsi_bench",
    tasks=tuple(VSI_TASKS),
    repo=VSI_REPO,
    open=lambda name, data, training, frames, strict: _Task(
        name, data, training, frames, "mra-strict" if strict else "mra"
    ),
    expected=_expected,
)
