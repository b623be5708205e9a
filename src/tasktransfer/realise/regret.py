"""What choosing by the prediction costs against the best of all mixtures that were trained for a target.

    regret@k = max_m gain_m - E[max of gain over the k mixtures of the highest predicted PGF]    [1]_

The expectation is over a random order of mixtures that are predicted alike. The best of many noisy values looks
better than it is, so every regret is somewhat too large; with no more than k mixtures there is none to miss, and
regret@k is not given.

References
----------
.. [1] Poth et al., "What to Pre-Train on? Efficient Intermediate Task Selection", EMNLP 2021.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.stats.expected_best import expected_best

__all__ = ["regret_table"]

_DIGITS = 9  # below that values are the same up to rounding


def regret_table(realised: pd.DataFrame) -> pd.DataFrame:
    """Choosing by the highest prediction: among all mixtures of a target, and among those of other data.

    Parameters
    ----------
    realised
        A row a target and method; columns target, method, mixture, holds_target, baseline, predicted, gain.

    Returns
    -------
    pandas.DataFrame
        A row a target. Columns that end in ``_other`` are of the mixtures without an item of the target, which
        the target's own data, where they are the best, leave nothing to be seen of.
    """
    rows = []
    for target, of_target in realised.groupby("target", sort=False):
        mixtures = of_target.drop_duplicates("mixture")
        others = mixtures[~mixtures["holds_target"]]
        best, best_other = (_best(of_target, some["gain"]) for some in (mixtures, others))
        rows.append(
            {
                "target": target,
                "n_mixtures": len(mixtures),
                "baseline": float(mixtures["baseline"].iloc[0]),
                "best_methods": best,
                "best_gain": float(mixtures["gain"].max()),
                **_regrets(mixtures),
                "n_mixtures_other": len(others),
                "best_methods_other": best_other,
                "best_gain_other": float(others["gain"].max()),
                **{f"{name}_other": value for name, value in _regrets(others).items()},
            }
        )
    return pd.DataFrame(rows)


def _best(of_target: pd.DataFrame, gains: pd.Series) -> str:
    """All methods that chose a mixture of the highest gain, of those that have these gains."""
    if gains.empty:
        return ""
    mixtures = of_target.loc[gains.index[gains.round(_DIGITS) == gains.round(_DIGITS).max()], "mixture"]
    return "; ".join(of_target.loc[of_target["mixture"].isin(mixtures), "method"])


def _regrets(mixtures: pd.DataFrame) -> dict[str, float]:
    predicted = mixtures["predicted"].round(_DIGITS).fillna(-np.inf).to_numpy(dtype=float)
    gains = mixtures["gain"].to_numpy(dtype=float).round(_DIGITS)
    regrets = {}
    for k in (1, 3):
        missed = len(gains) > k
        regrets[f"regret_at_{k}"] = float(gains.max() - expected_best(predicted, gains, k)) if missed else np.nan
    known = np.isfinite(predicted)
    several = known.sum() > 2 and np.ptp(predicted[known]) > 0 and np.ptp(gains[known]) > 0
    rank = float(stats.spearmanr(predicted[known], gains[known]).statistic) if several else np.nan
    return {**regrets, "spearman": rank}
