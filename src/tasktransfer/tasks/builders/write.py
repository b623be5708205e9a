"""Turn drafts into a folder task: deal the letters, keep evaluation pictures out, write all of it or nothing.

The folder is made under a temporary name beside its place and renamed when it is complete, so a folder of that
name is a finished one. It holds ``items.jsonl`` with ``images/`` (the form of `tasktransfer.tasks.own.folder`, all
of the split ``train``), ``provenance.jsonl`` (the source files of each item) and ``card.json``. No time and no
path of this machine is in it: the same source, seed and versions give the same bytes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasktransfer.errors import InputError, closest, quoted
from tasktransfer.files import new_folder, write_json
from tasktransfer.tasks.benchmarks.blink import BLINK_TASKS
from tasktransfer.tasks.builders.card import LETTERS, Hand, card_of, too_few
from tasktransfer.tasks.builders.draft import Builder, Draft, Rendered
from tasktransfer.tasks.builders.registry import BUILDERS
from tasktransfer.tasks.builders.source import Source, UnreadableImageError
from tasktransfer.tasks.leaks import WORDS, HashedPictures, Leak, image_hashes, near, read_pictures

__all__ = ["Built", "build_training_set"]

QUALITY = 95  # of the JPEG files, colours not subsampled: thin red circles stay red

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Built:
    """A finished training set: its folder and what its card says."""

    folder: Path
    card: dict[str, Any]


def build_training_set(
    task: str,
    source: Path,
    out: Path,
    *,
    n_items: int = 1000,
    seed: int = 0,
    against: Sequence[Path] = (),
    tell: Tell = lambda _done, _planned: None,
) -> Built:
    """Build the training set of a task.

    Parameters
    ----------
    task
        A key of `BUILDERS`.
    source
        Folder of the public data set, in the layout that the task's module names.
    out
        Folder to make; it must not be there yet.
    n_items
        Items, the same for every task by default: more data must not pass for more transfer.
    seed
        Of whatever is drawn.
    against
        Folders with evaluation pictures; items near one of them are left out.
    tell
        Called after every item with the number made and planned.

    Raises
    ------
    InputError
        The task is unknown, the source is not in its layout, or it gives too few items (how many, is said).
    OutputError
        `out` is there already or cannot be written.
    """
    builder = BUILDERS.get(task)
    if builder is None:
        known = quoted(BUILDERS, limit=len(BUILDERS))
        if task in BLINK_TASKS:
            called = BLINK_TASKS[task].name.replace("_", " ")
            raise InputError(f"BLINK's {called} has no builder; there are {known}")
        raise InputError(f"no builder for {task!r}{closest(task, BUILDERS)}; there are {known}")
    if n_items < builder.n_choices:
        raise InputError(f"{n_items} items are too few to balance {builder.n_choices} letters")
    reader = Source(source, builder.source, builder.layout)
    pictures = _joined(against)
    with new_folder(out) as made:
        (made / "images").mkdir()
        hand = _deal(task, builder, reader, made, n_items, seed, pictures, tell)
        order = _interleaved(hand.rows, hand.rng)
        for name, rows in (("provenance", hand.origins), ("items", hand.rows)):
            lines = [json.dumps(rows[index], ensure_ascii=False) + "\n" for index in order]
            (made / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        card = card_of(task, builder, reader, hand, n_items, seed, pictures if against else None)
        write_json(made / "card.json", card)
    return Built(out, card)


def _joined(folders: Sequence[Path]) -> HashedPictures:
    read = [read_pictures(folder) for folder in folders]
    return HashedPictures(
        [name for one in read for name in one.names],
        np.concatenate([np.empty((0, WORDS), np.uint64), *(one.hashes for one in read)]),
        [name for one in read for name in one.unreadable],
    )


def _deal(
    task: str,
    builder: Builder,
    source: Source,
    made: Path,
    n_items: int,
    seed: int,
    pictures: HashedPictures,
    tell: Tell,
) -> Hand:
    # crc32, as hash() of a text differs between processes; dealing letters does not change what is drawn
    streams = np.random.SeedSequence([seed, zlib.crc32(task.encode())]).spawn(2)
    drawing, dealing = (np.random.default_rng(stream) for stream in streams)
    even, more = divmod(n_items, builder.n_choices)
    extra = set(dealing.permutation(builder.n_choices)[:more].tolist())
    hand = Hand([even + (place in extra) for place in range(builder.n_choices)], dealing)
    known: dict[str, NDArray[np.uint64]] = {}
    for draft in builder.draft(source, drawing):
        place = hand.place(draft.places)
        if place is None:
            hand.unbalanced += 1
            continue
        try:
            leak = _leak_of_sources(draft, source, pictures, known)
            item = None if leak else draft.render(place)
        except UnreadableImageError:
            continue
        leak = leak or (item and _leak(draft, image_hashes(item.images), pictures))
        if leak or item is None:
            hand.leaks += [leak] if leak else []
            continue
        hand.left[place] -= 1
        _write_item(task, draft, item, place, hand, made)
        tell(len(hand.rows), n_items)
        if len(hand.rows) == n_items:
            return hand
    raise too_few(source, hand, n_items)


def _leak_of_sources(
    draft: Draft, source: Source, pictures: HashedPictures, known: dict[str, NDArray[np.uint64]]
) -> Leak | None:
    """Nearness of the pictures before anything was drawn on them, and of others of the same scene."""
    if not pictures.names:
        return None
    names = (*draft.files, *draft.kin)
    for name in names:
        if name not in known:
            image = source.image(name) if name in draft.files else source.try_image(name)
            known[name] = image_hashes([] if image is None else [image])
    return _leak(draft, np.concatenate([known[name] for name in names]), pictures)


def _leak(draft: Draft, hashes: NDArray[np.uint64], pictures: HashedPictures) -> Leak | None:
    pairs = near(hashes, pictures.hashes)
    if not len(pairs):
        return None
    _, test, apart = min(pairs.tolist(), key=lambda pair: (pair[2], pair[1]))
    return Leak(draft.key, pictures.names[test], apart)


def _write_item(task: str, draft: Draft, item: Rendered, place: int, hand: Hand, made: Path) -> None:
    name = f"{task.removeprefix('blink_')}-{len(hand.rows):05d}"
    files = []
    for number, image in enumerate(item.images, start=1):
        files.append(f"images/{name}-{number}.jpg")
        _save(image, made / files[-1])
    hand.rows.append(
        {
            "id": name,
            "images": files,
            "question": draft.question,
            "choices": list(item.choices),
            "answer": LETTERS[place],
            "split": "train",
        }
    )
    hand.origins.append({"id": name, "key": draft.key, "files": list(draft.files)})


def _save(image: Image.Image, path: Path) -> None:
    image.save(path, "JPEG", quality=QUALITY, subsampling=0)


def _interleaved(rows: Sequence[dict[str, Any]], rng: np.random.Generator) -> list[int]:
    """An order in which the first items, however many are taken, are balanced, too."""
    piles: dict[str, list[int]] = {}
    for index in rng.permutation(len(rows)):
        piles.setdefault(rows[index]["answer"], []).append(int(index))
    order: list[int] = []
    while any(piles.values()):
        letters = [letter for letter in sorted(piles) if piles[letter]]
        order += [piles[letter].pop() for letter in rng.permutation(letters)]
    return order
