"""A recommendation as a figure: the items of each source, and what they are expected to do to every task. Ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasktransfer.drawing import style as look
from tasktransfer.recommendation.recommend import Recommendation

__all__ = ["draw_recommendation", "recommendation_numbers"]

_MOST = 40  # tasks drawn; the others are in expected.csv
_ROW = 0.17  # inches
_LABEL = 24  # signs of a name
_ROLES = ("target", "protected", "other")
_MARKERS = {"target": "D", "protected": "s", "other": "o"}


def recommendation_numbers(recommendation: Recommendation) -> pd.DataFrame:
    """What `draw_recommendation` shows: columns panel, name, role, value, low, high."""
    items = pd.DataFrame(
        {"panel": "items", "name": recommendation.items.keys(), "role": "", "value": recommendation.items.values()}
    )
    tasks = recommendation.expected[recommendation.expected["task"] != ""].dropna(subset=["pgf"])
    if len(tasks) > _MOST:
        kept = tasks["role"] != "other"
        room = max(_MOST - int(kept.sum()), 0)
        largest = tasks.loc[~kept, "pgf"].abs().sort_values(ascending=False, kind="stable").index[:room]
        tasks = tasks[kept | tasks.index.isin(largest)]
    by_role = tasks["role"].map({role: k for k, role in enumerate(_ROLES)})
    tasks = tasks.assign(order=by_role).sort_values(["order", "pgf"], ascending=[True, False], kind="stable")
    effects = tasks.rename(columns={"task": "name", "pgf": "value"})[["name", "role", "value", "low", "high"]]
    return pd.concat([items, effects.assign(panel="expected")], ignore_index=True)


@look.in_style
def draw_recommendation(recommendation: Recommendation) -> Figure:
    """Draw the items by source beside the expected PGF of every task with its interval."""
    numbers = look.something_of(recommendation_numbers(recommendation), "the recommendation is empty")
    items, effects = (numbers[numbers["panel"] == panel] for panel in ("items", "expected"))
    label = [
        min(look.widest_points([look.task_label(name, _LABEL) for name in rows["name"]], 7) / look.POINTS, 1.6)
        + 0.1
        for rows in (items, effects)
    ]
    rows = max(len(items), len(effects), 3)
    foot, roof, high = 0.62, 0.3, rows * _ROW
    figure = Figure(figsize=(look.PAGE, foot + high + roof))
    width = (look.PAGE - sum(label) - 0.55) * np.array([0.36, 0.64])
    own = len(items) * _ROW
    bars = look.axes_at(figure, (label[0], foot + high - own, width[0], own))
    dots = look.axes_at(figure, (label[0] + width[0] + 0.45 + label[1], foot, width[1], high))
    _draw_items(bars, items)
    look.panel_title(bars, 0, 2, "what to train on" if recommendation.helps is not False else "a guess")
    _draw_effects(dots, effects)
    look.panel_title(dots, 1, 2, "expected effect")
    marks: dict[str, Any] = {"linestyle": "", "color": look.INK, "markersize": 4}
    keys = [
        Line2D([], [], marker=_MARKERS[role], label=f"{role} task", **marks)
        for role in _ROLES
        if (effects["role"] == role).any()
    ]
    look.bottom_legend(figure, keys)
    return figure


def _draw_items(axes: Axes, items: pd.DataFrame) -> None:
    places = np.arange(len(items))[::-1]
    axes.barh(places, items["value"], height=0.62, color="#8A8A8A")
    for place, value in zip(places, items["value"], strict=True):
        axes.annotate(f"{value:g}", (value, place), (2, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_yticks(places, [look.task_label(name, _LABEL) for name in items["name"]])
    axes.set_ylim(-0.5, len(items) - 0.5)
    axes.set_xlim(0, 1.18 * float(items["value"].max()))
    axes.set_xlabel("items", labelpad=1)
    axes.tick_params(axis="y", length=0)


def _draw_effects(axes: Axes, effects: pd.DataFrame) -> None:
    places = np.arange(len(effects))[::-1]
    axes.axvline(0, color=look.INK, linewidth=0.5)
    for place, row in zip(places, effects.itertuples(), strict=True):
        colour = look.SIGN_COLOURS["positive" if row.value >= 0 else "negative"]
        sure = row.low > 0 or row.high < 0
        axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.1, solid_capstyle="butt")
        face = colour if sure else "white"
        axes.plot(row.value, place, marker=_MARKERS[row.role], markersize=4, color=colour, markerfacecolor=face)
    for role, rows in effects.assign(place=places).groupby("role", sort=False):
        if role != effects["role"].iloc[0]:
            axes.axhline(rows["place"].max() + 0.5, color=look.FAINT, linewidth=0.4)
    axes.set_yticks(places, [look.task_label(name, _LABEL) for name in effects["name"]])
    axes.set_ylim(-0.5, len(effects) - 0.5)
    axes.set_xlabel("expected PGF and interval; filled: interval without 0", labelpad=1)
    axes.tick_params(axis="y", length=0)
