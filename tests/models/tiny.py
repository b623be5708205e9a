"""Items to ask a tiny model; the models themselves are in `tests.models.tiny_families`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tasktransfer.tasks.item import Item
from tests.models.tiny_families import make_tiny

__all__ = ["colour_items", "make_tiny", "number_items", "video_items", "write_task"]


def colour_items(n_items: int, *, seed: int = 0, sizes: tuple[int, ...] = (32, 48)) -> list[Item]:
    """Items of 1 to 3 images and 2 to 4 options, of unlike lengths: which colour is it?"""
    rng = np.random.default_rng(seed)
    colours = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "square": (240, 240, 240)}
    items = []
    for number in range(n_items):
        names = [str(name) for name in rng.permutation(list(colours))][: int(rng.integers(2, 5))]
        right = int(rng.integers(len(names)))
        side = int(rng.choice(sizes))
        noise = rng.integers(0, 20, (side, side, 3))
        image = Image.fromarray(np.clip(np.array(colours[names[right]]) + noise, 0, 255).astype(np.uint8))
        many = "which colour is it ?" if rng.random() < 0.5 else "which is the colour , how many , left or right ?"
        images = (image,) * int(rng.integers(1, 4))
        items.append(Item(f"c{number:04d}", images, many, tuple(names), "ABCD"[right]))
    return items


def write_task(folder: Path, items: list[Item], *, splits: tuple[str, ...] = ("train", "test")) -> Path:
    """Write items as a task of one's own: images and items.jsonl, splits in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "items.jsonl").open("w", encoding="utf-8") as handle:
        for number, item in enumerate(items):
            names = []
            for place, image in enumerate(item.images):
                names.append(f"{item.id}-{place}.png")
                image.save(folder / names[-1])
            row = {"id": item.id, "images": names, "question": item.question, "answer": item.answer,
                   "choices": list(item.choices), "split": splits[number % len(splits)]}  # fmt: skip
            handle.write(json.dumps(row) + "\n")
    return folder


def number_items(n_items: int, *, seed: int = 0) -> list[Item]:
    """Items without options: how many squares?"""
    rng = np.random.default_rng(seed)
    items = []
    for number in range(n_items):
        picture = np.full((32, 32, 3), 40, dtype=np.uint8)
        count = int(rng.integers(1, 5))
        for place in range(count):
            picture[4:10, 2 + 8 * place : 6 + 8 * place] = 220
        items.append(Item(f"n{number}", (Image.fromarray(picture),), "how many square ?", (), str(count)))
    return items


def video_items(n_items: int, *, seed: int = 0) -> list[Item]:
    """Items of four frames."""
    rng = np.random.default_rng(seed)
    items = []
    for number in range(n_items):
        frames = tuple(Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(4))
        items.append(Item(f"v{number}", frames, "which is the colour ?", ("red", "green"), "AB"[number % 2], True))
    return items
