"""Transferability of sources and malleability of targets, of both signs.

    Delta(i)+ = (1 - exp(-p / N)) / p * sum of PGF(i -> j) over the p targets with PGF > 0      [1]_ eq. 4
    Theta(j)+ = (1 - exp(-p / N)) / p * sum of PGF(i -> j) over the p sources with PGF > 0

and the same with PGF < 0 for Delta-, Theta-, which are negative numbers: mean of the cells of a sign times a
breadth factor. N is the number of defined cells of the row or column. The task itself is not counted unless
asked; the printed formula runs over all j, while the paper's personas hold only without the diagonal.

References
----------
.. [1] Sachdeva et al., "Understanding Task Transfer in Vision-Language Models", arXiv 2511.18787.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasktransfer.analysis.pgf import ZERO

__all__ = ["AGGREGATES", "aggregate_transfer", "drawn_aggregates", "without_self"]

AGGREGATES = ("transferability_pos", "transferability_neg", "malleability_pos", "malleability_neg")


def without_self(matrix: pd.DataFrame) -> np.ndarray:
    """Values of a square matrix with the diagonal as holes."""
    values: np.ndarray = matrix.to_numpy(dtype=float, copy=True)
    np.fill_diagonal(values, np.nan)
    return values


def aggregate_transfer(matrix: pd.DataFrame, *, include_self: bool = False) -> pd.DataFrame:
    """Sum a PGF matrix by source and by target.

    Parameters
    ----------
    matrix
        Square, rows sources, columns targets, NaN for holes, as from `tasktransfer.matrix`.
    include_self
        Count the diagonal in the sums and in N.

    Returns
    -------
    pandas.DataFrame
        Index task; columns `AGGREGATES`. No cell of a sign gives 0.0; no defined cell at all gives NaN.

    Examples
    --------
    >>> m = pd.DataFrame([[0.9, 0.2], [-0.1, 0.8]], index=["a", "b"], columns=["a", "b"])
    >>> aggregate_transfer(m).round(4).to_numpy().tolist()
    [[0.1264, 0.0, 0.0, -0.0632], [0.0, -0.0632, 0.1264, 0.0]]
    """
    values = matrix.to_numpy(dtype=float) if include_self else without_self(matrix)
    of_task = dict(zip(AGGREGATES, drawn_aggregates(values), strict=True))
    return pd.DataFrame(of_task, index=pd.Index(matrix.index, name="task"))


def drawn_aggregates(values_NN: np.ndarray) -> np.ndarray:
    """The four `AGGREGATES` of one matrix or of many: shape (..., N, N) to (..., 4, N)."""
    parts = [signed_aggregate(values_NN, sign, axis) for axis in (-1, -2) for sign in (1, -1)]
    return np.stack(parts, axis=-2)


def signed_aggregate(values: np.ndarray, sign: int, axis: int) -> np.ndarray:
    """Breadth-weighted mean of the cells of one sign along an axis; works on any leading dimensions.

    Parameters
    ----------
    values
        PGF, NaN for holes.
    sign
        1 or -1.
    axis
        The axis that is summed over: -1 for transferability, -2 for malleability.
    """
    of_sign = values * sign >= ZERO
    n_sign = of_sign.sum(axis=axis)
    n_defined = (~np.isnan(values)).sum(axis=axis)
    total = np.where(of_sign, values, 0).sum(axis=axis, dtype=float)
    # at least 1 in both quotients: where no cell counts the total is 0 and the result 0 or NaN
    breadth = -np.expm1(-n_sign / np.maximum(n_defined, 1)) / np.maximum(n_sign, 1)
    return np.where(n_defined > 0, breadth * total + 0.0, np.nan)  # + 0.0: no minus zero
