"""How sure the structure is: intervals, probabilities and the level that noise alone gives.

Two sets of drawn matrices per model, on the view that the structure is drawn on:

``plausible``
    What the true matrix may be (`shrinkage`). Shares of these draws are the probabilities of labels, edges and
    cliques; their quantiles the intervals; their mean the debiased value of an aggregate.
``noise``
    The error of the observed matrix around nothing at all (`resampling`, centred): what an aggregate, or the
    residual of the additive fit, comes to where no finetune changes anything.

Probabilities come from ``plausible`` and not from resampling the observed matrix, which would add the noise a
second time to values that already hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.analysis.cliques import SIGNS
from tasktransfer.analysis.decomposition import additive_residual
from tasktransfer.analysis.graph import drawn_edges
from tasktransfer.analysis.personas import PERSONAS, beyond_mean
from tasktransfer.analysis.pgf import ZERO
from tasktransfer.analysis.resampling import Resampled
from tasktransfer.analysis.transferability import AGGREGATES, drawn_aggregates
from tasktransfer.stats.shrinkage import plausible_matrices

__all__ = [
    "DrawnMatrices",
    "aggregate_certainty",
    "clique_probabilities",
    "draw_matrices",
    "edge_probabilities",
    "noise_sum_of_squares",
    "persona_probabilities",
    "rank_intervals",
    "step_certainty",
    "with_aggregates",
]

_BLOCK = 20_000_000  # cells of drawn matrices handled at a time
MOST_CLIQUES = 500  # of a model and sign, the largest, that get a probability


class DrawnMatrices(NamedTuple):
    """Drawn square matrices of one model, rows sources, columns targets."""

    tasks: list[str]
    plausible_DNN: np.ndarray  # float32, NaN on the diagonal unless self-transfer counts, and at holes
    plausible_DAN: np.ndarray  # their aggregates, in the order of `AGGREGATES`
    noise_DNN: np.ndarray
    noise_DAN: np.ndarray


def with_aggregates(tasks: list[str], plausible_DNN: np.ndarray, noise_DNN: np.ndarray) -> DrawnMatrices:
    """Drawn matrices with the aggregates of each.

    Parameters
    ----------
    tasks
        Names of the N rows and columns.
    plausible_DNN, noise_DNN
        Draws, rows sources, columns targets; NaN for holes.
    """
    aggregates = [_blockwise(drawn_aggregates, drawn) for drawn in (plausible_DNN, noise_DNN)]
    return DrawnMatrices(tasks, plausible_DNN, aggregates[0], noise_DNN, aggregates[1])


def draw_matrices(
    observed: pd.DataFrame, resampled: Resampled, *, on: str, include_self: bool, seed: np.random.Generator
) -> DrawnMatrices | None:
    """Draw the matrices behind one observed matrix.

    Parameters
    ----------
    observed
        Raw PGF, square.
    resampled
        Of the same model.
    on
        ``raw`` or ``interaction``: what the structure is drawn on.
    include_self
        Keep the diagonal, as resampled: self-transfer is too unlike the rest to share its prior.
    seed
        Generator of the plausible matrices.

    Returns
    -------
    DrawnMatrices or None
        None where the error of no cell is known.
    """
    tasks = [str(task) for task in observed.index]
    row_of = {source: k for k, (kind, source) in enumerate(resampled.cells) if kind == "finetune"}
    column_of = {target: k for k, target in enumerate(resampled.targets)}
    rows = np.array([k for k, task in enumerate(tasks) if task in row_of], dtype=int)
    columns = np.array([k for k, task in enumerate(tasks) if task in column_of], dtype=int)
    if not len(rows) or not len(columns):
        return None
    sources = np.array([row_of[tasks[k]] for k in rows])
    targets = np.array([column_of[tasks[k]] for k in columns])
    values = observed.to_numpy(dtype=float)
    diagonal = np.eye(len(tasks), dtype=bool)
    known = np.zeros(values.shape, dtype=bool)
    known[np.ix_(rows, columns)] = resampled.known_CT[np.ix_(sources, targets)]
    if not (known & ~diagonal).any():
        return None
    drawn = np.full((len(resampled.pgf_DCT), *values.shape), np.nan, dtype=np.float32)
    every = np.arange(len(drawn))
    drawn[np.ix_(every, rows, columns)] = resampled.pgf_DCT[np.ix_(every, sources, targets)]
    off = np.where(diagonal, np.nan, values)
    order = np.argsort(tasks)  # so that the order of the input changes no draw
    every_task = np.ix_(every, order, order)
    sorted_draws = np.where(diagonal, np.float32(np.nan), drawn)[every_task]
    plausible = np.empty_like(drawn)
    plausible[every_task] = plausible_matrices(off[np.ix_(order, order)], sorted_draws, seed=seed)
    noise = _around_nothing(drawn, values)
    if on == "interaction":
        left = additive_residual(~np.isnan(off))
        return with_aggregates(tasks, *(_blockwise(left, _without(d, diagonal)) for d in (plausible, noise)))
    if include_self:
        plausible[:, diagonal] = np.where(np.isnan(drawn), values.astype(np.float32), drawn)[:, diagonal]
        return with_aggregates(tasks, plausible, noise)
    return with_aggregates(tasks, plausible, _without(noise, diagonal))


def _around_nothing(drawn_DNN: np.ndarray, observed_NN: np.ndarray) -> np.ndarray:
    """The errors of drawn matrices: centred, and within three of the cell's standard errors.

    A draw without a gap says nothing about the error, and one with a gap of a single item little.
    """
    middle = np.nanmedian(np.where(np.isnan(drawn_DNN).all(axis=0), 0, drawn_DNN), axis=0)
    noise = np.where(np.isnan(drawn_DNN) & ~np.isnan(observed_NN), 0, drawn_DNN - middle)
    # half the distance between these quantiles is one SD of a normal; wild draws do not move them
    reach = 3 * np.subtract(*np.quantile(noise, [0.8413, 0.1587], axis=0)) / 2
    return np.asarray(np.clip(noise, -reach, reach))


def _without(drawn: np.ndarray, cells: np.ndarray) -> np.ndarray:
    return np.where(cells, np.float32(np.nan), drawn)


def _blockwise(function: Callable[[np.ndarray], np.ndarray], drawn: np.ndarray) -> np.ndarray:
    """Apply to blocks of draws, so that what it needs beside its result stays small."""
    size = max(1, _BLOCK // max(drawn[0].size, 1))
    return np.concatenate([function(drawn[start : start + size]) for start in range(0, len(drawn), size)])


def aggregate_certainty(observed: pd.DataFrame, drawn: DrawnMatrices, *, confidence: float) -> pd.DataFrame:
    """Intervals, noise level and debiased value of every aggregate.

    Parameters
    ----------
    observed
        Aggregates as of `tasktransfer.aggregate_transfer`, index task.
    drawn
        Of the same view.
    confidence
        In (0, 1).

    Returns
    -------
    pandas.DataFrame
        Columns task (empty for the mean over tasks), measure, value (the paper's), low, high, debiased (mean of
        the plausible matrices) and noise_level (mean under no transfer at all).

    Notes
    -----
    A sum of one sign is exactly 0 where nothing of that sign is transferred, and no quantile of draws reaches
    that. So the end next to 0 is 0 unless the value lies beyond what noise alone gives with the same confidence,
    which is a test of that hypothesis: no other matrix without a cell of the sign gives more.
    """
    parts = []
    for position, measure in enumerate(AGGREGATES):
        values = observed[measure].to_numpy(dtype=float)
        plausible, noise = (_with_mean(d[:, position]) for d in (drawn.plausible_DAN, drawn.noise_DAN))
        value = np.append(values, np.nanmean(values) if (~np.isnan(values)).any() else np.nan)
        low, high = _interval(value, plausible, noise, confidence)
        parts.append(
            pd.DataFrame(
                {
                    "task": [*drawn.tasks, ""],
                    "measure": measure,
                    "value": value,
                    "low": low,
                    "high": high,
                    "debiased": plausible.mean(axis=0),
                    "noise_level": noise.mean(axis=0),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _interval(
    value: np.ndarray, plausible_D: np.ndarray, noise_D: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of what is plausible, reaching to 0 where noise alone may give the value."""
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(plausible_D, ends, axis=0)
    noise_low, noise_high = np.quantile(noise_D, ends, axis=0)
    low = np.where((low > 0) & (value <= noise_high), 0.0, low)
    return low, np.where((high < 0) & (value >= noise_low), 0.0, high)


def _with_mean(values_DN: np.ndarray) -> np.ndarray:
    """The mean over tasks as a last column."""
    there = ~np.isnan(values_DN).all(axis=0)
    mean = values_DN[:, there].mean(axis=1) if there.any() else np.full(len(values_DN), np.nan)
    return np.column_stack([values_DN, mean])


def persona_probabilities(drawn: DrawnMatrices) -> pd.DataFrame:
    """Share of the plausible matrices in which a task earns each label: index task, columns donor, pirate, ..."""
    shares = {}
    for persona, (column, sign) in PERSONAS.items():
        values = drawn.plausible_DAN[:, AGGREGATES.index(column)]
        shares[persona] = np.where(np.isnan(values).any(axis=0), np.nan, beyond_mean(values, sign).mean(axis=0))
    return pd.DataFrame(shares, index=pd.Index(drawn.tasks, name="task"))


def rank_intervals(observed: pd.DataFrame, drawn: DrawnMatrices, *, confidence: float) -> pd.DataFrame:
    """Rank of every source by transferability_pos, 1 the best, and an interval for it.

    Parameters
    ----------
    observed
        Aggregates as of `tasktransfer.aggregate_transfer`, index task, in the order of the draws.
    drawn
        Of the same view.
    confidence
        In (0, 1).

    Returns
    -------
    pandas.DataFrame
        Index task; columns rank, rank_low, rank_high. Ties share their best rank.
    """
    values = observed["transferability_pos"].to_numpy(dtype=float)
    drawn_DN = drawn.plausible_DAN[:, AGGREGATES.index("transferability_pos")]
    # rounded, or the order of a sum would break ties; ends outward, to ranks that a draw has
    ranks_DN = pd.DataFrame(-np.round(drawn_DN, 9)).rank(axis=1, method="min").to_numpy()
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    known = ~np.isnan(values)
    low, high = np.full(len(values), np.nan), np.full(len(values), np.nan)
    if known.any():
        low[known] = np.quantile(ranks_DN[:, known], ends[0], axis=0, method="lower")
        high[known] = np.quantile(ranks_DN[:, known], ends[1], axis=0, method="higher")
    rank = pd.Series(-np.round(values, 9)).rank(method="min").to_numpy()
    return pd.DataFrame(
        {"rank": rank, "rank_low": low, "rank_high": high}, index=pd.Index(drawn.tasks, name="task")
    )


def edge_probabilities(edges: pd.DataFrame, drawn: DrawnMatrices, *, top_share: float) -> np.ndarray:
    """Share of the plausible matrices in which each edge is among the strongest cells of its sign.

    Parameters
    ----------
    edges
        Edges of one model: columns source, target and sign.
    drawn
        Of the same model and view.
    top_share
        Share of the cells of each sign kept as edges, in (0, 1].

    Returns
    -------
    numpy.ndarray
        In [0, 1], one for each row of `edges`.
    """
    place = {task: k for k, task in enumerate(drawn.tasks)}
    source, target = (edges[column].map(place).to_numpy(dtype=int) for column in ("source", "target"))
    positive = (edges["sign"] == "positive").to_numpy()
    size = max(1, _BLOCK // max(drawn.plausible_DNN[0].size, 1))
    count = np.zeros(len(edges))
    for start in range(0, len(drawn.plausible_DNN), size):
        block = _without(drawn.plausible_DNN[start : start + size], np.eye(len(drawn.tasks), dtype=bool))
        up, down = drawn_edges(block, top_share=top_share)
        count += np.where(positive, up[:, source, target].sum(axis=0), down[:, source, target].sum(axis=0))
    return np.asarray(count / len(drawn.plausible_DNN))


def clique_probabilities(cliques: Sequence[tuple[str, ...]], sign: str, drawn: DrawnMatrices) -> np.ndarray:
    """Share of the plausible matrices in which each set is a clique (maximal or not).

    Parameters
    ----------
    cliques
        Tasks of each set, the largest set first.
    sign
        ``positive`` or ``negative``.
    drawn
        Of the same model and view.

    Returns
    -------
    numpy.ndarray
        In [0, 1]; NaN beyond the first `MOST_CLIQUES`.
    """
    place = {task: k for k, task in enumerate(drawn.tasks)}
    of_sign_DNN = drawn.plausible_DNN * SIGNS[sign] >= ZERO
    of_sign_NND = np.ascontiguousarray(np.moveaxis(of_sign_DNN, 0, 2))  # a pair's draws side by side
    probabilities = np.full(len(cliques), np.nan)
    for position, clique in enumerate(cliques[:MOST_CLIQUES]):
        members = np.array([place[task] for task in clique])
        first, second = np.nonzero(~np.eye(len(members), dtype=bool))
        probabilities[position] = of_sign_NND[members[first], members[second]].all(axis=0).mean()
    return probabilities


def noise_sum_of_squares(drawn: DrawnMatrices) -> float:
    """Sum of squares that the errors alone leave in the residual of the additive fit, off the diagonal."""
    diagonal = np.eye(len(drawn.tasks), dtype=bool)

    left = additive_residual(~np.isnan(drawn.noise_DNN[0]) & ~diagonal)

    def squares(block: np.ndarray) -> np.ndarray:
        return np.asarray(np.nansum(np.square(left(_without(block, diagonal))), axis=(1, 2)))

    return float(_blockwise(squares, drawn.noise_DNN).mean())


def step_certainty(
    drawn: dict[str, DrawnMatrices | None], models: Sequence[str], *, confidence: float
) -> pd.DataFrame:
    """The steps from each model to the next in the plausible matrices.

    Parameters
    ----------
    drawn
        Draws by model; None where no error is known, and no step from there or to there is given.
    models
        In size order.
    confidence
        In (0, 1).

    Returns
    -------
    pandas.DataFrame
        Columns measure, model, step_low, step_high and step_debiased, of the step from the model before, over the
        tasks they share. The draws of two models are taken as independent.
    """
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    rows = []
    for position, measure in enumerate(AGGREGATES):
        before = None
        for model in models:
            of_model = drawn[model]
            if of_model is None:
                before = None
                continue
            values = pd.DataFrame(of_model.plausible_DAN[:, position], columns=of_model.tasks).dropna(axis=1)
            if before is not None and (shared := [task for task in values if task in before]):
                change = (values[shared] - before[shared]).mean(axis=1)
                rows.append((measure, model, *np.quantile(change, ends), float(change.mean())))
            before = values
    return pd.DataFrame(rows, columns=["measure", "model", "step_low", "step_high", "step_debiased"])
