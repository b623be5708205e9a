"""The views that the page can be switched to, as JSON; `tasktransfer.analysis.views` says what they are.

Cells are flat lists, row by row, in the task order of the model; a hole is ``None``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.settings import VIEWS
from tasktransfer.analysis.transferability import AGGREGATES
from tasktransfer.analysis.views import Cliques, View, views_of

__all__ = ["MEAN", "Plan", "build_views", "numbers", "plan_views", "sparse"]

MEAN = "mean"  # stands where a seed's number would
TASK_LIMIT = 60
VALUE_LIMIT = 1_500_000
_VERDICTS = {"positive": "+", "negative": "-", "negligible": "0", "undecided": "?", "": "."}


class Plan(NamedTuple):
    """Which views are computed, and why not all where some are left out."""

    seeds: list[str]
    ceilings: list[str]  # names; the chosen one first
    left_out: str  # empty when every view is there


def plan_views(analysis: Analysis) -> Plan:
    """Decide which views are worth their place in the file.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    """
    runs = analysis.pgf[analysis.pgf["kind"] == "finetune"]
    seeds = [str(seed) for seed in dict.fromkeys(runs["seed"])]
    chosen = analysis.settings.ceiling
    ceilings = list(dict.fromkeys([chosen, *analysis.summary["ceiling_sensitivity"]]))
    n_tasks = len({*runs["source"], *runs["target"]})
    n_values = n_tasks**2 * len(analysis.models) * (len(seeds) + 1) * len(ceilings) * len(VIEWS)
    if len(seeds) == 1:
        seeds = []  # the mean is that seed
    if n_tasks > TASK_LIMIT:
        why = f"{n_tasks} tasks: above {TASK_LIMIT}"
    elif n_values > VALUE_LIMIT:
        why = f"{n_values:,} values in all: above {VALUE_LIMIT:,}"
    else:
        return Plan(seeds, ceilings, "")
    return Plan([], [chosen], f"{why} this page holds the mean over seeds and the chosen ceiling only")


def build_views(analysis: Analysis, plan: Plan) -> dict[str, dict[str, Any]]:
    """Every view of the plan, by ``model|seed|ceiling|view`` as positions, ``mean`` for the mean over seeds.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    plan
        Result of `plan_views`.
    """
    models = list(analysis.tasks_of_models)
    built: dict[str, dict[str, Any]] = {}
    for view in views_of(analysis, plan.seeds, plan.ceilings):
        seed = MEAN if view.seed is None else str(plan.seeds.index(view.seed))
        key = f"{models.index(view.model)}|{seed}|{plan.ceilings.index(view.ceiling)}|{view.on}"
        built[key] = _shown(view) | (_cell_facts(view) if view.on == "raw" else {})
    return built


def _shown(view: View) -> dict[str, Any]:
    return {
        # edges are cut where values tie, so more digits than a reader needs, where there is room for them
        "values": numbers(view.matrix.to_numpy().ravel(), 10 if view.seed is None else 8),
        "aggregates": {name: numbers(view.aggregates[name], 6) for name in AGGREGATES},
        "means": {name: numbers([view.aggregates[name].mean()], 6)[0] for name in AGGREGATES},
        "personas": view.personas.tolist(),
        "thresholds": {sign: numbers([cut], 6)[0] for sign, cut in view.thresholds.items()},
        "cliques": {sign: _clique_list(cliques, view.matrix.index) for sign, cliques in view.cliques.items()},
    }


def _clique_list(cliques: Cliques, tasks: pd.Index) -> dict[str, Any]:
    chances = {} if cliques.probability is None else {"probability": numbers(cliques.probability, 3)}
    return {
        "list": [sorted(tasks.get_indexer(clique).tolist()) for clique in cliques.shown],
        **chances,
        "total": cliques.n_maximal,
        "complete": cliques.complete,
    }


def _cell_facts(view: View) -> dict[str, Any]:
    """What the page says of each cell beside its value, as far as it depends on the ceiling."""
    rows = view.rows[(view.rows["model"] == view.model) & (view.rows["kind"] == "finetune")]
    grid = on_grid(rows, list(view.matrix.index))
    facts: dict[str, Any] = {"flags": sparse(grid["flags"])}
    if view.seed is None:
        facts |= {name: numbers(grid[name], 4) for name in ("low", "high", "seed_sd", "q_value")}
        facts["verdict"] = "".join(_VERDICTS[text] for text in grid["verdict"].fillna(""))
        codes, kinds = pd.factorize(grid["uncertainty"].fillna(""))
        facts["uncertainty"] = {"kinds": list(kinds), "codes": codes.tolist()}
    return facts


def on_grid(rows: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Rows of one model put on the square grid of its tasks, in the order of the flat cells."""
    grid = pd.MultiIndex.from_product([order, order], names=["source", "target"])
    return rows.set_index(["source", "target"]).reindex(grid)


def numbers(values: Iterable[float], digits: int) -> list[float | int | None]:
    """Numbers for JSON: `digits` significant digits, NaN and infinity as None, whole numbers without a dot.

    >>> numbers([0.123456789, float("nan"), 13.0, -0.0], 4)
    [0.1235, None, 13, 0]
    """
    shown: list[float | int | None] = []
    for value in np.asarray(values, dtype=float).tolist():
        if not math.isfinite(value):
            shown.append(None)
            continue
        short = float(f"{value:.{digits}g}") if abs(value) > 1e-12 else 0.0
        shown.append(int(short) if short.is_integer() else short)
    return shown


def sparse(texts: Iterable[object]) -> dict[str, str]:
    """Texts that are not empty, by position."""
    return {str(place): text for place, text in enumerate(texts) if isinstance(text, str) and text}
