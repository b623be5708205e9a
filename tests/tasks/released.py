"""BLINK and VSI-Bench files in the layout, schema and counts of their release; pictures and words are ours."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasktransfer.tasks import BLINK_TASKS
from tasktransfer.tasks.task import Task

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
BLINK_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("idx", "question", "sub_task")),
        *((f"image_{n}", IMAGE) for n in (1, 2, 3, 4)),
        ("choices", pa.list_(pa.string())),
        *((name, pa.string()) for name in ("answer", "prompt", "explanation")),
    ]
)
# letters of Relative_Reflectance in the key of 2024, in the order of the ids
OLD_REFLECTANCE = (
    "ACBACBCCCBCAABCAABBBABCBBAACCCABCCAABBAABBBCCCCCACBCCCABAABAAAAAAAABCCCBCCAABCBAACBBCCBCCCAACCCCBCBBABBBBCC"
    "BBCCABABBCBCCBCBAAACCCBCAAC"
)
VSI_COUNTS = {
    "object_counting": 565, "object_abs_distance": 834, "object_size_estimation": 953, "room_size_estimation": 288,
    "object_rel_distance": 710, "object_rel_direction_easy": 217, "object_rel_direction_medium": 378,
    "object_rel_direction_hard": 373, "route_planning": 194, "obj_appearance_order": 618,
}  # fmt: skip
VSI_OPTIONS = {
    "object_rel_distance": 4, "object_rel_direction_easy": 2, "object_rel_direction_medium": 3,
    "object_rel_direction_hard": 4, "route_planning": 3, "obj_appearance_order": 4,
}  # fmt: skip
SCENES = [("arkitscenes", "41069025"), ("scannet", "scene0011_00"), ("scannetpp", "09c1414f1b")]


def picture(rng: random.Random, size: tuple[int, int] = (24, 20), kind: str = "JPEG") -> bytes:
    """An encoded picture of blurred patches, so that no two are the same or look alike."""
    from PIL import Image

    image = Image.frombytes("RGB", (6, 5), rng.randbytes(90)).resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def blink_rows(task: Task, seed: int = 0) -> list[dict[str, Any]]:
    """As many rows as the released split has, with its letters and number of images."""
    rng = random.Random(f"{task.name} {seed}")
    letters = [letter for letter, count in task.letter_counts.items() for _ in range(count)]
    rng.shuffle(letters)
    if task.name == "Relative_Reflectance":
        letters = list(OLD_REFLECTANCE)
    rows = []
    for number, letter in enumerate(letters, start=1):
        choices = [f"thing {rng.randrange(1000)}{option}" for option in "abcd"[: task.n_choices]]
        listed = "\n".join(f"({name}) {text}" for name, text in zip("ABCD", choices, strict=False))
        images = [{"bytes": picture(rng), "path": f"{task.name}_{number}_{n}.jpg"} for n in range(task.n_images)]
        rows.append(
            {
                "idx": f"val_{task.name}_{number}",
                "question": "Which one?",
                "sub_task": task.name,
                **{f"image_{n + 1}": images[n] if n < len(images) else None for n in range(4)},
                "choices": choices,
                "answer": f"({letter})",
                "prompt": f"Look at item {number}. Which one is it?\nPick one of these.\n{listed}",
                "explanation": "",
            }
        )
    return rows


def write_blink(folder: Path, name: str, rows: list[dict[str, Any]] | None = None, split: str = "val") -> Path:
    """One task's file in the repository's layout; returns the file."""
    task = BLINK_TASKS[name]
    path = folder / task.name / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(blink_rows(task) if rows is None else rows, schema=BLINK_SCHEMA)
    pq.write_table(table, path, row_group_size=100)
    return path


def vsi_rows() -> list[dict[str, Any]]:
    """All 5130 questions, over a few scenes."""
    rng = random.Random(0)
    rows = []
    for kind, count in VSI_COUNTS.items():
        for _ in range(count):
            number = len(rows)
            dataset, scene = SCENES[number % len(SCENES)]
            n_options = VSI_OPTIONS.get(kind)
            options = [f"{letter}. thing {letter.lower()}" for letter in "ABCD"[:n_options]] if n_options else None
            truth = rng.choice("ABCD"[:n_options]) if n_options else f"{rng.randrange(10, 99) / 10}"
            rows.append(
                {
                    "id": number, "dataset": dataset, "scene_name": scene, "question_type": kind,
                    "question": f"What of {kind} {number}?", "ground_truth": truth, "options": options,
                    "pruned": bool(number % 2),
                }
            )  # fmt: skip
    return rows


def write_vsi(folder: Path, rows: list[dict[str, Any]] | None = None, *, n_frames: int = 5) -> Path:
    """The questions, and for each scene a folder of frames; returns the file of questions."""
    rng = random.Random(1)
    for dataset, scene in SCENES:
        (folder / dataset / scene).mkdir(parents=True, exist_ok=True)
        for n in range(n_frames):
            (folder / dataset / scene / f"frame_{n}.jpg").write_bytes(picture(rng, (32, 24)))
    path = folder / "test.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in (vsi_rows() if rows is None else rows)) + "\n")
    return path


def write_training(folder: Path, n_items: int = 12, *, named: bool = True) -> Path:
    """A folder of training items with two options and two images each."""
    rng = random.Random(2)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for n in range(n_items):
        names = [f"{n}_{k}.png" for k in range(2)]
        for name in names:
            (folder / name).write_bytes(picture(rng, kind="PNG"))
        row = {"id": f"t{n}", "images": names, "question": "Which?", "choices": ["x", "y"], "answer": "AB"[n % 2]}
        lines.append(json.dumps(row | ({"split": "train"} if named else {})))
    (folder / "items.jsonl").write_text("\n".join(lines))
    return folder
