"""Counting from PixMo-Count.

============ ==================================================================================================
source       PixMo-Count, training split
licence      ODC-BY for the annotations; the pictures belong to the sites they lie on
layout       ``data/train-*.parquet`` with image_url, image_sha256, label, count; the release holds no pictures:
             fetch each to ``images/SHA256`` with or without a suffix (.jpg, .png, .webp)
recipe       [2]_: counts 2 to 10, all alike often as far as they last, each picture once; a picture whose bytes
             do not have the digest of the annotation has changed since and is left out. Ours: four options, the
             others near the right one in steps of 1 or 2; how many of them are smaller is drawn, 0 to 3.
differs      BLINK's come from TallyQA, with questions by people; [2]_ asks this task openly. The same label is
             named as the release names it.
============ ==================================================================================================
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from tasktransfer.errors import InputError
from tasktransfer.tasks.builders.draft import Builder, Draft, Rendered, placed
from tasktransfer.tasks.builders.source import Source

__all__ = ["BUILDER", "other_counts"]

QUESTION = "Count what the image shows of the following kind: {label}. How many are there?"
COUNTS = range(2, 11)
_SUFFIXES = ("", ".jpg", ".jpeg", ".png", ".webp")
_COLUMNS = ("image_sha256", "label", "count")


def draft(source: Source, rng: np.random.Generator) -> Iterator[Draft]:
    """The counts take turns until all pictures are used."""
    source.find("images")
    left = _read(source, rng)
    used: set[str] = set()
    while any(left.values()):
        for count in rng.permutation(list(left)).tolist():
            while left[count]:
                digest, label = left[count].pop()
                file = _file(source, digest)
                if file is not None and digest not in used:
                    used.add(digest)
                    yield _draft(source, file, label, count, rng)
                    break


def _read(source: Source, rng: np.random.Generator) -> dict[int, list[tuple[str, str]]]:
    """Count -> digests and labels in random order."""
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    files = sorted(path.name for path in (source.root / source.find("data")).glob("train-*.parquet"))
    if not files:
        raise source.wrong("has no data/train-*.parquet")
    left: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for name in files:
        try:
            rows = pq.read_table(source.root / "data" / name, columns=list(_COLUMNS)).to_pylist()
        except (ArrowException, OSError, KeyError) as error:
            raise InputError(f"{source.root / 'data' / name}: cannot be read ({error})") from error
        source.note(f"data/{name}")
        for row in rows:
            if row.get("count") in COUNTS and row.get("label") and row.get("image_sha256"):
                left[row["count"]].append((row["image_sha256"], row["label"]))
    return {count: [rows[index] for index in rng.permutation(len(rows))] for count, rows in sorted(left.items())}


def _file(source: Source, digest: str) -> str | None:
    """The picture with this digest, if it was fetched and is still the same."""
    for suffix in _SUFFIXES:
        name = f"images/{digest}{suffix}"
        if source.has(name):
            if source.image_digest(name) == digest:
                return name
            source.unreadable[name] = "is not the picture that was annotated"
    return None


def other_counts(rng: np.random.Generator, count: int) -> tuple[int, ...]:
    """Three other counts, none below 0; how many of them are smaller is drawn first."""
    # drawn first, so that the rank of the right count among the four is no hint
    below = min(int(rng.integers(0, 4)), count)
    down = [count]
    for _ in range(below):
        down.append(max(0, down[-1] - int(rng.integers(1, 3))))
    up = count + np.cumsum(rng.integers(1, 3, 3 - below))
    others = {*down[1:], *(int(value) for value in up)} - {count}
    larger = max(others | {count})
    while len(others) < 3:  # two steps down may both have ended at 0
        larger += 1
        others.add(larger)
    return tuple(int(value) for value in rng.permutation(sorted(others)))


def _draft(source: Source, file: str, label: str, count: int, rng: np.random.Generator) -> Draft:
    wrong = other_counts(rng, count)

    def render(place: int) -> Rendered:
        numbers = tuple(str(number) for number in placed(count, wrong, place))
        return Rendered((source.image(file),), numbers)

    return Draft(file, (file,), QUESTION.format(label=label), (0, 1, 2, 3), render)


BUILDER = Builder(
    draft=draft,
    n_choices=4,
    n_images=1,
    source="PixMo-Count, training split",
    licence="ODC-BY (annotations); each picture belongs to its site",
    layout="data/train-*.parquet (image_sha256, label, count) and images/SHA256[.jpg|.png|.webp]",
)
