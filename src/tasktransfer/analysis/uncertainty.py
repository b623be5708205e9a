"""Intervals, tests and verdicts of transfers, and what they speak of.

The column ``uncertainty`` says it in every row:

``items and seeds``
    Other training seeds and other items of the task; needs item-level predictions and two seeds. See `crossed`.
``items, this adapter``
    Other items, for the one adapter there is (one seed, or seeds whose adapters answer alike).
``seeds, and items at an assumed discordance of 0.15``
    Other seeds and other items where only accuracies and item counts are known. The error from items is then a
    guess: as if 15 % of the answers changed between baseline and finetune (never fewer than the gain needs, never
    more than the accuracies allow), the same ones for all seeds. Var = sd^2 / S + (0.15 - gain^2) / (K gap^2),
    Satterthwaite's degrees of freedom. With one seed: ``items at an assumed discordance of 0.15, this adapter``.
``seeds only, these items``
    Other training seeds scored on these very items, where not even the number of items is known. In studies with
    a hundred or so items a task the error left out is the larger one; no verdict under three seeds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.analysis.crossed import crossed_mean, gain_interval, mcnemar_p_value, pgf_interval
from tasktransfer.analysis.items import CellItems, cells_of_items

__all__ = ["decide", "false_discovery_rate", "item_intervals", "seed_intervals"]

ITEMS_AND_SEEDS = "items and seeds"
ITEMS_ONLY = "items, this adapter"
ASSUMED_DISCORDANCE = 0.15  # share of the items whose answer a finetune changes, where items are not known
SEEDS_AND_ASSUMED_ITEMS = f"seeds, and items at an assumed discordance of {ASSUMED_DISCORDANCE}"
ASSUMED_ITEMS = f"items at an assumed discordance of {ASSUMED_DISCORDANCE}, this adapter"
SEEDS_ONLY = "seeds only, these items"
UNKNOWN = "not known from these seeds"
FEWEST_SEEDS = 3  # that a verdict from seeds alone needs: two can agree by accident
EQUIVALENCE_MARGIN = 0.05  # accuracy; a gain surely within it is negligible

_CELL = ["model", "kind", "source", "target"]


def seed_intervals(transfers: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """Intervals and two-sided p-values from the spread over seeds and an assumed discordance of items.

    Parameters
    ----------
    transfers
        Columns pgf, n_seeds, seed_sd, n_items, accuracy, baseline, gain, gap.
    confidence
        In (0, 1).

    Returns
    -------
    pandas.DataFrame
        `transfers` with low, high, p_value, uncertainty, and gain_low and gain_high, which are NaN: nothing is
        called negligible on an assumption.
    """
    pgf, n_seeds = transfers["pgf"].to_numpy(dtype=float), transfers["n_seeds"].to_numpy(dtype=float)
    spread = transfers["seed_sd"].to_numpy(dtype=float)
    n_items, of_items = transfers["n_items"].to_numpy(dtype=float), _assumed_item_variance(transfers)
    several = (n_seeds >= 2) & ~np.isnan(spread)
    of_seeds = np.where(several, spread**2 / np.maximum(n_seeds, 1), 0.0)
    counted = ~np.isnan(of_items)
    variance = of_seeds + np.where(counted, of_items, 0.0)
    usable = variance > 1e-24
    variance = np.where(usable, variance, np.nan)
    squares = of_seeds**2 / np.maximum(n_seeds - 1, 1) + np.where(counted, of_items**2 / (n_items - 1), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        df = np.where(usable, variance**2 / squares, 1.0)
    half = stats.t.ppf(0.5 + confidence / 2, df) * np.sqrt(variance)
    p_value = 2 * stats.t.sf(np.abs(pgf) / np.sqrt(variance), df)
    known = np.where(several, SEEDS_AND_ASSUMED_ITEMS, ASSUMED_ITEMS)
    told = np.where(counted, known, np.where(several & usable, SEEDS_ONLY, UNKNOWN))
    return transfers.assign(
        low=pgf - half,
        high=pgf + half,
        p_value=np.where(counted | (n_seeds >= FEWEST_SEEDS), p_value, np.nan),
        gain_low=np.nan,
        gain_high=np.nan,
        uncertainty=np.where(np.isnan(pgf), "", told),
    )


def _assumed_item_variance(transfers: pd.DataFrame) -> np.ndarray:
    """Variance of PGF over items at the assumed discordance; NaN where items or accuracies are not known."""
    after, before = transfers["accuracy"].to_numpy(dtype=float), transfers["baseline"].to_numpy(dtype=float)
    gain, gap = transfers["gain"].to_numpy(dtype=float), transfers["gap"].to_numpy(dtype=float)
    most = np.minimum(before, 1 - after) + np.minimum(after, 1 - before)
    discordance = np.maximum(np.minimum(ASSUMED_DISCORDANCE, most), np.abs(gain))
    n_items = transfers["n_items"].to_numpy(dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (discordance - gain**2) / n_items / gap**2
    return np.where(n_items > 1, variance, np.nan)


def item_intervals(
    transfers: pd.DataFrame, items: pd.DataFrame, ceilings: pd.DataFrame, *, confidence: float
) -> pd.DataFrame:
    """Replace seed intervals by those over items and seeds in every cell whose items are known.

    Parameters
    ----------
    transfers
        Table with seed intervals; cells without a PGF stay as they are.
    items
        Columns `tasktransfer.analysis.items.ITEM_COLUMNS`.
    ceilings
        Columns model, target, ceiling.
    confidence
        In (0, 1).

    Returns
    -------
    pandas.DataFrame
        low and high (PGF), gain_low and gain_high (accuracy, at the level of two one-sided tests, 1 - 2 alpha),
        p_value of no change (exact McNemar for one seed and right-or-wrong answers, else the crossed test) and
        uncertainty.

    Notes
    -----
    About a millisecond a cell. PGF intervals are around the ratio of means, ``pgf_pooled``.
    """
    ceiling_of = ceilings.set_index(["model", "target"])["ceiling"].to_dict()
    rows = [
        (cell.model, cell.kind, cell.source, cell.target, *_cell(cell, ceiling_of, confidence))
        for cell in cells_of_items(items)
    ]
    columns = ["low", "high", "gain_low", "gain_high", "p_value", "uncertainty"]
    found = pd.DataFrame(rows, columns=[*_CELL, *columns]).set_index(_CELL)
    frame = transfers.set_index(_CELL)
    known = frame.index[frame["pgf"].notna()].intersection(found.index)
    frame.loc[known, columns] = found.loc[known, columns]
    return frame.reset_index()[list(transfers.columns)]


def _cell(
    cell: CellItems, ceiling_of: dict[tuple[str, str], float], confidence: float
) -> tuple[float, float, float, float, float, str]:
    n_seeds, n_items = cell.after_SK.shape
    if n_items < 2:
        return (np.nan, np.nan, np.nan, np.nan, np.nan, UNKNOWN)
    population = "source" if n_seeds > 1 else "adapters"
    low, high = pgf_interval(
        cell.after_SK,
        cell.before_SK,
        ceiling=ceiling_of[cell.model, cell.target],
        confidence=confidence,
        population=population,
    )
    one_sided_twice = max(0.0, 1 - 2 * (1 - confidence))
    gain = gain_interval(cell.after_SK, cell.before_SK, confidence=one_sided_twice, population=population)
    if n_seeds == 1 and np.isin(cell.after_SK, (0, 1)).all() and np.isin(cell.before_SK, (0, 1)).all():
        p_value = mcnemar_p_value(cell.after_SK[0], cell.before_SK[0])
    else:
        p_value = crossed_mean(cell.after_SK - cell.before_SK, population).p_value()
    return (low, high, *gain, p_value, ITEMS_AND_SEEDS if n_seeds > 1 else ITEMS_ONLY)


def decide(transfers: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """Control false discoveries and say what each cell is.

    Parameters
    ----------
    transfers
        Columns model, kind, source, target, pgf, p_value, gain_low, gain_high.
    confidence
        In (0, 1); a false discovery rate of 1 - confidence is held.

    Returns
    -------
    pandas.DataFrame
        `transfers` with q_value (Benjamini-Hochberg over the off-diagonal finetune cells of each model) and
        verdict: ``positive`` or ``negative`` where q is below the level (p, for cells outside that family),
        ``negligible`` where the gain is surely within `EQUIVALENCE_MARGIN` of none, else ``undecided``; empty
        for a hole.
    """
    pgf, p_value = transfers["pgf"].to_numpy(dtype=float), transfers["p_value"].to_numpy(dtype=float)
    q_value = np.full(len(transfers), np.nan)
    off_diagonal = (transfers["kind"] == "finetune") & (transfers["source"] != transfers["target"])
    for model in transfers["model"].unique():
        family = ((transfers["model"] == model) & off_diagonal).to_numpy()
        q_value[family] = false_discovery_rate(p_value[family])
    decided = np.where(np.isnan(q_value), p_value, q_value) < 1 - confidence
    within = (transfers["gain_low"] > -EQUIVALENCE_MARGIN) & (transfers["gain_high"] < EQUIVALENCE_MARGIN)
    verdict = np.where(within, "negligible", "undecided")
    verdict = np.where(decided, np.where(pgf > 0, "positive", "negative"), verdict)
    return transfers.assign(q_value=q_value, verdict=np.where(np.isnan(pgf), "", verdict))


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
