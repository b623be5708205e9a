"""The paper's released tables: per-seed PGF values, from which the answer counts are recovered.

The files hold ``seed, ft_task, task, perfection_gap_factor`` and nothing else, but every value is the
double-precision result of

    pgf = (c1 / N * 100 - c0 / N * 100) / (100 - c0 / N * 100)

with whole numbers c1 (right answers after finetuning), c0 (right answers of the untouched model) and N items.
Rounding leaves a fingerprint of N, so one column of values (one model, one target) usually admits one (N, c0):
the gap g = N - c0 must turn every pgf * g into a whole number, and the formula must return every bit.

Which counts are accepted
    A gap that is a multiple f of the smallest one requires every change of that seed to be a multiple of f,
    which k cells with a change do by accident with probability about f ** -k. Counts less plausible than
    one in a thousand in that sense are dropped; if more than one (N, gaps) is left, or none, the column falls
    back to PGF only.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.tables import (
    ACCURACY_COLUMNS,
    RawTable,
    number_column,
    refuse_conflicts,
    require_columns,
    text_column,
)

__all__ = ["PUBLISHED_COLUMNS", "RecoveredCounts", "accuracies_from_published", "recover_counts"]

PUBLISHED_COLUMNS = ("seed", "ft_task", "task", "perfection_gap_factor")
_FILE_PREFIX = "task_transferability_data_perfection_gap_factor_"
_IMPLAUSIBLE = 1e-3
ITEM_COUNTS = range(20, 1001)


class RecoveredCounts(NamedTuple):
    """Item count of a target and the baseline's right answers per seed."""

    n_items: int
    baseline_correct: dict[str, int]


def recover_counts(pgf_by_seed: dict[str, np.ndarray], item_counts: range = ITEM_COUNTS) -> RecoveredCounts | None:
    """Find the item count and baselines that reproduce one target's PGF values bit for bit.

    Parameters
    ----------
    pgf_by_seed
        For each seed the PGF of every source on this target; NaN cells are ignored.
    item_counts
        Item counts to try.

    Returns
    -------
    RecoveredCounts or None
        None when no count fits or when several do.

    Notes
    -----
    Cost is O(item_counts x sources) per seed.
    """
    values = {seed: pgf[~np.isnan(pgf)] for seed, pgf in pgf_by_seed.items()}
    values = {seed: pgf for seed, pgf in values.items() if len(pgf)}
    if not values or any(not pgf.any() for pgf in values.values()):
        return None  # a seed whose cells are all zero says nothing about its gap
    options = {seed: _fitting_gaps(pgf, np.asarray(item_counts)) for seed, pgf in values.items()}
    fits: list[tuple[int, dict[str, int]]] = []
    for n_items in item_counts:
        per_seed = [options[seed].get(n_items, []) for seed in values]
        if not all(per_seed):
            continue
        best = [max(pairs, key=lambda pair: pair[1]) for pairs in per_seed]
        weight = float(np.prod([plausible for _, plausible in best]))
        if weight <= _IMPLAUSIBLE:
            continue
        fits.append((n_items, dict(zip(values, (n_items - gap for gap, _ in best), strict=True))))
        # a second gap nearly as plausible as the best one leaves the baseline open
        others = (p / b[1] for pairs, b in zip(per_seed, best, strict=True) for g, p in pairs if g != b[0])
        if weight * max(others, default=0.0) > _IMPLAUSIBLE:
            return None
    return RecoveredCounts(*fits[0]) if len(fits) == 1 else None


def _fitting_gaps(pgf: np.ndarray, item_counts: np.ndarray) -> dict[int, list[tuple[int, float]]]:
    """For each item count the (gap, plausibility) pairs that return one seed's values bit for bit."""
    gaps = np.arange(1, item_counts[-1] + 1)
    changes = pgf[None, :] * gaps[:, None]
    # a coarse sieve, above what rounding does to a product; the formula below decides
    gaps = gaps[(np.abs(changes - np.rint(changes)) < 1e-7).all(axis=1)]
    if not len(gaps):
        return {}
    plausible = (gaps / gaps[0]) ** -float(np.count_nonzero(pgf))
    fitting: dict[int, list[tuple[int, float]]] = {}
    # plausibility falls with the gap, so the gaps that are kept are the first ones
    for gap, weight in zip(gaps[plausible > _IMPLAUSIBLE], plausible, strict=False):
        n_items = item_counts[item_counts >= gap][:, None].astype(float)
        before = n_items - gap
        after = before + np.rint(pgf * gap)
        # operation by operation as the release computed it: another order changes the last bits
        formula = (after / n_items * 100 - before / n_items * 100) / (100 - before / n_items * 100)
        fits = ((formula == pgf) & (after >= 0)).all(axis=1)
        for n in n_items[fits, 0]:
            fitting.setdefault(int(n), []).append((int(gap), float(weight)))
    return fitting


def accuracies_from_published(raw: RawTable, model: str | None) -> tuple[pd.DataFrame, list[str]]:
    """Turn one released file into an accuracies table.

    Parameters
    ----------
    raw
        The file, with the columns `PUBLISHED_COLUMNS`.
    model
        Name of the model; by default the file's stem without the release's common prefix.

    Returns
    -------
    accuracies, notes
        The table, base rows included where counts were recovered, and one sentence per fallback.

    Raises
    ------
    InputError
        A column is missing, a PGF is above 1 or no number, or a cell is given twice with different values.
    """
    require_columns(raw, PUBLISHED_COLUMNS, "a published PGF table")
    frame = pd.DataFrame(
        {
            "model": model if model is not None else Path(raw.name).stem.removeprefix(_FILE_PREFIX),
            "kind": "finetune",
            "source": text_column(raw, "ft_task", empty=False),
            "seed": text_column(raw, "seed"),
            "target": text_column(raw, "task", empty=False),
            "pgf": number_column(raw, "perfection_gap_factor", high=1.0),
        }
    )
    frame = refuse_conflicts(frame, ["source", "seed", "target"], ["pgf"], raw.name)
    parts, fallen_back = [], []
    for target, column in frame.groupby("target", sort=False):
        by_seed = {str(seed): rows["pgf"].to_numpy() for seed, rows in column.groupby("seed", sort=False)}
        counts = recover_counts(by_seed)
        parts.append(_with_counts(column, counts))
        if counts is None:
            fallen_back.append(str(target))
    notes = []
    if fallen_back:
        name = frame["model"].iloc[0]
        notes.append(
            f"{name}: answer counts are not determined by the PGF values of {len(fallen_back)} of "
            f"{frame['target'].nunique()} targets; these have PGF only (no accuracies, no other ceiling)."
        )
    return pd.concat(parts, ignore_index=True)[list(ACCURACY_COLUMNS)], notes


def _with_counts(column: pd.DataFrame, counts: RecoveredCounts | None) -> pd.DataFrame:
    unknown = dict.fromkeys(("n_items", "n_correct", "accuracy", "top_share", "n_choices"), np.nan)
    rows = column.assign(**unknown, top_answer="")
    if counts is None:
        return rows
    n_items = counts.n_items
    before = rows["seed"].map(counts.baseline_correct).astype(float)
    rows["n_items"] = float(n_items)
    rows["n_correct"] = before + np.rint(rows["pgf"] * (n_items - before))
    rows["accuracy"] = rows["n_correct"] / n_items
    first = rows.iloc[0]
    base = pd.DataFrame(
        {
            "model": first["model"],
            "kind": "base",
            "source": "",
            "seed": list(counts.baseline_correct),
            "target": first["target"],
            "pgf": np.nan,
            "n_items": float(n_items),
            "n_correct": np.array(list(counts.baseline_correct.values()), dtype=float),
            "top_share": np.nan,
            "top_answer": "",
            "n_choices": np.nan,
        }
    )
    base["accuracy"] = base["n_correct"] / n_items
    return pd.concat([base, rows], ignore_index=True)
