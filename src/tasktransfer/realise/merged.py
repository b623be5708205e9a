"""Do merged adapters say what trained mixtures would? Ranks of one against the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

__all__ = ["merge_agreement", "merge_table"]

_DRAWS = 2000


def merge_table(transfers: pd.DataFrame, merges: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Gain of each merge beside that of the mixture that was trained.

    Parameters
    ----------
    transfers
        Table of `tasktransfer.transfers_table` with both.
    merges
        Source of the merge -> way, mixture. A finetune stands for a merge of one adapter.
    """
    rows = transfers.set_index(["source", "target"])[["gain", "pgf_pooled"]]
    records = []
    for source, (how, mixture) in merges.items():
        for target in dict.fromkeys(transfers["target"]):
            if (source, target) in rows.index and (mixture, target) in rows.index:
                merged, trained = rows.loc[(source, target)], rows.loc[(mixture, target)]
                records.append(
                    {
                        "how": how,
                        "mixture": mixture,
                        "target": target,
                        "merged_gain": float(merged["gain"]),
                        "trained_gain": float(trained["gain"]),
                        "merged_pgf": float(merged["pgf_pooled"]),
                        "trained_pgf": float(trained["pgf_pooled"]),
                    }
                )
    columns = ["how", "mixture", "target", "merged_gain", "trained_gain", "merged_pgf", "trained_pgf"]
    return pd.DataFrame(records, columns=columns)


def merge_agreement(table: pd.DataFrame, *, confidence: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Spearman's rank correlation of gains over (mixture, target) pairs, for each way of merging.

    Parameters
    ----------
    table
        Of `merge_table`.
    confidence
        Level of the intervals, in (0, 1).
    seed
        Of the bootstrap over mixtures that gives the intervals.

    Returns
    -------
    pandas.DataFrame
        how, n_mixtures, n_pairs, raw with interval, and within_target: the means of each target over the mixtures
        taken away, since targets alone order the raw values.
    """
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    records = []
    for how, rows in table.groupby("how", sort=False):
        merged, trained = (
            rows.pivot_table(index="mixture", columns="target", values=f"{which}_gain", sort=False).to_numpy()
            for which in ("merged", "trained")
        )
        row: dict[str, object] = {"how": how, "n_mixtures": len(merged), "n_pairs": merged.size}
        for name, centred in (("raw", False), ("within_target", True)):
            row[name] = _correlation(merged, trained, centred)
            random = np.random.default_rng(seed)  # the same resamples for both correlations
            draws = [random.integers(len(merged), size=len(merged)) for _ in range(_DRAWS)]
            drawn = np.array([_correlation(merged[draw], trained[draw], centred) for draw in draws])
            drawn = drawn[~np.isnan(drawn)]  # with few mixtures many resamples are constant
            low, high = np.quantile(drawn, ends) if len(drawn) > _DRAWS / 2 else (np.nan, np.nan)
            row |= {f"{name}_low": low, f"{name}_high": high}
        records.append(row)
    return pd.DataFrame(records)


def _correlation(merged_MT: np.ndarray, trained_MT: np.ndarray, centred: bool) -> float:
    if centred:
        merged_MT, trained_MT = merged_MT - merged_MT.mean(axis=0), trained_MT - trained_MT.mean(axis=0)
    # gains that differ by rounding alone are ties
    a, b = merged_MT.ravel().round(12), trained_MT.ravel().round(12)
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(stats.spearmanr(a, b).statistic)
