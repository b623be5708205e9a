"""Heat maps: PGF, interaction, seed spread, and constant answers by target and model.

Rows are sources, columns targets, one panel a model, one colour scale for all. The scale is symmetric about zero
and ends at a high quantile of |value|, since one loss of -2 would turn everything else white; the bar says where
it was cut and what the extremes are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.pgf import tasks_of
from tasktransfer.drawing import heat_map as heat
from tasktransfer.drawing import style as look
from tasktransfer.drawing.numbers import signed

__all__ = [
    "constant_answers_numbers",
    "draw_constant_answers",
    "draw_matrix",
    "draw_net_of_control",
    "matrix_numbers",
    "net_of_control_numbers",
]

SHOWN_QUANTILE = 0.98
MOST_CONTROLS = 3  # of a model, in the order of the input
_WORDS = {"pgf": "PGF", "interaction": "interaction part of PGF", "net": "net PGF"}
_EMPTY = "every cell of this figure is a hole"


def matrix_numbers(analysis: Analysis, model: str | None = None, *, value: str = "pgf") -> pd.DataFrame:
    """Cells of the heat maps: model, source, target and the value; empty when no cell is defined.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    model
        One model; by default all.
    value
        Column of ``transfers``: ``pgf``, ``interaction`` or ``seed_sd``.
    """
    cells = analysis.transfers
    cells = cells[cells["kind"] == "finetune"]
    if model is not None:
        cells = cells[cells["model"] == model]
    cells = cells[["model", "source", "target", value]].reset_index(drop=True)
    return cells if cells[value].notna().any() else cells.iloc[:0]


@look.in_style
def draw_matrix(analysis: Analysis, model: str | None = None, *, value: str = "pgf") -> Figure:
    """Draw the PGF matrix (the paper's Figures 2 and 10), or another value of the same cells.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    model
        One model; by default all, side by side.
    value
        ``pgf``, ``interaction`` (target and source effects removed) or ``seed_sd`` (standard deviation over
        seeds, the paper's Figures A.11 to A.13).

    Returns
    -------
    matplotlib.figure.Figure
        Holes are hatched, self-transfer is outlined, and a triangle stands over a target where a quarter of
        the runs or more score what a constant answer would.
    """
    cells = look.something_of(matrix_numbers(analysis, model, value=value), _EMPTY)
    order = tasks_of(analysis.transfers)
    models = list(dict.fromkeys(cells["model"]))
    grids = [_grid_of(cells[cells["model"] == name], value, order) for name in models]
    scale = _sequential(cells, value) if value == "seed_sd" else _diverging(cells, value)
    layout = _Layout.of(grids)
    titles = look.model_labels(models, layout.title_width)
    figure, panels, key = layout.build()
    marked = _constant_targets(analysis)
    for position, (axes, name, grid) in enumerate(zip(panels, models, grids, strict=True)):
        heat.fill(axes, grid, scale, label_size=layout.label_size, label_width=layout.label_width)
        if value != "interaction":  # whose diagonal is empty
            same = np.argwhere(grid.index.to_numpy()[:, None] == grid.columns.to_numpy()[None])
            heat.outline(axes, [(int(i), int(j)) for i, j in same])
        stars = [j for j, target in enumerate(grid.columns) if (name, target) in marked]
        _mark_targets(axes, stars)
        look.panel_title(axes, position, len(models), titles[name], pad=7 if stars else 4)
        wide, high = layout.boxes[position][2:]
        axes.set_ylabel("source (finetuned on)" if high > 1.1 else "source", labelpad=2, fontsize=7)
        axes.set_xlabel("target (evaluated on)" if wide > 1.1 else "target", labelpad=2, fontsize=7)
    _draw_key(figure, key, scale, _key_entries(grids, value, any(name in models for name, _ in marked)))
    return figure


def net_of_control_numbers(analysis: Analysis) -> pd.DataFrame:
    """Columns model, control, source, target, net, low, high and verdict; of many controls the first three."""
    columns = ["model", "control", "source", "target", "net", "low", "high", "verdict"]
    rows = analysis.controls[columns]
    kept = set(list(dict.fromkeys(rows["control"]))[:MOST_CONTROLS])
    return rows[rows["control"].isin(kept)].reset_index(drop=True)


@look.in_style
def draw_net_of_control(analysis: Analysis) -> Figure:
    """Draw PGF less the PGF of a control on the same target, one panel for each model and control.

    A dot marks a cell whose interval for the difference leaves out 0. Ours, not in the paper.
    """
    rows = look.something_of(net_of_control_numbers(analysis), "there is no control among the runs")
    order = tasks_of(analysis.transfers)
    panels_of = dict(list(rows.groupby(["model", "control"], sort=False)))
    grids = [_grid_of(cells, "net", order) for cells in panels_of.values()]
    scale = _diverging(rows, "net")
    layout = _Layout.of(grids)
    models = look.model_labels(list(dict.fromkeys(rows["model"])), layout.title_width // 2)
    figure, panels, key = layout.build()
    for position, (axes, (names, cells), grid) in enumerate(zip(panels, panels_of.items(), grids, strict=True)):
        heat.fill(axes, grid, scale, label_size=layout.label_size, label_width=layout.label_width)
        same = np.argwhere(grid.index.to_numpy()[:, None] == grid.columns.to_numpy()[None])
        heat.outline(axes, [(int(i), int(j)) for i, j in same])
        _mark_decided(
            axes, _grid_of(cells.assign(apart=cells["verdict"].isin(["above", "below"])), "apart", order)
        )
        model, control = names
        short = look.model_label(str(control), max(layout.title_width - len(models[model]) - 6, 6))
        title = f"less {short}" if len(models) == 1 else f"{models[model]} less {short}"
        look.panel_title(axes, position, len(panels_of), title, pad=4)
        axes.set_ylabel("source (finetuned on)", labelpad=2, fontsize=7)
        axes.set_xlabel("target (evaluated on)", labelpad=2, fontsize=7)
    entries = _key_entries(grids, "net", marked=False)
    if rows["low"].notna().any():
        label = "interval leaves out 0"
        entries.append(Line2D([], [], linestyle="", marker="o", markersize=2.5, color=look.INK, label=label))
    _draw_key(figure, key, scale, entries)
    return figure


def _mark_decided(axes: Axes, apart: pd.DataFrame) -> None:
    rows, columns = np.nonzero(apart.fillna(False).to_numpy(dtype=bool))
    points = look.axes_points(axes)[0] / max(apart.shape[1], 1)
    axes.scatter(
        columns,
        rows + 0.37,  # under the number, where there is one
        s=float(np.clip(0.11 * points, 0.5, 1.8)) ** 2,
        color=look.INK,
        edgecolors="white",
        linewidths=0.25,
        zorder=4,
    )


def _grid_of(cells: pd.DataFrame, value: str, order: Sequence[str]) -> pd.DataFrame:
    """Sources by targets; unlike the square matrix, without rows for tasks that nobody finetuned on."""
    sources, targets = set(cells["source"]), set(cells["target"])
    grid = cells.set_index(["source", "target"])[value].unstack("target")
    return grid.reindex(
        index=[task for task in order if task in sources], columns=[task for task in order if task in targets]
    )


def _constant_targets(analysis: Analysis) -> set[tuple[str, str]]:
    rows = analysis.diagnostics
    rows = rows[(rows["check"] == "constant_answer") & (rows["scope"] == "target") & rows["flagged"].astype(bool)]
    return set(zip(rows["model"], rows["target"], strict=True))


def _diverging(cells: pd.DataFrame, value: str) -> heat.Scale:
    values = cells[value].dropna()
    apart = cells.loc[cells["source"] != cells["target"], value].dropna().abs()
    # of a handful of cells none is an outlier
    limit = _round_up(float(apart.quantile(SHOWN_QUANTILE) if len(apart) > 20 else values.abs().max()))
    low, high = float(values.min()), float(values.max())
    extend = {(True, True): "both", (True, False): "min", (False, True): "max", (False, False): "neither"}
    ends = extend[low < -limit - 1e-9, high > limit + 1e-9]
    cut = "" if ends == "neither" else f"; colours end at ±{limit:g}"
    label = f"{_WORDS[value]}, {_near(low)} to {_near(high)}{cut}"
    return heat.Scale(look.DIVERGING, Normalize(-limit, limit), ends, label)


def _sequential(cells: pd.DataFrame, value: str) -> heat.Scale:
    values = cells[value].dropna()
    limit = _round_up(float(values.quantile(SHOWN_QUANTILE)))
    high = float(values.max())
    cut = high > limit + 1e-9
    label = f"SD of PGF over seeds, up to {high:.2f}" + (f"; colours end at {limit:g}" if cut else "")
    return heat.Scale(look.SEQUENTIAL, Normalize(0, limit), "max" if cut else "neither", label)


def _round_up(limit: float) -> float:
    """The next number of one digit, so that the bar ends at one that can be read."""
    if limit <= 1e-9:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(limit))
    return float(f"{math.ceil(limit / unit - 1e-9) * unit:.3g}")


def _near(value: float) -> str:
    """A value, 0.00 without a sign where it is next to nothing."""
    return signed(value) if abs(value) >= 0.005 else "0.00"


class _Layout(NamedTuple):
    """Where everything of a heat map figure stands, in inches."""

    boxes: list[tuple[float, float, float, float]]
    key: tuple[float, float, float, float]
    size: tuple[float, float]
    label_size: float
    label_width: int
    title_width: int

    @classmethod
    def of(cls, grids: Sequence[pd.DataFrame]) -> _Layout:
        """Two panels a row for up to four models, three up to nine, else four."""
        columns = 1 if len(grids) == 1 else 2 if len(grids) <= 4 else 3 if len(grids) <= 9 else 4
        width = look.COLUMN if columns == 1 else look.PAGE
        slot = width / columns
        tasks = [str(name) for grid in grids for axis in (grid.index, grid.columns) for name in axis]
        label_size = 7.0 if columns < 3 else 5.5
        label_width = max(4, min(28, int(0.33 * slot * look.POINTS / (0.62 * label_size))))
        labels = (
            look.widest_points([look.task_label(task, label_width) for task in tasks], label_size) / look.POINTS
        )
        left, top = labels + 0.27, 0.3
        panel = slot - left - 0.08
        sizes = [_panel_size(grid.shape, panel) for grid in grids]
        upright = any(labels > size[0] / grid.shape[1] for size, grid in zip(sizes, grids, strict=True))
        below = (labels if upright else 0.13) + 0.3
        lines = [sizes[i : i + columns] for i in range(0, len(sizes), columns)]
        heights = [top + max(height for _, height in line) + below for line in lines]
        spare = len(grids) % columns != 0 and columns > 1
        foot = 0.0 if spare else 1.1 if columns == 1 else 0.55
        total = sum(heights) + foot
        boxes = []
        for i, (wide, high) in enumerate(sizes):
            roof = total - sum(heights[: i // columns]) - top
            boxes.append((i % columns * slot + left, roof - high, wide, high))
        at = (len(grids) % columns) * slot + left
        key = (at, foot + heights[-1] - top, width - at, heights[-1]) if spare else (0.1, foot, width - 0.2, foot)
        title_width = int(panel * look.POINTS / (0.66 * 8.5)) - 4
        return cls(boxes, key, (width, total), label_size, label_width, max(title_width, 6))

    def build(self) -> tuple[Figure, list[Axes], tuple[float, float, float, float]]:
        """The empty figure, its panels and the place of the key."""
        figure = Figure(figsize=self.size)
        return figure, [look.axes_at(figure, box) for box in self.boxes], self.key


def _panel_size(shape: tuple[int, int], width: float) -> tuple[float, float]:
    """Square cells, unless a few rows against many columns would make a thread of the panel."""
    rows, columns = shape
    cell = min(width / columns, 0.45)
    return cell * columns, min(max(cell * rows, 0.09 * rows if rows < 8 else 0.72), 1.15 * width)


def _mark_targets(axes: Axes, columns: Sequence[int]) -> None:
    if columns:
        axes.plot(
            columns,
            [1.0] * len(columns),
            linestyle="",
            marker=7,  # a triangle whose tip stands on the point
            markersize=3.5,
            color=look.INK,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
        )


def _key_entries(grids: Sequence[pd.DataFrame], value: str, marked: bool) -> list[Patch | Line2D]:
    entries: list[Patch | Line2D] = []
    of_pairs = value == "interaction"  # which self-transfer has none of
    if not of_pairs and any(set(grid.index) & set(grid.columns) for grid in grids):
        entries.append(heat.outlined("self-transfer"))
    if any(bool(grid.isna().to_numpy().any()) for grid in grids):
        label = "self-transfer (left out), missing\nor undefined" if of_pairs else "missing or undefined"
        entries.append(heat.hatched(label))
    if marked:
        label = "target where a quarter or more of\nthe runs score as a constant answer"
        entries.append(Line2D([], [], linestyle="", marker=7, markersize=4, color=look.INK, label=label))
    return entries


def _draw_key(
    figure: Figure, box: tuple[float, float, float, float], scale: heat.Scale, entries: Sequence[Patch | Line2D]
) -> None:
    """The colour bar with the legend under it where there is room, else beside it."""
    x, roof, width, height = box
    stacked = height > 1.0
    bar_width = min(width - 0.4, 2.6)
    bar = look.axes_at(figure, (x + 0.12, roof - 0.15, bar_width, 0.09))
    figure.colorbar(
        ScalarMappable(scale.norm, scale.colours),
        cax=bar,
        orientation="horizontal",
        extend=scale.extend,
        ticks=np.linspace(float(scale.norm.vmin or 0), float(scale.norm.vmax or 1), 5),
        format=FuncFormatter(lambda tick, _: f"{tick:g}".replace("-", "−")),
    )
    bar.set_xlabel(scale.label, fontsize=7, labelpad=2)
    bar.tick_params(labelsize=6.5, pad=1.5)
    total = figure.get_size_inches()
    at = (x + 0.05, roof - 0.62) if stacked else (x + bar_width + 0.45, roof - 0.02)
    figure.legend(
        handles=list(entries),
        loc="upper left",
        bbox_to_anchor=(at[0] / total[0], at[1] / total[1]),
        borderaxespad=0,
        fontsize=6.5,
    )


def constant_answers_numbers(analysis: Analysis) -> pd.DataFrame:
    """Columns model, target, share and flagged; empty where it is known for no target."""
    rows = analysis.diagnostics
    rows = rows[(rows["check"] == "constant_answer") & (rows["scope"] == "target")]
    rows = rows.rename(columns={"value": "share"})[["model", "target", "share", "flagged"]]
    return rows.astype({"share": float, "flagged": bool}).reset_index(drop=True)


@look.in_style
def draw_constant_answers(analysis: Analysis) -> Figure:
    """Draw the share of off-diagonal runs of each target that score exactly what a constant answer would.

    A cell of the matrix in such a column measures letter frequencies, not a skill. Ours, not in the paper.
    """
    rows = look.something_of(constant_answers_numbers(analysis), "constant answers cannot be told from these data")
    shares = rows.set_index(["model", "target"])["share"].unstack("target")
    targets = [task for task in tasks_of(analysis.transfers) if task in shares.columns]
    models = [model for model in analysis.models if model in shares.index]
    shares = shares.reindex(index=models, columns=targets)
    names = list(look.model_labels(models, 20).values())
    labels = [look.task_label(task, 16) for task in targets]
    left = look.widest_points(names, 7) / look.POINTS + 0.15
    cell = min((look.PAGE - left - 0.1) / len(targets), 0.6)
    widest = look.widest_points(labels, 7) / look.POINTS
    foot = (widest if widest > cell else 0.13) + 0.35
    width = cell * len(targets)
    wide = max(left + width + 0.1, look.COLUMN)
    high = 0.22 * len(models)
    figure = Figure(figsize=(wide, 0.25 + high + foot))
    axes = look.axes_at(figure, (left, foot, width, high))
    limit = max(_round_up(float(rows["share"].max())), 0.1)
    scale = heat.Scale(look.SEQUENTIAL, Normalize(0, min(limit, 1.0)), "neither", "share of runs")
    heat.fill(axes, shares, scale, label_size=7, label_width=16, percent=True)
    axes.set_yticks(range(len(models)), names)
    flagged = {(row.model, row.target) for row in rows.itertuples() if row.flagged}
    heat.outline(axes, [(i, j) for i, m in enumerate(models) for j, t in enumerate(targets) if (m, t) in flagged])
    axes.set_title("Off-diagonal runs that score exactly as a constant answer", pad=4)
    entries = [heat.outlined("a quarter of the runs or more")]
    if bool(shares.isna().to_numpy().any()):
        entries.append(heat.hatched("cannot be told"))
    look.bottom_legend(figure, entries)
    return figure
