"""Transferability and malleability: by taxonomy, over models, and as planes on which personas are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.taxonomy import TAXONOMY
from tasktransfer.analysis.transferability import AGGREGATES
from tasktransfer.drawing import style as look
from tasktransfer.drawing.label_places import spread_apart
from tasktransfer.drawing.labels import WORDS
from tasktransfer.report.reference_lines import group_noise, strongest_control

__all__ = ["draw_by_taxonomy", "draw_scale_trend", "scale_trend_numbers", "taxonomy_numbers"]

NOISE_LINE: Any = (0, (1, 0.8))
CONTROL_LINE: Any = (0, (3, 1.2))
MOST_LABELS = 16  # tasks up to which each line gets its label


def taxonomy_numbers(analysis: Analysis, measure: str) -> pd.DataFrame:
    """Columns model, by, group, task, n_tasks, positive, negative; the mean of a group has an empty task.

    Beside the means stand noise_positive and noise_negative, what errors alone would give them, and for
    transferability control_positive and control_negative, the largest of the model's controls.
    """
    columns = {f"{measure}_pos": "positive", f"{measure}_neg": "negative"}
    count = "n_sources" if measure == "transferability" else "n_targets"
    order = ["model", "by", "group", "task", "n_tasks", "positive", "negative"]
    means = analysis.taxonomy.rename(columns={**columns, count: "n_tasks"}).assign(task="")[order]
    means = means[means["positive"].notna()].reset_index(drop=True)
    noise, control = group_noise(analysis), strongest_control(analysis)
    at = pd.MultiIndex.from_frame(means[["model", "by", "group"]])
    for column, sign in columns.items():
        means[f"noise_{sign}"] = noise[column].reindex(at).to_numpy()
        means[f"control_{sign}"] = [control.get((model, column), np.nan) for model in means["model"]]
    tasks = analysis.tasks[analysis.tasks[f"{measure}_pos"].notna()]
    parts = [means]
    for by, groups in TAXONOMY.items():
        of_tasks = tasks[tasks[by].isin(groups)].rename(columns={**columns, by: "group"})
        parts.append(of_tasks.assign(by=by, task=of_tasks["task"], n_tasks=1)[order])
    return pd.concat(parts, ignore_index=True)[means.columns] if len(means) else means


@look.in_style
def draw_by_taxonomy(analysis: Analysis, measure: str) -> Figure:
    """Draw transferability (the paper's Figure 3) or malleability (Figure 4) by level and granularity.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    measure
        ``transferability`` or ``malleability``.

    Returns
    -------
    matplotlib.figure.Figure
        Bars are means over the tasks of a group, upwards of the positive and downwards of the negative
        aggregate; dots are the tasks. A dotted line through a bar is what noise alone would give it, a dashed
        one the transferability of the model's strongest control.
    """
    rows = look.something_of(taxonomy_numbers(analysis, measure), "no task has a registered level")
    models = [model for model in analysis.models if model in set(rows["model"])]
    colours = look.model_colours(models)
    names = look.model_labels(models)
    keys: list[Any] = [
        Patch(facecolor=colours[model], edgecolor=look.INK, linewidth=0.4, label=names[model]) for model in models
    ]
    keys.append(Patch(facecolor="white", edgecolor=look.INK, linewidth=0.4, hatch="////", label="negative part"))
    keys.append(
        Line2D([], [], linestyle="", marker="o", ms=3, mfc="white", mec=look.INK, mew=0.5, label="one task")
    )
    if rows["noise_positive"].notna().any():
        keys.append(Line2D([], [], color=look.INK, linewidth=1.2, linestyle=NOISE_LINE, label="noise alone"))
    if rows["control_positive"].notna().any():
        keys.append(
            Line2D([], [], color=look.CONTROL, linewidth=1.2, linestyle=CONTROL_LINE, label="strongest control")
        )
    bottom = look.legend_shape(keys, look.PAGE)[1] + 0.42
    figure, [panels] = look.inch_grid((1, 2), (2.92, 2.1), left=0.68, right=0.08, bottom=bottom, gaps=(0.4, 0))
    groups_of = {
        by: [g for g in order if g in set(rows.loc[rows["by"] == by, "group"])] for by, order in TAXONOMY.items()
    }
    for position, (axes, (by, groups)) in enumerate(zip(panels, groups_of.items(), strict=True)):
        _draw_groups(axes, rows[rows["by"] == by], groups, colours)
        what = "perceptual level" if by == "level" else "granularity"
        look.panel_title(axes, position, 2, f"by {what}")
    low, high = (pick(axes.get_ylim()[i] for axes in panels) for i, pick in ((0, min), (1, max)))
    for axes in panels:
        axes.set_ylim(low, high)
    panels[0].set_ylabel(measure)
    look.bottom_legend(figure, keys)
    return figure


def _draw_groups(axes: Axes, rows: pd.DataFrame, groups: Sequence[str], colours: dict[str, Any]) -> None:
    width = 0.8 / len(colours)
    for m, (model, colour) in enumerate(colours.items()):
        of_model = rows[rows["model"] == model]
        for g, group in enumerate(groups):
            here = of_model[of_model["group"] == group]
            place = g + (m - (len(colours) - 1) / 2) * width
            _draw_bar(axes, here, place, width, colour)
    counts = rows[rows["task"] == ""].groupby("group")["n_tasks"].max()
    axes.set_xticks(range(len(groups)), [f"{g}\n{_tasks(counts.get(g, 0))}" for g in groups])
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.axhline(0, color=look.INK, linewidth=0.6)
    axes.tick_params(axis="x", length=0)
    axes.margins(y=0.04)


def _tasks(count: float) -> str:
    return f"{count:.0f} task" + ("" if count == 1 else "s")


def _draw_bar(axes: Axes, rows: pd.DataFrame, place: float, width: float, colour: Any) -> None:
    mean, single = rows[rows["task"] == ""], rows[rows["task"] != ""]
    for sign, hatch in (("positive", ""), ("negative", "////")):
        axes.bar(
            [place] * len(mean),
            mean[sign],
            width * 0.9,
            color=colour,
            edgecolor=look.INK,
            linewidth=0.4,
            hatch=hatch,
        )
        for column, line, ink in (("noise", NOISE_LINE, look.INK), ("control", CONTROL_LINE, look.CONTROL)):
            level = mean[f"{column}_{sign}"].to_numpy(dtype=float)
            ends = (place - width * 0.45, place + width * 0.45)
            axes.hlines(level, *ends, color="white", linewidth=2.4, alpha=0.8, zorder=3)
            axes.hlines(level, *ends, color=ink, linewidth=1.2, linestyle=line, zorder=4)
        # side by side in their order rather than by chance, so that equal ones do not hide each other
        beside = (
            place + np.linspace(-0.28, 0.28, len(single)) * width if len(single) > 1 else [place] * len(single)
        )
        axes.plot(
            beside,
            single[sign],
            linestyle="",
            marker="o",
            markersize=2.6,
            markerfacecolor="white",
            markeredgecolor=look.INK,
            markeredgewidth=0.45,
        )


def scale_trend_numbers(analysis: Analysis) -> pd.DataFrame:
    """Columns measure, model, task (empty for the mean) and value; empty for a single model.

    The means have low, high, debiased and noise_level beside them, where errors are known, and the largest of
    the model's controls.
    """
    means = analysis.scale.assign(task="").rename(columns={"mean": "value"})
    tasks = analysis.tasks.melt(["model", "task"], list(AGGREGATES), "measure", "value")
    strongest = strongest_control(analysis)
    keys = zip(means["model"], means["measure"], strict=True)
    means["control"] = [strongest.get(key, np.nan) for key in keys]
    columns = ["measure", "model", "task", "value", "low", "high", "debiased", "noise_level", "control"]
    rows = pd.concat([means[columns], tasks], ignore_index=True)[columns]
    rows = rows[rows["value"].notna()].reset_index(drop=True)
    return rows if rows["model"].nunique() > 1 else rows.iloc[:0]


@look.in_style
def draw_scale_trend(analysis: Analysis) -> Figure:
    """Draw the four aggregates over the models in size order (the paper's Figure 5).

    Thin lines are tasks, the thick one their mean; p-values of its steps are paired Wilcoxon tests over tasks.
    Grey bars are intervals for the mean without its noise, dotted lines the level that noise alone gives,
    dashed ones the strongest control.
    """
    rows = look.something_of(scale_trend_numbers(analysis), "a trend needs two models with a defined cell")
    models = [model for model in analysis.models if model in set(rows["model"])]
    tasks = list(dict.fromkeys(rows.loc[rows["task"] != "", "task"]))
    labelled = len(tasks) <= MOST_LABELS
    labels = (
        look.widest_points([look.task_label(task, 14) for task in tasks], 5.5) / look.POINTS if labelled else 0
    )
    names = list(look.model_labels(models, 16).values())
    gap = 0.62 + labels
    panel = ((look.PAGE - 0.62 - 0.15 - labels - gap) / 2, 1.75)
    slanted = look.widest_points(names, 7) * 1.15 > panel[0] / len(models) * look.POINTS
    under = 0.2 + (0.75 * look.widest_points(names, 7) / look.POINTS if slanted else 0.08)
    keys = [
        Line2D([], [], color=look.INK, linewidth=2, marker="o", ms=4, label="mean over tasks"),
        *_line_keys(tasks),
    ]
    if rows["noise_level"].notna().any():
        keys.append(Line2D([], [], color=look.FAINT, linewidth=5, alpha=0.6, label="interval without noise"))
        keys.append(Line2D([], [], color=look.INK, linewidth=0.9, linestyle=":", label="noise alone"))
    if rows["control"].notna().any():
        keys.append(Line2D([], [], color=look.CONTROL, lw=1.2, linestyle=CONTROL_LINE, label="strongest control"))
    figure, grid = look.inch_grid(
        (2, 2),
        panel,
        left=0.62,
        right=0.15 + labels,
        bottom=under + look.legend_shape(keys, look.PAGE)[1],
        gaps=(gap, under + 0.3),
    )
    panels = [axes for line in grid for axes in line]
    for position, (axes, measure) in enumerate(zip(panels, AGGREGATES, strict=True)):
        _draw_lines(axes, rows[rows["measure"] == measure], models, tasks, labelled)
        _write_steps(axes, analysis.scale[analysis.scale["measure"] == measure].set_index("model"), models)
        axes.set_xticks(
            range(len(models)), names, rotation=30 if slanted else 0, ha="right" if slanted else "center"
        )
        look.panel_title(axes, position, 4, WORDS[measure])
    look.bottom_legend(figure, keys)
    return figure


def _line_keys(tasks: Sequence[str]) -> list[Line2D]:
    levels = {look.level_of(task) for task in tasks}
    return [
        Line2D(
            [],
            [],
            color=colour,
            linestyle=look.LEVEL_LINES[level],
            linewidth=1,
            label=f"{level} level" if level else "one task",
        )
        for level, colour in look.LEVEL_COLOURS.items()
        if level in levels
    ]


def _draw_lines(
    axes: Axes, rows: pd.DataFrame, models: Sequence[str], tasks: Sequence[str], labelled: bool
) -> None:
    values = rows.pivot(index="task", columns="model", values="value").reindex(columns=list(models))
    at = np.arange(len(models))
    for task in [task for task in tasks if task in values.index]:
        level = look.level_of(task)
        axes.plot(
            at,
            values.loc[task],
            color=look.LEVEL_COLOURS[level],
            linestyle=look.LEVEL_LINES[level],
            linewidth=0.9 if labelled else 0.5,
            alpha=1 if labelled else 0.5,
        )
    if "" in values.index:
        axes.plot(at, values.loc[""], color=look.INK, lw=2.2, marker="o", ms=4, zorder=5, clip_on=False)
        means = rows[rows["task"] == ""].set_index("model").reindex(list(models))
        axes.vlines(at, means["low"], means["high"], color=look.FAINT, linewidth=5, alpha=0.6, zorder=1)
        axes.plot(at, means["noise_level"], color=look.INK, linewidth=0.9, linestyle=":", zorder=4)
        style = {
            "color": look.CONTROL,
            "linewidth": 1.2,
            "linestyle": CONTROL_LINE,
            "marker": "x",
            "markersize": 3,
        }
        axes.plot(at, means["control"], zorder=4, **style)
    axes.axhline(0, color=look.FAINT, linewidth=0.5, zorder=0)
    axes.set_xlim(-0.15, len(models) - (1 if labelled else 0.85))
    axes.margins(y=0.07)
    if labelled:
        last = values.drop(index="", errors="ignore").iloc[:, -1].dropna()
        label_line_ends(axes, [str(task) for task in last.index], last.to_numpy(dtype=float), side="right")


def label_line_ends(
    axes: Axes, tasks: Sequence[str], values: np.ndarray, *, side: str, size: float = 5.5, width: int = 14
) -> None:
    """Labels beside the ends of lines, moved apart just enough to be read.

    Parameters
    ----------
    axes
        Panel of the lines, its limits already set.
    tasks
        One label each.
    values
        Height of each line's end, in data units.
    side
        ``left`` or ``right``.
    size
        Font size, in points.
    width
        Characters of a label at most.
    """
    if not len(values):
        return
    low, high = sorted(axes.get_ylim())
    per_point = (high - low) / look.axes_points(axes)[1]
    places = spread_apart(list(values), 1.05 * size * per_point, low, high)
    x, away = (1.0, 1) if side == "right" else (0.0, -1)
    for task, value, place in zip(tasks, values, places, strict=True):
        axes.annotate(
            look.task_label(task, width),
            xy=(x, value),
            xycoords=axes.get_yaxis_transform(),
            xytext=(away * 9, (place - value) / per_point),
            textcoords="offset points",
            ha="left" if side == "right" else "right",
            va="center",
            fontsize=size,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "linewidth": 0.3, "color": look.FAINT, "shrinkA": 0, "shrinkB": 0},
        )


def _write_steps(axes: Axes, scale: pd.DataFrame, models: Sequence[str]) -> None:
    if len(models) > 6:  # they would run into each other
        return
    for position, model in enumerate(models[1:], start=1):
        p_value = float(scale["p_value"].get(model, np.nan))
        if not np.isnan(p_value):
            axes.text(
                position - 0.5,
                0.995,
                f"p = {p_value:.2g}",
                transform=axes.get_xaxis_transform(),
                ha="center",
                va="top",
                fontsize=6,
                color=look.INK,
                bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
            )
