"""The headline numbers of one model as they stand in ``summary.json``, and what to know of the input.

Names taken for registered tasks and searches that were cut are what a reader of the input should know.
"""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

from tasktransfer.analysis.chance import NULLS, CliqueChance
from tasktransfer.analysis.cliques import SIGNS, CliqueSearch
from tasktransfer.analysis.personas import PERSONAS
from tasktransfer.analysis.pgf import ZERO, matrix
from tasktransfer.analysis.transferability import AGGREGATES, without_self
from tasktransfer.errors import quoted
from tasktransfer.tasks import find_task
from tasktransfer.version import __version__

__all__ = ["cut_notes", "registry_notes", "summarize_model", "versions"]

LISTED_CLIQUES = 20  # of the largest size


def summarize_model(
    model: str,
    transfers: pd.DataFrame,
    tasks: pd.DataFrame,
    edges: pd.DataFrame,
    cliques: pd.DataFrame,
    decomposition: pd.DataFrame,
    searches: dict[tuple[str, str], CliqueSearch],
    chances: dict[tuple[str, str, str], CliqueChance],
) -> dict[str, Any]:
    """Count and average one model's matrix, graph, cliques and personas.

    Parameters
    ----------
    model
        Name of the model.
    transfers, tasks, edges, cliques, decomposition
        Tables of one analysis, of all models.
    searches
        Searches of cliques by model and sign.
    chances
        The largest clique under each null, by model, sign and null.

    Returns
    -------
    dict
        Values of JSON; None for a number that is not known. Counts and means leave out the diagonal.
    """
    rows = transfers[(transfers["model"] == model) & (transfers["kind"] == "finetune")]
    values = without_self(matrix(transfers, model))
    defined = values[~np.isnan(values)]
    of_model = tasks[tasks["model"] == model]
    edge_signs = edges.loc[edges["model"] == model, "sign"]
    largest = {}
    for sign in SIGNS:
        search = searches[model, sign]
        size = len(search.cliques[0]) if search.cliques else 0
        largest[sign] = {
            "size": size,
            "cliques": [list(clique) for clique in search.cliques if len(clique) == size][:LISTED_CLIQUES],
            "n_maximal": len(search.cliques),
            "complete": search.complete,
            "probability": _probability(cliques, model, sign),
            "against_chance": {null: chances[model, sign, null]._asdict() for null in NULLS},
        }
    return {
        "n_sources": int(rows["source"].nunique()),
        "n_targets": int(rows["target"].nunique()),
        "n_seeds": int(rows["n_seeds"].max()) if len(rows) else 0,
        "n_cells": len(rows),
        "n_holes": int(rows["pgf"].isna().sum()),
        "mean_pgf": float(defined.mean()) if len(defined) else None,
        "median_pgf": float(np.median(defined)) if len(defined) else None,
        "n_positive": int((defined >= ZERO).sum()),
        "n_negative": int((defined <= -ZERO).sum()),
        "share_negative": float((defined <= -ZERO).mean()) if len(defined) else None,
        "mean_self_transfer": _mean(of_model["self_transfer"]),
        **{f"mean_{name}": _mean(of_model[name]) for name in AGGREGATES},
        "variance_share": {
            str(name): None if np.isnan(share) else float(share)
            for name, share in decomposition[decomposition["model"] == model]
            .set_index("component")["share"]
            .items()
        },
        "edges": {sign: int((edge_signs == sign).sum()) for sign in SIGNS},
        "largest_clique": largest,
        "personas": {
            persona: [
                str(task)
                for task, text in zip(of_model["task"], of_model["persona"], strict=True)
                if persona in text.split(";")
            ]
            for persona in PERSONAS
        },
    }


def _probability(cliques: pd.DataFrame, model: str, sign: str) -> float | None:
    """Probability that the first of the largest cliques is one."""
    rows = cliques.loc[(cliques["model"] == model) & (cliques["sign"] == sign), "probability"]
    return float(rows.iloc[0]) if len(rows) and not np.isnan(rows.iloc[0]) else None


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None


def versions() -> dict[str, str]:
    """Versions of everything that computes a number here."""
    packages = ("numpy", "pandas", "scipy", "networkx", "pyarrow", "matplotlib")
    return {
        "tasktransfer": __version__,
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in packages},
    }


def registry_notes(table: pd.DataFrame) -> list[str]:
    """One sentence for each task that is taken for a registered one under another spelling or item count."""
    notes = []
    for name, n_items in table.groupby("target", sort=False)["n_items"].max().items():
        task = find_task(str(name))
        if task is None or task.n_items is None:
            continue
        read_as = f"{quoted([name])} is read as BLINK's {task.name} ({task.level} level, {task.granularity})"
        if not np.isnan(n_items) and n_items != task.n_items:
            notes.append(
                f"{read_as}, but has {n_items:g} items, not {task.n_items}: chance and answer counts are not "
                f"taken from there. Rename it if it is another task."
            )
        elif str(name) != task.name and not str(name).startswith("blink_"):
            notes.append(f"{read_as}. Rename it if it is another task.")
    return notes


def cut_notes(searches: dict[tuple[str, str], CliqueSearch]) -> list[str]:
    """One sentence for each search of cliques that was cut."""
    return [
        f"{model}: the search for {sign} cliques was cut after {len(search.cliques)} maximal cliques; "
        f"there are more, and larger ones may exist."
        for (model, sign), search in searches.items()
        if not search.complete
    ]
