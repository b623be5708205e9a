"""Draws of a large matrix in closed form, where Gibbs sampling (`tasktransfer.stats.shrinkage`) takes too long.

    observed_ij = level_j + source_i + deviation_ij + shared_j c_j + own_ij e_ij         c, e ~ N(0, 1)

with the same meaning as there, on the PGF scale itself. Levels and sources are weighted means, sources shrunk by
their variance; the weights of the deviations' widths are fitted to all cells (EM [1]_) and taken for known, which
forty or more sources allow and a dozen would not. A cell's deviation given level and source is a mixture of
normals, drawn as one normal of the same mean and variance. What is open about level and source is drawn once a
column and once a row, and moves a cell as far as the cell leans on them; `shared` is drawn once a column.

`se_items`, `se_shared` and `se_seeds` of the transfers give the errors.

References
----------
.. [1] Stephens, "False discovery rates: a new deal", Biostatistics 18, 2017.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.stats.shrinkage import Errors

__all__ = ["errors_of_cells", "posterior_draws"]

_WIDTHS = np.array([0.0, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0])
_STEPS = 10  # of EM
_DRAWS = 200
_LEAST_ERROR = 1e-4  # of PGF: an error of 0 would leave the width 0 without any variance to divide by


def errors_of_cells(cells: pd.DataFrame, sources: list[str], targets: list[str]) -> Errors:
    """Errors of the finetune rows of one model's transfers, on the scale of PGF; next to 0 where none is known.

    Parameters
    ----------
    cells
        Finetune rows of `tasktransfer.transfers_table`, of one model; each source and target once.
    sources, targets
        Names in the order of the rows and columns of the result, shapes S and T.
    """
    row = pd.Index(sources).get_indexer(cells["source"])
    column = pd.Index(targets).get_indexer(cells["target"])
    scale = cells["gap"].fillna(1.0).to_numpy(dtype=float)  # PGF only: errors are on its scale
    of_items, of_column, of_seeds = (
        np.nan_to_num(cells[name].to_numpy(dtype=float) / scale) ** 2
        for name in ("se_items", "se_shared", "se_seeds")
    )
    of_column = np.minimum(of_column, of_items)  # two estimates: a cell's own part must not fall below 0
    own_ST, of_column_ST = (np.full((len(sources), len(targets)), np.nan) for _ in range(2))
    own_ST[row, column], of_column_ST[row, column] = of_items - of_column + of_seeds, of_column
    off = np.array(sources, dtype=object)[:, None] != np.array(targets, dtype=object)
    shared_T = np.sqrt(_column_means(of_column_ST, ~np.isnan(of_column_ST) & off))
    return Errors(np.sqrt(np.maximum(np.nan_to_num(own_ST), _LEAST_ERROR**2)), shared_T)


def posterior_draws(pgf_ST: np.ndarray, errors: Errors, own_ST: np.ndarray, *, seed: int) -> np.ndarray:
    """Draw matrices: shape D, S, T, float32, NaN at holes; the diagonal around what was observed.

    Parameters
    ----------
    pgf_ST
        Observed; NaN for holes.
    errors
        Of `errors_of_cells`.
    own_ST
        Which cells are a task's effect on itself.
    seed
        Of the draws, from 0.
    """
    off = ~np.isnan(pgf_ST) & ~own_ST
    posterior = _posterior(np.where(off, pgf_ST, 0.0), off, errors.own_ST**2)
    mean_ST = np.where(own_ST, pgf_ST, posterior.mean_ST)
    sd_ST = np.where(own_ST, errors.own_ST, posterior.sd_ST)
    leans_ST = np.where(own_ST, 0.0, posterior.leans_ST).astype(np.float32)
    mean_ST[np.isnan(pgf_ST)] = np.nan
    random = np.random.default_rng(seed)
    drawn = random.standard_normal((_DRAWS, *pgf_ST.shape), dtype=np.float32)
    drawn *= sd_ST.astype(np.float32)
    drawn += mean_ST.astype(np.float32)
    n_sources, n_targets = pgf_ST.shape
    for sd, shape in (
        (posterior.level_sd_T, (_DRAWS, 1, n_targets)),
        (posterior.source_sd_S[:, None], (_DRAWS, n_sources, 1)),
    ):
        drawn += leans_ST * (sd.astype(np.float32) * random.standard_normal(shape, dtype=np.float32))
    shared_T = errors.shared_T.astype(np.float32)
    drawn += shared_T * random.standard_normal((_DRAWS, 1, n_targets), dtype=np.float32)
    return drawn


def _column_means(values_ST: np.ndarray, here: np.ndarray) -> np.ndarray:
    counted = np.maximum(here.sum(axis=0), 1)
    return np.asarray(np.where(here, np.nan_to_num(values_ST), 0).sum(axis=0) / counted)


class _Posterior(NamedTuple):
    """Normal approximations; see the module."""

    mean_ST: np.ndarray
    sd_ST: np.ndarray  # of the deviation
    leans_ST: np.ndarray  # by how much of a change of level or source the mean changes
    level_sd_T: np.ndarray
    source_sd_S: np.ndarray


def _posterior(y_ST: np.ndarray, here: np.ndarray, error_ST: np.ndarray) -> _Posterior:
    """What cells truly are, given the widths' weights that fit all cells best."""
    weight_G = np.full(len(_WIDTHS), 1 / len(_WIDTHS))
    total_GST = _WIDTHS[:, None, None] ** 2 + error_ST
    level_T, source_S = _column_means(y_ST, here), np.zeros(len(y_ST))
    level_variance_T, source_variance_S = np.zeros(len(level_T)), np.zeros(len(source_S))
    for _ in range(_STEPS):
        trust_GST = _trust(y_ST - level_T - source_S[:, None], weight_G, total_GST)
        weight_G = trust_GST[:, here].mean(axis=1)
        precision_ST = here * (trust_GST / total_GST).sum(axis=0)
        level_variance_T = 1 / np.maximum(precision_ST.sum(axis=0), 1e-12)
        level_T = (precision_ST * (y_ST - source_S[:, None])).sum(axis=0) * level_variance_T
        sum_S = (precision_ST * (y_ST - level_T)).sum(axis=1)
        source_S, source_variance_S = _shrunk(sum_S, precision_ST.sum(axis=1))
    left_ST = y_ST - level_T - source_S[:, None]
    trust_GST = _trust(left_ST, weight_G, total_GST)
    share_GST = _WIDTHS[:, None, None] ** 2 / total_GST
    share_ST = (trust_GST * share_GST).sum(axis=0)
    square_ST = (trust_GST * (share_GST * error_ST + (share_GST * left_ST) ** 2)).sum(axis=0)
    return _Posterior(
        level_T + source_S[:, None] + left_ST * share_ST,
        np.sqrt(np.maximum(square_ST - (left_ST * share_ST) ** 2, 0)),
        1 - share_ST,
        np.sqrt(level_variance_T),
        np.sqrt(source_variance_S),
    )


def _trust(left_ST: np.ndarray, weight_G: np.ndarray, total_GST: np.ndarray) -> np.ndarray:
    """Probability of each width, cell by cell."""
    # far beyond every width all densities are 0 in floating point: the tiny term keeps the sum above 0
    trust_GST = weight_G[:, None, None] * np.exp(-0.5 * left_ST**2 / total_GST) / np.sqrt(total_GST) + 1e-300
    return np.asarray(trust_GST / trust_GST.sum(axis=0))


def _shrunk(sum_S: np.ndarray, precision_S: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Effects of sources, shrunk by what their variance beyond error is, and their posterior variance."""
    estimate_S, error_S = sum_S / np.maximum(precision_S, 1e-12), 1 / np.maximum(precision_S, 1e-12)
    variance = max(float(np.mean(estimate_S**2 - error_S)), 0.0)
    trust_S = variance / (variance + error_S)
    return estimate_S * trust_S, error_S * trust_S
