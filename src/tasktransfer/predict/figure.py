"""Estimates of transfer, each by its marks on held-out cells. Ours."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tasktransfer.drawing import style as look

__all__ = ["draw_prediction"]

_BASELINES = ("random", "target mean", "source mean", "additive")
_PANELS = {
    "spearman": "rank correlation",
    "spearman_interaction": "of the interactions",
    "regret_1": "regret of first choice",
}
_COLOURS = {"all": look.INK, "cells": "#7A1F8A", "sources": "#009E73"}
_MARKERS = ("o", "D", "s", "^")


@look.in_style
def draw_prediction(table: pd.DataFrame) -> Figure:
    """Draw the marks of every estimate: the colour says what was held out, the shape how much was measured.

    Parameters
    ----------
    table
        Of `tasktransfer.predict.comparison.compare_estimates`.
    """
    names = list(dict.fromkeys(table["estimate"]))
    first = [name for name in _BASELINES if name in names]
    names = [*first, *(name for name in names if name not in first)]
    label = look.widest_points(names, 7) / look.POINTS + 0.12
    ways = list(table[["holes", "measured"]].drop_duplicates().itertuples(index=False, name=None))
    shares = sorted({share for holes, share in ways if holes != "all"})
    keys = [_key(holes, share, shares) for holes, share in ways]
    _, foot = look.legend_shape(keys, look.PAGE)
    gap, high = 0.22, 0.19 * len(names) + 0.1
    wide = (look.PAGE - label - 0.1 - (len(_PANELS) - 1) * gap) / len(_PANELS)
    figure, grid = look.inch_grid(
        (1, len(_PANELS)), (wide, high), left=label, right=0.1, top=0.3, bottom=0.35 + foot, gaps=(gap, 0)
    )
    for number, (axes, (column, title)) in enumerate(zip(grid[0], _PANELS.items(), strict=True)):
        _draw(axes, table, names, column, ways, shares)
        axes.axhline(len(names) - len(first) - 0.5, color=look.FAINT, linewidth=0.5)
        axes.set_yticks(range(len(names)), names[::-1] if number == 0 else [""] * len(names))
        look.panel_title(axes, number, len(_PANELS), title)
    look.bottom_legend(figure, keys)
    return figure


def _key(holes: str, share: float, shares: list[float]) -> Line2D:
    what = "no cell measured" if holes == "all" else f"{share:.0%} of the {holes} measured"
    return Line2D([], [], label=what, **_marker(holes, share, shares))


def _marker(holes: str, share: float, shares: list[float]) -> dict[str, Any]:
    shape = "x" if holes == "all" else _MARKERS[shares.index(share) % len(_MARKERS)]
    return {
        "linestyle": "", "marker": shape, "markersize": 4, "color": _COLOURS[holes],
        "markeredgewidth": 1.0 if holes == "all" else 0.0, "alpha": 0.85,
    }  # fmt: skip


def _draw(
    axes: Axes,
    table: pd.DataFrame,
    names: list[str],
    column: str,
    ways: list[tuple[str, float]],
    shares: list[float],
) -> None:
    places = {name: len(names) - 1 - number for number, name in enumerate(names)}
    for number, (holes, share) in enumerate(ways):
        rows = table[(table["holes"] == holes) & (table["measured"] == share)].dropna(subset=column)
        apart = 0.5 * ((number + 0.5) / len(ways) - 0.5)
        axes.plot(
            rows[column], [places[name] - apart for name in rows["estimate"]], **_marker(holes, share, shares)
        )
    axes.axvline(0, color=look.INK, linewidth=0.5)
    axes.set_ylim(-0.6, len(names) - 0.4)
    for place in range(len(names)):
        axes.axhline(place, color=look.FAINT, linewidth=0.25, zorder=0)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}".replace("-", "−")))
