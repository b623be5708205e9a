"""Everything the page draws, as plain dicts and lists.

Names are put on one line with control characters written out; the page shows them as text and nothing else.
Tasks, models, seeds and ceilings are given by position.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.diagnostics import constant_answers
from tasktransfer.analysis.pgf import tasks_of
from tasktransfer.analysis.settings import VIEWS
from tasktransfer.drawing.labels import label_of, printable
from tasktransfer.report.page.certainty import certainty_of_models, controls_payload
from tasktransfer.report.page.views import Plan, build_views, numbers, on_grid, plan_views, sparse
from tasktransfer.tasks import LEVELS, find_task

__all__ = ["build_payload", "ceiling_label", "json_in_html"]

FULL_WIDTH = 300  # characters of a name where it is shown in full
RUN_ROWS = 2_000  # diagnostics of single runs that the page holds
_SCOPES = ("model", "target", "run")
_INERT = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


def json_in_html(payload: dict[str, Any]) -> str:
    """JSON that cannot end the element it stands in, whatever the names are.

    >>> json_in_html({"task": "</script>"})
    '{"task":"\\\\u003c/script\\\\u003e"}'
    """
    return json.dumps(payload, allow_nan=False, separators=(",", ":")).translate(_INERT)


def build_payload(analysis: Analysis) -> dict[str, Any]:
    """Collect the numbers of the page.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.

    Returns
    -------
    dict
        JSON values only; holes are None.

    Notes
    -----
    Up to `tasktransfer.report.page.views.TASK_LIMIT` tasks every model, seed, ceiling and view is computed; above
    it the mean over seeds under the chosen ceiling.
    """
    plan = plan_views(analysis)
    names = tasks_of(analysis.transfers)
    tasks = analysis.tasks_of_models
    answers = analysis.accuracies.assign(letter=constant_answers(analysis.accuracies))
    answers = answers[answers["kind"] == "finetune"]
    views = build_views(analysis, plan)
    settings = analysis.settings
    return {
        "tasks": [_task(name) for name in names],
        "circle": _circle(names),
        "models": [_model(analysis, model, order, answers, plan) for model, order in tasks.items()],
        "seeds": [printable(seed) or "(no name)" for seed in plan.seeds],
        "ceilings": [ceiling_label(name) for name in plan.ceilings],
        "leftOut": plan.left_out,
        "share": settings.top_share,
        "on": settings.on,
        "confidence": settings.confidence,
        "includeSelf": settings.include_self,
        "colour": {view: _colour_limit(views, view) for view in VIEWS},
        "views": views,
        "certainty": certainty_of_models(analysis, tasks),
        "controls": controls_payload(analysis, tasks),
        "ceilingRanks": _ceiling_ranks(analysis, tasks),
        "diagnostics": _diagnostics(analysis),
    }


def ceiling_label(name: str) -> str:
    """A ceiling as the page calls it: the built-in name, or the file's without its folder."""
    return printable(Path(name).name)


def _task(name: str) -> dict[str, str]:
    facts = find_task(name)
    return {
        "name": printable(name, FULL_WIDTH),
        "label": label_of(name),
        "level": facts.level if facts else "",
        "granularity": facts.granularity if facts else "",
    }


def _circle(names: list[str]) -> list[int]:
    """Order around the circle: by perceptual level, so that a drawing reads by region; else as they come."""

    def rank(position: int) -> int:
        facts = find_task(names[position])
        return LEVELS.index(facts.level) if facts else len(LEVELS)

    return sorted(range(len(names)), key=rank)


def _model(analysis: Analysis, model: str, order: list[str], answers: pd.DataFrame, plan: Plan) -> dict[str, Any]:
    cells = analysis.transfers[(analysis.transfers["model"] == model) & (analysis.transfers["kind"] == "finetune")]
    runs = analysis.pgf[(analysis.pgf["model"] == model) & (analysis.pgf["kind"] == "finetune")]
    has = {"source": set(cells["source"]), "target": set(cells["target"])}
    place = {name: position for position, name in enumerate(tasks_of(analysis.transfers))}
    answers = answers[answers["model"] == model]
    return {
        "name": printable(model, FULL_WIDTH),
        "label": printable(model),
        "tasks": [place[task] for task in order],
        "sources": [i for i, task in enumerate(order) if task in has["source"]],
        "targets": [i for i, task in enumerate(order) if task in has["target"]],
        "nSeeds": int(runs["seed"].nunique()),
        "cells": _mean_facts(cells, order) | {"letters": _letters(answers, order)},
        "runs": {
            str(position): _run_facts(runs[runs["seed"] == seed], answers[answers["seed"] == seed], order)
            for position, seed in enumerate(plan.seeds)
            if (runs["seed"] == seed).any()
        },
    }


def _mean_facts(cells: pd.DataFrame, order: list[str]) -> dict[str, Any]:
    grid = on_grid(cells, order)
    return {
        "accuracy": numbers(grid["accuracy"], 5),
        "baseline": numbers(grid["baseline"], 5),
        "gain": numbers(grid["gain"], 5),
        "items": _once(numbers(grid["n_items"], 5)),
        "seeds": _once(numbers(grid["n_seeds"].fillna(0), 5)),
    }


def _run_facts(runs: pd.DataFrame, answers: pd.DataFrame, order: list[str]) -> dict[str, Any]:
    grid = on_grid(runs, order)
    return {
        "accuracy": numbers(grid["accuracy"], 5),
        "baseline": numbers(grid["baseline"], 5),
        "gain": numbers(grid["gain"], 5),
        "items": _once(numbers(grid["n_items"], 6)),
        "correct": _once(numbers(grid["n_correct"], 6)),
        "baselineCorrect": _once(numbers(grid["baseline_correct"], 6)),
        "letters": sparse(on_grid(answers, order)["letter"]),
    }


def _once(values: list[float | int | None]) -> list[float | int | None] | float | int | None:
    """One value where all are the same: the item count of a large study, a seed count."""
    return values[0] if values and len(set(values)) == 1 else values


def _letters(answers: pd.DataFrame, order: list[str]) -> dict[str, str]:
    """How many runs of a cell are a constant answer, and which letters."""
    constant = answers[answers["letter"].notna() & (answers["letter"] != "")]
    place = {task: position for position, task in enumerate(order)}
    runs = answers.groupby(["source", "target"], sort=False).size()
    sentences = {}
    for key, letters in constant.groupby(["source", "target"], sort=False)["letter"]:
        source, target = str(key[0]), str(key[1])
        which = ", ".join("one answer" if letter == "?" else f"({letter})" for letter in sorted(set(letters)))
        cell = place[source] * len(order) + place[target]
        sentences[str(cell)] = f"{len(letters)} of {runs[key]} runs score as {which} throughout"
    return sentences


def _colour_limit(views: dict[str, dict[str, Any]], view: str) -> float:
    """One limit for all models, so that colours compare; beyond it only the number still shows the size."""
    shown = [
        abs(value)
        for key, body in views.items()
        if key.split("|")[1:] == ["mean", "0", view]
        for value in body["values"]
        if value is not None
    ]
    if not shown or max(shown) == 0:
        return 1.0
    limit = float(np.quantile(shown, 0.97))
    limit = limit or max(shown)
    step = 10.0 ** math.floor(math.log10(limit)) / 2
    return float(f"{math.ceil(limit / step - 1e-9) * step:.4g}")


def _ceiling_ranks(analysis: Analysis, tasks: dict[str, list[str]]) -> list[list[dict[str, Any]]]:
    """For each model and ceiling: transferability, its rank among the sources, personas; by task."""
    names = list(analysis.summary["ceiling_sensitivity"])
    ranks = []
    for model, order in tasks.items():
        rows = analysis.ceilings[analysis.ceilings["model"] == model]
        of_model = []
        for name in names:
            here = rows[rows["ceiling_name"] == name].set_index("task").reindex(order)
            values = here["transferability_pos"]
            of_model.append(
                {
                    "ceiling": ceiling_label(name),
                    "value": numbers(values, 6),
                    "rank": numbers(values.round(12).rank(ascending=False, method="min"), 6),
                    "personas": here["persona"].fillna("").tolist(),
                    "top": numbers(here["ceiling"], 5),
                }
            )
        ranks.append(of_model)
    return ranks


def _diagnostics(analysis: Analysis) -> dict[str, Any]:
    """Rows of the diagnostics, checks of models first; single runs up to a limit, the flagged ones first."""
    place = {model: position for position, model in enumerate(analysis.models)}
    table = analysis.diagnostics
    parts = [table[table["scope"] == scope] for scope in _SCOPES]
    cut = max(0, len(parts[-1]) - RUN_ROWS)
    rows = pd.concat([*parts[:-1], parts[-1].head(RUN_ROWS)])
    return {
        "cut": cut,
        "rows": [
            {
                "model": place[row["model"]],
                "scope": row["scope"],
                "source": printable(row["source"], FULL_WIDTH),
                "target": printable(row["target"], FULL_WIDTH),
                "seed": printable(row["seed"]),
                "check": row["check"],
                "value": numbers([row["value"]], 4)[0],
                "threshold": numbers([row["threshold"]], 4)[0],
                "flagged": bool(row["flagged"]),
                "message": printable(row["message"], 2 * FULL_WIDTH),
            }
            for row in rows.to_dict("records")
        ],
    }
