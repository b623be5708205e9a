"""How alike two adapters are, by what they add to the weights, and whether that predicts transfer.

    cos(i, j) = <D_i, D_j> / (|D_i| |D_j|),   D_i = scale_i B_i A_i,   summed over layers
    <D_i, D_j> = tr((B_j^T B_i) (A_i A_j^T))

The second line needs products of rank size only: no D is ever formed. Cosines of A or of B alone would depend on
how a product is split into factors, and on A's random start; D does not.

Cells of a similarity matrix are not independent, since each adapter enters a whole row and column. So the rank
correlation with PGF is tested by relabelling sources (Mantel [1]_): rows and columns of the similarity are
permuted together.

Shape letters: L layers, N adapters, R rank, I inputs, O outputs, S sources.

References
----------
.. [1] Mantel, "The detection of disease clustering and a generalized regression approach", Cancer Research 1967.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from tasktransfer.analysis.transferability import without_self

__all__ = [
    "Agreement",
    "Products",
    "cosines",
    "rank_agreement",
    "seed_contrast",
    "source_pairs",
    "update_products",
]

DRAWS = 9999
Array = NDArray[np.float64]


class Products(NamedTuple):
    """Inner products of what adapters add to the weights."""

    layers: tuple[str, ...]
    inner_LNN: Array

    @property
    def norms(self) -> Array:
        """Size of each whole update (Frobenius)."""
        return np.asarray(np.sqrt(np.einsum("lnn->n", self.inner_LNN)))


class Agreement(NamedTuple):
    """Rank correlation of similarity and PGF over the cells off the diagonal."""

    spearman: float
    p_value: float  # two-sided, over relabellings of the sources
    n_cells: int
    n_relabellings: int


def update_products(layers: Iterable[tuple[str, Sequence[tuple[Array, Array] | None]]]) -> Products:
    """Inner products of all pairs of updates, by layer.

    Parameters
    ----------
    layers
        Name of a layer, and for each adapter its factors A ``(R, I)`` and scaled B ``(O, R)``, or None where the
        adapter leaves the layer alone: its update is zero there. Ranks may differ.

    Notes
    -----
    One layer is in memory at a time; about (N R)^2 (I + O) multiplications each.
    """
    names, inner = [], []
    for name, factors in layers:
        names.append(name)
        inner.append(_layer_products(factors))
    return Products(tuple(names), np.array(inner))


def _layer_products(factors: Sequence[tuple[Array, Array] | None]) -> Array:
    """All factors side by side make two Gram matrices; blocks of their product are the traces."""
    present = [number for number, pair in enumerate(factors) if pair is not None]
    pairs = [pair for pair in factors if pair is not None]
    ends = np.cumsum([0, *(len(a) for a, _ in pairs)])[:-1]
    a_RI, b_OR = np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs], axis=1)
    traces = (a_RI @ a_RI.T) * (b_OR.T @ b_OR)
    inner_NN = np.zeros((len(factors), len(factors)))
    inner_NN[np.ix_(present, present)] = np.add.reduceat(np.add.reduceat(traces, ends, axis=0), ends, axis=1)
    return inner_NN


def cosines(inner_NN: Array) -> Array:
    """Cosines from inner products, over any leading axes; NaN where an update is zero.

    >>> cosines(np.array([[4.0, 3.0, 0.0], [3.0, 9.0, 0.0], [0.0, 0.0, 0.0]])).round(2).tolist()
    [[1.0, 0.5, nan], [0.5, 1.0, nan], [nan, nan, nan]]
    """
    norms = np.sqrt(np.einsum("...nn->...n", inner_NN))
    size = norms[..., :, None] * norms[..., None, :]
    cosine_NN: Array = np.divide(inner_NN, size, out=np.full_like(inner_NN, np.nan), where=size > 0)
    return cosine_NN.clip(-1, 1)


def source_pairs(cosine_NN: Array, sources: Sequence[str], seeds: Sequence[str]) -> pd.DataFrame:
    """Mean cosine of each two sources, over pairs of adapters of different seeds.

    Parameters
    ----------
    cosine_NN
        Cosines of adapters.
    sources, seeds
        What each adapter was trained on, and its seed.

    Returns
    -------
    pandas.DataFrame
        Columns first, second (each two sources once, a source with itself too), cosine, n_pairs, and
        cosine_same_seed. Where all adapters have one seed, `cosine` is that of the same seed, and empty for a
        source with itself. Adapters of one seed may share their random start, which is alikeness of no interest.
    """
    names = list(dict.fromkeys(sources))
    of_source, of_seed = np.array([names.index(s) for s in sources]), np.array(seeds)
    apart_NN = of_seed[:, None] != of_seed[None, :]
    upper = np.triu(np.ones_like(apart_NN), 1) > 0
    one_seed = len(set(seeds)) == 1
    rows = []
    for i, first in enumerate(names):
        for j, second in enumerate(names[i:], start=i):
            block = (of_source[:, None] == i) & (of_source[None, :] == j) & (upper if i == j else True)
            same = cosine_NN[block & ~apart_NN] if i != j else np.empty(0)
            chosen = same if one_seed else cosine_NN[block & apart_NN]
            chosen = chosen[~np.isnan(chosen)]
            rows.append((first, second, _mean(chosen), len(chosen), _mean(same)))
    return pd.DataFrame(rows, columns=["first", "second", "cosine", "n_pairs", "cosine_same_seed"])


def seed_contrast(pairs: pd.DataFrame) -> dict[str, float]:
    """What noise leaves: a source with itself under other seeds against different sources.

    ``within`` is how alike two trainings of one source are, the most that different sources could be expected to
    reach; ``recognised`` the share of sources that are more like themselves than like any other.
    """
    own = pairs["first"] == pairs["second"]
    square = pair_matrix(pairs)
    itself = np.diag(square)
    others = np.where(np.eye(len(square), dtype=bool), -np.inf, np.nan_to_num(square.to_numpy(), nan=-np.inf))
    known = ~np.isnan(itself)
    return {
        "within": _mean(pairs.loc[own, "cosine"].to_numpy()),
        "between": _mean(pairs.loc[~own, "cosine"].to_numpy()),
        "between_same_seed": _mean(pairs.loc[~own, "cosine_same_seed"].to_numpy()),
        "recognised": _mean((itself > others.max(axis=1))[known].astype(float)) if len(square) > 1 else np.nan,
    }


def pair_matrix(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs of sources as a symmetric matrix; the diagonal is a source under other seeds."""
    names = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    upper = pairs.set_index(["first", "second"])["cosine"].unstack().reindex(index=names, columns=names)
    return upper.combine_first(upper.T).reindex(index=names, columns=names)


def rank_agreement(similarity: pd.DataFrame, transfer: pd.DataFrame, *, seed: int = 0) -> Agreement:
    """Spearman correlation of similarity and transfer, off the diagonal, with a Mantel test.

    Parameters
    ----------
    similarity
        Symmetric, sources by sources; the diagonal is not used.
    transfer
        PGF or its interaction part, rows sources, columns targets. Tasks that only one of the two
        has are left out.
    seed
        Seed of the relabellings; all of them are taken where there are no more than `DRAWS`.
    """
    # in one order, so that the relabellings drawn do not depend on that of the input
    tasks = sorted(task for task in similarity.index if task in transfer.index and task in transfer.columns)
    likeness = without_self(similarity.loc[tasks, tasks])
    values = without_self(transfer.loc[tasks, tasks])
    seen, n_cells = _spearman(likeness, values)
    if np.isnan(seen) or len(tasks) < 4:
        return Agreement(seen, np.nan, n_cells, 0)
    drawn = [_spearman(likeness[np.ix_(order, order)], values)[0] for order in _orders(len(tasks), seed)]
    as_large = sum(abs(value) >= abs(seen) - 1e-12 for value in drawn)
    if math.factorial(len(tasks)) <= DRAWS:
        return Agreement(seen, as_large / len(drawn), n_cells, len(drawn))
    # some relabellings only: the order as it is counts as one of them, so that p is never 0
    return Agreement(seen, (1 + as_large) / (1 + len(drawn)), n_cells, len(drawn))


def _orders(n_tasks: int, seed: int) -> Iterator[NDArray[np.int64]]:
    if math.factorial(n_tasks) <= DRAWS:
        yield from (np.array(order) for order in permutations(range(n_tasks)))
    else:
        random = np.random.default_rng(seed)
        yield from (random.permutation(n_tasks) for _ in range(DRAWS))


def _spearman(x: Array, y: Array) -> tuple[float, int]:
    known = ~np.isnan(x) & ~np.isnan(y)
    ranks_x, ranks_y = stats.rankdata(x[known]), stats.rankdata(y[known])
    n_cells = int(known.sum())
    if n_cells < 3 or np.ptp(ranks_x) == 0 or np.ptp(ranks_y) == 0:
        return np.nan, n_cells
    return float(np.corrcoef(ranks_x, ranks_y)[0, 1]), n_cells


def _mean(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan
