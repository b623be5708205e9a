"""A matrix of which only some cells are measured, completed.

    y_ij = mean + source_i + target_j + <side_ij, beta> + low-rank_ij + rest_ij        off the diagonal

=============== ============================================================================================
method          what is fitted
=============== ============================================================================================
``target mean`` mean + target_j, shrunken
``source mean`` mean + source_i, shrunken
``additive``    both: all that can be known of a cell without looking at the pair
``low-rank``    the additive fit, and what is left of it by soft-thresholded singular values [1]_
``side``        the additive fit and a regression on what is known of every pair, such as gradients
``side+low``    all of it
=============== ============================================================================================

y is PGF where positive and -log(1 - PGF) where negative (`even_scale`): losses have no bound, and a few of them
would be all that least squares fits. Every shrinkage is chosen by cross-validation on the measured cells. A richer
part is taken only where its error is lower by more than one standard error, so that noise is left alone [2]_. A
source or target without any measured cell gets the mean of the others.

Shape letters: S sources, T targets, C measured cells.

References
----------
.. [1] Mazumder, Hastie and Tibshirani, "Spectral regularization algorithms for learning large incomplete
   matrices", JMLR 11, 2010.
.. [2] Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", 2nd edition 2009, section 7.10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.errors import InputError, SettingsError, closest
from tasktransfer.stats.shrinkage import even_scale, pgf_scale

__all__ = ["METHODS", "Completion", "complete"]

METHODS = ("target mean", "source mean", "additive", "low-rank", "side", "side+low")
_SHRINKAGES = (0.0, 0.5, 2.0, 8.0)  # of an effect, in cells of the mean that it is pulled to
_THRESHOLDS = (0.8, 0.5, 0.3, 0.2, 0.1)  # of the largest singular value
_FOLDS = 5
_ITERATIONS = 60
_FEWEST = 4  # measured cells

Fit = Callable[[np.ndarray], np.ndarray]  # (values with NaN where not measured) -> every cell


class Completion(NamedTuple):
    """Every cell off the diagonal as the fit has it, measured ones too."""

    values: pd.DataFrame
    error: float  # root mean square over held-out measured cells, on the even scale; NaN under 2 folds of cells
    how: str  # what was chosen


def complete(
    matrix: pd.DataFrame,
    method: str = "additive",
    *,
    side: Mapping[str, pd.DataFrame] | None = None,
    seed: int = 0,
) -> Completion:
    """Complete a matrix.

    Parameters
    ----------
    matrix
        PGF, rows sources, columns targets, NaN where not measured. Cells of a task on itself are not used and not
        filled.
    method
        One of `METHODS`.
    side
        For methods with side information: a matrix of the same rows and columns for each thing known of the pairs.
        A hole in it counts as its mean.
    seed
        Decides the folds.

    Raises
    ------
    SettingsError
        Unknown method, or no side information where the method needs it.
    InputError
        Fewer than four measured cells.

    Notes
    -----
    Some 20 ms at 13 x 13 for ``additive``, ten times that with a low-rank part.

    Examples
    --------
    >>> m = pd.DataFrame([[np.nan, 0.1, 0.5], [0.2, np.nan, 0.5], [0.2, 0.1, np.nan]], list("abc"), list("abc"))
    >>> m.loc["a", "c"] = np.nan
    >>> bool(abs(complete(m, "target mean").values.loc["a", "c"] - 0.5) < 0.2)
    True
    """
    if method not in METHODS:
        raise SettingsError(f"method {method!r}{closest(method, METHODS)}: accepted are {', '.join(METHODS)}")
    if "side" in method and not side:
        raise SettingsError(f"method {method!r} needs side information: a matrix of something known of every pair")
    off_ST = np.array(matrix.index)[:, None] != np.array(matrix.columns)[None, :]
    y_ST = np.where(off_ST, even_scale(matrix.to_numpy(dtype=float)), np.nan)
    if (measured := int((~np.isnan(y_ST)).sum())) < _FEWEST:
        raise InputError(f"{measured} cells are measured off the diagonal; completing needs at least {_FEWEST}")
    extra_FST = _features(matrix, side or {}, off_ST) if "side" in method else np.zeros((0, *y_ST.shape))
    folds_ST = _folds(y_ST, np.random.default_rng(seed))
    chosen, how = _choose(y_ST, folds_ST, _linear_fits(method, extra_FST))
    if "low" in method:
        chosen, how = _with_low_rank(y_ST, folds_ST, chosen, how)
    filled = np.where(off_ST, np.minimum(pgf_scale(chosen(y_ST)), 1), np.nan)
    errors = _held_out_errors(y_ST, folds_ST, chosen)
    error = float(np.sqrt(np.nanmean(errors**2))) if (~np.isnan(errors)).any() else float("nan")
    return Completion(pd.DataFrame(filled, index=matrix.index, columns=matrix.columns), error, how)


def _features(matrix: pd.DataFrame, side: Mapping[str, pd.DataFrame], off_ST: np.ndarray) -> np.ndarray:
    """Side information standardised over the cells off the diagonal; ranks would hide how far apart they are."""
    features = []
    for name, values in side.items():
        if not set(matrix.index) <= set(values.index) or not set(matrix.columns) <= set(values.columns):
            raise InputError(f"side information {name!r} lacks sources or targets of the matrix")
        here = np.where(off_ST, values.loc[matrix.index, matrix.columns].to_numpy(dtype=float), np.nan)
        if np.isnan(here).all():
            continue
        spread = float(np.nanstd(here))
        features.append(np.nan_to_num((here - np.nanmean(here)) / spread if spread > 0 else here * 0))
    return np.array(features).reshape(-1, *matrix.shape)


def _folds(y_ST: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The fold of each measured cell, -1 elsewhere."""
    cells = np.flatnonzero(~np.isnan(y_ST).ravel())
    folds = np.full(y_ST.size, -1)
    folds[random.permutation(cells)] = np.arange(len(cells)) % _FOLDS
    return folds.reshape(y_ST.shape)


def _linear_fits(method: str, extra_FST: np.ndarray) -> Iterator[tuple[str, Fit]]:
    """The candidates of a method: shrinkages of sources, of targets and of the side information."""
    none = (np.inf,)
    sources = none if method == "target mean" else _SHRINKAGES
    targets = none if method == "source mean" else _SHRINKAGES
    sides = (np.inf, 10.0, 1.0) if len(extra_FST) else none
    for of_side, of_sources, of_targets in product(sides, sources, targets):
        description = f"shrinkage {of_sources:g} of sources, {of_targets:g} of targets"
        description += f", {of_side:g} of side information" if of_side < np.inf else ""
        yield description, _Linear(of_sources, of_targets, of_side, extra_FST)


class _Linear:
    """Ridge regression on sources, targets and side information, the mean left free."""

    def __init__(self, of_sources: float, of_targets: float, of_side: float, extra_FST: np.ndarray) -> None:
        self.of_sources, self.of_targets, self.of_side = of_sources, of_targets, of_side
        self.extra_FST = extra_FST

    def __call__(self, y_ST: np.ndarray) -> np.ndarray:
        n_sources, n_targets = y_ST.shape
        source, target = np.nonzero(~np.isnan(y_ST))
        y_C = y_ST[source, target]
        blocks = [(np.ones((len(y_C), 1)), 0.0)]
        if self.of_sources < np.inf:
            blocks.append((np.eye(n_sources)[source], self.of_sources))
        if self.of_targets < np.inf:
            blocks.append((np.eye(n_targets)[target], self.of_targets))
        if self.of_side < np.inf:
            blocks.append((self.extra_FST[:, source, target].T, self.of_side))
        design = np.hstack([block for block, _ in blocks])
        # a touch of shrinkage always: an effect of no measured cell is then 0, and effects add up to 0
        penalty = np.concatenate([np.full(block.shape[1], max(shrink, 1e-6)) for block, shrink in blocks])
        penalty[0] = 1e-12
        coefficients = np.linalg.solve(design.T @ design + np.diag(penalty), design.T @ y_C)
        fit_ST, start = np.full(y_ST.shape, coefficients[0]), 1
        if self.of_sources < np.inf:
            fit_ST = fit_ST + coefficients[start : start + n_sources, None]
            start += n_sources
        if self.of_targets < np.inf:
            fit_ST = fit_ST + coefficients[None, start : start + n_targets]
            start += n_targets
        if self.of_side < np.inf:
            fit_ST = fit_ST + np.einsum("f,fst->st", coefficients[start:], self.extra_FST)
        return fit_ST


class _LowRank:
    """A linear fit, and soft-thresholded singular values of what it leaves."""

    def __init__(self, linear: Fit, threshold: float) -> None:
        self.linear, self.threshold = linear, threshold

    def __call__(self, y_ST: np.ndarray) -> np.ndarray:
        fit_ST = self.linear(y_ST)
        known = ~np.isnan(y_ST)
        left_ST = np.where(known, y_ST - fit_ST, 0.0)
        size = float(np.linalg.norm(left_ST, 2))
        low_ST = np.zeros_like(left_ST)
        for _ in range(_ITERATIONS):
            # unmeasured cells are filled with the fit so far: the steps of [1]_
            u, values, v = np.linalg.svd(np.where(known, left_ST, low_ST), full_matrices=False)
            new_ST = (u * np.maximum(values - self.threshold * size, 0)) @ v
            done = np.abs(new_ST - low_ST).max() < 1e-4 * max(size, 1e-12)
            low_ST = new_ST
            if done:
                break
        return np.asarray(fit_ST + low_ST)


def _held_out_errors(y_ST: np.ndarray, folds_ST: np.ndarray, fit: Fit) -> np.ndarray:
    """Error of each measured cell when its fold is held out; NaN elsewhere."""
    errors_ST = np.full(y_ST.shape, np.nan)
    for fold in range(_FOLDS):
        held = folds_ST == fold
        if held.any() and ((folds_ST >= 0) & ~held).any():
            errors_ST[held] = (y_ST - fit(np.where(held, np.nan, y_ST)))[held]
    return errors_ST


def _choose(y_ST: np.ndarray, folds_ST: np.ndarray, fits: Iterator[tuple[str, Fit]]) -> tuple[Fit, str]:
    """The best fit without side information, or the best with it where that is surely better."""
    best: dict[bool, tuple[np.ndarray, Fit, str]] = {}
    for description, fit in fits:
        squares = _held_out_errors(y_ST, folds_ST, fit)[folds_ST >= 0] ** 2
        richer = "side" in description
        if richer not in best or squares.mean() < best[richer][0].mean():
            best[richer] = squares, fit, description
    taken = best[True] if True in best and _surely_lower(best[True][0], best[False][0]) else best[False]
    return taken[1], taken[2]


def _with_low_rank(y_ST: np.ndarray, folds_ST: np.ndarray, linear: Fit, how: str) -> tuple[Fit, str]:
    known = folds_ST >= 0
    plain = _held_out_errors(y_ST, folds_ST, linear)[known] ** 2
    best: tuple[np.ndarray, Fit, str] | None = None
    for threshold in _THRESHOLDS:
        fit = _LowRank(linear, threshold)
        squares = _held_out_errors(y_ST, folds_ST, fit)[known] ** 2
        if best is None or squares.mean() < best[0].mean():
            best = squares, fit, f"{how}, singular values cut by {threshold:g} of the largest"
    if best is not None and _surely_lower(best[0], plain):
        return best[1], best[2]
    return linear, f"{how}, no low-rank part"


def _surely_lower(squares: np.ndarray, than: np.ndarray) -> bool:
    """Whether the mean is lower by more than its standard error, cell by cell."""
    gain = than - squares
    return len(gain) > 1 and float(gain.mean()) > float(gain.std(ddof=1) / np.sqrt(len(gain)))
