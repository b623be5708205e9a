"""What the true matrix may be, given the observed one and its errors.

    y(PGF) = PGF             if positive: at most 1
             -log(1 - PGF)   if negative, since losses have no bound and errors that grow with them

    observed_ij = true_ij + shared_j c_j + own_ij e_ij           on the scale of y; c, e ~ N(0, 1)
    true_ij     = level_j + source_i + deviation_ij

==============  ===========================================================================================
symbol          meaning
==============  ===========================================================================================
shared_j        error that all cells of a column have in common, through its baseline and its items
own_ij          the cell's own error
level_j         what the target does whatever one trains on
source_i        what the source does whatever one tests on
deviation_ij    what is left: a mixture of normals around 0, the widths from none to beyond any observed value
==============  ===========================================================================================

How much targets, sources and pairs differ is not known but drawn with the rest (Gibbs sampling [1]_), since a
dozen columns do not determine it exactly. Levels and sources: see `effects`. The weights of the deviations'
widths have a Dirichlet prior; the grid of widths is that of adaptive shrinkage [2]_.

Sums of one sign (transferability, malleability), labels and cliques of an observed matrix count noise as transfer:
their value under pure noise is not zero. Of draws from here it nearly is, since the weight then goes to no width.
`benchmarks/structure.py` measures how well the draws cover the truth.

Shape letters: D draws, C chains, S sources, T targets, G widths.

References
----------
.. [1] Gelman et al., "Bayesian Data Analysis", 3rd edition 2013, chapters 5, 11 and 15.
.. [2] Stephens, "False discovery rates: a new deal", Biostatistics 18, 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat
from typing import NamedTuple

import numpy as np

from tasktransfer.stats.effects import draw_variances

__all__ = ["Errors", "errors_of_draws", "even_scale", "pgf_scale", "plausible_matrices"]

_WIDTHS = np.array([0.0, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0])  # of y
_PSEUDO_CELLS = np.array([1.0, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3])  # of the Dirichlet prior, by width
_CHAINS = 50  # fewer for large matrices, which say more about their prior
_CELLS_AT_A_TIME = 400_000  # of all chains
_CELLS_OF_A_DRAW = (
    4_000  # a step of a matrix of so many is drawn from once; of larger ones more often, up to ten times
)
_FIRST_STEPS = 20  # dropped
_EVERY = 2  # step is kept
_MOST_SHARED = 0.95  # of a cell's variance by its column
_LEAST_ERROR = 1e-4  # of y; a cell nothing is known of, or that never varied, stays at its value


def plausible_matrices(
    pgf_ST: np.ndarray, resampled_DST: np.ndarray, *, seed: int | np.random.Generator = 0
) -> np.ndarray:
    """Draw matrices from what the observed one and its errors leave open.

    Parameters
    ----------
    pgf_ST
        Observed; NaN for holes.
    resampled_DST
        Draws of `tasktransfer.analysis.resampling`, from which the errors come; NaN in a draw without a gap.
    seed
        Seed or generator of the chains.

    Returns
    -------
    numpy.ndarray
        As many draws, float32; NaN at holes.

    Notes
    -----
    The cells of one call share their prior, so leave out what is of another kind (the diagonal). A third of a
    second at 13 x 13 and 2,000 draws.
    """
    random = np.random.default_rng(seed)
    n_draws = len(resampled_DST)
    drawn = np.full(resampled_DST.shape, np.nan, dtype=np.float32)
    present = ~np.isnan(pgf_ST)
    rows, columns = np.flatnonzero(present.any(axis=1)), np.flatnonzero(present.any(axis=0))
    if not len(rows):
        return drawn
    errors = errors_of_draws(even_scale(resampled_DST))
    here = np.ix_(rows, columns)
    own_ST = np.maximum(np.nan_to_num(errors.own_ST[here]), _LEAST_ERROR)
    matrix = _Matrix(even_scale(pgf_ST[here]), present[here], own_ST**2, errors.shared_T[columns] ** 2)
    n_chains = int(np.clip(_CELLS_AT_A_TIME // own_ST.size, 5, _CHAINS))
    n_each = int(np.clip(own_ST.size // _CELLS_OF_A_DRAW, 1, 10))
    states = _walk(matrix, n_chains, -(-n_draws // (n_chains * n_each)), random)
    first = 0
    for state in chain.from_iterable(repeat(state, n_each) for state in states):
        block = np.arange(first, min(first + n_chains, n_draws))
        first += n_chains
        true_CST = pgf_scale(_true_values(matrix, state, random)[: len(block)])
        drawn[np.ix_(block, rows, columns)] = np.where(present[here], true_CST, np.nan)
    return drawn


class _Matrix(NamedTuple):
    """Observed values and the squares of their errors."""

    y_ST: np.ndarray  # anything in holes
    present_ST: np.ndarray
    own_ST: np.ndarray
    shared_T: np.ndarray


class _State(NamedTuple):
    """One step of every chain."""

    location_CT: np.ndarray  # level and shared error
    source_CS: np.ndarray
    level_variance_CT: np.ndarray  # a priori
    width_CST: np.ndarray  # squared, of the deviations


def _walk(matrix: _Matrix, n_chains: int, n_kept: int, random: np.random.Generator) -> Iterator[_State]:
    """Every `_EVERY`-th step of the chains, once they have forgotten where they began."""
    y_ST, present_ST, own_ST, shared_T = matrix
    y_ST = np.where(present_ST, y_ST, 0.0)
    location_CT = np.tile(y_ST.sum(axis=0) / present_ST.sum(axis=0), (n_chains, 1))
    source_CS = np.zeros((n_chains, len(y_ST)))
    weight_CG = np.full((n_chains, len(_WIDTHS)), 1 / len(_WIDTHS))
    for step in range(1, _FIRST_STEPS + _EVERY * n_kept + 1):
        left_CST = y_ST - location_CT[:, None] - source_CS[:, :, None]
        g_CST = _draw_widths(left_CST, own_ST, weight_CG, random)
        weight_CG = _draw_weights(g_CST, present_ST, random)
        width_CST = _WIDTHS[g_CST] ** 2
        precision_CST = present_ST / (own_ST + width_CST)
        sums = (precision_CST * (y_ST - source_CS[:, :, None])).sum(axis=1), precision_CST.sum(axis=1)
        location_CT, level_variance_CT = _draw_effects(*sums, shared_T, random)
        sums = (precision_CST * (y_ST - location_CT[:, None])).sum(axis=2), precision_CST.sum(axis=2)
        source_CS, _ = _draw_effects(*sums, 0.0, random)
        if step > _FIRST_STEPS and (step - _FIRST_STEPS) % _EVERY == 0:
            yield _State(location_CT, source_CS, level_variance_CT, width_CST)


def _draw_widths(
    left_CST: np.ndarray, own_ST: np.ndarray, weight_CG: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Index of the width that each cell's deviation comes from."""
    square_CST = (left_CST**2).astype(np.float32)
    cumulated = []
    total = np.zeros(left_CST.shape, dtype=np.float32)
    for width, weight_C in zip(_WIDTHS, weight_CG.T, strict=True):
        variance_ST = own_ST + width**2
        density = np.exp(square_CST * (-0.5 / variance_ST).astype(np.float32))
        total = total + density * (weight_C[:, None, None] / np.sqrt(variance_ST)).astype(np.float32)
        cumulated.append(total)
    threshold = random.random(total.shape, dtype=np.float32) * total
    return np.asarray(sum((threshold > below).astype(np.intp) for below in cumulated[:-1]))


def _draw_weights(g_CST: np.ndarray, present_ST: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Weights of the widths, given how many cells came from each."""
    count_CG = np.stack([(g_CST == g)[:, present_ST].sum(axis=1) for g in range(len(_WIDTHS))], axis=1)
    drawn = random.standard_gamma(count_CG + _PSEUDO_CELLS) + 1e-30
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))


def _draw_effects(
    sum_CN: np.ndarray, precision_CN: np.ndarray, shared_N: np.ndarray | float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Effects with the error they share, and their variance a priori, from sums weighted by precision."""
    variance_CN = draw_variances(sum_CN / precision_CN, 1 / precision_CN + shared_N, random)
    # 1 / (1 / trust + precision), written so that an effect without any variance is no division by zero
    trust = variance_CN + shared_N
    posterior = trust / (1 + trust * precision_CN)
    return posterior * sum_CN + np.sqrt(posterior) * random.standard_normal(sum_CN.shape), variance_CN


def _true_values(matrix: _Matrix, state: _State, random: np.random.Generator) -> np.ndarray:
    """Take the errors off: shape C, S, T."""
    level_CT = _without_error(state.location_CT, state.level_variance_CT, matrix.shared_T, random)
    left_CST = matrix.y_ST - state.location_CT[:, None] - state.source_CS[:, :, None]
    deviation_CST = _without_error(left_CST, state.width_CST, matrix.own_ST, random)
    return np.asarray(level_CT[:, None] + state.source_CS[:, :, None] + deviation_CST)


def _without_error(
    value: np.ndarray, variance: np.ndarray, error: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """The part of a sum of two normals that is not error; all of it without any error."""
    total = variance + error
    share = np.divide(variance, total, out=np.ones(np.shape(total)), where=total > 0)
    return np.asarray(share * value + np.sqrt(share * error) * random.standard_normal(value.shape))


class Errors(NamedTuple):
    """Standard errors of a matrix, split into what a column shares and what is a cell's own."""

    own_ST: np.ndarray
    shared_T: np.ndarray

    @property
    def load(self) -> np.ndarray:
        """How far the error is the column's: errors of two cells of it correlate as the product of theirs."""
        whole_ST = np.hypot(self.shared_T, np.nan_to_num(self.own_ST))
        return np.asarray(np.minimum(self.shared_T / np.maximum(whole_ST, 1e-300), _MOST_SHARED**0.5))


def errors_of_draws(pgf_DST: np.ndarray) -> Errors:
    """Split the variation of drawn matrices: the mean covariance of a column's cells is what they share.

    Parameters
    ----------
    pgf_DST
        Draws of `tasktransfer.analysis.resampling`; NaN in a draw without a gap, or for a hole.

    Returns
    -------
    Errors
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
        # half the distance between these quantiles is one SD of a normal; wild draws do not move them
        spread = np.subtract(*np.quantile(drawn, [0.8413, 0.1587], axis=0)) / 2
        varying = spread > _LEAST_ERROR
        if len(here) > 1 and varying.any():
            deviation = np.clip(drawn - np.median(drawn, axis=0), -3 * spread, 3 * spread)
            # the variance of a sum less the sum of variances: all covariances, without a matrix of pairs
            total = float(deviation.sum(axis=1).var()) - float(deviation.var(axis=0).sum())
            common = max(total, 0.0) / (len(here) * (len(here) - 1))
            shared[t] = np.sqrt(min(common, _MOST_SHARED * float(np.min(spread[varying] ** 2))))
        # the difference of two estimates may come out near nothing: a cell keeps the mean share of own error
        part = shared[t] ** 2 / float(np.mean(spread[varying] ** 2)) if varying.any() else 0.0
        own[here, t] = np.sqrt(np.maximum(spread**2 - shared[t] ** 2, spread**2 * (1 - part)))
    return Errors(own, shared)


def even_scale(pgf: np.ndarray) -> np.ndarray:
    """PGF itself where positive, -log(1 - PGF) where negative; NaN stays."""
    return np.asarray(np.where(pgf > 0, pgf, -np.log1p(-np.minimum(pgf, 0))))


def pgf_scale(y: np.ndarray) -> np.ndarray:
    """Undo `even_scale`."""
    return np.asarray(np.where(y > 0, y, -np.expm1(-np.minimum(y, 0))))
