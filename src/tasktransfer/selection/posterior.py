"""Draws of a large matrix in closed form, where Gibbs sampling (`tasktransfer.analysis.shrinkage`) takes too long.

    observed_ij = level_j + source_i + deviation_ij + shared_j c_j + own_ij e_ij         c, e ~ N(0, 1)

with the same meaning as there, on the PGF scale itself. Levels and sources are weighted means, sources shrunk by
their variance; the weights of the deviations' widths are fitted to all cells (EM [1]_) and taken for known, which
forty or more sources allow and a dozen would not. A cell's posterior is a mixture of normals, drawn as one normal
of the same mean and variance; `shared` is drawn once a column.

`se_items` and `se_seeds` tell the errors. A column shares its baseline. Where any two finetunes differ as much
from each other as from the untouched model, half of the variance over items is shared; without the items
themselves nothing tells better.

References
----------
.. [1] Stephens, "False discovery rates: a new deal", Biostatistics 18, 2017.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["posterior_draws"]

_WIDTHS = np.array([0.0, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0])
_STEPS = 10  # of EM
_DRAWS = 200
_LEAST_ERROR = 1e-4


def posterior_draws(cells: pd.DataFrame, sources: list[str], targets: list[str], *, seed: int) -> np.ndarray:
    """Draw matrices: shape D, S, T, float32, NaN at holes; the diagonal around what was observed.

    Parameters
    ----------
    cells
        Finetune rows of one model's transfers.
    sources, targets
        Order of rows and columns.
    """
    row = pd.Index(sources).get_indexer(cells["source"])
    column = pd.Index(targets).get_indexer(cells["target"])
    pgf_ST, total_ST, of_column_ST = (np.full((len(sources), len(targets)), np.nan) for _ in range(3))
    pgf_ST[row, column] = cells["pgf"].to_numpy(dtype=float)
    total_ST[row, column], of_column_ST[row, column] = _errors(cells)
    own = np.array(sources, dtype=object)[:, None] == np.array(targets, dtype=object)
    off = ~np.isnan(pgf_ST) & ~own
    shared_T = np.sqrt(np.nan_to_num(_column_means(of_column_ST, off)))
    own_ST = np.maximum(np.nan_to_num(total_ST) - shared_T**2, _LEAST_ERROR**2)
    mean_ST, sd_ST = _posterior(np.where(off, pgf_ST, 0.0), off, own_ST)
    mean_ST, sd_ST = np.where(own, pgf_ST, mean_ST), np.where(own, np.sqrt(own_ST), sd_ST)
    mean_ST[np.isnan(pgf_ST)] = np.nan
    random = np.random.default_rng(seed)
    drawn = random.standard_normal((_DRAWS, *pgf_ST.shape), dtype=np.float32)
    drawn *= sd_ST.astype(np.float32)
    drawn += mean_ST.astype(np.float32)
    drawn += shared_T.astype(np.float32) * random.standard_normal((_DRAWS, 1, len(targets)), dtype=np.float32)
    return np.minimum(drawn, 1, out=drawn)


def _errors(cells: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Variance of each cell's PGF, and the part of it that its column shares; 0 where none is known."""
    gap, se_items, se_seeds = (cells[name].to_numpy(dtype=float) for name in ("gap", "se_items", "se_seeds"))
    scale = np.where(np.isnan(gap), 1.0, gap)  # PGF only: errors are on its scale
    of_items, of_seeds = np.nan_to_num(se_items / scale) ** 2, np.nan_to_num(se_seeds / scale) ** 2
    return of_items + of_seeds, of_items / 2


def _column_means(values_ST: np.ndarray, here: np.ndarray) -> np.ndarray:
    counted = np.maximum(here.sum(axis=0), 1)
    return np.asarray(np.where(here, np.nan_to_num(values_ST), 0).sum(axis=0) / counted)


def _posterior(y_ST: np.ndarray, here: np.ndarray, error_ST: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of each cell's true value, given the widths' weights that fit all cells best."""
    weight_G = np.full(len(_WIDTHS), 1 / len(_WIDTHS))
    total_GST = _WIDTHS[:, None, None] ** 2 + error_ST
    level_T = _column_means(y_ST, here)
    source_S = np.zeros(len(y_ST))
    trust_GST = np.empty(total_GST.shape)
    for step in range(_STEPS):
        left_ST = y_ST - level_T - source_S[:, None]
        trust_GST = weight_G[:, None, None] * np.exp(-0.5 * left_ST**2 / total_GST) / np.sqrt(total_GST) + 1e-300
        trust_GST /= trust_GST.sum(axis=0)
        weight_G = trust_GST[:, here].mean(axis=1)
        if step < _STEPS - 1:
            precision_ST = here * (trust_GST / total_GST).sum(axis=0)
            level_T = (precision_ST * (y_ST - source_S[:, None])).sum(axis=0) / np.maximum(
                precision_ST.sum(axis=0), 1e-12
            )
            source_S = _shrunk((precision_ST * (y_ST - level_T)).sum(axis=1), precision_ST.sum(axis=1))
    share_GST = _WIDTHS[:, None, None] ** 2 / total_GST
    left_ST = y_ST - level_T - source_S[:, None]
    deviation_ST = left_ST * (trust_GST * share_GST).sum(axis=0)
    square = (trust_GST * (share_GST * error_ST + (share_GST * left_ST) ** 2)).sum(axis=0)
    of_level_T = 1 / np.maximum((here * (trust_GST / total_GST).sum(axis=0)).sum(axis=0), 1e-12)
    variance = np.maximum(square - deviation_ST**2, 0) + of_level_T
    return level_T + source_S[:, None] + deviation_ST, np.sqrt(variance)


def _shrunk(sum_S: np.ndarray, precision_S: np.ndarray) -> np.ndarray:
    """Effects of sources, shrunk by what their variance beyond error is."""
    estimate_S, error_S = sum_S / np.maximum(precision_S, 1e-12), 1 / np.maximum(precision_S, 1e-12)
    variance = max(float(np.mean(estimate_S**2 - error_S)), 0.0)
    return np.asarray(estimate_S * variance / (variance + error_S))
