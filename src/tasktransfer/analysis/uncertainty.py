"""Intervals, tests and verdicts of transfers, and what they speak of.

The column ``uncertainty`` says it in every row:

``items and seeds``
    Other training seeds and other items of the task; needs item-level predictions and two seeds. See `crossed`.
``items, this adapter``
    Other items, for the one adapter there is (one seed, or seeds whose adapters answer alike).
``seeds, and items at an assumed discordance of 0.15``
    Other seeds and other items where only accuracies and item counts are known. The error from items is then a
    guess: as if 15 % of the answers changed between baseline and finetune (never fewer than the gain needs, never
    more than the accuracies allow), the same ones for all seeds. Var(gain) = sd^2 / S + (0.15 - gain^2) / K,
    Satterthwaite's degrees of freedom. With one seed: ``items at an assumed discordance of 0.15, this adapter``.
``seeds only, these items``
    Other training seeds scored on these very items, where not even the number of items is known. In studies with
    a hundred or so items a task the error left out is the larger one; no verdict under three seeds.

The two parts of a gain's standard error stand beside it: ``se_items`` and ``se_seeds`` (accuracy; for values that
came as PGF only, in PGF). The variance of seeds is moderated over the sources of a target, see
`tasktransfer.stats.variance_prior`. ``se_shared`` is the part of ``se_items`` that the finetunes of a target have
in common, through its baseline and its hard items; where items are not known it is taken to be half of the
variance, as if every two finetunes differed as much as each does from the untouched model.

``p_value`` asks whether this source changes the target, over seeds and items; ``p_adapters`` whether these very
adapters do, over items alone (`sign_flip`). With one seed they are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.analysis.items import CellGroup, TargetItems, cell_groups, targets_of_items
from tasktransfer.stats.crossed import crossed_mean, mean_squares, pgf_interval, shared_item_variance
from tasktransfer.stats.false_discovery import false_discovery_rate, selected_families
from tasktransfer.stats.sign_flip import sign_flip_p_value
from tasktransfer.stats.variance_prior import VariancePrior, fit_variance_prior

__all__ = [
    "ASSUMED_DISCORDANCE",
    "EQUIVALENCE_MARGIN",
    "assumed_discordance",
    "decide",
    "groups_with_prior",
    "item_intervals",
    "seed_intervals",
]

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
_INTERVAL_COLUMNS = [
    "low",
    "high",
    "gain_low",
    "gain_high",
    "tested_gain",
    "p_value",
    "p_adapters",
    "se_items",
    "se_shared",
    "se_seeds",
    "df",
    "uncertainty",
]


def seed_intervals(transfers: pd.DataFrame, *, confidence: float) -> pd.DataFrame:
    """Intervals and two-sided p-values from the spread over seeds and an assumed discordance of items.

    Parameters
    ----------
    transfers
        Columns model, target, pgf, n_seeds, seed_sd, n_items, accuracy, baseline, gain, gap.
    confidence
        In (0, 1).

    Returns
    -------
    pandas.DataFrame
        `transfers` with low, high, p_value, the parts of the standard error, df and uncertainty; p_adapters,
        gain_low and gain_high are NaN: nothing is called negligible on an assumption. ``tested_gain`` has the sign
        of what the p-value is of.
    """
    pgf, n_seeds = transfers["pgf"].to_numpy(dtype=float), transfers["n_seeds"].to_numpy(dtype=float)
    gap = transfers["gap"].fillna(1.0).to_numpy(dtype=float)  # PGF only: errors stay on the PGF scale
    of_seeds, df_seeds = _seed_variance(transfers, gap)
    n_items, of_items = transfers["n_items"].to_numpy(dtype=float), _assumed_item_variance(transfers)
    several, counted = ~np.isnan(of_seeds), ~np.isnan(of_items)
    of_seeds, of_items = np.nan_to_num(of_seeds), np.nan_to_num(of_items)
    variance = of_seeds + of_items
    # seeds that agree to the last digit show no error, which does not make it zero
    usable = variance > 1e-24
    variance = np.where(usable, variance, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = of_seeds**2 / df_seeds + np.where(counted, of_items**2 / (n_items - 1), 0.0)
        df = np.where(usable, variance**2 / squares, np.nan)
        error = np.sqrt(variance) / gap
        half = stats.t.ppf(0.5 + confidence / 2, df) * error
        p_value = 2 * stats.t.sf(np.abs(pgf) / error, df)
    known = np.where(several, SEEDS_AND_ASSUMED_ITEMS, ASSUMED_ITEMS)
    uncertainty = np.where(counted, known, np.where(several & usable, SEEDS_ONLY, UNKNOWN))
    return transfers.assign(
        low=pgf - half,
        high=pgf + half,
        p_value=np.where(counted | (n_seeds >= FEWEST_SEEDS), p_value, np.nan),
        p_adapters=np.nan,
        gain_low=np.nan,
        gain_high=np.nan,
        tested_gain=pgf,
        se_items=np.where(counted, np.sqrt(of_items), np.nan),
        se_shared=np.where(counted, np.sqrt(of_items / 2), np.nan),
        se_seeds=np.where(several, np.sqrt(of_seeds), np.nan),
        df=df,
        uncertainty=np.where(np.isnan(pgf), "", uncertainty),
    )


def _seed_variance(transfers: pd.DataFrame, gap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance of the mean gain over seeds, moderated by target, and its degrees of freedom; NaN for one seed."""
    n_seeds = transfers["n_seeds"].to_numpy(dtype=float)
    variance, df = (transfers["seed_sd"].to_numpy(dtype=float) * gap) ** 2, n_seeds - 1
    df = np.where(np.isnan(variance), 0.0, df)
    finetuned = (transfers["kind"] == "finetune").to_numpy()
    moderated, moderated_df = np.full(len(df), np.nan), np.ones(len(df))
    for rows in transfers.groupby(["model", "target"], sort=False).indices.values():
        here = rows[df[rows] > 0]
        fitted = here[finetuned[here]]
        prior = fit_variance_prior(variance[fitted], df[fitted])
        moderated[here], moderated_df[here] = prior.moderate(variance[here], df[here])
    return moderated / np.maximum(n_seeds, 1), moderated_df


def assumed_discordance(transfers: pd.DataFrame) -> np.ndarray:
    """Share of answers taken to change where items are not known: 15 %, as far as the accuracies allow it."""
    after, before = transfers["accuracy"].to_numpy(dtype=float), transfers["baseline"].to_numpy(dtype=float)
    most = np.minimum(before, 1 - after) + np.minimum(after, 1 - before)
    gain = transfers["gain"].to_numpy(dtype=float)
    return np.asarray(np.maximum(np.minimum(ASSUMED_DISCORDANCE, most), np.abs(gain)))


def _assumed_item_variance(transfers: pd.DataFrame) -> np.ndarray:
    """Variance of the gain over items at the assumed discordance; NaN where items or accuracies are not known."""
    n_items = transfers["n_items"].to_numpy(dtype=float)
    gain = transfers["gain"].to_numpy(dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (assumed_discordance(transfers) - gain**2) / n_items
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
        Columns `tasktransfer.analysis.items.ITEM_COLUMNS`, and ``cluster`` where items belong together.
    ceilings
        Columns model, target, ceiling.
    confidence
        In (0, 1).

    Returns
    -------
    pandas.DataFrame
        low and high (PGF), gain_low and gain_high (accuracy, at the level of two one-sided tests, 1 - 2 alpha),
        p_value of no change (the crossed test; for one seed that of the adapter), p_adapters (sign flips), the
        parts of the standard error, degrees of freedom and uncertainty.

    Notes
    -----
    About 20 microseconds a cell at 150 items and 4 seeds. PGF intervals are around the ratio of means,
    ``pgf_pooled``.
    """
    ceiling_of = ceilings.set_index(["model", "target"])["ceiling"].to_dict()
    parts = []
    for block in targets_of_items(items):
        for group, prior in groups_with_prior(block):
            ceiling = ceiling_of[group.cells[0].model, block.target]
            parts.append(_group(group, ceiling, prior, confidence))
    if not parts:
        return transfers
    intervals = pd.concat(parts, ignore_index=True).set_index(_CELL)
    frame = transfers.set_index(_CELL)
    known = frame.index[frame["pgf"].notna()].intersection(intervals.index)
    frame.loc[known, _INTERVAL_COLUMNS] = intervals.loc[known, _INTERVAL_COLUMNS]
    return frame.reset_index()[list(transfers.columns)]


def groups_with_prior(block: TargetItems) -> Iterator[tuple[CellGroup, VariancePrior]]:
    """Cells of a target that have an error over items, with what the seeds of their model have in common."""
    groups = [group for group in cell_groups(block) if group.n_units > 1]
    for model in dict.fromkeys(group.cells[0].model for group in groups):
        of_model = [group for group in groups if group.cells[0].model == model]
        prior = _prior_of_target(of_model)
        yield from ((group, prior) for group in of_model)


def _prior_of_target(groups: Iterable[CellGroup]) -> VariancePrior:
    """What the seeds' variances of one model's finetunes on one target have in common."""
    variances, degrees = [], []
    for group in groups:
        squares = mean_squares(group.after_CSK - group.before_CSK, group.clusters_K)
        finetuned = np.array([cell.kind == "finetune" for cell in group.cells])
        variances.append(squares.variance_of_seeds[finetuned])
        degrees.append(np.full(int(finetuned.sum()), squares.n_seeds - 1.0))
    return fit_variance_prior(np.concatenate(variances), np.concatenate(degrees))


def _group(group: CellGroup, ceiling: float, prior: VariancePrior, confidence: float) -> pd.DataFrame:
    n_seeds = group.after_CSK.shape[1]
    population = "source" if n_seeds > 1 else "adapters"
    low, high = pgf_interval(
        group.after_CSK,
        group.before_CSK,
        ceiling=ceiling,
        confidence=confidence,
        population=population,
        prior=prior,
        clusters_K=group.clusters_K,
    )
    change = group.after_CSK - group.before_CSK
    gain = crossed_mean(mean_squares(change, group.clusters_K), population, prior)
    # for two one-sided tests at level alpha: both reject where the interval of 1 - 2 alpha is within the margin
    one_sided_twice = gain.with_pseudo_items(group.n_units).interval(max(0.0, 1 - 2 * (1 - confidence)))
    p_adapters = sign_flip_p_value(change, group.clusters_K)
    transfers = np.array([cell.kind == "finetune" and cell.source != cell.target for cell in group.cells])
    of_source = gain.p_value() if n_seeds > 1 else p_adapters
    return pd.DataFrame(group.cells, columns=_CELL).assign(
        low=low,
        high=high,
        gain_low=one_sided_twice.low,
        gain_high=one_sided_twice.high,
        tested_gain=gain.mean,
        p_value=np.where(np.isnan(of_source), p_adapters, of_source),  # every seed changed every item alike
        p_adapters=p_adapters,
        se_items=np.sqrt(gain.of_items),
        se_shared=np.sqrt(shared_item_variance(change[transfers], group.clusters_K)),
        se_seeds=np.sqrt(gain.of_seeds) if n_seeds > 1 else np.nan,
        df=gain.df,
        uncertainty=ITEMS_AND_SEEDS if n_seeds > 1 else ITEMS_ONLY,
    )


def decide(transfers: pd.DataFrame, *, confidence: float, margin: float = EQUIVALENCE_MARGIN) -> pd.DataFrame:
    """Control false discoveries and say what each cell is.

    Parameters
    ----------
    transfers
        Columns model, kind, source, target, pgf, p_value, tested_gain, gain_low, gain_high.
    confidence
        In (0, 1); the false discovery rate is controlled at 1 - confidence.
    margin
        Accuracy; a gain surely within it is negligible.

    Returns
    -------
    pandas.DataFrame
        `transfers` with q_value (Benjamini-Hochberg over the off-diagonal finetune cells of each model),
        q_by_target (the same cells in selected families, see `tasktransfer.stats.false_discovery`) and verdict:
        ``positive`` or ``negative`` where q_value is below the level (p_value, for cells outside that family),
        ``negligible`` where the gain is surely within `margin` of none, else ``undecided``; empty for a hole.
        Where runs answered different items and PGF and the gain on common items differ in sign, the cell is
        undecided.
    """
    pgf, p_value = transfers["pgf"].to_numpy(dtype=float), transfers["p_value"].to_numpy(dtype=float)
    q_value, by_target = np.full(len(transfers), np.nan), np.full(len(transfers), np.nan)
    off_diagonal = (transfers["kind"] == "finetune") & (transfers["source"] != transfers["target"])
    targets = transfers["target"].to_numpy(dtype=object)
    for model in transfers["model"].unique():
        family = ((transfers["model"] == model) & off_diagonal).to_numpy()
        q_value[family] = false_discovery_rate(p_value[family])
        by_target[family] = selected_families(p_value[family], targets[family], level=1 - confidence)
    decided = np.where(np.isnan(q_value), p_value, q_value) < 1 - confidence
    decided &= np.sign(pgf) == np.sign(transfers["tested_gain"].to_numpy(dtype=float))
    within = (transfers["gain_low"] > -margin) & (transfers["gain_high"] < margin)
    verdict = np.where(within, "negligible", "undecided")
    verdict = np.where(decided, np.where(pgf > 0, "positive", "negative"), verdict)
    return transfers.assign(q_value=q_value, q_by_target=by_target, verdict=np.where(np.isnan(pgf), "", verdict))
