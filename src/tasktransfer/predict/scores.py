"""Marks of an estimate on held-out cells; what each says is in `tasktransfer.predict.comparison`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.analysis.decomposition import decompose
from tasktransfer.stats.expected_best import expected_best
from tasktransfer.stats.shrinkage import even_scale

__all__ = ["FEWEST", "MEASURES", "Judge"]

FEWEST = 4  # held-out cells of a target to rank
MEASURES = (
    "spearman",
    "kendall",
    "spearman_within",
    "kendall_within",
    "spearman_interaction",
    "kendall_interaction",
    "rmse",
    "noise",
    "regret_1",
    "regret_3",
)


class Judge:
    """Marks of an estimate on held-out cells."""

    def __init__(self, measured: pd.DataFrame, noise: pd.DataFrame, off: np.ndarray) -> None:
        self.measured, self.off = measured, off
        self.pgf = measured.to_numpy(dtype=float)
        self.even = even_scale(self.pgf)
        self.interaction = self.left(self.even)
        # derivative of the even scale: errors of PGF become errors on it, to first order
        slope = np.where(self.pgf < 0, 1 / (1 - np.minimum(self.pgf, 0)), 1.0)
        self.noise = noise.to_numpy(dtype=float) * slope

    def left(self, values: np.ndarray) -> np.ndarray:
        """What additive effects leave, off the diagonal."""
        square = pd.DataFrame(np.where(self.off, values, np.nan), self.measured.index, self.measured.columns)
        left = decompose(square).interaction.to_numpy()
        spread = np.nanstd(np.where(self.off, values, np.nan))
        # of an additive matrix rounding is left, which must not be ranked
        return np.where(np.abs(left) > 1e-6 * spread, left, 0.0) * np.where(np.isnan(left), np.nan, 1.0)

    def marks(self, values: np.ndarray, held: np.ndarray, *, scaled: bool = True) -> dict[str, float]:
        """All measures; those of a size only where the estimate is on the scale of the measured.

        Parameters
        ----------
        values
            The estimate, sources by targets, NaN where there is none; on the even scale where `scaled`.
        held
            Cells that are held out, of the same shape.
        scaled
            Whether values can be compared with those measured, and not only their order.

        Returns
        -------
        dict
            By name of `MEASURES`; all NaN where too few cells are left, ``rmse`` where the values have no scale,
            ``noise`` where no error is known.
        """
        here = held & ~np.isnan(values)
        marks = dict.fromkeys(MEASURES, np.nan)
        if here.sum() < FEWEST:
            return marks
        left = self.left(np.where(np.isnan(values), np.nan, values))
        for kind in ("spearman", "kendall"):
            marks[kind] = _correlation(kind, values[here], self.even[here])
            marks[f"{kind}_within"] = self._within(kind, values, here)
            marks[f"{kind}_interaction"] = _correlation(kind, left[here], self.interaction[here])
        if scaled:
            marks["rmse"] = float(np.sqrt(np.mean((values - self.even)[here] ** 2)))
        if (~np.isnan(self.noise[here])).any():
            marks["noise"] = float(np.sqrt(np.nanmean(self.noise[here] ** 2)))
        marks["regret_1"], marks["regret_3"] = (self._regret(values, here, k) for k in (1, 3))
        return marks

    def _columns(self, here: np.ndarray) -> list[tuple[int, np.ndarray]]:
        columns = [(column, np.flatnonzero(here[:, column])) for column in range(here.shape[1])]
        return [(column, rows) for column, rows in columns if len(rows) >= FEWEST]

    def _within(self, kind: str, values: np.ndarray, here: np.ndarray) -> float:
        correlations = [
            _correlation(kind, values[rows, column], self.even[rows, column])
            for column, rows in self._columns(here)
        ]
        return float(np.mean(correlations)) if correlations else np.nan

    def _regret(self, values: np.ndarray, here: np.ndarray, k: int) -> float:
        """Ties are shared: the mean over sources ranked alike would be an order of rows otherwise."""
        regrets = []
        for column, rows in self._columns(here):
            measured = self.pgf[rows, column]
            regrets.append(measured.max() - expected_best(values[rows, column], measured, k))
        return float(np.mean(regrets)) if regrets else np.nan


def _correlation(kind: str, first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation; 0 where one of them is constant, up to rounding."""
    first, second = (np.round(values / max(np.abs(values).max(), 1e-300), 9) for values in (first, second))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    test = stats.spearmanr if kind == "spearman" else stats.kendalltau
    return float(test(first, second).statistic)
