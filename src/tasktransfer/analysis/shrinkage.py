"""What the true matrix may be, given the observed one and its errors: empirical Bayes.

    y(PGF) = -log(1 - PGF), so that halving and doubling the errors a model makes lie as far from 0

    observed_ij = true_ij + shared_j c_j + own_ij e_ij           on the scale of y; c, e ~ N(0, 1)
    true_ij     = level_j + deviation_ij

==============  ===========================================================================================
symbol          meaning
==============  ===========================================================================================
shared_j        error that all cells of a column have in common, through its baseline and its items
own_ij          the cell's own error
level_j         what the target does whatever one trains on: mixture of normals around 0
deviation_ij    what is left: another mixture of normals around 0
==============  ===========================================================================================

Both mixtures are those of adaptive shrinkage [1]_: a grid of widths, from none to beyond any observed value,
whose weights are found by EM from the matrix itself. The location of a column, level plus shared error, is
integrated over a grid; how much of it is error follows from how far the columns' locations spread at all. Each
part of the draws has weights from columns weighted at random (the Bayesian bootstrap), since a dozen columns do
not tell them exactly.

Sums of one sign (transferability, malleability), labels and cliques of an observed matrix count noise as transfer:
their value under pure noise is not zero. Of draws from here it is, since the weights then go to no width.
`benchmarks/structure.py` measures how well the draws hold the truth.

Shape letters: D draws, S sources, T targets, G widths, Q points of the grid of a column's location.

References
----------
.. [1] Stephens, "False discovery rates: a new deal", Biostatistics 18, 2017.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["plausible_matrices"]

_WIDTHS = np.array([0.0, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0])  # of y
_POINTS = 101  # Q
_STEPS = 60  # of EM
_MORE_STEPS = 8  # for every other weighting of the columns
_LOG_UP_TO = 0.9  # PGF; beyond it y goes on as a straight line, for a PGF of 1 and for ceilings under it
_COLUMNS_FITTED = 60  # columns that the weights are estimated from; more change little
_REFITS = 10
_LEAST_ERROR = 1e-4  # of y; a cell nothing is known of, or that never varied, stays at its value


class _Errors(NamedTuple):
    """Standard errors of a matrix, split into what a column shares and what is a cell's own."""

    own_ST: np.ndarray
    shared_T: np.ndarray


def _errors_of_draws(pgf_DST: np.ndarray) -> _Errors:
    """Split the variation of drawn matrices: the mean covariance of a column's cells is what they share.

    Parameters
    ----------
    pgf_DST
        Draws of `tasktransfer.analysis.resampling`; NaN in a draw without a gap, or for a hole.

    Returns
    -------
    _Errors
        Robust to single wild draws, as a gap near nothing makes them. At most 95 % of a variance is shared.
    """
    n_sources, n_targets = pgf_DST.shape[1:]
    own, shared = np.full((n_sources, n_targets), np.nan), np.zeros(n_targets)
    for t in range(n_targets):
        here = np.flatnonzero(~np.isnan(pgf_DST[:, :, t]).all(axis=0))
        drawn = pgf_DST[:, here, t].astype(float)
        drawn = drawn[~np.isnan(drawn).any(axis=1)]
        if len(here) == 0 or len(drawn) < 2:
            continue
        spread = np.subtract(*np.quantile(drawn, [0.8413, 0.1587], axis=0)) / 2
        if len(here) > 1:
            deviation = np.clip(drawn - np.median(drawn, axis=0), -3 * spread, 3 * spread)
            total = float(deviation.sum(axis=1).var()) - float(deviation.var(axis=0).sum())
            common = max(total, 0.0) / (len(here) * (len(here) - 1))
            varying = spread > _LEAST_ERROR
            shared[t] = np.sqrt(min(common, 0.95 * float(np.min(spread[varying] ** 2, initial=np.inf))))
            shared[t] = shared[t] if varying.any() else 0.0
        own[here, t] = np.sqrt(np.maximum(spread**2 - shared[t] ** 2, 0))
    return _Errors(own, shared)


class _Column(NamedTuple):
    """One column on its grid of locations."""

    values_S: np.ndarray
    own_S: np.ndarray
    shared: float
    location_Q: np.ndarray
    density_QSG: np.ndarray  # of each cell given the location and the width of its deviation
    level_density_QG: np.ndarray  # of the location given the width of the level


def plausible_matrices(
    pgf_ST: np.ndarray, resampled_DST: np.ndarray, *, seed: int | np.random.Generator = 0
) -> np.ndarray:
    """Draw matrices from what the observed one and its errors leave open.

    Parameters
    ----------
    pgf_ST
        Observed; NaN for holes.
    resampled_DST
        Draws of `tasktransfer.analysis.resampling`, which tell the errors; NaN in a draw without a gap.

    Returns
    -------
    numpy.ndarray
        As many draws, float32; NaN at holes.

    Notes
    -----
    The cells of one call share their prior, so leave out what is of another kind (the diagonal). Half a second at
    13 x 13 and 2,000 draws.
    """
    random = np.random.default_rng(seed)
    n_draws = len(resampled_DST)
    drawn = np.full(resampled_DST.shape, np.nan, dtype=np.float32)
    present = ~np.isnan(pgf_ST)
    filled = np.flatnonzero(present.any(axis=0))
    if not len(filled):
        return drawn
    values, errors = _log_scale(pgf_ST), _errors_of_draws(_log_scale(resampled_DST))
    fitted = filled[np.unique(np.linspace(0, len(filled) - 1, _COLUMNS_FITTED).round().astype(int))]
    columns = [_column(values[present[:, t], t], errors, present[:, t], int(t)) for t in fitted]
    even = np.full(len(_WIDTHS), 1 / len(_WIDTHS))
    first = _weights(columns, np.ones(len(columns)), (even, even), _STEPS)
    blocks = np.array_split(np.arange(n_draws), min(_REFITS, n_draws))
    importance = random.dirichlet(np.ones(len(columns)), size=len(blocks)) * len(columns)
    weights = [_weights(columns, of_columns, first, _MORE_STEPS) for of_columns in importance]
    for t in filled:
        column = _column(values[present[:, t], t], errors, present[:, t], int(t))
        parts = [_draw(column, w, len(block), random) for block, w in zip(blocks, weights, strict=True)]
        drawn[:, present[:, t], t] = _pgf_scale(np.concatenate(parts))
    return drawn


def _log_scale(pgf: np.ndarray) -> np.ndarray:
    """-log(1 - PGF), from `_LOG_UP_TO` on as a straight line."""
    least = 1 - _LOG_UP_TO
    return np.asarray(
        np.where(pgf < _LOG_UP_TO, -np.log(np.fmax(1 - pgf, least)), -np.log(least) + (pgf - _LOG_UP_TO) / least)
    )


def _pgf_scale(y: np.ndarray) -> np.ndarray:
    """Undo `_log_scale`."""
    bend = -np.log(1 - _LOG_UP_TO)
    return np.asarray(np.where(y < bend, -np.expm1(-np.fmin(y, bend)), _LOG_UP_TO + (y - bend) * (1 - _LOG_UP_TO)))


def _column(values_S: np.ndarray, errors: _Errors, present_S: np.ndarray, target: int) -> _Column:
    own_S = np.maximum(np.nan_to_num(errors.own_ST[present_S, target]), _LEAST_ERROR)
    shared = float(errors.shared_T[target])
    reach = float(np.median(own_S)) + shared
    location_Q = np.linspace(min(values_S.min(), 0) - reach, max(values_S.max(), 0) + reach, _POINTS)
    total_SG = own_S[:, None] ** 2 + _WIDTHS**2
    # a grid coarser than the narrowest component would miss it
    step = location_Q[1] - location_Q[0]
    total_SG = total_SG + step**2 / 12
    away_QS = values_S[None] - location_Q[:, None]
    density_QSG = np.exp(-0.5 * away_QS[..., None] ** 2 / total_SG) / np.sqrt(total_SG) + 1e-300
    level_total_G = shared**2 + _WIDTHS**2 + step**2 / 12
    level_density_QG = np.exp(-0.5 * location_Q[:, None] ** 2 / level_total_G) / np.sqrt(level_total_G)
    return _Column(values_S, own_S, shared, location_Q, density_QSG, level_density_QG * step)


_Weights = tuple[np.ndarray, np.ndarray]  # of the widths of deviations, and of levels


def _weights(columns: list[_Column], importance_T: np.ndarray, start: _Weights, n_steps: int) -> _Weights:
    """Weights of the deviations' and the levels' widths by EM.

    One pseudo-cell and one pseudo-column without effect keep no width from being ruled out.
    """
    weight, level_weight = start
    for _ in range(n_steps):
        count, level_count = np.zeros(len(_WIDTHS)), np.zeros(len(_WIDTHS))
        count[0] = level_count[0] = 1
        for column, importance in zip(columns, importance_T, strict=True):
            chance_Q, cell_QS, level_Q = _posterior(column, weight, level_weight)
            share_SG = np.einsum("q,qs,qsg->sg", chance_Q, 1 / cell_QS, column.density_QSG) * weight
            count += importance * share_SG.sum(axis=0)
            level_count += importance * (chance_Q / level_Q) @ column.level_density_QG * level_weight
        weight, level_weight = count / count.sum(), level_count / level_count.sum()
    return weight, level_weight


def _posterior(
    column: _Column, weight_G: np.ndarray, level_weight_G: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chance of each location, and the mixture densities of the cells and of the location."""
    cell_QS = column.density_QSG @ weight_G
    level_Q = column.level_density_QG @ level_weight_G + 1e-300
    log_Q = np.log(cell_QS).sum(axis=1) + np.log(level_Q)
    chance_Q = np.exp(log_Q - log_Q.max())
    return chance_Q / chance_Q.sum(), cell_QS, level_Q


def _draw(column: _Column, weights: _Weights, n_draws: int, random: np.random.Generator) -> np.ndarray:
    """True values of one column: its location, how much of that is level, then the deviations."""
    weight_G, level_weight_G = weights
    chance_Q, cell_QS, level_Q = _posterior(column, weight_G, level_weight_G)
    q_D = np.sort(random.choice(_POINTS, size=n_draws, p=chance_Q))
    step = column.location_Q[1] - column.location_Q[0]
    location_D = column.location_Q[q_D] + step * (random.random(n_draws) - 0.5)
    cumulated_QG = np.cumsum(column.level_density_QG * level_weight_G / level_Q[:, None], axis=1)
    level_g_D = _pick(cumulated_QG[q_D], random.random(n_draws))
    trust_D = _trust(_WIDTHS[level_g_D] ** 2, column.shared**2)
    level_D = trust_D * location_D + np.sqrt(trust_D) * column.shared * random.standard_normal(n_draws)
    drawn = np.empty((n_draws, len(column.values_S)))
    uniform, noise = random.random(drawn.shape), random.standard_normal(drawn.shape)
    for q in np.unique(q_D):
        here = q_D == q
        cumulated_SG = np.cumsum(column.density_QSG[q] * weight_G / cell_QS[q][:, None], axis=1)
        width = _WIDTHS[_pick(cumulated_SG[None], uniform[here])]
        trust = _trust(width**2, column.own_S**2)
        deviation = trust * (column.values_S - location_D[here, None])
        drawn[here] = level_D[here, None] + deviation + np.sqrt(trust) * column.own_S * noise[here]
    return drawn[random.permutation(n_draws)]


def _pick(cumulated: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Index of the component that a uniform number falls into."""
    return np.asarray((uniform[..., None] > cumulated).sum(axis=-1).clip(0, len(_WIDTHS) - 1))


def _trust(variance: np.ndarray, error: np.ndarray | float) -> np.ndarray:
    """Share of an observed value that is true rather than error; all of it without an error."""
    total = variance + error
    return np.asarray(np.divide(variance, total, out=np.ones(np.shape(total)), where=np.asarray(total) > 0))
