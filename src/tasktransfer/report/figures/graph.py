"""The transfer graph on a circle.

On the circle tasks stand by level, then granularity, then in the order of the analysis, so a task keeps its place
from model to model and two graphs can be compared by eye; a force layout would move everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.pgf import tasks_of
from tasktransfer.drawing import style as look
from tasktransfer.tasks import GRANULARITIES, LEVELS

__all__ = ["draw_transfer_graph", "transfer_graph_numbers"]

MOST_NODES = 40  # tasks up to which every task of the model is drawn
MOST_EDGES = 60  # of each sign
MOST_EDGES_OF_MANY = 40  # over MOST_NODES tasks
SHORT = 4  # a label of so many characters fits into its node
FEW = 16  # tasks up to which long labels stand upright
LIKELY = 0.5  # inclusion probability from which an edge is drawn in full
_LABEL_WIDTH = 18
_PALE = 0.28
_WIDTHS = (0.6, 2.4)  # points, of the weakest and the strongest edge drawn


def transfer_graph_numbers(analysis: Analysis, model: str) -> pd.DataFrame:
    """The edges that are drawn, columns source, target, pgf, sign, probability, uncertainty, on.

    Of many the strongest of each sign.
    """
    edges = analysis.edges[analysis.edges["model"] == model].drop(columns="model")
    many = len(tasks_of(analysis.transfers, model)) > MOST_NODES
    most = MOST_EDGES_OF_MANY if many else MOST_EDGES
    rank = edges["pgf"].abs().groupby(edges["sign"]).rank(ascending=False, method="first")
    return edges[rank <= most].reset_index(drop=True)


@look.in_style
def draw_transfer_graph(analysis: Analysis, model: str) -> Figure:
    """Draw the strongest transfers of either sign as a directed graph (the paper's Figure 1).

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`; which edges there are is decided there (``top_share``).
    model
        Name of the model.

    Returns
    -------
    matplotlib.figure.Figure
        Sign by colour and line style, |PGF| by width, level by fill, granularity by shape. Pale is an edge that
        fewer than half of the plausible matrices have. Above 40 tasks only the strongest edges and the tasks
        they join, and the title says so.
    """
    edges = look.something_of(transfer_graph_numbers(analysis, model), f"{model!r} has no edge")
    tasks = tasks_of(analysis.transfers, model)
    if len(tasks) > MOST_NODES:
        joined = {*edges["source"], *edges["target"]}
        nodes = [task for task in tasks if task in joined]
    else:
        nodes = tasks
    nodes = sorted(nodes, key=_place_key)
    short = max(len(look.task_label(task)) for task in nodes) <= SHORT and len(nodes) <= 24
    keys = [*look.task_keys(nodes), *_edge_keys(edges)]
    few = not short and len(nodes) <= FEW
    width = look.COLUMN if short else 5.6 if few else look.PAGE
    foot = look.legend_shape(keys, width)[1] + 0.06
    side = width if short else 3.6 if few else 5.6
    figure = Figure(figsize=(width, side + foot + (0.2 if short else 0.25)))
    axes = look.axes_at(figure, ((width - side) / 2, foot, side, side))
    labels = look.widest_points([look.task_label(task, _LABEL_WIDTH) for task in nodes], 6) / look.POINTS
    reach = 1.13 if short or few else 1.12 / (1 - 2 * labels / side)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach))
    axes.set_axis_off()
    places = _circle(nodes)
    radius = 9.5 if short else 6.0 if few else float(np.clip(150 / len(nodes), 2, 5))  # points
    _draw_edges(axes, edges, places, radius)
    _draw_nodes(axes, places, radius)
    if short:
        _write_inside(axes, places)
    elif few:
        _write_beside(axes, places)
    else:
        _write_outside(axes, places, edges, pitch=2 * np.pi * side / (2 * reach) * look.POINTS)
    figure.suptitle(
        _title_of(analysis, model, edges, len(nodes)), x=0.02, ha="left", y=0.995, va="top", fontsize=8
    )
    look.bottom_legend(figure, keys)
    return figure


def _place_key(task: str) -> tuple[int, int]:
    level, granularity = look.level_of(task), look.granularity_of(task)
    return (
        LEVELS.index(level) if level in LEVELS else len(LEVELS),
        GRANULARITIES.index(granularity) if granularity in GRANULARITIES else len(GRANULARITIES),
    )


def _circle(nodes: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Places on the unit circle, from the top clockwise."""
    angles = np.pi / 2 - 2 * np.pi * np.arange(len(nodes)) / len(nodes)
    return {task: (float(np.cos(a)), float(np.sin(a))) for task, a in zip(nodes, angles, strict=True)}


def _line_widths(edges: pd.DataFrame) -> np.ndarray:
    """Width of each edge, from the weakest drawn to the strongest drawn."""
    sizes = edges["pgf"].abs().to_numpy(dtype=float)
    span = float(sizes.max() - sizes.min())
    share = (sizes - sizes.min()) / span if span > 0 else np.full(len(sizes), 0.5)
    return _WIDTHS[0] + (_WIDTHS[1] - _WIDTHS[0]) * share


def _draw_edges(axes: Axes, edges: pd.DataFrame, places: Mapping[str, tuple[float, float]], radius: float) -> None:
    """Weak edges first, so that strong ones lie on top."""
    pairs = set(zip(edges["source"], edges["target"], strict=True))
    ordered = edges.assign(width=_line_widths(edges)).sort_values("width", kind="stable")
    columns = ["source", "target", "sign", "width", "probability"]
    for source, target, sign, width, probability in ordered[columns].itertuples(index=False):
        head = 3.2 + 1.3 * width
        between: dict[str, Any] = {
            "posA": places[source],
            "posB": places[target],
            "connectionstyle": f"arc3,rad={_bend(places[source], places[target], (target, source) in pairs):.3f}",
            "color": look.SIGN_COLOURS[sign],
            "alpha": _PALE if probability < LIKELY else 0.85,
            "shrinkA": radius,
            "zorder": 2,
        }
        # head and shaft apart: one patch would dash the outline of the head as well
        line = look.SIGN_LINES[sign]
        shaft = {"arrowstyle": "-", "shrinkB": radius + 0.8 * head, "linewidth": width, "linestyle": line}
        axes.add_patch(FancyArrowPatch(**between, **shaft, capstyle="butt"))
        shape = f"-|>,head_length={head:.3f},head_width={0.42 * head:.3f}"
        axes.add_patch(
            FancyArrowPatch(**between, arrowstyle=shape, mutation_scale=1, shrinkB=radius + 0.5, linewidth=0)
        )


def _bend(start: tuple[float, float], end: tuple[float, float], mutual: bool) -> float:
    """Curvature of an edge: towards the centre, so that it misses the nodes between its ends.

    Of a mutual pair the two directions bend differently, else one would hide the other.
    """
    turn = start[0] * end[1] - start[1] * end[0]
    inward = 1 if turn >= 0 else -1
    return -inward * (0.2 if not mutual else 0.1 if start > end else 0.32)


def _draw_nodes(axes: Axes, places: Mapping[str, tuple[float, float]], radius: float) -> None:
    for task, (x, y) in places.items():
        shape = look.GRANULARITY_MARKERS[look.granularity_of(task)]
        # a diamond of the same width is smaller, a square larger, than a circle
        size = 2 * radius * {"s": 0.88, "D": 0.82}.get(shape, 1.0)
        axes.plot(
            x,
            y,
            marker=shape,
            markersize=size,
            color=look.LEVEL_COLOURS[look.level_of(task)],
            markeredgecolor=look.INK,
            markeredgewidth=0.6,
            zorder=3,
            clip_on=False,
        )


def _write_inside(axes: Axes, places: Mapping[str, tuple[float, float]]) -> None:
    for task, (x, y) in places.items():
        label = look.task_label(task)
        axes.text(x, y, label, ha="center", va="center", fontsize=7 if len(label) < 4 else 5.5, zorder=4)


def _write_beside(axes: Axes, places: Mapping[str, tuple[float, float]]) -> None:
    """Upright labels outside the circle; in the margins beside the axes there is room for them."""
    for task, (x, y) in places.items():
        sideways = "center" if abs(x) < 0.2 else "left" if x > 0 else "right"
        upward = "center" if abs(x) >= 0.2 else "bottom" if y > 0 else "top"
        label = look.task_label(task, 16)
        axes.text(1.08 * x, 1.08 * y, label, ha=sideways, va=upward, fontsize=7)


def _write_outside(
    axes: Axes, places: Mapping[str, tuple[float, float]], edges: pd.DataFrame, *, pitch: float
) -> None:
    """Labels along the radius; where they would touch, those of the stronger tasks win."""
    strength = (
        pd.concat([edges.set_index(end)["pgf"].abs() for end in ("source", "target")]).groupby(level=0).sum()
    )
    order = sorted(places, key=lambda task: -float(strength.get(task, 0.0)))
    taken: list[float] = []
    for task in order:
        x, y = places[task]
        angle = float(np.arctan2(y, x))
        turns = [abs((angle - other + np.pi) % (2 * np.pi) - np.pi) for other in taken]
        if turns and min(turns) / (2 * np.pi) * pitch < 6.5:
            continue
        taken.append(angle)
        leftward = x < -1e-9
        axes.text(
            1.06 * x,
            1.06 * y,
            look.task_label(task, _LABEL_WIDTH),
            rotation=np.degrees(angle) + (180 if leftward else 0),
            rotation_mode="anchor",
            ha="right" if leftward else "left",
            va="center",
            fontsize=6,
        )


def _edge_keys(edges: pd.DataFrame) -> list[Line2D]:
    widths = _line_widths(edges)
    lines = []
    for sign, word in (("positive", "helps"), ("negative", "harms")):
        of_sign = (edges["sign"] == sign).to_numpy()
        if of_sign.any():
            by_size = sorted(edges.loc[of_sign, "pgf"], key=abs)
            text = f"{word}, PGF {by_size[0]:+.2f} to {by_size[-1]:+.2f}".replace("-", "−")
            lines.append(
                Line2D(
                    [],
                    [],
                    color=look.SIGN_COLOURS[sign],
                    linestyle=look.SIGN_LINES[sign],
                    linewidth=float(widths[of_sign].max()),
                    label=text,
                )
            )
    if (edges["probability"] < LIKELY).any():
        label = "pale: likely not among them"
        lines.append(Line2D([], [], color=look.INK, alpha=_PALE, linewidth=1.5, label=label))
    return lines


def _title_of(analysis: Analysis, model: str, edges: pd.DataFrame, n_nodes: int) -> str:
    n_edges = int((analysis.edges["model"] == model).sum())
    n_tasks = len(tasks_of(analysis.transfers, model))
    what = f"{look.model_label(model, 40 if n_tasks > 24 else 26)}: "
    if len(edges) < n_edges or n_nodes < n_tasks:
        return what + f"the {len(edges)} strongest of {n_edges} edges, on {n_nodes} of {n_tasks} tasks"
    of = "" if analysis.settings.on == "raw" else " of the interaction"
    return what + f"strongest {analysis.settings.top_share:.0%} of each sign{of}"
