"""The matrix under every setting the page can be switched to, with all that is drawn from it.

A view is one (model, seed or mean over seeds, ceiling, raw or interaction). Everything in it comes from the same
functions as the tables on disk; the page only draws. Cells are flat lists, row by row, in the task order of the
model; a hole is ``None``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.cliques import SIGNS, find_cliques, split_names
from tasktransfer.analysis.decomposition import decompose
from tasktransfer.analysis.graph import edge_thresholds
from tasktransfer.analysis.personas import assign_personas
from tasktransfer.analysis.pgf import matrix
from tasktransfer.analysis.settings import VIEWS
from tasktransfer.analysis.transferability import AGGREGATES, aggregate_transfer

__all__ = ["MEAN", "Plan", "build_views", "numbers", "plan_views", "sparse"]

MEAN = "mean"  # stands where a seed's number would
TASK_LIMIT = 60
VALUE_LIMIT = 1_500_000
CLIQUES_SHOWN = 50
CLIQUE_LIMITS = {True: 5_000, False: 1_000}  # by: is it the mean over seeds
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


def build_views(analysis: Analysis, plan: Plan, tasks: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
    """Every view of the plan, by ``model|seed|ceiling|view`` as positions, ``mean`` for the mean over seeds.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    plan
        Result of `plan_views`.
    tasks
        Tasks of each model in the order of rows and columns.
    """
    views: dict[str, dict[str, Any]] = {}
    for position, ceiling in enumerate(plan.ceilings):
        under = analysis if ceiling == analysis.settings.ceiling else analysis.measured_again(ceiling=ceiling)
        for number, (model, order) in enumerate(tasks.items()):
            for seed, rows in _grains(under.pgf, under.transfers, model, plan.seeds):
                raw = matrix(rows, model, tasks=order)
                facts = _cell_facts(rows, model, order, mean=seed == MEAN)
                for view in VIEWS:
                    shown = raw if view == "raw" else decompose(raw).interaction
                    ours = seed == MEAN and position == 0 and view == analysis.settings.on
                    body = _view(analysis, shown, mean=seed == MEAN)
                    body["cliques"] = (
                        _known_cliques(analysis, model, order) if ours else _cliques(shown, mean=seed == MEAN)
                    )
                    views[f"{number}|{seed}|{position}|{view}"] = body | (facts if view == "raw" else {})
    return views


def _grains(
    pgf: pd.DataFrame, transfers: pd.DataFrame, model: str, seeds: list[str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The mean over seeds, then each seed that the model has."""
    yield MEAN, transfers
    of_model = pgf[(pgf["model"] == model) & (pgf["kind"] == "finetune")]
    for position, seed in enumerate(seeds):
        rows = of_model[of_model["seed"] == seed]
        if len(rows):
            yield str(position), rows


def _view(analysis: Analysis, shown: pd.DataFrame, *, mean: bool) -> dict[str, Any]:
    settings = analysis.settings
    aggregates = aggregate_transfer(shown, include_self=settings.include_self)
    thresholds = edge_thresholds(shown, top_share=settings.top_share)
    return {
        # edges are cut where values tie, so more digits than a reader needs, where there is room for them
        "values": numbers(shown.to_numpy().ravel(), 10 if mean else 8),
        "aggregates": {name: numbers(aggregates[name], 6) for name in AGGREGATES},
        "means": {name: numbers([aggregates[name].mean()], 6)[0] for name in AGGREGATES},
        "personas": assign_personas(aggregates).tolist(),
        "thresholds": {sign: numbers([cut], 6)[0] for sign, cut in thresholds.items()},
    }


def _cell_facts(rows: pd.DataFrame, model: str, order: list[str], *, mean: bool) -> dict[str, Any]:
    """What the page tells of each cell beside its value, as far as it depends on the ceiling."""
    grid = on_grid(rows[(rows["model"] == model) & (rows["kind"] == "finetune")], order)
    facts: dict[str, Any] = {"flags": sparse(grid["flags"])}
    if mean:
        facts |= {name: numbers(grid[name], 4) for name in ("low", "high", "seed_sd", "q_value")}
        facts["verdict"] = "".join(_VERDICTS[text] for text in grid["verdict"].fillna(""))
        codes, kinds = pd.factorize(grid["uncertainty"].fillna(""))
        facts["uncertainty"] = {"kinds": list(kinds), "codes": codes.tolist()}
    return facts


def on_grid(rows: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Rows of one model put on the square grid of its tasks, in the order of the flat cells."""
    grid = pd.MultiIndex.from_product([order, order], names=["source", "target"])
    return rows.set_index(["source", "target"]).reindex(grid)


def _known_cliques(analysis: Analysis, model: str, order: list[str]) -> dict[str, Any]:
    place = {task: position for position, task in enumerate(order)}
    table = analysis.cliques[analysis.cliques["model"] == model]
    found: dict[str, Any] = {}
    for sign in SIGNS:
        first = table[table["sign"] == sign].head(CLIQUES_SHOWN)
        told = analysis.summary["models"][model]["largest_clique"][sign]
        found[sign] = {
            "list": [sorted(place[name] for name in split_names(text)) for text in first["tasks"]],
            "probability": numbers(first["probability"], 3),
            "total": told["n_maximal"],
            "complete": told["complete"],
        }
    return found


def _cliques(shown: pd.DataFrame, *, mean: bool) -> dict[str, Any]:
    place = {task: position for position, task in enumerate(shown.index)}
    found: dict[str, Any] = {}
    for sign in SIGNS:
        search = find_cliques(shown, sign, limit=CLIQUE_LIMITS[mean])
        found[sign] = {
            "list": [[place[name] for name in clique] for clique in search.cliques[:CLIQUES_SHOWN]],
            "total": len(search.cliques),
            "complete": search.complete,
        }
    return found


def numbers(values: Iterable[float], digits: int) -> list[float | int | None]:
    """Numbers for JSON: `digits` significant digits, NaN and infinity as None, whole numbers without a dot.

    >>> numbers([0.123456789, float("nan"), 13.0, -0.0], 4)
    [0.1235, None, 13, 0]
    """
    told: list[float | int | None] = []
    for value in np.asarray(values, dtype=float).tolist():
        if not math.isfinite(value):
            told.append(None)
            continue
        short = float(f"{value:.{digits}g}") if abs(value) > 1e-12 else 0.0
        told.append(int(short) if short.is_integer() else short)
    return told


def sparse(texts: Iterable[object]) -> dict[str, str]:
    """Texts that are not empty, by position."""
    return {str(place): text for place, text in enumerate(texts) if isinstance(text, str) and text}
