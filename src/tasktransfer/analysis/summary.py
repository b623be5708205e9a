"""The headline numbers of one model, as they stand in ``summary.json``."""

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
from tasktransfer.version import __version__

__all__ = ["summarize_model", "versions"]

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
    """Count and average one model's matrix, graph, cliques and personas."""
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
