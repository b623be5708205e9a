"""The two planes on which personas are read: helps against harms, is helped against is harmed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.personas import PERSONAS
from tasktransfer.drawing import style as look
from tasktransfer.drawing.label_places import place_labels
from tasktransfer.drawing.labels import printable
from tasktransfer.report.reference_lines import controls_overall, mean_noise

__all__ = ["draw_personas", "personas_numbers"]

MOST_LABELS = 20  # tasks up to which all are named
LABELS_OF_MANY = 12  # else those farthest from the means
_SIZE = 5.8
_NOISE = "#ECECEC"
_CONTROL_MARKERS = ("x", "+", "1", "2", "3", "4")


class _Plane(NamedTuple):
    """One plane: what is on its axes and which labels it decides."""

    measure: str
    right: str  # persona of tasks beyond the mean on the horizontal axis
    up: str  # and on the vertical


PLANES = (_Plane("transferability", "donor", "pirate"), _Plane("malleability", "sponge", "sieve"))


def personas_numbers(analysis: Analysis) -> pd.DataFrame:
    """Columns model, plane, what, task, positive, negative, persona, p_donor, p_pirate, p_sponge and p_sieve.

    ``what`` is ``task``, ``noise`` (what errors alone give the mean task) or ``control`` (its name in task).
    Negative is as in the tables, not its size.
    """
    parts, noise = [], mean_noise(analysis)
    for plane in PLANES:
        columns = {f"{plane.measure}_pos": "positive", f"{plane.measure}_neg": "negative"}
        parts.append(analysis.tasks.rename(columns=columns).assign(plane=plane.measure, what="task"))
        for model in analysis.models:
            ends = {sign: noise.get((model, column)) for column, sign in columns.items()}
            if None not in ends.values():
                parts.append(pd.DataFrame([{"model": model, "plane": plane.measure, "what": "noise", **ends}]))
        if plane.measure == "transferability":
            controls = controls_overall(analysis).rename(columns={**columns, "control": "task"})
            parts.append(controls.assign(plane=plane.measure, what="control"))
    labels = [f"p_{name}" for name in PERSONAS]
    columns_shown = ["model", "plane", "what", "task", "positive", "negative", "persona", *labels]
    rows = pd.concat([part.reindex(columns=columns_shown) for part in parts if len(part)], ignore_index=True)
    rows = rows[rows["positive"].notna() & rows["negative"].notna()].reset_index(drop=True)
    rows = rows.fillna({"task": "", "persona": ""})
    return rows if (rows["what"] == "task").any() else rows.iloc[:0]


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
        the plane's two labels holds in every model. Inside the grey box is what noise alone gives the mean task;
        a cross is a control.
    """
    every = look.something_of(personas_numbers(analysis), "no task has a defined cell beside its own")
    rows, beside = every[every["what"] == "task"], every[every["what"] != "task"]
    models = [model for model in analysis.models if model in set(rows["model"])]
    columns = min(len(models), 3 if len(models) < 4 else 4)
    lines = -(-len(models) // columns)
    wide = (look.PAGE - 0.55 - 0.12 - 0.42 * (columns - 1)) / columns if columns > 1 else 2.75
    keys: list[Any] = [
        *look.task_keys(list(rows["task"])),
        Line2D([], [], color=look.INK, linestyle=(0, (4, 2)), lw=0.7, label="mean over tasks"),
    ]
    if (beside["what"] == "noise").any():
        keys.append(Patch(facecolor=_NOISE, edgecolor=look.FAINT, linewidth=0.4, label="noise alone"))
    controls = list(dict.fromkeys(beside.loc[beside["what"] == "control", "task"]))
    for position, name in enumerate(controls):
        keys.append(Line2D([], [], label=f"control: {printable(name, 24)}", **_control_mark(position)))
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
            _draw_plane(axes, rows[of_panel], _beside(beside, plane, model, controls), constant, int(wide * 5))
            look.panel_title(axes, position, 2 * len(models), names[model])
            axes.set_xlabel(f"{plane.measure}, positive{between}({plane.right} →)", fontsize=6.5, labelpad=1.5)
            position += 1
        row[0].set_ylabel(f"|{plane.measure}, negative|{between}({plane.up} →)", fontsize=6.5, labelpad=2)
        for spare in row[len(here) :]:
            spare.remove()
    look.bottom_legend(figure, keys)
    return figure


class _Beside(NamedTuple):
    """What stands in a plane beside its tasks: across and upwards."""

    noise: tuple[float, float]  # 0, 0 where it is not known
    controls: dict[int, tuple[float, float]]  # by their position in the legend


def _beside(rows: pd.DataFrame, plane: _Plane, model: str, controls: Sequence[str]) -> _Beside:
    here = rows[(rows["plane"] == plane.measure) & (rows["model"] == model)]
    noise, places = (0.0, 0.0), {}
    for row in here.itertuples():
        place = (float(row.positive), abs(float(row.negative)))
        if row.what == "noise":
            noise = place
        else:
            places[controls.index(row.task)] = place
    return _Beside(noise, places)


def _control_mark(position: int) -> dict[str, Any]:
    marker = _CONTROL_MARKERS[position % len(_CONTROL_MARKERS)]
    return {"marker": marker, "color": look.CONTROL, "linestyle": "", "ms": 5.5, "mew": 1.2, "mfc": "none"}


def _draw_plane(axes: Axes, rows: pd.DataFrame, beside: _Beside, constant: set[str], width: int) -> None:
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
    axes.add_patch(
        Rectangle((0, 0), *beside.noise, facecolor=_NOISE, edgecolor=look.FAINT, linewidth=0.4, zorder=0)
    )
    for position, place in beside.controls.items():
        axes.plot(*place, zorder=3.5, **_control_mark(position))
    others = np.array([beside.noise, *beside.controls.values()])
    ends = [
        max(float(values.max()) * 1.12, float(other.max()) * 1.08, 1e-3)
        for values, other in zip((x, y), others.T, strict=True)
    ]
    axes.set(xlim=(-0.06 * ends[0], ends[0]), ylim=(-0.1 * ends[1], ends[1]))
    axes.locator_params(nbins=4)
    axes.tick_params(labelsize=6, pad=1.5)
    _write_labels(axes, np.column_stack([x, y]), others[1:], tasks, constant, width)


def _write_labels(
    axes: Axes, points: np.ndarray, others: np.ndarray, tasks: Sequence[str], constant: set[str], width: int
) -> None:
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
    shifts = place_labels(inside, named, boxes, size, others=(others - low) / span * size)
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
