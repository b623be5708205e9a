"""A drawn world: twins of the paper's 13 BLINK tasks and two video tasks, so that a study runs with no download.

The registry is plain facts; drawing needs numpy and Pillow and is imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasktransfer.tasks.toyworld.registry import FAMILIES, SPLITS, TOY_TASKS, TOY_VIDEO_TASKS

if TYPE_CHECKING:
    from tasktransfer.tasks.toyworld.draw import draw_items as draw_items

__all__ = ["FAMILIES", "SPLITS", "TOY_TASKS", "TOY_VIDEO_TASKS", "draw_items"]


def __getattr__(name: str) -> Any:
    if name != "draw_items":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tasktransfer.tasks.toyworld.draw import draw_items

    return draw_items
