"""How much of the matrix is the target, how much the source, and what is left for pairs.

    PGF(i -> j) = mean + target_j + source_i + interaction_ij          (off the diagonal)

Sequential (type I) sums of squares, target first: what a target alone explains, then what sources add to it,
then the interaction, which is what a transfer graph claims to show. Fitted by least squares, so holes and the
missing diagonal are accounted for. With one value a cell the interaction still holds the noise. Where sources and
targets take as many parameters as there are cells nothing is left for it, and its share is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.analysis.transferability import without_self

__all__ = ["Decomposition", "additive_residual", "decompose"]


class Decomposition(NamedTuple):
    """Shares of the off-diagonal variation and the fitted parts."""

    shares: pd.DataFrame  # index component (target, source, interaction); share, sum_of_squares, df
    target_effect: pd.Series  # by target; deviations from the mean, sum zero
    source_effect: pd.Series  # by source; likewise
    interaction: pd.DataFrame  # square, NaN on the diagonal and at holes
    mean: float


def decompose(matrix: pd.DataFrame) -> Decomposition:
    """Split a PGF matrix into target, source and interaction.

    Parameters
    ----------
    matrix
        Square, rows sources, columns targets, NaN for holes. The diagonal is not used.

    Returns
    -------
    Decomposition
        Shares are NaN when the cells do not vary; that of the interaction also without degrees of freedom.

    Examples
    --------
    >>> m = pd.DataFrame([[9, 1, 2.0], [0, 9, 2], [0, 1, 9]], index=list("abc"), columns=list("abc"))
    >>> decompose(m).shares["share"].round(6).tolist()
    [1.0, 0.0, 0.0]
    """
    values = without_self(matrix)
    defined = ~np.isnan(values)
    if not defined.any():
        empty = pd.Series(np.nan, index=matrix.index)
        return Decomposition(_shares([np.nan] * 3, [0] * 3), empty, empty, matrix * np.nan, np.nan)
    cells = values[defined]
    mean = float(cells.mean())
    sources, targets = defined.any(axis=1), defined.any(axis=0)
    target_mean = np.where(targets, np.nansum(values, axis=0) / np.maximum(defined.sum(axis=0), 1), np.nan)
    source_part, target_part, rank = _additive_fit(values, defined)
    fit_target = np.broadcast_to(target_mean[None, :], values.shape)
    fit_both = source_part[:, None] + target_part[None, :]
    sums = [
        float(((fit_target - mean)[defined] ** 2).sum()),
        float(((fit_both - fit_target)[defined] ** 2).sum()),
        float(((values - fit_both)[defined] ** 2).sum()),
    ]
    n_targets = int(targets.sum())
    interaction = np.where(defined, values - fit_both, np.nan)
    return Decomposition(
        _shares(sums, [n_targets - 1, rank - n_targets, len(cells) - rank]),
        pd.Series(_centred(target_part, targets), index=matrix.columns),
        pd.Series(_centred(source_part, sources), index=matrix.index),
        pd.DataFrame(interaction, index=matrix.index, columns=matrix.columns),
        mean,
    )


def _additive_fit(values: np.ndarray, defined: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Least-squares source_i + target_j on the defined cells, from the normal equations (2n x 2n)."""
    # singular by design: a constant may move from sources to targets. The least-norm solution is taken, and
    # effects are centred afterwards
    n_tasks = len(values)
    right = np.concatenate([np.nansum(values, axis=1), np.nansum(values, axis=0)])
    solution, _, rank, _ = np.linalg.lstsq(_normal_equations(defined), right, rcond=1e-10)
    return solution[:n_tasks], solution[n_tasks:], int(rank)


def _normal_equations(defined: np.ndarray) -> np.ndarray:
    weight = defined.astype(float)
    return np.block([[np.diag(weight.sum(axis=1)), weight], [weight.T, np.diag(weight.sum(axis=0))]])


def additive_residual(defined: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function that gives what the additive fit leaves of many matrices (D, N, N) with the same holes (NaN)."""
    n_tasks = len(defined)
    solve = np.linalg.pinv(_normal_equations(defined), rcond=1e-10, hermitian=True)

    def residual(values_DNN: np.ndarray) -> np.ndarray:
        right = np.concatenate([np.nansum(values_DNN, axis=2), np.nansum(values_DNN, axis=1)], axis=1)
        parts = right @ solve
        fit = parts[:, :n_tasks, None] + parts[:, None, n_tasks:]
        return np.asarray(values_DNN - fit, dtype=values_DNN.dtype)

    return residual


def _centred(part: np.ndarray, takes_part: np.ndarray) -> np.ndarray:
    return np.where(takes_part, part - part[takes_part].mean(), np.nan)


def _shares(sums: list[float], degrees: list[int]) -> pd.DataFrame:
    total = sum(sums)
    share = [value / total if total > 1e-24 else np.nan for value in sums]
    if degrees[-1] == 0:  # 0 of 0: the additive part fits any cells
        share[-1] = np.nan
    return pd.DataFrame(
        {"share": share, "sum_of_squares": sums, "df": degrees},
        index=pd.Index(["target", "source", "interaction"], name="component"),
    )
