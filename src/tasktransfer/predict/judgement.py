"""Estimates of transfer compared with the measured matrix: gathered, judged, written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.measure import Measured
from tasktransfer.errors import InputError, SettingsError
from tasktransfer.files import output_folder, write_json
from tasktransfer.predict.comparison import (
    Estimate,
    GridCost,
    compare_estimates,
    interaction_p_value,
    sentences,
)
from tasktransfer.predict.halves import halve, matrix_like, of_seeds
from tasktransfer.tables import write_csv

__all__ = ["AGAIN", "Known", "Prediction", "measure_prediction", "save_prediction"]

Grid = Analysis | Measured  # whose tables `pgf` and `transfers` hold a grid, on all items or on half of them

AGAIN = "other half of the seeds"
OTHER_ITEMS = (
    "Estimates that ask test items were asked one half of each target's and judged on the other, both ways round; "
    "the figures are means of the two."
)
SAME_ITEMS = (
    "Estimates that ask test items are judged on the items that they were asked, which flatters them: not "
    "gradients, but early steps, completions, their baselines and the other half of the seeds. Answers to single "
    "items would mend that."
)
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
    """Judge everything that predicts the matrix of one model; see `tasktransfer.predict.comparison`.

    What asks test items is asked one half of them and compared with the matrix of the other half, where answers to
    items are known.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    model
        One of its models.
    known
        Gradients, early steps and costs.
    shares
        Shares of the cells, and of the sources, taken as measured, in (0, 1).
    repeats
        Random masks of each share.
    seed
        Of masks and permutations, from 0.

    Raises
    ------
    InputError, SettingsError
        The matrix is too small to judge by, or a share is too small for it.
    """
    measured = analysis.matrix(model)
    everything = _estimates(analysis, measured, known)
    halves = halve(analysis, [model, *(label for label, _ in known.early.values())])
    note = SAME_ITEMS
    judged: list[_Judged] = []
    if halves is not None:
        first, second = halves
        try:
            judged = [
                _judge(truth, asked, model, measured, known, shares=shares, repeats=repeats, seed=seed)
                for truth, asked in ((first, second), (second, first))
            ]
            note = OTHER_ITEMS
        except (InputError, SettingsError) as error:  # a share that is enough for the whole, but not for halves
            note = f"{SAME_ITEMS} Halves are too small: {error}."
    if not judged:
        judged = [_judge(analysis, analysis, model, measured, known, shares=shares, repeats=repeats, seed=seed)]
    table = _averaged([one.table for one in judged])
    p_values = {
        name: interaction_p_value([(one.truth, one.estimates[name]) for one in judged], seed=seed)
        for name in everything
    }
    table["p_interaction"] = table["estimate"].map(p_values).where(table["holes"] == "all")
    lines = [note, *sentences(table, p_values)]
    return Prediction(model, table, _cells(measured, everything), _self_transfer(judged), lines)


class _Judged(NamedTuple):
    """Estimates compared with one matrix."""

    truth: pd.DataFrame
    estimates: dict[str, Estimate]
    table: pd.DataFrame


def _judge(truth: Grid, asked: Grid, model: str, like: pd.DataFrame, known: Known, **how: Any) -> _Judged:
    """Compare what some items say, or none, with what others say."""
    measured, seen = (matrix_like(grid.transfers, model, like) for grid in (truth, asked))
    estimates = _estimates(asked, like, known)
    side = [name for name in estimates if name not in known.early]
    table = compare_estimates(
        measured, estimates, noise=_noise(truth, model, like), seen=seen, cost=known.cost, side=side, **how
    )  # fmt: skip
    common = like.notna()
    for estimate in estimates.values():
        common &= estimate.values.notna()
    again = _again(truth, asked, model, like.where(common))
    return _Judged(measured, estimates, table if again is None else pd.concat([table, again], ignore_index=True))


def _estimates(asked: Grid, like: pd.DataFrame, known: Known) -> dict[str, Estimate]:
    """Gradients, which ask no test item, and what stopped early, by the items it is asked."""
    estimates = {}
    for column, (name, on_scale) in GRADIENTS.items() if known.gradients is not None else ():
        assert known.gradients is not None
        values = known.gradients.pivot(index="source", columns="target", values=column)
        if not values.isna().all(axis=None):
            cost = known.gradient_costs[column == "linear"]
            estimates[name] = Estimate(values.reindex(index=like.index, columns=like.columns), cost, on_scale)
    for name, (label, cost) in known.early.items():
        estimates[name] = Estimate(matrix_like(asked.transfers, label, like), cost)
    return estimates


def _noise(truth: Grid, model: str, like: pd.DataFrame) -> pd.DataFrame:
    """Standard error of every PGF, as far as it is known."""
    squares = truth.transfers[["se_items", "se_seeds"]].pow(2).sum(axis=1, min_count=1)
    with_noise = truth.transfers.assign(noise=np.sqrt(squares) / truth.transfers["gap"].fillna(1.0))
    return matrix_like(with_noise, model, like, value="noise")


def _again(truth: Grid, asked: Grid, model: str, like: pd.DataFrame) -> pd.DataFrame | None:
    """One half of the seeds compared with the other, in the known cells: what measuring a second time reaches."""
    rows = truth.pgf[(truth.pgf["model"] == model) & (truth.pgf["kind"] == "finetune")]
    seeds = sorted(set(rows["seed"]))
    if len(seeds) < 2:
        return None
    tables = []
    for own, other in ((seeds[::2], seeds[1::2]), (seeds[1::2], seeds[::2])):
        measured = of_seeds(truth.pgf, model, own, like).where(like.notna())
        again = Estimate(of_seeds(asked.pgf, model, other, like), len(other) / len(seeds))
        try:
            tables.append(compare_estimates(measured, {AGAIN: again}, noise=measured * np.nan, shares=()))
        except InputError:
            return None
    return _averaged(tables)


def _averaged(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The mean of each mark."""
    key = ["holes", "measured", "estimate"]
    return pd.concat(tables).groupby(key, sort=False, as_index=False).mean()


def _cells(measured: pd.DataFrame, estimates: Mapping[str, Estimate]) -> pd.DataFrame:
    columns = {"pgf": measured} | {name: estimate.values for name, estimate in estimates.items()}
    cells = pd.DataFrame({name: values.stack(future_stack=True) for name, values in columns.items()})
    return cells.rename_axis(["source", "target"]).reset_index().dropna(subset="pgf")


def _self_transfer(judged: Sequence[_Judged]) -> pd.DataFrame:
    """Rank correlation with the diagonal."""
    records = []
    for one in judged:
        own = pd.DataFrame({name: np.diag(estimate.values) for name, estimate in one.estimates.items()})
        own = own.assign(pgf=np.diag(one.truth))
        for name in one.estimates:
            pairs = own[[name, "pgf"]].dropna()
            varies = len(pairs) > 1 and (pairs.nunique() > 1).all()
            records.append((name, len(pairs), pairs[name].corr(pairs["pgf"], "spearman") if varies else np.nan))
    columns = ["estimate", "n_tasks", "spearman"]
    rows = pd.DataFrame(records, columns=columns).groupby("estimate", sort=False, as_index=False)
    return rows.agg({"n_tasks": "min", "spearman": "mean"})


def save_prediction(found: Prediction, out: Path) -> None:
    """Write prediction.csv, prediction_cells.csv, prediction.json and the figure."""
    from tasktransfer.drawing.style import save_figure
    from tasktransfer.predict.figure import draw_prediction

    payload = {
        "model": found.model,
        "sentences": found.sentences,
        "estimates": found.table.to_dict("records"),
        "self_transfer": found.itself.to_dict("records"),
    }
    with output_folder(out) as made:
        write_csv(found.table.assign(model=found.model), made / "prediction.csv")
        write_csv(found.cells.assign(model=found.model), made / "prediction_cells.csv")
        write_json(made / "prediction.json", payload)
        save_figure(draw_prediction(found.table), made / "prediction")
