"""How sure the structure is, as the page draws it: only for the view that was analysed.

Lists are in the task order of the model; the aggregates have the mean over tasks as their last entry.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.personas import PERSONAS
from tasktransfer.analysis.transferability import AGGREGATES
from tasktransfer.drawing.labels import printable
from tasktransfer.report.page.views import numbers
from tasktransfer.report.reference_lines import controls_overall, strongest_control

__all__ = ["certainty_of_models", "controls_payload"]

EDGES = 1_000  # of a model, the strongest, whose probability the page holds
CONTROL_ROWS = 2_000
_LEVELS = {"value": "value", "low": "low", "high": "high", "debiased": "debiased", "noise_level": "noise"}


def certainty_of_models(analysis: Analysis, tasks: dict[str, list[str]]) -> list[dict[str, Any] | None]:
    """For each model intervals, noise levels and probabilities; None where no error is known."""
    strongest = strongest_control(analysis)
    payloads: list[dict[str, Any] | None] = []
    for model, order in tasks.items():
        rows = analysis.aggregates[analysis.aggregates["model"] == model]
        if rows["noise_level"].notna().any():
            control = {name: strongest.get((model, name), np.nan) for name in AGGREGATES}
            payloads.append(
                {
                    "measures": {name: _measure(rows, name, order) for name in AGGREGATES},
                    "control": {name: numbers([value], 5)[0] for name, value in control.items()},
                    "edges": _edges(analysis, model, order),
                    **_of_tasks(analysis, model, order),
                }
            )
        else:
            payloads.append(None)
    return payloads


def _measure(rows: pd.DataFrame, measure: str, order: list[str]) -> dict[str, Any]:
    here = rows[rows["measure"] == measure].set_index("task").reindex([*order, ""])
    return {name: numbers(here[column], 5) for column, name in _LEVELS.items()}


def _of_tasks(analysis: Analysis, model: str, order: list[str]) -> dict[str, Any]:
    rows = analysis.tasks[analysis.tasks["model"] == model].set_index("task").reindex(order)
    return {
        "labels": {name: numbers(rows[f"p_{name}"], 3) for name in PERSONAS},
        "ranks": {name: numbers(rows[name], 4) for name in ("rank", "rank_low", "rank_high")},
    }


def _edges(analysis: Analysis, model: str, order: list[str]) -> dict[str, float | int | None]:
    """Probability of the strongest edges, by cell."""
    place = {task: position for position, task in enumerate(order)}
    edges = analysis.edges[(analysis.edges["model"] == model) & analysis.edges["probability"].notna()]
    if len(edges) > EDGES:
        edges = edges.loc[edges["pgf"].abs().nlargest(EDGES).index]
    cells = edges["source"].map(place) * len(order) + edges["target"].map(place)
    return {str(cell): p for cell, p in zip(cells, numbers(edges["probability"], 3), strict=True)}


def controls_payload(analysis: Analysis, tasks: dict[str, list[str]]) -> dict[str, Any]:
    """Rows of the controls by target, the ones over all targets first, and each control's own transferability."""
    models = {model: position for position, model in enumerate(tasks)}
    table = analysis.control_columns.assign(over_all=analysis.control_columns["target"] == "")
    table = table.sort_values("over_all", ascending=False, kind="stable")
    shown = ["n_sources", "control_pgf", "mean_pgf", "mean_net", "share_explained", "low", "high"]
    rows = []
    for row in table.head(CONTROL_ROWS).to_dict("records"):
        order = tasks[row["model"]]
        entry: dict[str, Any] = {
            "model": models[row["model"]],
            "control": printable(str(row["control"])),
            "target": order.index(row["target"]) if row["target"] else None,
        }
        rows.append(entry | dict(zip(shown, numbers([row[name] for name in shown], 6), strict=True)))
    own = [
        {
            "model": models[row["model"]],
            "control": printable(str(row["control"])),
            "x": numbers([row["transferability_pos"]], 5)[0],
            "y": numbers([row["transferability_neg"]], 5)[0],
        }
        for row in controls_overall(analysis).to_dict("records")
    ]
    return {"rows": rows, "cut": max(0, len(table) - CONTROL_ROWS), "own": own}
