"""Similarity of adapters: a matrix, its course over the layers, and each pair against its transfer. Ours."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from tasktransfer.analysis.transferability import without_self
from tasktransfer.drawing import heat_map as heat
from tasktransfer.drawing import style as look

__all__ = ["draw_similarity"]

_SAME, _OTHER = "#009E73", "#7A1F8A"


@look.in_style
def draw_similarity(
    similarity: pd.DataFrame, layers: pd.DataFrame, transfer: pd.DataFrame | None = None
) -> Figure:
    """Draw the cosines of adapters (the paper's Figures A.28 to A.30), by source, by layer and against PGF.

    Parameters
    ----------
    similarity
        Sources by sources; the diagonal is a source under other seeds, empty where there is one seed.
    layers
        Columns layer, first, second, cosine; layers in their order.
    transfer
        PGF, rows sources, columns targets; without it the third panel is left out.
    """
    label = look.widest_points([look.task_label(str(task), 20) for task in similarity.index], 7) / look.POINTS
    side = 3.3 if len(similarity) <= 30 else 4.2
    left, foot, roof, gap = label + 0.12, label + 0.75, 0.3, 0.75
    right = look.PAGE - left - side - gap - 0.1
    high = foot + side + roof
    figure = Figure(figsize=(look.PAGE, high))
    _draw_matrix(look.axes_at(figure, (left, foot, side, side)), similarity, look.axes_at(
        figure, (left + 0.15 * side, 0.4, 0.7 * side, 0.09)
    ))  # fmt: skip
    at, lines = left + side + gap, 1 if transfer is None else 2
    panel = (high - roof - 0.45 - (lines - 1) * 0.75) / lines
    by_layer = look.axes_at(figure, (at, high - roof - panel, right, panel))
    _draw_layers(
        by_layer, layers[layers["first"].isin(similarity.index) & layers["second"].isin(similarity.index)]
    )
    look.panel_title(by_layer, 1, 3, "by block of the model")
    if transfer is not None:
        scatter = look.axes_at(figure, (at, 0.45, right, panel))
        _draw_against(scatter, similarity, transfer)
        look.panel_title(scatter, 2, 3, "against transfer")
    return figure


def _draw_matrix(axes: Axes, similarity: pd.DataFrame, bar: Axes) -> None:
    values = similarity.to_numpy(dtype=float)
    size = max(float(np.nanmax(np.abs(values), initial=0)), 0.01)
    signed = bool(np.nanmin(values, initial=0) < -0.01 * size)
    norm = Normalize(-size if signed else 0, size)
    scale = heat.Scale(look.DIVERGING if signed else look.SEQUENTIAL, norm, "neither", "cosine of updates")
    heat.fill(axes, similarity, scale, label_size=7, label_width=20)
    heat.outline(axes, [(i, i) for i in range(len(similarity))])
    look.panel_title(axes, 0, 3, "cosine of updates")
    axes.figure.colorbar(ScalarMappable(norm, scale.colours), cax=bar, orientation="horizontal")
    bar.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}".replace("-", "−")))
    bar.tick_params(labelsize=6.5, pad=1.5)
    bar.set_xlabel("outlined: one source, other seeds" if not np.isnan(np.diag(values)).all() else "", fontsize=7)


def _draw_layers(axes: Axes, layers: pd.DataFrame) -> None:
    """Means over pairs and modules of a block; dots are its modules."""
    own = layers["first"] == layers["second"]
    for rows, colour, label in (
        (layers[own], _SAME, "one source, other seeds"),
        (layers[~own], _OTHER, "different sources"),
    ):
        by_layer = rows.groupby("layer", sort=False)["cosine"].mean().dropna()
        if by_layer.empty:
            continue
        blocks = np.array([_block(str(layer)) for layer in by_layer.index])
        axes.plot(blocks, by_layer, linestyle="", marker=".", markersize=2.5, color=colour, alpha=0.45)
        means = by_layer.groupby(blocks).mean()
        axes.plot(means.index, means, color=colour, linewidth=1.2, label=label)
    axes.axhline(0, color=look.INK, linewidth=0.5)
    axes.set_xlabel("block", labelpad=1)
    axes.set_ylabel("cosine", labelpad=2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", bbox_to_anchor=(0, 1.0), fontsize=6.5)
    axes.margins(y=0.25)


def _block(layer: str) -> int:
    """The number of a layer's block: the first in its name, 0 without one."""
    match = re.search(r"\.(\d+)\.", f".{layer}.")
    return int(match[1]) if match else 0


def _draw_against(axes: Axes, similarity: pd.DataFrame, transfer: pd.DataFrame) -> None:
    """Each source and target once; PGF is squeezed by a root, since single losses are many times a gain."""
    tasks = [task for task in similarity.index if task in transfer.index and task in transfer.columns]
    x = without_self(similarity.loc[tasks, tasks]).ravel()
    y = without_self(transfer.loc[tasks, tasks]).ravel()
    axes.axhline(0, color=look.INK, linewidth=0.5)
    axes.plot(x, y, linestyle="", marker="o", markersize=2.5, color=look.INK, alpha=0.6, markeredgewidth=0)
    axes.set_yscale("symlog", linthresh=0.3)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}".replace("-", "−")))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("cosine of updates", labelpad=1)
    axes.set_ylabel("PGF of source on target", labelpad=2)
