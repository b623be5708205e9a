"""The paper's Figure 8 with intervals: what each way of choosing gained on each target, and what was predicted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tasktransfer.drawing import style as look

__all__ = ["draw_realised"]

_ROW = 0.2  # inches a method
_COLUMNS = 4
_PREDICTED = ("predicted", "predicted_low", "predicted_high")
_CHOSEN, _BASELINE = "#0072B2", "#6B6B6B"


@look.in_style
def draw_realised(realised: pd.DataFrame, baselines: tuple[str, ...] = ()) -> Figure:
    """Draw gains in accuracy points, a panel a target, a row a method.

    Parameters
    ----------
    realised
        Of `tasktransfer.realise.judgement.judge`.
    baselines
        Names that methods to compare with begin with; they are grey.
    """
    look.something_of(realised, "no mixture was trained")
    methods = list(dict.fromkeys(realised["method"]))
    targets = list(dict.fromkeys(realised["target"]))
    columns = min(_COLUMNS, len(targets))
    rows = -(-len(targets) // columns)
    left = look.widest_points(methods, 7) / look.POINTS + 0.15
    width = (look.PAGE - left - 0.1 - (columns - 1) * 0.18) / columns
    figure, grid = look.inch_grid(
        (rows, columns), (width, _ROW * len(methods) + 0.1), left=left, top=0.46, bottom=0.68, gaps=(0.18, 0.75)
    )
    for place, axes in enumerate(axes for line in grid for axes in line):
        if place >= len(targets):
            axes.set_axis_off()
            continue
        of_target = realised[realised["target"] == targets[place]].set_index("method").reindex(methods)
        _draw_panel(axes, of_target, baselines)
        title = f"{look.task_label(targets[place])}\nbaseline {of_target['baseline'].max():.0%}"
        look.panel_title(axes, place, len(targets), title)
        axes.set_yticks(range(len(methods)), methods if place % columns == 0 else [])
        axes.set_xlabel("gain, accuracy points", labelpad=1)
    look.bottom_legend(figure, _legend())
    return figure


def _draw_panel(axes: Axes, of_target: pd.DataFrame, baselines: tuple[str, ...]) -> None:
    rows = np.arange(len(of_target))
    gap = 100 * (1 - of_target["baseline"].to_numpy(dtype=float))
    direct = of_target["gain"].get("direct", np.nan)
    axes.axvline(0, color=look.INK, linewidth=0.5)
    if not np.isnan(direct):
        axes.axvline(100 * direct, color=look.FAINT, linewidth=0.7, linestyle=(0, (3, 2)), zorder=0)
    predicted, *ends = (gap * of_target[name].to_numpy(dtype=float) for name in _PREDICTED)
    axes.hlines(rows + 0.2, *ends, color=look.FAINT, linewidth=0.7)
    axes.plot(
        predicted, rows + 0.2, linestyle="", marker="D", markersize=3, markerfacecolor="white",
        markeredgecolor=look.FAINT, markeredgewidth=0.8,
    )  # fmt: skip
    gain, low, high = (100 * of_target[name].to_numpy(dtype=float) for name in ("gain", "gain_low", "gain_high"))
    colours = [_BASELINE if str(name).startswith(baselines) else _CHOSEN for name in of_target.index]
    if not baselines:
        colours = [_CHOSEN] * len(rows)
    axes.hlines(rows - 0.12, low, high, color=colours, linewidth=1.3)
    axes.scatter(gain, rows - 0.12, s=14, color=colours, zorder=3, linewidths=0)
    _set_range(axes, np.concatenate([gain, low, high]), np.concatenate([predicted, *ends]))
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.tick_params(axis="y", length=0)
    width = axes.bbox.width / axes.figure.dpi  # inches
    axes.xaxis.set_major_locator(MaxNLocator(min(int(width / 0.35), 8), steps=[1, 2, 2.5, 5, 10], min_n_ticks=3))


def _set_range(axes: Axes, realised: np.ndarray, predicted: np.ndarray) -> None:
    """Room for all that was realised, and for predictions as far as they do not crush it."""
    realised = np.append(realised[~np.isnan(realised)], 0.0)
    low, high = realised.min(), realised.max()
    room = 0.5 * max(high - low, 1.0)
    values = np.append(realised, np.clip(predicted[~np.isnan(predicted)], low - room, high + room))
    margin = 0.06 * max(float(np.ptp(values)), 1.0)
    axes.set_xlim(values.min() - margin, values.max() + margin)


def _legend() -> list[Line2D]:
    return [
        Line2D([], [], color=_CHOSEN, marker="o", markersize=3.5, linewidth=1.3, label="realised, by the matrix"),
        Line2D([], [], color=_BASELINE, marker="o", markersize=3.5, linewidth=1.3, label="realised, to compare"),
        Line2D([], [], color=look.FAINT, marker="D", markersize=3, markerfacecolor="white", linewidth=0.7,
               label="predicted"),
        Line2D([], [], color=look.FAINT, linewidth=0.7, linestyle=(0, (3, 2)), label="direct finetuning"),
    ]  # fmt: skip
