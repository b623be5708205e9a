"""Cliques as a table: a row for each clique, a column for each task, a mark where the task belongs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.cliques import split_names
from tasktransfer.analysis.pgf import tasks_of
from tasktransfer.drawing import style as look

__all__ = ["cliques_numbers", "draw_cliques"]

MOST_OF_SIGN = 8  # largest cliques shown for each model and sign
MOST_COLUMNS = 40  # tasks up to which every task has its column
_ROW = 0.135  # inches


class _Block(NamedTuple):
    """The cliques of one sign in one model."""

    sign: str
    found: str  # how many maximal cliques of that sign
    members: list[list[str]]
    probabilities: list[float]  # of each, NaN where it is not known


def cliques_numbers(analysis: Analysis) -> pd.DataFrame:
    """Columns model, sign, rank (1 is the largest), size, probability and task; one row for each mark drawn."""
    rows: list[tuple[object, object, int, int, float, str]] = []
    for (model, sign), cliques in analysis.cliques.groupby(["model", "sign"], sort=False):
        largest = cliques.sort_values("size", ascending=False, kind="stable").head(MOST_OF_SIGN)
        ranked = zip(largest["size"], largest["probability"], largest["tasks"], strict=True)
        for rank, (size, probability, names) in enumerate(ranked, start=1):
            rows.extend((model, sign, rank, int(size), probability, task) for task in split_names(names))
    return pd.DataFrame(rows, columns=["model", "sign", "rank", "size", "probability", "task"])


@look.in_style
def draw_cliques(analysis: Analysis) -> Figure:
    """Draw the largest positive and negative cliques of each model (the paper's Figure 6, cliques).

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.

    Returns
    -------
    matplotlib.figure.Figure
        Up to eight cliques of each sign; above 40 tasks only those that belong to one of them. Beside a clique
        stands the share of the plausible matrices in which these tasks are one.
    """
    marks = look.something_of(cliques_numbers(analysis), "no two tasks help or harm each other")
    models = [model for model in analysis.models if model in set(marks["model"])]
    tasks = tasks_of(analysis.transfers)
    if len(tasks) > MOST_COLUMNS:
        tasks = [task for task in tasks if task in set(marks["task"])]
    columns = min(len(models), 3)
    names = look.model_labels(models, 14)
    labels = look.widest_points([look.task_label(task, 16) for task in tasks], 6.5) / look.POINTS
    blocks = {model: _blocks_of(analysis, marks, model) for model in models}
    n_lines = max(sum(len(block.members) + 1 for block in of_model) for of_model in blocks.values())
    width = look.COLUMN if columns == 1 else look.PAGE
    beside = 0.28 if marks["probability"].notna().any() else 0.0
    panel = ((width - 0.5 - beside - (0.3 + beside) * (columns - 1)) / columns, _ROW * n_lines)
    upright = labels * look.POINTS > panel[0] / len(tasks) * look.POINTS
    under = (labels if upright else 0.13) + 0.1
    figure, grid = look.inch_grid(
        (-(-len(models) // columns), columns),
        panel,
        left=0.42,
        right=0.08 + beside,
        bottom=under + (0.2 if beside else 0),
        gaps=(0.3 + beside, under + 0.35),
    )
    for position, axes in enumerate(axes for line in grid for axes in line):
        if position >= len(models):
            axes.remove()
            continue
        _fill(axes, blocks[models[position]], tasks, n_lines, panel[0])
        look.panel_title(axes, position, len(models), names[models[position]])
        if position % columns == 0:
            axes.set_ylabel("clique, by size" if n_lines > 6 else "size", fontsize=7, labelpad=2)
    if beside:
        note = "%: share of the plausible matrices in which these tasks are a clique"
        figure.text(0.08 / width, 0.06 / float(figure.get_size_inches()[1]), note, fontsize=6)
    return figure


def _blocks_of(analysis: Analysis, marks: pd.DataFrame, model: str) -> list[_Block]:
    blocks = []
    for sign in ("positive", "negative"):
        here = marks[(marks["model"] == model) & (marks["sign"] == sign)]
        search = analysis.summary["models"][model]["largest_clique"][sign]
        total = str(search["n_maximal"]) if search["complete"] else f"more than {search['n_maximal']}"
        ranked = [rows for _, rows in here.groupby("rank")]
        probabilities = [float(rows["probability"].iloc[0]) for rows in ranked]
        blocks.append(_Block(sign, total, [list(rows["task"]) for rows in ranked], probabilities))
    return blocks


def _fill(axes: Axes, blocks: list[_Block], tasks: list[str], n_lines: int, width: float) -> None:
    column = {task: j for j, task in enumerate(tasks)}
    pitch = width / len(tasks) * look.POINTS
    axes.set(xlim=(-0.6, len(tasks) - 0.4), ylim=(n_lines - 0.4, -0.6))
    sizes: dict[int, int] = {}
    line = 0
    for block in blocks:
        axes.text(-0.5, line, _heading(block), fontsize=6.5, va="center", color=look.SIGN_COLOURS[block.sign])
        for members, probability in zip(block.members, block.probabilities, strict=True):
            line += 1
            if not np.isnan(probability):
                axes.text(len(tasks) - 0.3, line, f"{probability:.0%}", fontsize=5.5, va="center")
            sizes[line] = len(members)
            axes.axhspan(line - 0.42, line + 0.42, color="#F0F0F0", linewidth=0, zorder=0)
            _mark(axes, [column[task] for task in members], line, block.sign, min(pitch, 9.0))
        line += 1
    axes.set_yticks(list(sizes), [str(size) for size in sizes.values()], fontsize=6.5)
    labels = [look.task_label(task, 16) for task in tasks]
    step = look.every_other(len(tasks), pitch, 6.0)
    upright = look.widest_points(labels, 6.5) > pitch * step
    size = min(6.5, max(4.5, 0.55 * pitch * step))
    axes.set_xticks(range(0, len(tasks), step), labels[::step], fontsize=size, rotation=90 if upright else 0)
    axes.tick_params(length=0, pad=2)
    axes.spines[["left", "bottom"]].set_visible(False)


def _heading(block: _Block) -> str:
    if not block.members:
        return f"no {block.sign} clique"
    shown = str(len(block.members))
    return f"{block.sign}: " + (f"{shown} of {block.found}" if shown != block.found else f"all {shown}")


def _mark(axes: Axes, columns: list[int], line: int, sign: str, pitch: float) -> None:
    """A coloured square for each member with the sign in it, so that the signs differ in grey print too."""
    heights = np.full(len(columns), line)
    axes.scatter(columns, heights, marker="s", s=(0.72 * pitch) ** 2, color=look.SIGN_COLOURS[sign], linewidths=0)
    sign_mark = "+" if sign == "positive" else "_"
    axes.scatter(columns, heights, marker=sign_mark, s=(0.45 * pitch) ** 2, color="white", linewidths=0.7)
