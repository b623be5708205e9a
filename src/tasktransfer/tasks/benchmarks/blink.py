"""BLINK: its tasks as one table, and the items of its validation split from the parquet files on the Hub.

Split sizes, answer counts and human accuracies are those of the validation split as released with the
benchmark [1]_ (2024 answer key; the labels of Relative_Reflectance were corrected on 2025-09-03, so its
letter counts hold for the old key only). Level and granularity are BLINK's own. The paper [2]_ uses the
first thirteen; IQ_Test is left out there.

A study's ``test`` is BLINK's val. BLINK's own test split has no answers (``hidden``; they are scored by EvalAI
alone), so it is refused. The question is the column ``prompt`` up to its options: with one line per option behind
it, it is the benchmark's prompt again, apart from a blank line in Jigsaw.

References
----------
.. [1] Fu et al., "BLINK: Multimodal Large Language Models Can See but Not Perceive", ECCV 2024.
.. [2] Sachdeva et al., "Understanding Task Transfer in Vision-Language Models", arXiv 2511.18787.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tasktransfer.errors import InputError, closest, quoted, raise_faults
from tasktransfer.tasks.answers.options import letter_of
from tasktransfer.tasks.benchmarks.benchmark import (
    OWN_FOLDER,
    Benchmark,
    BenchmarkTask,
    Expected,
    no_training,
)
from tasktransfer.tasks.hub_files import HubRepo
from tasktransfer.tasks.item import Item
from tasktransfer.tasks.own.folder import SPLITS
from tasktransfer.tasks.parquet_rows import columns_of, is_image, read_rows
from tasktransfer.tasks.pictures import Pictures, stored_image
from tasktransfer.tasks.task import Task, folded

__all__ = ["BENCHMARK", "BLINK", "BLINK_REPO", "BLINK_TASKS", "LABEL_VERSION", "PAPER_TASKS", "label_version_of"]

LABEL_VERSION = "blink-val-2024"

# config, the paper's code, level, granularity, items of val and of test, images, human accuracy, answers A B C D
_ROWS = (
    ("Visual_Similarity", "VS", "high", "image", 135, 136, 3, 0.9670, (64, 71)),
    ("Art_Style", "AS", "mid", "image", 117, 117, 3, 0.9530, (55, 62)),
    ("Visual_Correspondence", "VC", "low", "pixel", 172, 172, 2, 0.9942, (51, 33, 44, 44)),
    ("Relative_Depth", "RD", "low", "pixel", 124, 124, 1, 0.9919, (64, 60)),
    ("Relative_Reflectance", "RR", "low", "pixel", 134, 134, 1, 0.9514, (40, 42, 52)),
    ("Spatial_Relation", "SR", "mid", "image", 143, 143, 1, 0.9825, (77, 66)),
    ("Jigsaw", "JG", "mid", "crop", 150, 150, 3, 0.9900, (79, 71)),
    ("Counting", "CN", "high", "image", 120, 120, 1, 0.9375, (31, 28, 31, 30)),
    ("Functional_Correspondence", "FC", "high", "pixel", 130, 130, 2, 0.8077, (28, 21, 43, 38)),
    ("Semantic_Correspondence", "SC", "high", "pixel", 139, 140, 2, 0.9607, (45, 36, 25, 33)),
    ("Multi-view_Reasoning", "MR", "mid", "image", 133, 133, 2, 0.9248, (59, 74)),
    ("Object_Localization", "OL", "high", "crop", 122, 125, 1, 0.9800, (53, 69)),
    ("Forensic_Detection", "FD", "high", "image", 132, 132, 4, 1.0000, (33, 35, 34, 30)),
    ("IQ_Test", "IQ", "high", "image", 150, 150, 1, 0.8000, (30, 40, 40, 40)),
)
# Letters of all answers in the order of the ids, as SHA-256. Equal counts of letters tell one key from another
# except where answers changed places, as those of this task did before 2025-09-03.
_KEY_DIGESTS = {"Relative_Reflectance": "4fb892cf7d48028086ee5b7e9a04ce46f0ae71ed35888278e47b9b783841e25c"}

BLINK: tuple[Task, ...] = tuple(
    Task(
        name=name,
        abbreviation=abbreviation,
        level=level,
        granularity=granularity,
        n_items=n_items,
        n_choices=len(counts),
        human=human,
        letter_counts=MappingProxyType(dict(zip("ABCD", counts, strict=False))),
        label_version=LABEL_VERSION,
        n_images=n_images,
        n_hidden=n_hidden,
    )
    for name, abbreviation, level, granularity, n_items, n_hidden, n_images, human, counts in _ROWS
)
PAPER_TASKS: tuple[Task, ...] = BLINK[:13]


# as a study calls them: blink_multi_view_reasoning
BLINK_TASKS = MappingProxyType({f"blink_{folded(task.name)}": task for task in BLINK})
# width and height of usual pictures, by the paper's code
_USUAL = {
    "AS": (1382, 1700), "CN": (500, 375), "FD": (512, 512), "FC": (1365, 1024), "SC": (1365, 1024),
    "VC": (1365, 1024), "IQ": (1340, 500), "JG": (200, 133), "MR": (480, 640), "OL": (640, 427),
    "SR": (640, 427), "RD": (500, 333), "RR": (1536, 1024), "VS": (768, 768),
}  # fmt: skip
# the commit that public evaluations pin; which answer key it holds is read off the file
BLINK_REPO = HubRepo("BLINK-Benchmark/BLINK", "a3666eb249237ba3d5eca8db21176cc47967e040")
_TEXTS = ("idx", "choices", "answer", "prompt")


class _Task(BenchmarkTask):
    @cached_property
    def test(self) -> BlinkItems:
        return read_blink(BLINK_TASKS[self.name], self.data)

    def missing_test(self) -> str | None:
        file = blink_file(BLINK_TASKS[self.name])
        path = BLINK_REPO.local(file, self.data)
        return None if path else f"{self.name}: {BLINK_REPO.missing(file, self.data)}"

    def missing_training(self) -> str:
        source, place = _public_source(self.name)
        if not source:
            called = BLINK_TASKS[self.name].name.replace("_", " ")
            return no_training(self, f"BLINK has none, and {called} has no builder; {OWN_FOLDER}")
        command = (
            f"tasktransfer build-train {self.name} --from {place} --out {self.training or 'DIR'} "
            f"--against {self.data or 'BLINK_DIR'}"
        )
        then = "" if self.training else f"; and name it in the study: training: {{{self.name}: DIR}}"
        return no_training(self, f"BLINK has none; make them from {source}: {command}{then}")

    def refuse_split(self, split: str) -> None:
        if split not in SPLITS:
            task = BLINK_TASKS[self.name]
            raise InputError(f"{self.name}: no split {split!r}; {hidden_reason(task)}")

    def label_version(self) -> str:
        at_hand = "test" in vars(self) or self.missing_test() is None
        return self.test.label_version if at_hand else ""

    def notes(self) -> Sequence[str]:
        return self.test.notes if "test" in vars(self) else ()


def _public_source(name: str) -> tuple[str, str]:
    """What training items are made from, and a word for its folder; empty where there is no builder."""
    try:
        from tasktransfer.tasks.builders.registry import BUILDERS
    except ImportError:  # builders need Pillow, planning does not
        return "their public source (docs/training-sets.md)", "DIR"
    builder = BUILDERS.get(name)
    return (builder.source, builder.place) if builder else ("", "")


@dataclass(frozen=True)
class BlinkItems:
    """A checked file; images are read when items are drawn, and decoded when they are looked at."""

    task: Task
    path: Path
    rows: tuple[dict[str, Any], ...]
    label_version: str
    notes: tuple[str, ...]
    _digests: dict[int, str] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def draw(self, n_items: int) -> list[Item]:
        """The first `n_items` in the order of the file, all where there are fewer."""
        return [self._item(row, pictures) for row, pictures in self._stored(n_items)]

    def digest(self, n_items: int) -> str:
        """SHA-256 over those items and the bytes of their images; place and compression do not count.

        Raises
        ------
        InputError
            Headers of images show that they cannot be used; the first faults are all reported.
        """
        if n_items not in self._digests:
            whole = hashlib.sha256()
            faults: list[str] = []
            for row, pictures in self._stored(n_items):
                faults += pictures.faults()
                whole.update(json.dumps(row, sort_keys=True).encode())
                for data in pictures.read():
                    whole.update(hashlib.sha256(data).digest())
            raise_faults(faults)
            self._digests[n_items] = whole.hexdigest()
        return self._digests[n_items]

    def _stored(self, n_items: int) -> Iterator[tuple[dict[str, Any], Pictures]]:
        """Rows with their encoded images; only as much of the file is read as is needed."""
        names = image_columns(self.task)
        left = iter(self.rows[:n_items])
        for images in read_rows(self.path, names, n_items):
            row = next(left)
            wheres = tuple(f"{self.path}, item {row['idx']}, {name}" for name in names)
            stored = [stored_image(images[n], self.path.parent, w) for n, w in zip(names, wheres, strict=True)]
            yield row, Pictures(tuple(stored), wheres)

    def _item(self, row: dict[str, Any], pictures: Pictures) -> Item:
        return Item(
            id=row["idx"],
            images=pictures,
            question=row["question"],
            choices=tuple(row["choices"]),
            answer=row["answer"],
        )


def blink_file(task: Task, split: str = "val") -> str:
    """Where a split lies in the repository."""
    return f"{task.name}/{split}-00000-of-00001.parquet"


def hidden_reason(task: Task) -> str:
    """Why BLINK's own test split is no use here."""
    return (
        f"the answers of BLINK's own test split ({task.n_hidden} items of {task.name}) were never released: only "
        f"EvalAI can score it. A study's test is BLINK's val, {blink_file(task)}"
    )


def read_blink(task: Task, data: Path | None) -> BlinkItems:
    """Find and check the validation split of a task.

    Parameters
    ----------
    task
        One of `tasktransfer.tasks.benchmarks.blink.BLINK`.
    data
        A local copy of the repository; None asks the Hub's cache, then the Hub.

    Raises
    ------
    InputError
        The file is not available, cannot be read, or does not hold what BLINK holds.
    """
    file, hidden = blink_file(task), blink_file(task, "test")
    if data is not None and not (data / file).is_file() and (data / hidden).is_file():
        raise InputError(f"{data}: has no {file} but the test split; {hidden_reason(task)}")
    return read_blink_file(task, BLINK_REPO.get(file, data))


def read_blink_file(task: Task, path: Path) -> BlinkItems:
    """Check one parquet file without reading an image."""
    _check_columns(task, path)
    names = image_columns(task)
    # of an image only its path: enough to see whether it is there
    table = list(read_rows(path, [*_TEXTS, *(f"{name}.path" for name in names)]))
    if any(row["answer"] == "hidden" for row in table):
        raise InputError(f"{path}: {hidden_reason(task)}")
    faults = [fault for row in table for fault in _faults(task, row, names)]
    twice = [name for name, times in Counter(row["idx"] for row in table).items() if times > 1]
    faults += [f"item {name} stands there twice" for name in twice]
    if not faults and len(table) != task.n_items:
        faults.append(f"has {len(table)} items; BLINK's val has {task.n_items} of {task.name}")
    raise_faults(faults, f"{path}: ")
    rows = tuple(_row(row) for row in table)
    version = label_version_of(task, _letters(rows))
    return BlinkItems(task, path, rows, version, tuple(_notes(task, rows, version)))


def image_columns(task: Task) -> list[str]:
    """The columns that hold the images of a task."""
    return [f"image_{number + 1}" for number in range(task.n_images or 0)]


def _check_columns(task: Task, path: Path) -> None:
    schema = columns_of(path)
    wrong = []
    for name in (*_TEXTS, *image_columns(task)):
        if name not in schema.names:
            wrong.append(f"no column {name!r}{closest(name, schema.names)}")
        elif name.startswith("image_") and not is_image(schema.field(name).type):
            wrong.append(f"column {name!r} holds {schema.field(name).type}, not images as bytes and path")
    if wrong:
        raise InputError(f"{path}: {'; '.join(wrong)}. Its columns are {quoted(schema.names, limit=12)}")


def _faults(task: Task, row: dict[str, Any], names: Sequence[str]) -> Iterator[str]:
    at = f"item {row['idx']}"
    if not re.fullmatch(rf"val_{re.escape(task.name)}_\d+", str(row["idx"])):
        yield f"{at}: an id of this task begins with 'val_{task.name}_'"
    choices = row["choices"] or []
    if len(choices) != task.n_choices:
        yield f"{at}: has {len(choices)} options; {task.name} has {task.n_choices}"
    empty = [letter for letter, text in zip("ABCDEFGH", choices, strict=False) if not str(text or "").strip()]
    if empty:
        yield f"{at}: option {quoted(empty)} is empty"
    letters = "ABCDEFGH"[: len(choices)]
    if letter_of(row["answer"] or "") not in list(letters):
        yield f"{at}: the answer is {row['answer']!r}, which is none of its options {quoted(letters)}"
    if not (row["prompt"] or "").strip():
        yield f"{at}: 'prompt' is empty"
    gone = [name for name in names if row[name] is None]
    if gone:
        yield f"{at}: has no {quoted(gone)}; {task.name} has {task.n_images} images"


def _row(row: dict[str, Any]) -> dict[str, Any]:
    before, options, behind = row["prompt"].rpartition("(A)")
    return {
        "idx": row["idx"],
        "question": (before if options and "(B)" in behind else row["prompt"]).rstrip(),
        "choices": row["choices"],
        "answer": letter_of(row["answer"]),
    }


def _letters(rows: Sequence[dict[str, Any]]) -> str:
    """The answers in the order of the numbers in the ids."""
    return "".join(row["answer"] for row in sorted(rows, key=lambda row: int(row["idx"].rpartition("_")[2])))


def _notes(task: Task, rows: Sequence[dict[str, Any]], version: str) -> Iterator[str]:
    if version == LABEL_VERSION and task.name == "Relative_Reflectance":
        yield (
            f"{task.name}: these are the answers of 2024, many of which are wrong; they were corrected on the Hub "
            f"on 2025-09-03. Compare with results on the same answers only"
        )
    elif version != LABEL_VERSION:
        counts = Counter(row["answer"] for row in rows)
        tally = " ".join(f"{letter}{counts[letter]}" for letter in sorted(counts))
        corrected = " (they were corrected on the Hub on 2025-09-03)" * (task.name == "Relative_Reflectance")
        yield (
            f"{task.name}: the answers ({tally}) are not those of 2024{corrected}; results bear the label version "
            f"{version} and are never mixed with others"
        )


def label_version_of(task: Task, letters: str) -> str:
    """Name the release of the answers that a BLINK task came with.

    Parameters
    ----------
    task
        One of `BLINK`.
    letters
        All answers of the validation split in the order of their ids, ``"ABBA..."``.

    Returns
    -------
    str
        `LABEL_VERSION`, or a name that holds the digest of the letters, so that two keys never bear one name.

    Examples
    --------
    >>> label_version_of(PAPER_TASKS[4], "AB")
    'blink-val-key-38164fbd'
    """
    digest = hashlib.sha256(letters.encode()).hexdigest()
    known = _KEY_DIGESTS.get(task.name, digest)
    same = Counter(letters) == Counter(task.letter_counts) and digest == known
    return LABEL_VERSION if same else f"blink-val-key-{digest[:8]}"


def _expected(name: str, frames: int) -> Expected:  # noqa: ARG001
    task = BLINK_TASKS[name]
    return Expected(task.n_items or 0, True, [_USUAL[task.abbreviation]] * (task.n_images or 1))


BENCHMARK = Benchmark(
    name="blink",
    tasks=tuple(BLINK_TASKS),
    repo=BLINK_REPO,
    open=lambda name, data, training, frames, strict: _Task(name, data, training),  # noqa: ARG005
    expected=_expected,
    facts=BLINK,
)
