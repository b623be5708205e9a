"""Estimates of transfer held against the measured matrix: gathered, judged, written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.analysis.pgf import matrix
from tasktransfer.analysis.pipeline import Analysis
from tasktransfer.errors import InputError, OutputError
from tasktransfer.selection.prediction import (
    Estimate,
    GridCost,
    compare_estimates,
    interaction_p_value,
    sentences,
)
from tasktransfer.tables import write_csv

__all__ = ["AGAIN", "Known", "Prediction", "measure_prediction", "save_prediction"]

AGAIN = "other half of the seeds"
# column of the gradients table -> name, and whether it is on the scale of PGF
GRADIENTS = {
    "inner": ("gradient inner product", False),
    "cosine": ("gradient cosine", False),
    "sign_inner": ("gradient, Adam's first step", False),
    "linear": ("linearised model", True),
}


class Known(NamedTuple):
    """What is known of one model's grid beside its accuracies."""

    gradients: pd.DataFrame | None = None  # source, target and the columns of `GRADIENTS`
    gradient_costs: tuple[float, float] = (np.nan, np.nan)  # of mean gradients, and of those of options
    early: Mapping[str, tuple[str, float]] = {}  # name -> model of the accuracies that stopped early, and its cost
    cost: GridCost | None = None


class Prediction(NamedTuple):
    """What `measure_prediction` found of one model."""

    model: str
    table: pd.DataFrame  # of `compare_estimates`
    cells: pd.DataFrame  # source, target, pgf and every estimate; the diagonal too
    itself: pd.DataFrame  # rank correlation of every estimate with self-transfer
    sentences: list[str]


def measure_prediction(
    analysis: Analysis,
    model: str,
    known: Known,
    *,
    shares: Sequence[float] = (0.25, 0.5),
    repeats: int = 20,
    seed: int = 0,
) -> Prediction:
    """Judge everything that foretells the matrix of one model; see `tasktransfer.selection.prediction`."""
    measured = analysis.matrix(model)
    estimates = _gradient_estimates(measured, known)
    side = list(estimates)
    for name, (label, cost) in known.early.items():
        estimates[name] = Estimate(_aligned(analysis.matrix(label), measured), cost)
    table = compare_estimates(
        measured, estimates, noise=_noise(analysis, model, measured), cost=known.cost, side=side,
        shares=shares, repeats=repeats, seed=seed,
    )  # fmt: skip
    again = _again(analysis, model, measured)
    if again is not None:
        table = pd.concat([table, again], ignore_index=True)
    p_values = {name: interaction_p_value(measured, estimate, seed=seed) for name, estimate in estimates.items()}
    table["p_interaction"] = table["estimate"].map(p_values).where(table["holes"] == "all")
    columns = {"pgf": measured} | {name: estimate.values for name, estimate in estimates.items()}
    cells = pd.DataFrame({name: values.stack(future_stack=True) for name, values in columns.items()})
    cells = cells.rename_axis(["source", "target"]).reset_index().dropna(subset="pgf")
    own = cells[cells["source"] == cells["target"]]
    itself = pd.DataFrame(
        [
            (name, len(own[[name, "pgf"]].dropna()), own[name].corr(own["pgf"], method="spearman"))
            for name in estimates
        ],
        columns=["estimate", "n_tasks", "spearman"],
    )
    return Prediction(model, table, cells, itself, sentences(table, p_values))


def _gradient_estimates(measured: pd.DataFrame, known: Known) -> dict[str, Estimate]:
    if known.gradients is None:
        return {}
    found = {}
    for column, (name, on_scale) in GRADIENTS.items():
        values = known.gradients.pivot(index="source", columns="target", values=column)
        if not values.isna().all(axis=None):
            cost = known.gradient_costs[column == "linear"]
            found[name] = Estimate(_aligned(values, measured), cost, on_scale)
    return found


def _aligned(values: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    return values.reindex(index=like.index, columns=like.columns)


def _noise(analysis: Analysis, model: str, measured: pd.DataFrame) -> pd.DataFrame:
    """Standard error of every PGF, as far as it is known."""
    transfers = analysis.transfers
    squares = transfers[["se_items", "se_seeds"]].pow(2).sum(axis=1, min_count=1)
    told = transfers.assign(noise=np.sqrt(squares) / transfers["gap"].fillna(1.0))
    return _aligned(matrix(told, model, value="noise"), measured)


def _again(analysis: Analysis, model: str, measured: pd.DataFrame) -> pd.DataFrame | None:
    """One half of the seeds held against the other: what measuring a second time would reach."""
    rows = analysis.pgf[(analysis.pgf["model"] == model) & (analysis.pgf["kind"] == "finetune")]
    seeds = sorted(set(rows["seed"]))
    if len(seeds) < 2:
        return None
    halves = [
        _aligned(rows[rows["seed"].isin(half)].pivot_table("pgf", "source", "target"), measured)
        for half in (seeds[::2], seeds[1::2])
    ]
    try:
        told = compare_estimates(
            halves[0],
            {AGAIN: Estimate(halves[1], len(seeds[1::2]) / len(seeds))},
            noise=halves[0] * np.nan,
            shares=(),
        )
    except InputError:
        return None
    return told


def save_prediction(found: Prediction, out: Path) -> None:
    """Write prediction.csv, prediction_cells.csv, prediction.json and the figure."""
    from tasktransfer.report.figure_style import save_figure
    from tasktransfer.report.prediction_figure import draw_prediction

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror})") from error
    write_csv(found.table.assign(model=found.model), out / "prediction.csv")
    write_csv(found.cells.assign(model=found.model), out / "prediction_cells.csv")
    told = {
        "model": found.model,
        "sentences": found.sentences,
        "estimates": json.loads(found.table.to_json(orient="records")),
        "self_transfer": json.loads(found.itself.to_json(orient="records")),
    }
    (out / "prediction.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    save_figure(draw_prediction(found.table), out / "prediction")
