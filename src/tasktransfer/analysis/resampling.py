"""Matrices that other items and other seeds would have given.

    PGF* = (accuracy after* - baseline*) / (ceiling* - baseline*)

Every item is drawn a Poisson number of times, the same for all runs of a target, the untouched model and every
other model included, so what they share (a hard item drawn twice, a lucky baseline) moves their whole column.
Items of one cluster are drawn together. To each source is added an error of its seeds, normal with the variance of
`crossed` and its degrees of freedom. A best-observed ceiling is looked up anew in every draw.

Where items are not at hand the draw is a normal one from the standard errors: the baseline moves by
z sqrt(b (1 - b) / K), and with it every source's gain, as far as changed answers depend on the baseline's (those
that were wrong can only become right); what else of the error is shared falls on the column, the rest on each
source alone. Where not even the number of items is known only the seeds vary.

Shape letters: D draws, C cells (kind, source), T targets, R runs, K items.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.analysis.items import CellKey, TargetItems, cell_groups, targets_of_items
from tasktransfer.stats.crossed import FEWEST_WRONG

__all__ = ["Resampled", "drawn_intervals", "resample"]

_CELL = ["model", "kind", "source", "target"]
_DRAWS = (500, 2000)
_DRAWN_CELLS = 20_000_000  # of one model: as many draws as keep below it


class Resampled(NamedTuple):
    """Draws of one model's matrix."""

    cells: list[tuple[str, str]]  # kind, source
    targets: list[str]
    pgf_DCT: np.ndarray  # float32; NaN where the cell is a hole, or where the draw left no gap
    known_CT: np.ndarray  # whether anything is known of the cell's error


class _Random:
    """Random numbers that belong to a cell, an item or a target by name, whatever else there is."""

    def __init__(self, seed: int, rows: pd.DataFrame) -> None:
        self._target, self._seed = str(rows["target"].iloc[0]), seed
        self.of_target = np.random.default_rng([seed, *self._target.encode()])
        names = rows[_CELL].itertuples(index=False, name=None)
        self._of_cells = [np.random.default_rng([seed, *"\0".join(name).encode()]) for name in names]

    def normal(self, n_draws: int) -> np.ndarray:
        """Shape D, C."""
        return np.stack([of_cell.standard_normal(n_draws) for of_cell in self._of_cells], axis=1)

    def times_drawn(self, unit: str, n_draws: int) -> np.ndarray:
        """How often an item, or a cluster, is drawn."""
        # Poisson, not multinomial: the count of one item does not depend on which others there are
        name = f"{self._target}\0{unit}".encode()
        return np.random.default_rng([self._seed, *name]).poisson(1, n_draws)

    def chi_square(self, df_C: np.ndarray, n_draws: int) -> np.ndarray:
        """Shape D, C."""
        drawn = [of.chisquare(df, n_draws) for of, df in zip(self._of_cells, df_C, strict=True)]
        return np.stack(drawn, axis=1)


class _Column(NamedTuple):
    """Cells of one target over all models, and what draws need of them."""

    rows: pd.DataFrame  # of transfers, sorted
    best_C: np.ndarray  # best single run of each cell
    best_base: float
    best_fixed: float  # best run of a cell that has no PGF and is not drawn
    ceiling_C: np.ndarray


def resample(
    transfers: pd.DataFrame,
    pgf: pd.DataFrame,
    items: pd.DataFrame | None = None,
    *,
    best_observed: bool = False,
    n_draws: int | None = None,
    seed: int = 0,
) -> dict[str, Resampled]:
    """Draw matrices for every model.

    Parameters
    ----------
    transfers, pgf
        Tables of one analysis.
    items
        Item-level scores, where there are any.
    best_observed
        The ceilings are the best accuracies observed, so they are random too.
    n_draws
        D; where not given 2,000, fewer in models of over 10,000 cells, at least 500.
    seed
        Draws belong to items, cells and targets by name, whatever else there is.

    Notes
    -----
    Memory is 4 bytes for every draw and cell. About 0.3 s for 3 x 13 x 13 x 4 runs of 130 items and 2,000 draws.
    """
    if n_draws is None:
        n_draws = int(np.clip(_DRAWN_CELLS // max(transfers["model"].value_counts(), default=1), *_DRAWS))
    drawn = _empty(transfers, n_draws)
    blocks = {block.target: block for block in targets_of_items(items)} if items is not None and len(items) else {}
    runs_of = dict(list(pgf[pgf["kind"] == "finetune"].groupby("target", sort=False)))
    ceilings = pgf.drop_duplicates(["model", "target"]).set_index(["model", "target"])["ceiling"]
    for target, rows in transfers[transfers["pgf"].notna()].groupby("target", sort=False):
        rows = rows.sort_values(_CELL, kind="stable")
        random = _Random(seed, rows)
        runs = runs_of.get(target, pgf.iloc[:0])
        of_cells = runs.groupby(_CELL, sort=False)["accuracy"].max()
        cells = pd.MultiIndex.from_frame(rows[_CELL])
        best, left_out = of_cells.reindex(cells), of_cells[~of_cells.index.isin(cells)]
        column = _Column(
            rows,
            best.to_numpy(),
            float(runs["baseline"].max()),
            float(left_out.max()),
            ceilings.reindex(pd.MultiIndex.from_frame(rows[["model", "target"]])).to_numpy(dtype=float),
        )
        pgf_DC, known_C = _column_draws(column, blocks.get(str(target)), n_draws, random, best_observed)
        for model, here in rows.groupby("model", sort=False).indices.items():
            into = drawn[str(model)]
            at = [
                into.cells.index((kind, source))
                for kind, source in zip(rows["kind"].iloc[here], rows["source"].iloc[here], strict=True)
            ]
            into.pgf_DCT[:, at, into.targets.index(str(target))] = pgf_DC[:, here]
            into.known_CT[at, into.targets.index(str(target))] = known_C[here]
    return drawn


def _empty(transfers: pd.DataFrame, n_draws: int) -> dict[str, Resampled]:
    drawn = {}
    for model, rows in transfers.groupby("model", sort=False):
        cells = list(dict.fromkeys(zip(rows["kind"], rows["source"], strict=True)))
        targets = [str(target) for target in rows["target"].unique()]
        shape = (len(cells), len(targets))
        drawn[str(model)] = Resampled(
            cells, targets, np.full((n_draws, *shape), np.nan, dtype=np.float32), np.zeros(shape, dtype=bool)
        )
    return drawn


def _column_draws(
    column: _Column, block: TargetItems | None, n_draws: int, random: _Random, best_observed: bool
) -> tuple[np.ndarray, np.ndarray]:
    """PGF draws of every cell of one target, and whether its error is known."""
    rows = column.rows
    error = np.nan_to_num(rows["se_seeds"].to_numpy(dtype=float))
    df = np.nan_to_num(rows["df"].to_numpy(dtype=float), nan=1.0)
    # a normal over the root of chi-square / df is a t: few seeds know their own variance badly
    heavy = np.sqrt(df / np.maximum(random.chi_square(df, n_draws), 1e-12))
    of_seeds_DC = error * random.normal(n_draws) * heavy
    known_C = (rows["se_items"].notna() | (rows["se_seeds"] > 0)).to_numpy()
    accuracies = rows["accuracy"].notna().to_numpy()
    if not accuracies.any():
        return rows["pgf"].to_numpy(dtype=float) + of_seeds_DC, known_C
    after_DC, before_DC = _from_errors(rows, n_draws, random)
    if block is not None:
        _draw_items(block, rows, random, after_DC, before_DC)
    after_DC = np.clip(after_DC + of_seeds_DC, 0, 1)
    ceiling_DC: np.ndarray = column.ceiling_C
    if best_observed:
        # single runs are not drawn: the best of a cell is taken to move as the mean of the cell does
        best_DC = column.best_C + after_DC - rows["accuracy"].to_numpy(dtype=float)
        moved = (before_DC - rows["baseline"].to_numpy(dtype=float)).mean(axis=1)
        best_D = np.fmax(np.fmax.reduce(best_DC, axis=1), column.best_base + moved)
        ceiling_DC = np.fmax(best_D, column.best_fixed)[:, None]
    gap_DC = ceiling_DC - before_DC
    least = 0.5 / rows["n_items"].fillna(np.inf).to_numpy(dtype=float)  # half an item: none was drawn
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = np.where(gap_DC > np.maximum(least, 1e-6), (after_DC - before_DC) / gap_DC, np.nan)
    return np.where(accuracies, drawn, rows["pgf"].to_numpy(dtype=float) + of_seeds_DC), known_C


def _draw_items(
    block: TargetItems, rows: pd.DataFrame, random: _Random, after_DC: np.ndarray, before_DC: np.ndarray
) -> None:
    """Fill in the accuracies after and before of every cell whose items are known, on items drawn."""
    n_draws = len(after_DC)
    times_DU = np.stack([random.times_drawn(unit, n_draws) for unit in block.units], axis=1).astype(np.float32)
    times_DK = times_DU[:, block.unit_K]
    place = {CellKey(*named): c for c, named in enumerate(rows[_CELL].itertuples(index=False, name=None))}
    for group in cell_groups(block):
        here = [k for k, cell in enumerate(group.cells) if cell in place]
        at = [place[group.cells[k]] for k in here]
        drawn_DK = times_DK[:, group.answered]
        drawn_DK = drawn_DK / np.maximum(drawn_DK.sum(axis=1, keepdims=True), 1)
        for into_DC, scores_CSK in ((after_DC, group.after_CSK), (before_DC, group.before_CSK)):
            into_DC[:, at] = drawn_DK @ scores_CSK[here].mean(axis=1).T.astype(np.float32)


def _from_errors(rows: pd.DataFrame, n_draws: int, random: _Random) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies after and before as their standard errors over items let them vary; not where none is known.

    What the cells of a column share is the baseline, which moves gap and gain, and that all find the same items
    hard.
    """
    after, before = rows["accuracy"].to_numpy(dtype=float), rows["baseline"].to_numpy(dtype=float)
    n_items, gain = rows["n_items"].to_numpy(dtype=float), rows["gain"].to_numpy(dtype=float)
    variance = np.nan_to_num(rows["se_items"].to_numpy(dtype=float)) ** 2
    shared = np.minimum(np.nan_to_num(rows["se_shared"].to_numpy(dtype=float)) ** 2, variance)
    n_items = np.where(n_items > 1, n_items, np.inf)
    # Var(gain) = (discordance - gain^2) / K, solved for the share of items whose answer changed
    discordance = np.where(np.isinf(n_items), 0, variance * np.where(np.isinf(n_items), 0, n_items) + gain**2)
    up, down = (discordance + gain) / 2, (discordance - gain) / 2
    # at fixed rates of wrong answers mended and right ones lost, so fast does the gain fall as the baseline rises
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.nan_to_num(np.where(before < 1, up / (1 - before), 0)) + np.where(before > 0, down / before, 0)
    of_base = before * (1 - before) / n_items
    alone = np.maximum(variance - slope**2 * of_base, 0)
    common = np.clip(shared - slope**2 * of_base, 0, alone)
    base_D1, hard_D1 = random.of_target.standard_normal((2, n_draws, 1))
    moved_DC = base_D1 * np.sqrt(of_base)
    before_DC = np.clip(before + moved_DC, 0, 1)
    change_DC = (
        gain - slope * moved_DC + np.sqrt(common) * hard_D1 + np.sqrt(alone - common) * random.normal(n_draws)
    )
    return before_DC + np.where(np.isnan(after), 0, change_DC), before_DC


def drawn_intervals(
    transfers: pd.DataFrame, resampled: dict[str, Resampled], *, confidence: float
) -> pd.DataFrame:
    """Replace low and high by quantiles of the draws, where a ceiling that is itself observed moves with them.

    As everywhere, not where fewer than `FEWEST_WRONG` items lie between baseline and ceiling.

    Parameters
    ----------
    transfers
        Columns model, kind, source, target, gap, n_items, low and high.
    resampled
        Draws by model, made with `best_observed`.
    confidence
        In (0, 1).
    """
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    bounds = transfers[["low", "high"]].to_numpy(dtype=float, copy=True)
    wrong = (transfers["gap"] * transfers["n_items"]).to_numpy(dtype=float)
    for position, row in enumerate(transfers.itertuples()):
        drawn = resampled[str(row.model)]
        cell, target = drawn.cells.index((row.kind, row.source)), drawn.targets.index(row.target)
        values = drawn.pgf_DCT[:, cell, target]
        values = values[~np.isnan(values)]
        if drawn.known_CT[cell, target] and len(values) and wrong[position] >= FEWEST_WRONG - 1e-9:
            bounds[position] = np.quantile(values, ends)
    return transfers.assign(low=bounds[:, 0], high=bounds[:, 1])
