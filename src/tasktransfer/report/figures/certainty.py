"""The aggregates with what noise does to them: intervals, the level of pure noise, the control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.transferability import AGGREGATES
from tasktransfer.drawing import style as look
from tasktransfer.drawing.labels import WORDS
from tasktransfer.report.reference_lines import strongest_control

__all__ = ["certainty_numbers", "draw_certainty"]

MOST_TASKS = 30  # else those with the largest values
MOST_MODELS = 6


def certainty_numbers(analysis: Analysis) -> pd.DataFrame:
    """Columns model, task (empty for the mean), measure, value, low, high, debiased, noise_level, control.

    ``control`` is the largest transferability of that sign among the model's controls, NaN without one. Empty
    where no error is known.
    """
    rows = analysis.aggregates[analysis.aggregates["value"].notna()].reset_index(drop=True)
    largest = strongest_control(analysis)
    keys = zip(rows["model"], rows["measure"], strict=True)
    return rows.assign(control=[largest.get(key, np.nan) for key in keys])


@look.in_style
def draw_certainty(analysis: Analysis) -> Figure:
    """Draw every aggregate as reported and as the errors leave it, task by task.

    Open circles are the values of the paper's formula, bars the intervals for the value without noise, dots its
    mean. A short upright line is what noise alone would give; the dashed line, where there is one, the control.
    """
    rows = look.something_of(certainty_numbers(analysis), "the error of no cell is known")
    models = list(dict.fromkeys(rows["model"]))[:MOST_MODELS]
    rows = rows[rows["model"].isin(models)]
    tasks = _shown_tasks(rows)
    labels = ["mean over tasks" if not task else look.task_label(task, 16) for task in tasks]
    left = look.widest_points(labels, 6.5) / look.POINTS + 0.12
    height = max(0.09 * len(models), 0.13) * len(tasks) + 0.1
    colours = look.model_colours(models, lines=True)
    keys = _keys(models, colours, bool(rows["control"].notna().any()))
    gap = 0.18
    figure, grid = look.inch_grid(
        (2, 2),
        ((look.PAGE - left - gap - 0.12) / 2, height),
        left=left,
        right=0.12,
        bottom=0.3 + look.legend_shape(keys, look.PAGE)[1],
        gaps=(gap, 0.55),
    )
    panels = [axes for line in grid for axes in line]
    for position, (axes, measure) in enumerate(zip(panels, AGGREGATES, strict=True)):
        for m, model in enumerate(models):
            here = rows[(rows["measure"] == measure) & (rows["model"] == model)].set_index("task").reindex(tasks)
            _draw_rows(axes, here, (m + 0.5) / len(models) - 0.5, colours[model])
        axes.axvline(0, color=look.INK, linewidth=0.5, zorder=1)
        axes.set_ylim(len(tasks) - 0.4, -0.6)
        axes.set_yticks(range(len(tasks)), labels if position % 2 == 0 else [""] * len(tasks), fontsize=6.5)
        axes.tick_params(axis="y", length=0)
        axes.tick_params(axis="x", labelsize=6)
        look.panel_title(axes, position, 4, WORDS[measure])
    look.bottom_legend(figure, keys)
    return figure


def _shown_tasks(rows: pd.DataFrame) -> list[str]:
    tasks = [task for task in dict.fromkeys(rows["task"]) if task]
    if len(tasks) > MOST_TASKS:
        size = rows["value"].abs().groupby(rows["task"]).max()
        kept = set(size[tasks].nlargest(MOST_TASKS).index)
        tasks = [task for task in tasks if task in kept]
    return ["", *tasks]


def _keys(models: Sequence[str], colours: dict[str, Any], controlled: bool) -> list[Line2D]:
    names = look.model_labels(models)
    keys = [Line2D([], [], color=colours[m], marker="o", ms=3, lw=1.6, label=names[m]) for m in models]
    ink: dict[str, Any] = {"color": look.INK, "linestyle": ""}
    keys.append(Line2D([], [], marker="o", ms=4, mfc="white", mew=0.7, label="as the formula gives it", **ink))
    keys.append(Line2D([], [], marker="o", ms=3, label="without noise, with its interval", **ink))
    keys.append(Line2D([], [], marker="|", ms=6, mew=1.0, label="noise alone", **ink))
    if controlled:
        keys.append(Line2D([], [], color=look.INK, linestyle=(0, (4, 2)), lw=0.8, label="strongest control"))
    return keys


def _draw_rows(axes: Axes, rows: pd.DataFrame, shift: float, colour: Any) -> None:
    at = np.arange(len(rows)) + 0.8 * shift
    axes.hlines(at, rows["low"], rows["high"], color=colour, linewidth=1.6, zorder=3)
    axes.plot(rows["value"], at, linestyle="", marker="o", ms=4, mfc="white", mec=colour, mew=0.7, zorder=2)
    axes.plot(rows["debiased"], at, linestyle="", marker="o", ms=3, color=colour, mec="none", zorder=4)
    axes.plot(rows["noise_level"], at, linestyle="", marker="|", ms=5, mew=0.9, color=look.INK, zorder=5)
    control = rows["control"].dropna()
    if len(control):
        axes.axvline(float(control.iloc[0]), color=colour, linestyle=(0, (4, 2)), linewidth=0.8, zorder=1)
