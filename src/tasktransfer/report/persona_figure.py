"""The two planes on which personas are read: helps against harms, is helped against is harmed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasktransfer.analysis.pipeline import Analysis
from tasktransfer.report import figure_style as look
from tasktransfer.report.label_places import place_labels

__all__ = ["draw_personas", "personas_numbers"]

MOST_LABELS = 20  # tasks up to which all are named
LABELS_OF_MANY = 12  # else those farthest from the means
_SIZE = 5.8


class _Plane(NamedTuple):
    """One plane: what is on its axes and which labels it decides."""

    measure: str
    right: str  # persona of tasks beyond the mean on the horizontal axis
    up: str  # and on the vertical


PLANES = (_Plane("transferability", "donor", "pirate"), _Plane("malleability", "sponge", "sieve"))


def personas_numbers(analysis: Analysis) -> pd.DataFrame:
    """Columns model, plane, task, positive, negative and persona; negative as in the tables, not its size."""
    parts = []
    for plane in PLANES:
        columns = {f"{plane.measure}_pos": "positive", f"{plane.measure}_neg": "negative"}
        rows = analysis.tasks.rename(columns=columns).assign(plane=plane.measure)
        parts.append(rows[["model", "plane", "task", "positive", "negative", "persona"]])
    rows = pd.concat(parts, ignore_index=True)
    return rows[rows["positive"].notna() & rows["negative"].notna()].reset_index(drop=True)


@look.in_style
def draw_personas(analysis: Analysis) -> Figure:
    """Draw the persona planes of every model (the paper's Figure 6, personas).

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.

    Returns
    -------
    matplotlib.figure.Figure
        A task right of the dashed line is a donor (a sponge), above it a pirate (a sieve). A bold label: one of
        the plane's two labels holds in every model.
    """
    rows = look.something_of(personas_numbers(analysis), "no task has a defined cell beside its own")
    models = [model for model in analysis.models if model in set(rows["model"])]
    columns = min(len(models), 3 if len(models) < 4 else 4)
    lines = -(-len(models) // columns)
    wide = (look.PAGE - 0.55 - 0.12 - 0.42 * (columns - 1)) / columns if columns > 1 else 2.75
    keys = [
        *look.task_keys(list(rows["task"])),
        Line2D([], [], color=look.INK, linestyle=(0, (4, 2)), lw=0.7, label="mean over tasks"),
    ]
    held = analysis.summary["personas_in_every_model"]
    if len(models) > 1 and any(held.values()):
        keys.append(Line2D([], [], linestyle="", label="bold: the same label in every model"))
    names = look.model_labels(models, int(wide * 12) - 6)
    narrow = wide < 1.8
    figure, grid = look.inch_grid(
        (2 * lines, columns),
        (wide, min(wide, 2.0)),
        left=0.55,
        right=0.12,
        bottom=(0.52 if narrow else 0.42) + look.legend_shape(keys, look.PAGE if columns > 1 else look.COLUMN)[1],
        gaps=(0.42, 0.72 if narrow else 0.62),
    )
    between = "\n" if narrow else "  "
    position = 0  # letters run along the rows
    for line, row in enumerate(grid):
        plane = PLANES[line % 2]
        constant = {*held[plane.right], *held[plane.up]} if len(models) > 1 else set()
        here = models[line // 2 * columns :][:columns]
        for axes, model in zip(row, here, strict=False):
            of_panel = (rows["plane"] == plane.measure) & (rows["model"] == model)
            _draw_plane(axes, rows[of_panel], constant, int(wide * 5))
            look.panel_title(axes, position, 2 * len(models), names[model])
            axes.set_xlabel(f"{plane.measure}, positive{between}({plane.right} →)", fontsize=6.5, labelpad=1.5)
            position += 1
        row[0].set_ylabel(f"|{plane.measure}, negative|{between}({plane.up} →)", fontsize=6.5, labelpad=2)
        for spare in row[len(here) :]:
            spare.remove()
    look.bottom_legend(figure, keys)
    return figure


def _draw_plane(axes: Axes, rows: pd.DataFrame, constant: set[str], width: int) -> None:
    x, y = rows["positive"].to_numpy(dtype=float), np.abs(rows["negative"].to_numpy(dtype=float))
    tasks = [str(task) for task in rows["task"]]
    for values, line in ((x, axes.axvline), (y, axes.axhline)):
        line(float(values.mean()), color=look.INK, linestyle=(0, (4, 2)), linewidth=0.7, zorder=1)
    for shape in dict.fromkeys(map(look.granularity_of, tasks)):
        of_shape = np.array([look.granularity_of(task) == shape for task in tasks])
        axes.scatter(
            x[of_shape],
            y[of_shape],
            s=16,
            marker=look.GRANULARITY_MARKERS[shape],
            c=[
                look.LEVEL_COLOURS[look.level_of(task)] for task, here in zip(tasks, of_shape, strict=True) if here
            ],
            edgecolors=look.INK,
            linewidths=0.4,
            zorder=3,
        )
    ends = [max(float(values.max()) * 1.12, 1e-3) for values in (x, y)]
    axes.set(xlim=(-0.06 * ends[0], ends[0]), ylim=(-0.1 * ends[1], ends[1]))
    axes.locator_params(nbins=4)
    axes.tick_params(labelsize=6, pad=1.5)
    _write_labels(axes, np.column_stack([x, y]), tasks, constant, width)


def _write_labels(axes: Axes, points: np.ndarray, tasks: Sequence[str], constant: set[str], width: int) -> None:
    size = np.array(look.axes_points(axes))
    low = np.array([axes.get_xlim()[0], axes.get_ylim()[0]])
    span = np.array([axes.get_xlim()[1], axes.get_ylim()[1]]) - low
    inside = (points - low) / span * size
    named = np.arange(len(tasks))
    if len(tasks) > MOST_LABELS:
        away = np.abs((points - points.mean(axis=0)) / span).max(axis=1)
        named = np.sort(np.argsort(-away, kind="stable")[:LABELS_OF_MANY])
    labels = [look.task_label(tasks[i], width) for i in named.tolist()]
    boxes = np.array([[look.text_points(label, _SIZE) + 1, _SIZE + 1] for label in labels])
    shifts = place_labels(inside, named, boxes, size)
    leader = {"arrowstyle": "-", "linewidth": 0.35, "color": look.INK, "shrinkA": 0, "shrinkB": 2}
    for i, label, shift, box in zip(named.tolist(), labels, shifts, boxes, strict=True):
        axes.annotate(
            label,
            xy=(float(points[i, 0]), float(points[i, 1])),
            xytext=(float(shift[0]), float(shift[1])),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=_SIZE,
            fontweight="bold" if tasks[i] in constant else "normal",
            zorder=4,
            arrowprops=leader if (np.abs(shift) - box / 2).max() > 5 else None,
        )
