"""One picture of all tasks: ``python -m recipes.contact_sheet OUT.png``."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw

from tasktransfer.tasks.item import Item
from tasktransfer.tasks.toyworld.draw import draw_items
from tasktransfer.tasks.toyworld.registry import TOY_TASKS

__all__ = ["contact_sheet"]

_ZOOM, _GAP, _TEXT = 2, 4, 34
_WIDTH = 4 * (64 * _ZOOM + _GAP)


def contact_sheet(n_items: int = 2, *, seed: int = 0, difficulty: float = 0.5) -> Image.Image:
    """Items of every task with their questions, options and answers; one task a row.

    Parameters
    ----------
    n_items
        Items a task, side by side.
    seed, difficulty
        As in `draw_items`; the items are those of the training split.
    """
    height = 64 * _ZOOM + _TEXT + 3 * _GAP
    sheet = Image.new("RGB", (n_items * (_WIDTH + 4 * _GAP), height * len(TOY_TASKS)), "white")
    for row, task in enumerate(TOY_TASKS):
        for column, item in enumerate(draw_items(task, "train", n_items, seed=seed, difficulty=difficulty)):
            _paste(
                sheet, item, column * (_WIDTH + 4 * _GAP) + _GAP, row * height + _GAP, task if not column else ""
            )
    return sheet


def _paste(sheet: Image.Image, item: Item, x: int, y: int, title: str) -> None:
    pen = ImageDraw.Draw(sheet)
    options = "  ".join(f"({letter}) {text}" for letter, text in zip(item.letters, item.choices, strict=True))
    pen.text((x, y), f"{title}  {item.question}".strip(), fill="black")
    pen.text((x, y + 13), f"{options}  answer {item.answer}".strip(), fill="#555555")
    for i, picture in enumerate(item.images):
        large = picture.resize((64 * _ZOOM, 64 * _ZOOM), Image.Resampling.NEAREST)
        sheet.paste(large, (x + i * (64 * _ZOOM + _GAP), y + _TEXT))


if __name__ == "__main__":
    out = Path(sys.argv[1])
    contact_sheet().quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        out, optimize=True
    )
    print(out)
