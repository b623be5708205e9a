"""Matrices that other items and other seeds would have given.

    PGF* = (accuracy after* - baseline*) / (ceiling* - baseline*)

One draw of items serves all runs of a target, the untouched model and every other model included, so what they
share (a hard item drawn twice, a lucky baseline) moves their whole column. Items of one cluster are drawn
together. To each source is added an error of its seeds, normal with the variance of `crossed` and its degrees of
freedom. A best-observed ceiling is looked up anew in every draw.

Where only counts are known the draw of items is a normal one: the baseline moves by z sqrt(b (1 - b) / K), and
with it every source's gain, as far as changed answers depend on the baseline's (those that were wrong can only
become right), the rest of the assumed discordance falling on each source alone. Where not even items are known
only the seeds vary.

Shape letters: D draws, C cells (kind, source), T targets, R runs, K items.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.analysis.items import CellKey, TargetItems, paired_runs, targets_of_items
from tasktransfer.analysis.uncertainty import assumed_discordance

__all__ = ["Resampled", "drawn_intervals", "resample"]

_CELL = ["model", "kind", "source", "target"]


class Resampled(NamedTuple):
    """Draws of one model's matrix."""

    cells: list[tuple[str, str]]  # kind, source
    targets: list[str]
    pgf_DCT: np.ndarray  # float32; NaN where the cell is a hole, or where the draw left no gap
    known_CT: np.ndarray  # whether anything is known of the cell's error


class _Random:
    """Random numbers that a cell gets whatever other cells there are, so that a control moves no finetune."""

    def __init__(self, seed: int, rows: pd.DataFrame) -> None:
        target = str(rows["target"].iloc[0])
        self.of_target = np.random.default_rng([seed, *target.encode()])
        names = rows[_CELL].itertuples(index=False, name=None)
        self._of_cells = [np.random.default_rng([seed, *"\0".join(name).encode()]) for name in names]

    def normal(self, n_draws: int) -> np.ndarray:
        """Shape D, C."""
        return np.stack([of_cell.standard_normal(n_draws) for of_cell in self._of_cells], axis=1)

    def chi_square(self, df_C: np.ndarray, n_draws: int) -> np.ndarray:
        """Shape D, C."""
        drawn = [of.chisquare(df, n_draws) for of, df in zip(self._of_cells, df_C, strict=True)]
        return np.stack(drawn, axis=1)


class _Column(NamedTuple):
    """Cells of one target over all models, and what draws need of them."""

    rows: pd.DataFrame  # of transfers, sorted
    best_C: np.ndarray  # best single run of each cell
    best_base: float
    ceiling_C: np.ndarray


def resample(
    transfers: pd.DataFrame,
    pgf: pd.DataFrame,
    items: pd.DataFrame | None = None,
    *,
    best_observed: bool = False,
    n_draws: int = 2000,
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
        D.
    seed
        Draws of a target depend on it and on the target's name, on nothing else.

    Notes
    -----
    Memory is 4 bytes for every draw and cell. About 0.3 s for 3 x 13 x 13 x 4 runs of 130 items and 2,000 draws.
    """
    drawn = _empty(transfers, n_draws)
    blocks = {block.target: block for block in targets_of_items(items)} if items is not None and len(items) else {}
    runs_of = dict(list(pgf[pgf["kind"] == "finetune"].groupby("target", sort=False)))
    ceilings = pgf.drop_duplicates(["model", "target"]).set_index(["model", "target"])["ceiling"]
    for target, rows in transfers[transfers["pgf"].notna()].groupby("target", sort=False):
        rows = rows.sort_values(_CELL, kind="stable")
        random = _Random(seed, rows)
        runs = runs_of.get(target, pgf.iloc[:0])
        best = runs.groupby(_CELL, sort=False)["accuracy"].max().reindex(pd.MultiIndex.from_frame(rows[_CELL]))
        column = _Column(
            rows,
            best.to_numpy(),
            float(runs["baseline"].max()),
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
    heavy = np.sqrt(df / np.maximum(random.chi_square(df, n_draws), 1e-12))
    of_seeds_DC = error * random.normal(n_draws) * heavy
    known_C = (rows["se_items"].notna() | (rows["se_seeds"] > 0)).to_numpy()
    accuracies = rows["accuracy"].notna().to_numpy()
    if not accuracies.any():
        return rows["pgf"].to_numpy(dtype=float) + of_seeds_DC, known_C
    draw_items = _from_items(block, rows, n_draws, random.of_target) if block is not None else None
    after_DC, before_DC = draw_items or _from_counts(rows, n_draws, random)
    after_DC = np.clip(after_DC + of_seeds_DC, 0, 1)
    ceiling_DC: np.ndarray = column.ceiling_C
    if best_observed:
        best_DC = column.best_C + after_DC - rows["accuracy"].to_numpy(dtype=float)
        moved = (before_DC - rows["baseline"].to_numpy(dtype=float)).mean(axis=1)
        ceiling_DC = np.fmax(np.nanmax(best_DC, axis=1), column.best_base + moved)[:, None]
    gap_DC = ceiling_DC - before_DC
    least = 1 / rows["n_items"].fillna(np.inf).to_numpy(dtype=float) - 1e-6  # in float32
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = np.where(gap_DC > np.maximum(least, 1e-6), (after_DC - before_DC) / gap_DC, np.nan)
    return np.where(accuracies, drawn, rows["pgf"].to_numpy(dtype=float) + of_seeds_DC), known_C


def _from_items(
    block: TargetItems, rows: pd.DataFrame, n_draws: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Accuracies after and before on items drawn with replacement; None where a cell has no items."""
    pairs = paired_runs(block)
    keys = [CellKey(*named) for named in rows[_CELL].itertuples(index=False, name=None)]
    if any(key not in pairs for key in keys):
        return None
    weights_DK = _item_weights(block, n_draws, random)
    answered_RK = ~np.isnan(block.scores_RK)
    scores = np.nan_to_num(block.scores_RK).astype(np.float32)
    right_DR = weights_DK @ scores.T
    if answered_RK.all():
        drawn_DR = right_DR
    else:
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn_DR = right_DR / (weights_DK @ answered_RK.astype(np.float32).T)
    mean_of: list[np.ndarray] = []
    for which in (0, 1):
        average_RC = np.zeros((len(block.runs), len(keys)), dtype=np.float32)
        for c, key in enumerate(keys):
            for pair in pairs[key]:
                average_RC[pair[which], c] += 1 / len(pairs[key])
        mean_of.append(drawn_DR @ average_RC)
    return mean_of[0], mean_of[1]


def _item_weights(block: TargetItems, n_draws: int, random: np.random.Generator) -> np.ndarray:
    """How often each item is drawn, as a share of the draw; whole clusters where there are any."""
    n_items = block.scores_RK.shape[1]
    n_units = n_items if block.clusters_K is None else int(block.clusters_K.max()) + 1
    drawn = random.integers(0, n_units, (n_draws, n_units)) + n_units * np.arange(n_draws)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_draws * n_units).reshape(n_draws, n_units)
    if block.clusters_K is not None:
        counts = counts[:, block.clusters_K]
    return np.asarray(counts / counts.sum(axis=1, keepdims=True), dtype=np.float32)


def _from_counts(rows: pd.DataFrame, n_draws: int, random: _Random) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies after and before as an assumed discordance lets them vary; no variation without item counts."""
    after, before = rows["accuracy"].to_numpy(dtype=float), rows["baseline"].to_numpy(dtype=float)
    n_items, gain = rows["n_items"].to_numpy(dtype=float), rows["gain"].to_numpy(dtype=float)
    counted = n_items > 1
    n_items = np.where(counted, n_items, np.inf)
    discordance = assumed_discordance(rows)
    up, down = (discordance + gain) / 2, (discordance - gain) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.nan_to_num(np.where(before < 1, up / (1 - before), 0)) + np.where(before > 0, down / before, 0)
    of_base = before * (1 - before) / n_items
    alone = np.maximum((discordance - gain**2) / n_items - slope**2 * of_base, 0)
    base_D1 = random.of_target.standard_normal((n_draws, 1))
    moved_DC = base_D1 * np.sqrt(of_base)
    before_DC = np.clip(before + moved_DC, 0, 1)
    change_DC = gain - slope * moved_DC + np.sqrt(alone) * random.normal(n_draws)
    return before_DC + np.where(np.isnan(after), 0, change_DC), before_DC


def drawn_intervals(
    transfers: pd.DataFrame, resampled: dict[str, Resampled], *, confidence: float
) -> pd.DataFrame:
    """Replace low and high by quantiles of the draws, where a ceiling that is itself observed moves with them."""
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    bounds = transfers[["low", "high"]].to_numpy(dtype=float, copy=True)
    for position, row in enumerate(transfers.itertuples()):
        drawn = resampled[str(row.model)]
        cell, target = drawn.cells.index((row.kind, row.source)), drawn.targets.index(row.target)
        values = drawn.pgf_DCT[:, cell, target]
        values = values[~np.isnan(values)]
        if drawn.known_CT[cell, target] and len(values) and not np.isnan(row.low):
            bounds[position] = np.quantile(values, ends)
    return transfers.assign(low=bounds[:, 0], high=bounds[:, 1])
