"""One heat map: cells on a colour scale, holes hatched, the diagonal outlined, numbers where they can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.patches import Patch, Rectangle

from tasktransfer.drawing import style as look

__all__ = ["Scale", "fill", "hatched", "outline", "outlined", "short_number"]

MOST_WITH_VALUES = 16  # tasks up to which a cell shows its number
MOST_WITH_SIGNS = 60  # and up to which a dash marks a negative cell without its colour
_HOLE: dict[str, Any] = {"facecolor": "#EDEDED", "edgecolor": look.FAINT, "hatch": "/////", "linewidth": 0}


class Scale(NamedTuple):
    """Colours of a heat map and what its bar says."""

    colours: Colormap
    norm: Normalize
    extend: str
    label: str


def fill(
    axes: Axes, grid: pd.DataFrame, scale: Scale, *, label_size: float, label_width: int, percent: bool = False
) -> None:
    """Draw cells, holes, numbers and labels of one panel.

    Parameters
    ----------
    axes
        Panel of its final size: the size of the numbers follows from it.
    grid
        Values, NaN for holes; index and columns are names of tasks.
    scale
        Colours of the values.
    label_size
        Font size of the labels, in points.
    label_width
        Characters of a label at most.
    percent
        Write shares in whole percent.
    """
    values = grid.to_numpy(dtype=float)
    rows, columns = values.shape
    axes.set_xlim(-0.5, columns - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    if np.isnan(values).any():
        # one hatched ground shows through wherever a cell is missing
        axes.add_patch(Rectangle((-0.5, -0.5), columns, rows, **_HOLE))
    many = max(rows, columns) > 40
    axes.pcolormesh(
        np.arange(columns + 1) - 0.5,
        np.arange(rows + 1) - 0.5,
        np.ma.masked_invalid(values),
        cmap=scale.colours,
        norm=scale.norm,
        rasterized=many,
        # some PDF viewers show the page between cells that merely touch
        edgecolors="none" if many else "face",
        linewidth=0.2,
    )
    width, height = look.axes_points(axes)
    pitch = (width / columns, height / rows)
    if max(rows, columns) <= MOST_WITH_VALUES:
        _write_values(axes, values, scale, size=min(0.37 * pitch[0], 0.6 * pitch[1], 6.5), percent=percent)
    elif max(rows, columns) <= MOST_WITH_SIGNS:
        y, x = np.nonzero(values < -1e-9)
        axes.scatter(x, y, marker="_", s=(0.45 * min(pitch)) ** 2, linewidths=0.4, color=look.INK)
    _label_ticks(axes, grid, pitch, label_size, label_width)


def _write_values(axes: Axes, values: np.ndarray, scale: Scale, *, size: float, percent: bool) -> None:
    # perceived lightness (ITU-R BT.601): on dark cells the number is white
    shown = scale.colours(scale.norm(np.nan_to_num(values)))[..., :3] @ np.array([0.299, 0.587, 0.114])
    for (i, j), value in np.ndenumerate(values):
        if not np.isnan(value):
            text = f"{value:.0%}" if percent else short_number(value)
            colour = "white" if shown[i, j] < 0.52 else look.INK
            axes.text(j, i, text, ha="center", va="center", fontsize=size, color=colour)


def short_number(value: float) -> str:
    """A number for a small cell: no leading zero, two decimals below 1, one up to 10.

    >>> short_number(-0.128), short_number(-1.94), short_number(0.001), short_number(1.0)
    ('−.13', '−1.9', '.00', '1.0')
    """
    places = 2 if abs(value) < 0.995 else 1 if abs(value) < 9.95 else 0
    text = f"{abs(value):.{places}f}"
    text = text.removeprefix("0") if places == 2 else text
    return f"−{text}" if value < 0 and float(text) != 0 else text


def outline(axes: Axes, cells: Sequence[tuple[int, int]]) -> None:
    """Draw a frame around some cells, given as row and column."""
    boxes = [Rectangle((j - 0.5, i - 0.5), 1, 1) for i, j in cells]
    axes.add_collection(PatchCollection(boxes, facecolor="none", edgecolor=look.INK, linewidth=0.7))


def _label_ticks(axes: Axes, grid: pd.DataFrame, pitch: tuple[float, float], size: float, width: int) -> None:
    columns = [look.task_label(str(task), width) for task in grid.columns]
    rows = [look.task_label(str(task), width) for task in grid.index]
    step = look.every_other(len(columns), pitch[0], size * 0.95)
    upright = look.widest_points(columns, size) > pitch[0] * step - 1
    axes.set_xticks(range(0, len(columns), step), columns[::step], fontsize=size, rotation=90 if upright else 0)
    step = look.every_other(len(rows), pitch[1], size * 0.95)
    axes.set_yticks(range(0, len(rows), step), rows[::step], fontsize=size)
    axes.tick_params(length=0 if max(grid.shape) <= MOST_WITH_SIGNS else 1.5, pad=2)
    axes.spines[["top", "right"]].set_visible(True)


def outlined(label: str) -> Patch:
    """Legend entry of outlined cells."""
    return Patch(facecolor="white", edgecolor=look.INK, linewidth=0.7, label=label)


def hatched(label: str) -> Patch:
    """Legend entry of holes."""
    return Patch(**_HOLE, label=label)
