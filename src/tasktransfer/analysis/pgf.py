"""Perfection Gap Factor: the share of the remaining gap that a finetune closes (or opens).

    PGF(i -> j) = (Acc(M(T_i), T_j) - Acc(M, T_j)) / (U_j - Acc(M, T_j))        [1]_ eq. 3

====================  ==================================================================
symbol                name
====================  ==================================================================
T_i, T_j              source, target
Acc(M, T_j)           baseline: accuracy of the untouched model, of the same seed
Acc(M(T_i), T_j)      accuracy after finetuning on the source
U_j                   ceiling
numerator             gain
denominator           gap; the paper's eps is 0, as in its released numbers
====================  ==================================================================

The value of a transfer is the mean of its seeds' PGF. Bounded by 1 above when the ceiling is 1, by -(items - 1)
below. A cell whose gap is not positive or is under one item is undefined; nothing else drops a cell.

References
----------
.. [1] Sachdeva et al., "Understanding Task Transfer in Vision-Language Models", arXiv 2511.18787.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from tasktransfer.analysis.uncertainty import EQUIVALENCE_MARGIN, decide, item_intervals, seed_intervals
from tasktransfer.errors import InputError, closest, quoted
from tasktransfer.tables import PGF_COLUMNS, TRANSFER_COLUMNS, join_flags

__all__ = ["ZERO", "matrix", "models_of", "pgf_table", "tasks_of", "transfers_table"]

ZERO = 1e-9  # |pgf| below this has no sign
_CELL = ["model", "kind", "source", "target"]


def pgf_table(accuracies: pd.DataFrame, ceilings: pd.DataFrame) -> pd.DataFrame:
    """Compute gain, gap and PGF of every run against its own baseline.

    Parameters
    ----------
    accuracies
        Table of `tasktransfer.read_accuracies`. A baseline without a seed serves all seeds that have none of
        their own.
    ceilings
        Columns model, target, ceiling (fraction), as made by `tasktransfer.ceiling_table`.

    Returns
    -------
    pandas.DataFrame
        One row per run that is not a baseline, columns `tasktransfer.tables.PGF_COLUMNS`. ``pgf`` is NaN where
        the cell is a hole or undefined; ``flags`` says why: ``missing``, ``no_baseline``, ``no_gap``,
        ``gap_under_one_item``; ``pgf_only`` marks a value that came without accuracies and ``items_differ``
        one whose baseline was scored on another number of items.
    """
    runs = accuracies[accuracies["kind"] != "base"].reset_index(drop=True)
    frame = runs.assign(**_baselines(accuracies, runs))
    frame = frame.merge(ceilings, on=["model", "target"], how="left", validate="many_to_one")
    same_items = frame["n_items"] == frame["baseline_items"]
    # a printed accuracy (61.33 %) gives away its count but is not equal to it: what was given is what is used
    exact = (frame["n_correct"] / frame["n_items"] - frame["accuracy"]).abs() < 1e-12
    base_exact = (frame["baseline_correct"] / frame["baseline_items"] - frame["baseline"]).abs() < 1e-12
    whole = same_items & exact & base_exact
    # in items where both counts are known: no rounding of accuracies enters, and equal cells tie exactly
    unit = frame["n_items"].where(whole, 1.0)
    after = frame["n_correct"].where(whole, frame["accuracy"])
    before = frame["baseline_correct"].where(whole, frame["baseline"])
    frame["gap"] = (frame["ceiling"] * unit - before) / unit
    frame["gain"] = (after - before) / unit

    reported_only = frame["pgf"].notna() & frame["accuracy"].isna()
    no_gap = frame["gap"] <= 1e-12
    under_one = ~no_gap & (frame["gap"] * frame["baseline_items"] < 1 - 1e-9)
    computed = ((after - before) / (frame["ceiling"] * unit - before)).where(~no_gap & ~under_one)
    # a PGF that came without accuracies was computed at ceiling 1 and stands as it is only there
    at_reported_ceiling = frame["pgf"].notna() & (frame["ceiling"] == 1)
    undefined = (no_gap | under_one) & ~reported_only
    frame["pgf"] = frame["pgf"].where(at_reported_ceiling, computed).mask(undefined)
    flags = {
        "missing": frame["accuracy"].isna() & ~reported_only,
        "no_baseline": frame["baseline"].isna() & frame["accuracy"].notna(),
        "no_gap": no_gap & frame["accuracy"].notna(),
        "gap_under_one_item": under_one & frame["accuracy"].notna(),
        "pgf_only": reported_only,
        "items_differ": ~same_items & frame["n_items"].notna() & frame["baseline_items"].notna(),
    }
    frame["flags"] = join_flags(frame, {name: on.to_numpy() for name, on in flags.items()})
    return frame[list(PGF_COLUMNS)]


def _baselines(accuracies: pd.DataFrame, runs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Baseline accuracy, items and count for each run: the seed's own, else the seedless one."""
    base = accuracies[accuracies["kind"] == "base"]
    columns = {"accuracy": "baseline", "n_items": "baseline_items", "n_correct": "baseline_correct"}
    base = base[["model", "target", "seed", *columns]].rename(columns=columns)
    own = runs[["model", "target", "seed"]].merge(base, on=["model", "target", "seed"], how="left")
    seedless = base[base["seed"] == ""].drop(columns="seed")
    shared = runs[["model", "target"]].merge(seedless, on=["model", "target"], how="left")
    lacking = own["baseline"].isna().to_numpy()
    return {name: np.where(lacking, shared[name], own[name]) for name in columns.values()}


def transfers_table(
    pgf: pd.DataFrame,
    *,
    items: pd.DataFrame | None = None,
    confidence: float = 0.95,
    margin: float = EQUIVALENCE_MARGIN,
) -> pd.DataFrame:
    """Average each source-target cell over its seeds.

    Parameters
    ----------
    pgf
        Table of `pgf_table`.
    items
        Item-level scores, where there are any: the ``items`` of `tasktransfer.read_accuracies`.
    confidence
        Level of the intervals, in (0, 1).
    margin
        Accuracy; a gain surely within it is called negligible.

    Returns
    -------
    pandas.DataFrame
        The whole grid of sources and targets of each model and kind, columns
        `tasktransfer.tables.TRANSFER_COLUMNS`, holes as NaN with the flag ``missing``. ``pgf`` is the mean over
        seeds of each seed's PGF, ``pgf_pooled`` the ratio of the mean gain to the mean gap. The column
        ``uncertainty`` says what intervals and tests speak of, see `tasktransfer.analysis.uncertainty`.
    """
    # sums over seeds are made in one order, so that the order of the input does not move their last digits
    rows = pgf.assign(defined=pgf["pgf"].notna()).sort_values([*_CELL, "pgf", "seed"], kind="stable")
    used = rows[rows["defined"]]
    cells = used.groupby(_CELL, sort=False)
    frame = cells[["pgf", "n_items", "accuracy", "baseline", "gain", "gap"]].mean()
    sums = cells[["gain", "gap"]].sum(min_count=1)
    frame["pgf_pooled"] = sums["gain"] / sums["gap"]
    frame["n_seeds"] = cells["pgf"].size()
    frame["seed_sd"] = cells["pgf"].std(ddof=1)
    frame = _grid(pgf).merge(frame.reset_index(), on=_CELL, how="left")
    frame["n_seeds"] = frame["n_seeds"].fillna(0).astype(int)
    frame["flags"] = _cell_flags(frame, rows)
    frame["interaction"] = np.nan
    frame = seed_intervals(frame, confidence=confidence)
    if items is not None and len(items):
        ceilings = pgf[["model", "target", "ceiling"]].drop_duplicates(["model", "target"])
        frame = item_intervals(frame, items, ceilings, confidence=confidence)
    return decide(frame, confidence=confidence, margin=margin)[list(TRANSFER_COLUMNS)]


def _grid(pgf: pd.DataFrame) -> pd.DataFrame:
    """Every source of a model and kind with every target of the model, in the order of appearance."""
    parts = []
    for model in models_of(pgf):
        of_model = pgf[pgf["model"] == model]
        targets = list(dict.fromkeys(of_model["target"]))
        for kind in dict.fromkeys(of_model["kind"]):
            sources = list(dict.fromkeys(of_model.loc[of_model["kind"] == kind, "source"]))
            index = pd.MultiIndex.from_product([[model], [kind], sources, targets], names=_CELL)
            parts.append(index.to_frame(index=False))
    return pd.concat(parts, ignore_index=True)


def _cell_flags(frame: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """Flags of the cell's runs, each once, and ``missing`` for a cell without any."""
    flagged = rows.loc[rows["flags"] != "", [*_CELL, "flags"]]
    joined = flagged.groupby(_CELL, sort=False)["flags"].agg(
        lambda texts: ";".join(dict.fromkeys(flag for text in texts for flag in text.split(";")))
    )
    merged = frame[_CELL].merge(joined.reset_index(), on=_CELL, how="left")["flags"].fillna("")
    empty = (frame["n_seeds"] == 0).to_numpy() & (merged == "").to_numpy()
    return list(np.where(empty, "missing", merged))


def models_of(table: pd.DataFrame) -> list[str]:
    """Models of a table in the order of the inputs."""
    return list(table["model"].unique())


def tasks_of(transfers: pd.DataFrame, model: str | None = None) -> list[str]:
    """Tasks of the matrix in order of appearance: finetuned sources first, then targets that are no source."""
    rows = transfers if model is None else transfers[transfers["model"] == model]
    finetuned = rows[rows["kind"] == "finetune"]
    return list(dict.fromkeys([*finetuned["source"].unique(), *finetuned["target"].unique()]))


def matrix(
    transfers: pd.DataFrame, model: str, *, value: str = "pgf", tasks: Iterable[str] | None = None
) -> pd.DataFrame:
    """The PGF matrix of one model as a view: rows sources, columns targets, finetunes only.

    Parameters
    ----------
    transfers
        Table of `transfers_table`.
    model
        Name of the model.
    value
        Column to show, for example ``pgf``, ``interaction`` or ``gain``.
    tasks
        Order of rows and columns; by default the tasks of that model. The result is square: a task that is
        only a target has an empty row.
    """
    if model not in (known := models_of(transfers)):
        raise InputError(f"no model {quoted([model])}{closest(model, known)}; there are {quoted(known)}")
    if value not in transfers:
        raise InputError(f"no column {value!r}{closest(value, transfers.columns)} in the transfers table")
    order = list(tasks) if tasks is not None else tasks_of(transfers, model)
    rows = transfers[(transfers["model"] == model) & (transfers["kind"] == "finetune")]
    values = rows.set_index(["source", "target"])[value].unstack("target")
    return values.reindex(index=order, columns=order).rename_axis(index="source", columns="target")
