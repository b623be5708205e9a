"""Is a clique larger than chance gives? Two nulls that keep what is no evidence of mutual transfer.

Where a target rises under every source, every pair of such targets helps each other and a large clique follows
from the columns alone. A null must therefore keep the columns:

``within_target``
    The sources are permuted within each target, off the diagonal, holes fixed; the seeds of a cell stay together.
    Keeps each target's values, breaks who gave them.
``additive``
    The additive fit target_j + source_i stays, its residuals are permuted over all cells that are not zero. Keeps
    both main effects, and keeps exact zeros, which no additive fit would give.

    p = (1 + number of null draws whose largest clique of that sign is as large) / (1 + number of draws)

The size is that of the largest clique, not of a chosen one, so having looked at many sets needs no correction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.analysis.cliques import SIGNS
from tasktransfer.analysis.decomposition import decompose
from tasktransfer.analysis.pgf import ZERO
from tasktransfer.analysis.transferability import without_self

__all__ = ["NULLS", "CliqueChance", "clique_chance", "largest_clique_size"]

NULLS = ("within_target", "additive")
STEP_LIMIT = 200_000  # branches of one exact search; a 13-task matrix needs some dozens
STEP_BUDGET = 500_000  # branches of all draws together, under a second; large matrices get fewer draws
FEWEST_DRAWS = 99


class CliqueChance(NamedTuple):
    """The largest clique against one null."""

    size: int
    mean_null_size: float
    p_value: float  # NaN where a search would have taken too long to be exact
    n_draws: int


def clique_chance(
    matrix: pd.DataFrame, sign: str, null: str, *, n_draws: int = 1000, seed: int | np.random.Generator = 0
) -> CliqueChance:
    """Compare the largest same-sign clique with what a null gives.

    Parameters
    ----------
    matrix
        Square, rows sources, columns targets, NaN for holes. The diagonal is not used.
    sign
        ``positive`` or ``negative``.
    null
        One of `NULLS`.
    n_draws
        Null matrices drawn, fewer where the search is long; the smallest p-value is 1 / (n_draws + 1).
    seed
        Seed or generator of the permutations.

    Returns
    -------
    CliqueChance

    Notes
    -----
    About 0.15 ms a draw at 13 tasks. The search is exact; where it would take too long, as on dense matrices of
    hundreds of tasks, the p-value is NaN.
    """
    if null not in NULLS:
        raise ValueError(f"null is {null!r}; accepted are {' and '.join(NULLS)}")
    random = np.random.default_rng(seed)
    order = sorted(matrix.index)  # so that the order of the tasks changes no draw
    matrix = matrix.loc[order, order]
    values = without_self(matrix)
    size, spent = _search(values, sign)
    if size is None:
        return CliqueChance(0, np.nan, np.nan, 0)
    draw = _within_target(values) if null == "within_target" else _additive(values, matrix)
    sizes: list[int] = []
    while len(sizes) < n_draws and spent < STEP_BUDGET:
        null_size, steps = _search(draw(random), sign)
        if null_size is None:
            return CliqueChance(size, np.nan, np.nan, len(sizes))
        sizes.append(null_size)
        spent += steps
    if len(sizes) < min(n_draws, FEWEST_DRAWS):
        return CliqueChance(size, np.nan, np.nan, len(sizes))
    as_large = sum(null_size >= size for null_size in sizes)
    return CliqueChance(size, float(np.mean(sizes)), (1 + as_large) / (1 + len(sizes)), len(sizes))


def _within_target(values: np.ndarray) -> Callable[[np.random.Generator], np.ndarray]:
    columns = [(j, np.flatnonzero(~np.isnan(values[:, j]))) for j in range(values.shape[1])]

    def draw(random: np.random.Generator) -> np.ndarray:
        drawn = values.copy()
        for j, sources in columns:
            drawn[sources, j] = values[random.permutation(sources), j]
        return drawn

    return draw


def _additive(values: np.ndarray, matrix: pd.DataFrame) -> Callable[[np.random.Generator], np.ndarray]:
    defined = np.abs(values) >= ZERO  # false for holes too
    residual = decompose(matrix).interaction.to_numpy()[defined]
    fitted = values[defined] - residual

    def draw(random: np.random.Generator) -> np.ndarray:
        drawn = values.copy()
        drawn[defined] = fitted + random.permutation(residual)
        return drawn

    return draw


def largest_clique_size(values: np.ndarray, sign: str) -> int | None:
    """Size of the largest set whose ordered pairs all have one sign; None beyond `STEP_LIMIT` branches.

    0 where no pair of tasks is mutual.

    >>> largest_clique_size(np.array([[0, 1.0, -1], [1, 0, 1], [1, 1, 0]]), "positive")
    2
    """
    return _search(values, sign)[0]


def _search(values: np.ndarray, sign: str) -> tuple[int | None, int]:
    """Size of the largest clique and the branches taken.

    Branch and bound over bit sets: a branch is left when even all its candidates together would not beat the
    best so far.
    """
    mutual = values * SIGNS[sign] >= ZERO
    mutual &= mutual.T
    np.fill_diagonal(mutual, False)
    # the last task is branched on first: with the most neighbours there, a large clique soon prunes the rest.
    # Bits of Python integers, which have room for any number of tasks
    order = np.argsort(mutual.sum(axis=1), kind="stable")
    bits = 1 << np.arange(len(order), dtype=object)
    neighbours = [int(bits[row].sum()) for row in mutual[np.ix_(order, order)]]
    best, steps = 1, 0
    stack = [((1 << len(order)) - 1, 0)]  # candidates still to branch on, size of the clique so far
    while stack:
        candidates, size = stack.pop()
        if size + candidates.bit_count() <= best:
            continue
        steps += 1
        if steps > STEP_LIMIT:
            return None, steps
        last = candidates.bit_length() - 1
        stack.append((candidates & ~(1 << last), size))
        best = max(best, size + 1)
        stack.append((candidates & neighbours[last], size + 1))
    return (best if best > 1 else 0), steps
