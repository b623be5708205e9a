"""Which estimate of transfer to trust: estimates held against a matrix that was measured.

Cells are held out, by themselves (``cells``) or whole rows of them, as of sources never trained (``sources``),
over many random masks. A completion fits the rest; an estimate that needs no cell is read at the held-out ones.
All are compared on the same held-out cells, those that every estimate is made for, with the baselines, which each
must beat: target mean, source mean and their sum.

================ ===========================================================================================
column           over the held-out cells; mean over masks
================ ===========================================================================================
spearman, ...    rank correlation, kendall likewise
..._within       within each target, mean over targets with four held-out cells or more
..._interaction  of what additive effects of source and target leave, of the measured matrix and of the
                 estimate's
rmse             on the scale of `even_scale`; an estimate without a scale is first put on a line through the
                 measured cells
noise            the error of the measurement itself, on the same scale
regret_1, _3     best held-out PGF of a target, less that of the best of the 1 or 3 sources ranked first
cost             share of the operations of the whole grid: sources with a measured cell are trained, measured
                 cells asked
wins             share of the masks in which its rank correlation is above that of all three baselines
================ ===========================================================================================

A correlation with a constant counts as 0: nothing is told apart. Masks overlap, so that `wins` says how it was
with this grid and not how it would be with others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.analysis.decomposition import decompose
from tasktransfer.analysis.shrinkage import even_scale
from tasktransfer.errors import InputError, SettingsError
from tasktransfer.selection.completion import METHODS, complete

__all__ = ["BASELINES", "HOLES", "Estimate", "GridCost", "compare_estimates", "interaction_p_value", "sentences"]

BASELINES = ("target mean", "source mean", "additive")
HOLES = ("cells", "sources")
_FEWEST = 4  # held-out cells of a target to rank
_SURE = 0.95
_PERMUTATIONS = 999
_MEASURES = (
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


class Estimate(NamedTuple):
    """What something foretells, cell by cell; nothing measured goes into it."""

    values: pd.DataFrame
    cost: float = np.nan  # share of the grid
    on_pgf_scale: bool = True


class GridCost(NamedTuple):
    """Operations of the whole grid, in any unit."""

    training: Mapping[str, float]  # by source, all seeds
    asking: Mapping[str, float]  # by target, all seeds of one source

    def share(self, measured: pd.DataFrame) -> float:
        """Share that some cells cost; the diagonal, which tells whether training worked, comes with its row."""
        rows = [source for source in measured.index if measured.loc[source].any()]
        spent = sum(self.training[source] for source in rows)
        spent += sum(
            float(measured.loc[source, target] or source == target) * self.asking[target]
            for source in rows
            for target in measured.columns
            if target in self.asking
        )
        return spent / (sum(self.training.values()) + len(self.training) * sum(self.asking.values()))


def compare_estimates(
    measured: pd.DataFrame,
    estimates: Mapping[str, Estimate],
    *,
    noise: pd.DataFrame,
    cost: GridCost | None = None,
    side: Sequence[str] = (),
    shares: Sequence[float] = (0.5,),
    repeats: int = 20,
    seed: int = 0,
) -> pd.DataFrame:
    """Hold estimates and completions against a measured matrix.

    Parameters
    ----------
    measured
        PGF, square, NaN for holes; the diagonal is not used.
    estimates
        By name; of the same rows and columns.
    noise
        Standard errors of the measured PGF; NaN where not known.
    cost
        Of the grid; without it the cost of completions is not told.
    side
        Names of estimates that completions take as side information.
    shares
        Shares of the cells, or of the sources, that are measured, in (0, 1).
    repeats
        Masks of each share and kind.
    seed
        Decides the masks.

    Returns
    -------
    pandas.DataFrame
        Columns holes, measured (share), estimate, the measures above, cost and wins; holes is ``all`` where an
        estimate that needs no cell is judged on every one.
    """
    off = ~np.eye(len(measured), dtype=bool) & ~measured.isna().to_numpy()
    if off.sum() < 2 * _FEWEST:
        raise InputError(f"{off.sum()} cells are measured off the diagonal; at least {2 * _FEWEST} are needed")
    for share in shares:
        if not 0 < share < 1:
            raise SettingsError(f"a measured share is {share:g}; accepted is a number in (0, 1)")
    common = off.copy()  # all are judged on the cells that all estimates are made for
    for estimate in estimates.values():
        common &= ~estimate.values.isna().to_numpy()
    if common.sum() < 2 * _FEWEST:
        raise InputError(f"only {common.sum()} measured cells have every estimate ({', '.join(estimates)})")
    judge = _Judge(measured, noise, off)
    told = [
        {
            "holes": "all",
            "measured": 0.0,
            "estimate": name,
            **judge.marks(_scaled(estimate), common, scaled=estimate.on_pgf_scale),
            "cost": estimate.cost,
        }
        for name, estimate in estimates.items()
    ]
    parts = [pd.DataFrame(told)] if told else []
    information = {name: estimates[name].values for name in side}
    for number, (holes, share) in enumerate((holes, share) for holes in HOLES for share in shares):
        rows = []
        for repeat in range(repeats):
            random = np.random.default_rng([seed, number, repeat])
            seen = _mask(off, holes, share, random)
            rows += [
                row | {"repeat": repeat}
                for row in _one_mask(
                    judge, estimates, information, (seen, common & ~seen), cost, random, seed=repeat
                )
            ]
        parts.append(_over_masks(pd.DataFrame(rows)).assign(holes=holes, measured=share))
    table = pd.concat(parts, ignore_index=True)
    wanted = ["holes", "measured", "estimate", *_MEASURES, "cost", "wins"]
    return table.reindex(columns=wanted)


def _mask(off: np.ndarray, holes: str, share: float, random: np.random.Generator) -> np.ndarray:
    """The cells that are measured; at least four, and at least one of each kind is held out."""
    if holes == "sources":
        rows = random.permutation(np.flatnonzero(off.any(axis=1)))
        kept = rows[: int(np.clip(round(share * len(rows)), 1, len(rows) - 1))]
        return np.asarray(off & np.isin(np.arange(len(off)), kept)[:, None])
    cells = random.permutation(np.flatnonzero(off.ravel()))
    seen = np.zeros(off.size, dtype=bool)
    seen[cells[: int(np.clip(round(share * len(cells)), _FEWEST, len(cells) - _FEWEST))]] = True
    return seen.reshape(off.shape)


def _one_mask(
    judge: _Judge,
    estimates: Mapping[str, Estimate],
    information: Mapping[str, pd.DataFrame],
    mask: tuple[np.ndarray, np.ndarray],
    cost: GridCost | None,
    random: np.random.Generator,
    *,
    seed: int,
) -> list[dict[str, object]]:
    """Every estimate and completion on one mask."""
    seen, held = mask
    given = judge.measured.where(seen)
    frame = pd.DataFrame(seen, index=given.index, columns=given.columns)
    spent = cost.share(frame) if cost else np.nan
    rows: list[dict[str, object]] = []
    for method in METHODS:
        if "side" in method and not information:
            continue
        filled = even_scale(complete(given, method, side=information, seed=seed).values.to_numpy())
        rows.append({"estimate": method, **judge.marks(filled, held), "cost": spent})
    for name, estimate in estimates.items():
        values = _scaled(estimate)
        if not estimate.on_pgf_scale:
            values = _on_a_line(values, even_scale(given.to_numpy(dtype=float)))
        rows.append({"estimate": name, **judge.marks(values, held), "cost": estimate.cost})
    rows.append(
        {"estimate": "random", **judge.marks(random.normal(size=seen.shape), held, scaled=False), "cost": 0.0}
    )
    return rows


def _scaled(estimate: Estimate) -> np.ndarray:
    values = estimate.values.to_numpy(dtype=float)
    return even_scale(np.minimum(values, 1)) if estimate.on_pgf_scale else values


def _on_a_line(values: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Put values on the least-squares line through measured cells, never a falling one."""
    here = ~np.isnan(values) & ~np.isnan(given)
    if here.sum() < 2 or np.std(values[here]) == 0:
        return values
    slope = float(np.cov(values[here], given[here])[0, 1] / np.var(values[here], ddof=1))
    slope = max(slope, 1e-12)  # its order is what is judged; a falling line would turn it round
    return np.asarray(np.mean(given[here]) + slope * (values - np.mean(values[here])))


def _over_masks(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over masks, and how often the three baselines are beaten."""
    ranks = rows.pivot(index="repeat", columns="estimate", values="spearman")
    bar = ranks[[name for name in BASELINES if name in ranks]].max(axis=1)
    wins = {name: float((ranks[name] > bar).mean()) for name in ranks if name not in BASELINES}
    means = rows.drop(columns="repeat").groupby("estimate", sort=False).mean().reset_index()
    return means.assign(wins=means["estimate"].map(wins))


class _Judge:
    """Marks of an estimate on held-out cells."""

    def __init__(self, measured: pd.DataFrame, noise: pd.DataFrame, off: np.ndarray) -> None:
        self.measured, self.off = measured, off
        self.pgf = measured.to_numpy(dtype=float)
        self.even = even_scale(self.pgf)
        self.interaction = self._left(self.even)
        slope = np.where(self.pgf < 0, 1 / (1 - np.minimum(self.pgf, 0)), 1.0)  # of the even scale
        self.noise = noise.to_numpy(dtype=float) * slope

    def _left(self, values: np.ndarray) -> np.ndarray:
        """What additive effects leave, off the diagonal."""
        square = pd.DataFrame(np.where(self.off, values, np.nan), self.measured.index, self.measured.columns)
        left = decompose(square).interaction.to_numpy()
        spread = np.nanstd(np.where(self.off, values, np.nan))
        return np.where(np.abs(left) > 1e-6 * spread, left, 0.0) * np.where(np.isnan(left), np.nan, 1.0)

    def marks(self, values: np.ndarray, held: np.ndarray, *, scaled: bool = True) -> dict[str, float]:
        """All measures; those of a size only where the estimate is on the scale of the measured."""
        here = held & ~np.isnan(values)
        found = dict.fromkeys(_MEASURES, np.nan)
        if here.sum() < _FEWEST:
            return found
        left = self._left(np.where(np.isnan(values), np.nan, values))
        for kind in ("spearman", "kendall"):
            found[kind] = _correlation(kind, values[here], self.even[here])
            found[f"{kind}_within"] = self._within(kind, values, here)
            found[f"{kind}_interaction"] = _correlation(kind, left[here], self.interaction[here])
        if scaled:
            found["rmse"] = float(np.sqrt(np.mean((values - self.even)[here] ** 2)))
        if (~np.isnan(self.noise[here])).any():
            found["noise"] = float(np.sqrt(np.nanmean(self.noise[here] ** 2)))
        found["regret_1"], found["regret_3"] = (self._regret(values, here, k) for k in (1, 3))
        return found

    def _columns(self, here: np.ndarray) -> list[tuple[int, np.ndarray]]:
        columns = [(column, np.flatnonzero(here[:, column])) for column in range(here.shape[1])]
        return [(column, rows) for column, rows in columns if len(rows) >= _FEWEST]

    def _within(self, kind: str, values: np.ndarray, here: np.ndarray) -> float:
        found = [
            _correlation(kind, values[rows, column], self.even[rows, column])
            for column, rows in self._columns(here)
        ]
        return float(np.mean(found)) if found else np.nan

    def _regret(self, values: np.ndarray, here: np.ndarray, k: int) -> float:
        """Ties are shared: the mean over sources ranked alike would be an order of rows otherwise."""
        found = []
        for column, rows in self._columns(here):
            measured = self.pgf[rows, column]
            found.append(measured.max() - _expected_best(values[rows, column], measured, k))
        return float(np.mean(found)) if found else np.nan


def _expected_best(values: np.ndarray, measured: np.ndarray, k: int) -> float:
    """Best measured value among the k ranked first, expected over a random order of those ranked alike."""
    edge = np.sort(values)[-k]
    sure, tied = measured[values > edge], np.sort(measured[values == edge])
    least = sure.max() if len(sure) else -np.inf
    n_drawn, n_tied = k - len(sure), len(tied)
    # the best of n_drawn of the tied is number m (from 1) with probability C(m - 1, d - 1) / C(n, d)
    ways = np.array([math.comb(m, n_drawn - 1) for m in range(n_tied)], dtype=float)
    return float(np.sum(ways / ways.sum() * np.maximum(tied, least)))


def _correlation(kind: str, first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation; 0 where one of them is constant, up to rounding."""
    first, second = (np.round(values / max(np.abs(values).max(), 1e-300), 9) for values in (first, second))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    test = stats.spearmanr if kind == "spearman" else stats.kendalltau
    return float(test(first, second).statistic)


def interaction_p_value(measured: pd.DataFrame, estimate: Estimate, *, seed: int = 0) -> float:
    """One-sided p-value of the rank correlation of interactions, when sources are permuted within each target."""
    off = ~np.eye(len(measured), dtype=bool) & ~measured.isna().to_numpy()
    judge = _Judge(measured, measured * np.nan, off)
    values = _scaled(estimate)
    here = off & ~np.isnan(values)
    if here.sum() < 2 * _FEWEST:
        return float("nan")
    left_NN, truth_NN = np.zeros(here.shape), np.zeros(here.shape)  # ranks less their mean
    for ranks_NN, of in ((left_NN, judge._left(values)), (truth_NN, judge.interaction)):
        ranks_NN[here] = stats.rankdata(of[here])
        ranks_NN[here] -= ranks_NN[here].mean()
    random = np.random.default_rng(seed)
    drawn_D = np.zeros(_PERMUTATIONS)  # sums of products, of which the correlation is a fixed multiple
    for column in range(here.shape[1]):
        rows = np.flatnonzero(here[:, column])
        mixed_DR = random.permuted(np.tile(truth_NN[rows, column], (_PERMUTATIONS, 1)), axis=1)
        drawn_D += mixed_DR @ left_NN[rows, column]
    return float((1 + (drawn_D >= (left_NN * truth_NN).sum() - 1e-9).sum()) / (1 + _PERMUTATIONS))


def sentences(table: pd.DataFrame, p_values: Mapping[str, float]) -> list[str]:
    """What to trust and what not, in words."""
    masked = table[table["holes"].isin(HOLES) & ~table["estimate"].isin([*BASELINES, "random"])]
    told = []
    for (holes, share), rows in masked.groupby(["holes", "measured"], sort=False):
        sure = rows[rows["wins"] >= _SURE].sort_values("spearman", ascending=False)
        rest = rows[~(rows["wins"] >= _SURE)]
        base = table[(table["holes"] == holes) & (table["measured"] == share) & table["estimate"].isin(BASELINES)]
        best = base.sort_values("spearman").iloc[-1]
        what = f"{share:.0%} of the {'cells' if holes == 'cells' else 'sources'} measured"
        trusted = ", ".join(f"{row.estimate} ({row.spearman:+.2f})" for row in sure.itertuples()) or "nothing"
        told.append(
            f"With {what}, {trusted} ranks held-out cells better than target mean, source mean and their sum "
            f"(best of them {best['estimate']}, {best['spearman']:+.2f}) in {_SURE:.0%} of the masks or more"
            + (f"; these do not: {', '.join(rest['estimate'])}." if len(rest) else ".")
        )
    for name, p_value in p_values.items():
        row = table[(table["holes"] == "all") & (table["estimate"] == name)].iloc[0]
        verb = "tells pairs apart" if p_value < 0.05 else "is not shown to tell pairs apart"
        told.append(
            f"Without any measured cell, {name} {verb} beyond effects of source and target: rank correlation of "
            f"the interactions {row['spearman_interaction']:+.2f}, p = {p_value:.2g}."
        )
    return told
