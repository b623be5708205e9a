"""Which estimate of transfer to trust: estimates compared with a matrix that was measured.

Cells are held out, by themselves (``cells``) or whole rows of them, as of sources never trained (``sources``),
over many random masks. A completion fits the rest; an estimate that needs no cell is read at the held-out ones.
All are compared on the same held-out cells, those that every estimate is made for, with the baselines, which each
must beat: target mean, source mean and their sum. What asks test items is to be asked others than those that the
matrix it is compared with was measured on (`tasktransfer.predict.halves`).

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

A correlation with a constant counts as 0: it orders nothing. Masks overlap, so that `wins` says how it was
with this grid and not how it would be with others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.predict.scores import FEWEST, MEASURES, Judge
from tasktransfer.stats.completion import METHODS, complete
from tasktransfer.stats.shrinkage import even_scale

__all__ = [
    "BASELINES",
    "HOLES",
    "Estimate",
    "GridCost",
    "compare_estimates",
    "interaction_p_value",
    "least_share",
    "require_shares",
    "sentences",
]

BASELINES = ("target mean", "source mean", "additive")
HOLES = ("cells", "sources")
_SURE = 0.95
_PERMUTATIONS = 999


class Estimate(NamedTuple):
    """What something predicts, cell by cell; nothing measured goes into it."""

    values: pd.DataFrame
    cost: float = np.nan  # share of the grid
    on_pgf_scale: bool = True


class GridCost(NamedTuple):
    """Operations of the whole grid, in any unit."""

    training: Mapping[str, float]  # by source, all seeds; 0 or absent for an adapter that is there
    asking: Mapping[str, Mapping[str, float]]  # by source and target, all seeds

    @property
    def total(self) -> float:
        """Of the whole grid."""
        return sum(self.training.values()) + sum(sum(asked.values()) for asked in self.asking.values())

    def share(self, measured: pd.DataFrame) -> float:
        """Share that some cells cost; the diagonal, which shows whether training worked, comes with its row."""
        rows = [source for source in measured.index if measured.loc[source].any()]
        spent = sum(self.training.get(source, 0.0) for source in rows)
        spent += sum(
            float(measured.loc[source, target] or source == target) * self.asking.get(source, {}).get(target, 0.0)
            for source in rows
            for target in measured.columns
        )
        return spent / self.total


def compare_estimates(
    measured: pd.DataFrame,
    estimates: Mapping[str, Estimate],
    *,
    noise: pd.DataFrame,
    seen: pd.DataFrame | None = None,
    cost: GridCost | None = None,
    side: Sequence[str] = (),
    shares: Sequence[float] = (0.5,),
    repeats: int = 20,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare estimates and completions with a measured matrix.

    Parameters
    ----------
    measured
        PGF, square, NaN for holes; the diagonal is not used.
    estimates
        By name; of the same rows and columns.
    noise
        Standard errors of the measured PGF; NaN where not known.
    seen
        What completions and lines through measured cells see of it: the matrix as other items show it. By default
        the very values that all are judged by, which flatters whatever reads them.
    cost
        Of the grid; without it the cost of completions is not reported.
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
    seen = measured if seen is None else seen
    off = ~np.eye(len(measured), dtype=bool) & ~measured.isna().to_numpy() & ~seen.isna().to_numpy()
    require_shares(measured.where(off), shares)
    common = off.copy()  # all are judged on the cells that all estimates are made for
    for estimate in estimates.values():
        common &= ~estimate.values.isna().to_numpy()
    if common.sum() < 2 * FEWEST:
        raise InputError(f"only {common.sum()} measured cells have every estimate ({', '.join(estimates)})")
    judge = Judge(measured, noise, off)
    unmasked = [
        {
            "holes": "all",
            "measured": 0.0,
            "estimate": name,
            **judge.marks(_scaled(estimate), common, scaled=estimate.on_pgf_scale),
            "cost": estimate.cost,
        }
        for name, estimate in estimates.items()
    ]
    parts = [pd.DataFrame(unmasked)] if unmasked else []
    information = {name: estimates[name].values for name in side}
    for number, (holes, share) in enumerate((holes, share) for holes in HOLES for share in shares):
        rows = []
        for repeat in range(repeats):
            random = np.random.default_rng([seed, number, repeat])
            mask = _mask(off, holes, share, random)
            given = seen.where(mask)
            rows += [
                row | {"repeat": repeat}
                for row in _one_mask(
                    judge, estimates, information, given, common & ~mask, cost, random, seed=repeat
                )
            ]
        parts.append(_over_masks(pd.DataFrame(rows)).assign(holes=holes, measured=share))
    table = pd.concat(parts, ignore_index=True)
    wanted = ["holes", "measured", "estimate", *MEASURES, "cost", "wins"]
    return table.reindex(columns=wanted)


def least_share(measured: pd.DataFrame) -> float:
    """Smallest share of the sources whose cells are enough to complete from, whichever are drawn.

    Parameters
    ----------
    measured
        PGF, square, NaN for holes.

    Raises
    ------
    InputError
        Under eight cells off the diagonal, or so few rows that none could be held out.
    """
    off = ~np.eye(len(measured), dtype=bool) & ~measured.isna().to_numpy()
    if off.sum() < 2 * FEWEST:
        raise InputError(
            f"{off.sum()} cells are measured off the diagonal; at least {2 * FEWEST} are needed, as of four tasks "
            f"each trained on and asked"
        )
    counts = np.sort(off.sum(axis=1)[off.any(axis=1)])
    enough = 1 + int(np.argmax(np.cumsum(counts) >= FEWEST))
    if enough >= len(counts):
        raise InputError(
            f"{len(counts)} sources are measured and completing may need all of them; at least "
            f"{max(enough + 1, 3)} are needed, so that one is held out"
        )
    return math.ceil(100 * enough / len(counts)) / 100


def require_shares(measured: pd.DataFrame, shares: Sequence[float]) -> None:
    """Refuse a matrix that is too small to judge by, and shares that leave nothing to complete from.

    Raises
    ------
    InputError, SettingsError
        The matrix is too small; a share is none, or too small for it.
    """
    least = least_share(measured)
    n_sources = int((~measured.isna() & ~np.eye(len(measured), dtype=bool)).any(axis=1).sum())
    for share in shares:
        if not 0 < share < 1:
            raise SettingsError(f"--measured {share:g}: a share is accepted in (0, 1)")
        if _n_kept(share, n_sources) < _n_kept(least, n_sources):
            raise SettingsError(
                f"--measured {share:g} is too small: {_n_kept(share, n_sources)} of {n_sources} sources may leave "
                f"fewer than {FEWEST} measured cells to complete from; the least is --measured {least:g}"
            )


def _n_kept(share: float, n_sources: int) -> int:
    """Sources that are measured; at least one is, and one is not."""
    return int(np.clip(round(share * n_sources), 1, n_sources - 1))


def _mask(off: np.ndarray, holes: str, share: float, random: np.random.Generator) -> np.ndarray:
    """The cells that are measured; at least four, and at least one of each kind is held out."""
    if holes == "sources":
        rows = random.permutation(np.flatnonzero(off.any(axis=1)))
        kept = rows[: _n_kept(share, len(rows))]
        return np.asarray(off & np.isin(np.arange(len(off)), kept)[:, None])
    cells = random.permutation(np.flatnonzero(off.ravel()))
    seen = np.zeros(off.size, dtype=bool)
    seen[cells[: int(np.clip(round(share * len(cells)), FEWEST, len(cells) - FEWEST))]] = True
    return seen.reshape(off.shape)


def _one_mask(
    judge: Judge,
    estimates: Mapping[str, Estimate],
    information: Mapping[str, pd.DataFrame],
    given: pd.DataFrame,
    held: np.ndarray,
    cost: GridCost | None,
    random: np.random.Generator,
    *,
    seed: int,
) -> list[dict[str, object]]:
    """Every estimate and completion on one mask."""
    spent = cost.share(given.notna()) if cost else np.nan
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
        {"estimate": "random", **judge.marks(random.normal(size=held.shape), held, scaled=False), "cost": 0.0}
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


def interaction_p_value(judged: Sequence[tuple[pd.DataFrame, Estimate]], *, seed: int = 0) -> float:
    """One-sided p-value of the rank correlation of interactions, when sources are permuted within each target.

    Parameters
    ----------
    judged
        Measured matrices, each with the estimate compared with it: one, or both halves of the items, whose sources
        are then permuted together.
    seed
        Of the permutations, from 0.
    """
    off = ~np.eye(len(judged[0][0]), dtype=bool)
    here = off.copy()
    for measured, estimate in judged:
        here &= ~measured.isna().to_numpy() & ~estimate.values.isna().to_numpy()
    if here.sum() < 2 * FEWEST:
        return float("nan")
    ranks = []  # of estimate and truth, less their mean
    for measured, estimate in judged:
        judge = Judge(measured, measured * np.nan, off & ~measured.isna().to_numpy())
        pair = np.zeros((2, *here.shape))
        for into_NN, of in zip(pair, (judge.left(_scaled(estimate)), judge.interaction), strict=True):
            into_NN[here] = stats.rankdata(of[here])
            into_NN[here] -= into_NN[here].mean()
        ranks.append(pair)
    random = np.random.default_rng(seed)
    drawn_D = np.zeros(_PERMUTATIONS)  # sums of products, of which the correlation is a fixed multiple
    for column in range(here.shape[1]):
        rows = np.flatnonzero(here[:, column])
        mixed_DR = random.permuted(np.tile(rows, (_PERMUTATIONS, 1)), axis=1)
        for left_NN, truth_NN in ranks:
            drawn_D += truth_NN[mixed_DR, column] @ left_NN[rows, column]
    observed = sum(float((left_NN * truth_NN).sum()) for left_NN, truth_NN in ranks)
    # the order as it is counts as one of the permutations, so that p is never 0
    return float((1 + (drawn_D >= observed - 1e-9).sum()) / (1 + _PERMUTATIONS))


def sentences(table: pd.DataFrame, p_values: Mapping[str, float]) -> list[str]:
    """What to trust and what not, in words."""
    masked = table[table["holes"].isin(HOLES) & ~table["estimate"].isin([*BASELINES, "random"])]
    lines = []
    for (holes, share), rows in masked.groupby(["holes", "measured"], sort=False):
        sure = rows[rows["wins"] >= _SURE].sort_values("spearman", ascending=False)
        rest = rows[~(rows["wins"] >= _SURE)]
        base = table[(table["holes"] == holes) & (table["measured"] == share) & table["estimate"].isin(BASELINES)]
        best = base.sort_values("spearman").iloc[-1]
        what = f"{share:.0%} of the {'cells' if holes == 'cells' else 'sources'} measured"
        trusted = ", ".join(f"{row.estimate} ({row.spearman:+.2f})" for row in sure.itertuples()) or "nothing"
        lines.append(
            f"With {what}, {trusted} ranks held-out cells better than target mean, source mean and their sum "
            f"(best of them {best['estimate']}, {best['spearman']:+.2f}) in {_SURE:.0%} of the masks or more"
            + (f"; these do not: {', '.join(rest['estimate'])}." if len(rest) else ".")
        )
    for name, p_value in p_values.items():
        row = table[(table["holes"] == "all") & (table["estimate"] == name)].iloc[0]
        verb = "distinguishes pairs" if p_value < 0.05 else "is not shown to tell pairs apart"
        lines.append(
            f"Without any measured cell, {name} {verb} beyond effects of source and target: rank correlation of "
            f"the interactions {row['spearman_interaction']:+.2f}, p = {p_value:.2g}."
        )
    return lines
