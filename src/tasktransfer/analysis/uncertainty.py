"""Intervals and tests over seeds.

What they speak of: other training runs of these sources, scored on these very items. The error from having
drawn these items and no others is not in them, and in studies with a hundred or so items a task it is the
larger one. The column ``uncertainty`` says so in every row.

    t = mean / (sd / sqrt(S)),   S - 1 degrees of freedom
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

__all__ = ["false_discovery_rate", "seed_intervals"]

SEEDS_ONLY = "seeds only, these items"


def seed_intervals(transfers: pd.DataFrame, *, confidence: float) -> dict[str, object]:
    """Student intervals, two-sided p-values, false discovery rates and verdicts from the spread over seeds.

    Parameters
    ----------
    transfers
        Columns model, kind, source, target, pgf, n_seeds, seed_sd.
    confidence
        In (0, 1).

    Returns
    -------
    dict
        Columns low, high, p_value, q_value (Benjamini-Hochberg over the off-diagonal finetune cells of each
        model), verdict (``positive``, ``negative``, ``undecided``, empty for a hole) and uncertainty. A cell with
        one seed, or whose seeds agree to the last digit, has no interval: its spread is not known, not zero.
    """
    mean = transfers["pgf"].to_numpy(dtype=float)
    n_seeds = transfers["n_seeds"].to_numpy(dtype=float)
    spread = transfers["seed_sd"].to_numpy(dtype=float)
    usable = (n_seeds >= 2) & (spread > 1e-12)
    df = np.where(usable, n_seeds - 1, 1)
    error = np.where(usable, spread / np.sqrt(np.maximum(n_seeds, 1)), np.nan)
    half = stats.t.ppf(0.5 + confidence / 2, df) * error
    p_value = 2 * stats.t.sf(np.abs(mean) / error, df)
    q_value = np.full(len(transfers), np.nan)
    finetuned = (transfers["kind"] == "finetune").to_numpy()
    off_diagonal = (transfers["source"] != transfers["target"]).to_numpy()
    for model in transfers["model"].unique():
        family = (transfers["model"] == model).to_numpy() & finetuned & off_diagonal
        q_value[family] = false_discovery_rate(p_value[family])
    decided = np.where(np.isnan(q_value), p_value, q_value) < 1 - confidence
    verdict = np.where(decided, np.where(mean > 0, "positive", "negative"), "undecided")
    return {
        "low": mean - half,
        "high": mean + half,
        "p_value": p_value,
        "q_value": q_value,
        "verdict": np.where(np.isnan(mean), "", verdict),
        "uncertainty": np.where(np.isnan(mean), "", np.where(usable, SEEDS_ONLY, "not known from these seeds")),
    }


def false_discovery_rate(p_value: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg adjusted p-values; NaN stays NaN and does not count as a test.

    >>> false_discovery_rate(np.array([0.01, 0.04, np.nan]))
    array([0.02, 0.04,  nan])
    """
    adjusted = np.full(len(p_value), np.nan)
    tested = ~np.isnan(p_value)
    if tested.any():
        adjusted[tested] = stats.false_discovery_control(p_value[tested], method="bh")
    return adjusted
