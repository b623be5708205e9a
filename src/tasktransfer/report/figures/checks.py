"""Figures that say how far to trust the others: variance split, ceilings, controls. Ours, not in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.drawing import style as look
from tasktransfer.drawing.labels import printable
from tasktransfer.report.figures.aggregates import label_line_ends

__all__ = [
    "ceiling_sensitivity_numbers",
    "controls_numbers",
    "draw_ceiling_sensitivity",
    "draw_controls",
    "draw_variance_split",
    "variance_split_numbers",
]

FINETUNES = ("lowest finetune", "mean of finetunes", "highest finetune")
MOST_LABELS = 20
_PARTS = {"target": ("#56B4E9", ""), "source": ("#E69F00", r"\\\\"), "interaction": ("#E8E8E8", "/////")}
_CONTROL_MARKERS = ("o", "s", "^", "v", "P", "X")
_CONTROL_COLOURS = ("#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#0072B2")


def variance_split_numbers(analysis: Analysis) -> pd.DataFrame:
    """Columns model, component and share; models whose cells do not vary are left out.

    The component noise is a part of the interaction, not beside it.
    """
    rows = analysis.decomposition[["model", "component", "share"]]
    unknown = rows.loc[(rows["component"] == "interaction") & rows["share"].isna(), "model"]
    return rows[rows["share"].notna() & ~rows["model"].isin(unknown)].reset_index(drop=True)


@look.in_style
def draw_variance_split(analysis: Analysis) -> Figure:
    """Draw how much of the off-diagonal variation is the target, the source, and left for pairs.

    A dark line in the last part is as long as what the errors of items and seeds alone would leave there.
    """
    rows = look.something_of(
        variance_split_numbers(analysis), "the off-diagonal cells do not vary, or are too few to split"
    )
    shares = rows.pivot(index="model", columns="component", values="share")
    models = [model for model in analysis.models if model in shares.index]
    names = list(look.model_labels(models, 14).values())
    left = look.widest_points(names, 7) / look.POINTS + 0.15
    figure, [[axes]] = look.inch_grid(
        (1, 1), (look.COLUMN - left - 0.15, 0.26 * len(models)), left=left, right=0.15, top=0.26, bottom=0.68
    )
    start = np.zeros(len(models))
    for component, (colour, hatch) in _PARTS.items():
        share = shares.loc[models, component].to_numpy(dtype=float)
        axes.barh(
            range(len(models)),
            share,
            0.72,
            left=start,
            color=colour,
            edgecolor=look.INK,
            linewidth=0.4,
            hatch=hatch,
        )
        for i, (value, x) in enumerate(zip(share, start, strict=True)):
            if value >= 0.055:
                box = {"facecolor": colour, "edgecolor": "none", "pad": 0.8}
                axes.text(x + value / 2, i, f"{value:.0%}", ha="center", va="center", fontsize=6.5, bbox=box)
        if component == "interaction" and "noise" in shares:
            noise = np.minimum(shares.loc[models, "noise"].to_numpy(dtype=float), share)
            axes.hlines(np.arange(len(models)) + 0.27, start, start + noise, color=look.INK, linewidth=2.2)
        start += share
    axes.set(xlim=(0, 1), ylim=(len(models) - 0.5, -0.5))
    axes.set_yticks(range(len(models)), names)
    axes.set_xticks(np.linspace(0, 1, 6), [f"{x:.0%}" for x in np.linspace(0, 1, 6)])
    axes.tick_params(axis="y", length=0)
    figure.suptitle("Share of the off-diagonal variation of PGF", x=0.02, y=0.985, ha="left", va="top", fontsize=8)
    keys: list[Any] = [
        Patch(facecolor=c, edgecolor=look.INK, lw=0.4, hatch=h, label=name) for name, (c, h) in _PARTS.items()
    ]
    if "noise" in shares:
        keys.append(Line2D([], [], color=look.INK, linewidth=2.2, label="noise in it"))
    look.bottom_legend(figure, keys)
    return figure


def ceiling_sensitivity_numbers(analysis: Analysis) -> pd.DataFrame:
    """Columns model, ceiling_name, task, transferability_pos and rank (1 is the best; ties share the middle)."""
    rows = analysis.ceilings[["model", "ceiling_name", "task", "transferability_pos"]]
    rows = rows[rows["transferability_pos"].notna()].reset_index(drop=True)
    if rows["ceiling_name"].nunique() < 2:
        return rows.iloc[:0].assign(rank=pd.Series(dtype=float))
    groups = rows.groupby(["model", "ceiling_name"], sort=False)["transferability_pos"]
    return rows.assign(rank=groups.rank(ascending=False, method="average"))


@look.in_style
def draw_ceiling_sensitivity(analysis: Analysis) -> Figure:
    """Draw the order of the sources by positive transferability under each ceiling the data allow.

    The chosen ceiling stands first; Kendall's tau against it stands over the others.
    """
    rows = look.something_of(ceiling_sensitivity_numbers(analysis), "these data allow one ceiling only")
    chosen = analysis.settings.ceiling
    ceilings = sorted(dict.fromkeys(rows["ceiling_name"]), key=lambda name: name != chosen)
    models = [model for model in analysis.models if model in set(rows["model"])]
    columns = min(len(models), 3)
    tasks = list(dict.fromkeys(rows["task"]))
    labelled = len(tasks) <= MOST_LABELS
    names = look.model_labels(models, 14)
    labels = (
        look.widest_points([look.task_label(task, 10) for task in tasks], 6) / look.POINTS + 0.12
        if labelled
        else 0.05
    )
    width = look.COLUMN if columns == 1 else look.PAGE
    gap, right = 2 * labels + 0.12, max(labels + 0.08, 0.32)
    panel = (
        (width - 0.4 - labels - right - gap * (columns - 1)) / columns,
        float(np.clip(0.13 * len(tasks), 0.9, 2.6)),
    )
    keys = _level_keys(tasks)
    figure, grid = look.inch_grid(
        (-(-len(models) // columns), columns),
        panel,
        left=0.4 + labels,
        right=right,
        top=0.45,
        bottom=0.38 + look.legend_shape(keys, width)[1],
        gaps=(gap, 0.85),
    )
    for position, axes in enumerate(axes for line in grid for axes in line):
        if position >= len(models):
            axes.remove()
            continue
        model = models[position]
        _draw_ranks(axes, rows[rows["model"] == model], ceilings, labelled)
        taus = [
            analysis.summary["ceiling_sensitivity"][name]["kendall_tau_transferability_pos"] for name in ceilings
        ]
        room = min(panel[0] / (len(ceilings) - 1), 2 * right if columns == 1 else gap)
        _write_ceilings(axes, ceilings, [of_model.get(model) for of_model in taus], room)
        look.panel_title(axes, position, len(models), names[model], pad=14)
        if position % columns == 0:
            axes.set_ylabel("rank by positive transferability", fontsize=6.5, labelpad=labels * look.POINTS + 4)
    look.bottom_legend(figure, keys)
    return figure


def _level_keys(tasks: Sequence[str]) -> list[Line2D]:
    levels = {look.level_of(task) for task in tasks}
    return [
        Line2D([], [], color=colour, marker="o", ms=3.5, lw=1.2, label=f"{level} level" if level else "one task")
        for level, colour in look.LEVEL_COLOURS.items()
        if level in levels
    ]


def _draw_ranks(axes: Axes, rows: pd.DataFrame, ceilings: Sequence[str], labelled: bool) -> None:
    ranks = rows.pivot(index="task", columns="ceiling_name", values="rank").reindex(columns=list(ceilings))
    at = np.arange(len(ceilings))
    for task, values in zip(ranks.index, ranks.to_numpy(dtype=float), strict=True):
        steady = np.nanmax(values) - np.nanmin(values) < 1
        axes.plot(
            at,
            values,
            color=look.LEVEL_COLOURS[look.level_of(str(task))],
            linewidth=0.3 if not labelled else 0.8 if steady else 1.6,
            linestyle=":" if steady else "-",
            marker="o",
            markersize=3.5 if labelled else 0.5,
            clip_on=False,
        )
    axes.set_ylim(len(ranks) + 0.5, 0.5)
    axes.set_xlim(0, len(at) - 1)
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    if labelled:
        for side, column in (("left", ceilings[0]), ("right", ceilings[-1])):
            ends = ranks[column].dropna()
            label_line_ends(
                axes, [str(t) for t in ends.index], ends.to_numpy(dtype=float), side=side, size=6, width=10
            )


def _write_ceilings(axes: Axes, ceilings: Sequence[str], taus: Sequence[float | None], width: float) -> None:
    room = max(int(width * look.POINTS / (0.62 * 6.5)), 8)
    # of a file only its name: the folder says nothing and would not fit
    shown = [printable(PurePath(name).name or name, 2 * room) for name in ceilings]
    names = ["\n".join(wrap(name, room, max_lines=2, placeholder="…")) for name in shown]
    axes.set_xticks(range(len(ceilings)), names, fontsize=6.5)
    for position, tau in enumerate(taus):
        if position and tau is not None:
            text = f"τ = {tau:.2f}".replace("-", "−")
            axes.text(position, 1.02, text, transform=axes.get_xaxis_transform(), ha="center", fontsize=6.5)


def controls_numbers(analysis: Analysis) -> pd.DataFrame:
    """Columns model, target, series, pgf, low and high: each control, and lowest, mean and highest finetune.

    Self-transfer is left out of the finetunes. Empty without a control.
    """
    cells = analysis.transfers[analysis.transfers["pgf"].notna()]
    controls = cells[cells["kind"] == "control"]
    tuned = cells[(cells["kind"] == "finetune") & (cells["source"] != cells["target"])]
    groups = tuned.groupby(["model", "target"], sort=False)["pgf"].agg(["min", "mean", "max"])
    groups.columns = pd.Index(FINETUNES)
    finetunes = groups.reset_index().melt(["model", "target"], list(FINETUNES), "series", "pgf")
    named = controls.assign(series="control: " + controls["source"].astype(str))
    columns = ["model", "target", "series", "pgf", "low", "high"]
    rows = pd.concat([named[columns], finetunes], ignore_index=True)[columns]
    return rows if len(controls) else rows.iloc[:0]


@look.in_style
def draw_controls(analysis: Analysis) -> Figure:
    """Draw the PGF of each control on each target beside the finetunes: from lowest to highest, and the mean.

    Lines through a control are its interval.
    What a control (say, training on shuffled labels) gains as well is no transfer of a skill.
    """
    rows = look.something_of(controls_numbers(analysis), "there is no control among the runs")
    controls = [name for name in dict.fromkeys(rows["series"]) if name not in FINETUNES]
    models = [model for model in analysis.models if model in set(rows["model"])]
    targets = list(dict.fromkeys(analysis.transfers["target"]))
    targets = [task for task in targets if task in set(rows["target"])]
    labels = [look.task_label(task, 16) for task in targets]
    pitch = (look.PAGE - 0.7) / len(targets) * look.POINTS
    step = look.every_other(len(targets), pitch)
    upright = look.widest_points(labels, 6.5) > pitch * step
    under = look.widest_points(labels, 6.5) / look.POINTS if upright else 0.12
    keys = _control_keys(controls)
    figure, grid = look.inch_grid(
        (len(models), 1),
        (look.PAGE - 0.7, 1.15),
        left=0.6,
        bottom=under + 0.2 + look.legend_shape(keys, look.PAGE)[1],
        gaps=(0, under + 0.38),
    )
    for position, (model, [axes]) in enumerate(zip(models, grid, strict=True)):
        _draw_controls(axes, rows[rows["model"] == model], targets, controls, pitch)
        axes.set_xticks(range(0, len(targets), step), labels[::step], fontsize=6.5, rotation=90 if upright else 0)
        axes.set_ylabel("PGF")
        look.panel_title(axes, position, len(models), look.model_label(model, 60))
    look.bottom_legend(figure, keys)
    return figure


def _control_style(position: int) -> dict[str, Any]:
    n = len(_CONTROL_MARKERS)
    return {"marker": _CONTROL_MARKERS[position % n], "color": _CONTROL_COLOURS[position % n], "linestyle": ""}


def _control_keys(controls: Sequence[str]) -> list[Any]:
    keys: list[Any] = [
        Line2D([], [], color=look.FAINT, linewidth=4, alpha=0.5, label="finetunes on other tasks"),
        Line2D([], [], color=look.INK, linestyle="", marker="_", ms=8, mew=1.4, label="their mean"),
    ]
    for position, name in enumerate(controls):
        keys.append(Line2D([], [], ms=4, label=printable(name, 32), **_control_style(position)))
    return keys


def _draw_controls(
    axes: Axes, rows: pd.DataFrame, targets: Sequence[str], controls: Sequence[str], pitch: float
) -> None:
    values = rows.pivot(index="target", columns="series", values="pgf")
    values = values.reindex(index=list(targets), columns=[*FINETUNES, *controls])
    at = np.arange(len(targets))
    low, mean, high = (values[name].to_numpy(dtype=float) for name in FINETUNES)
    axes.bar(at, high - low, 0.5, bottom=low, color=look.FAINT, alpha=0.5, linewidth=0)
    axes.plot(at, mean, linestyle="", marker="_", color=look.INK, ms=max(0.5 * pitch, 2), mew=1.4, zorder=3)
    for position, name in enumerate(controls):
        # beside each other, inside the width of the bar
        shift = 0.4 * ((position + 0.5) / len(controls) - 0.5)
        size = float(np.clip(0.3 * pitch, 1.5, 4))
        style = _control_style(position)
        axes.plot(at + shift, values[name], ms=size, zorder=4, mec="white", mew=0.3, **style)
        own = rows[rows["series"] == name].set_index("target").reindex(list(targets))
        axes.vlines(at + shift, own["low"], own["high"], color=style["color"], linewidth=0.7, zorder=3)
    axes.axhline(0, color=look.INK, linewidth=0.5, zorder=1)
    axes.use_sticky_edges = False  # else the lowest bar ends on the frame
    axes.margins(y=0.06)
    axes.set_xlim(-0.6, len(targets) - 0.4)
    axes.tick_params(axis="x", length=0)
