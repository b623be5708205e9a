"""Ceilings U_j, and how far the choice of one decides the results.

A ceiling enters PGF(i -> j) = gain / (U_j - baseline) only through the target j, so it rescales a whole column.
It cannot change the sign of a transfer or the order of the sources for one target; it changes what is summed
over targets: transferability, the edges kept in the graph, personas.

``perfect``
    1.0, the paper's choice.
``human``
    Human accuracy from the task registry; models may exceed it, and a target whose baseline does is undefined.
``best-observed``
    The highest accuracy any run of the study reached on the target (baselines and finetunes of all models and
    seeds). A maximum of noisy numbers: it flatters the best cell, whose PGF is 1 by construction.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tasktransfer.errors import InputError, SettingsError, closest, quoted
from tasktransfer.tables import number_column, read_raw, refuse_conflicts, require_columns, text_column
from tasktransfer.tasks import find_task

__all__ = ["CEILINGS", "available_ceilings", "ceiling_table"]

CEILINGS = ("perfect", "human", "best-observed")


def ceiling_table(accuracies: pd.DataFrame, ceiling: str = "perfect") -> pd.DataFrame:
    """Resolve a choice of ceiling into one number per model and target.

    Parameters
    ----------
    accuracies
        Table of `tasktransfer.read_accuracies`.
    ceiling
        One of `CEILINGS`, or the path of a table with the columns target and ceiling, and model where ceilings
        differ by model; fractions, or percent if all are above 1.

    Returns
    -------
    pandas.DataFrame
        Columns model, target, ceiling.

    Raises
    ------
    InputError, SettingsError
        Unknown choice, a target without a ceiling, or values that came without accuracies, which cannot be
        put on another ceiling than 1.
    """
    cells = accuracies[["model", "target"]].drop_duplicates(ignore_index=True)
    if ceiling == "perfect":
        return cells.assign(ceiling=1.0)
    without = accuracies.loc[accuracies["pgf"].notna() & accuracies["accuracy"].isna(), "target"].unique()
    if len(without):
        raise InputError(
            f"ceiling {ceiling!r} needs accuracies, and {quoted(without)} came as PGF only; use ceiling 'perfect'"
        )
    if ceiling == "human":
        values = cells["target"].map(_human)
    elif ceiling == "best-observed":
        runs = accuracies[accuracies["kind"].isin(["base", "finetune"])]
        values = cells["target"].map(runs.groupby("target")["accuracy"].max())
    elif Path(ceiling).is_file():
        return _from_file(cells, Path(ceiling))
    else:
        hint = closest(ceiling, CEILINGS)
        raise SettingsError(
            f"ceiling is {quoted([ceiling])}{hint}; accepted are {', '.join(CEILINGS)}, or a .csv file with the "
            f"columns target and ceiling"
        )
    lacking = cells.loc[values.isna(), "target"].unique()
    if ceiling == "human" and len(lacking):
        raise InputError(
            f"no human accuracy is registered for {quoted(lacking)}; give a file with the columns target and "
            f"ceiling instead"
        )
    return cells.assign(ceiling=values.astype(float))


def _human(name: str) -> float:
    task = find_task(name)
    return task.human if task is not None and task.human is not None else np.nan


def _from_file(cells: pd.DataFrame, path: Path) -> pd.DataFrame:
    raw = read_raw(path)
    require_columns(raw, ["target", "ceiling"], "a ceiling table")
    stated = pd.DataFrame({"target": text_column(raw, "target", empty=False)})
    stated["ceiling"] = number_column(raw, "ceiling", low=0, high=100)
    key = ["target"]
    if "model" in raw.frame:
        stated["model"] = text_column(raw, "model", empty=False)
        key = ["model", "target"]
    odd = stated.loc[(stated["ceiling"] == 0) | stated["ceiling"].between(1, 2, inclusive="neither"), "target"]
    if len(odd):
        raise InputError(
            f"{raw.name}: the ceiling for {quoted(odd)} is no fraction in (0, 1] and hardly a percent"
        )
    if (stated["ceiling"] > 1).any():
        small = stated.loc[stated["ceiling"].between(0, 1, inclusive="neither"), "target"]
        if len(small):
            raise InputError(
                f"{raw.name}: ceilings both in (0, 1), for {quoted(small)}, and above 1; use one unit"
            )
        stated["ceiling"] /= 100
    stated = refuse_conflicts(stated, key, ["ceiling"], raw.name)
    frame = cells.merge(stated, on=key, how="left", validate="many_to_one")
    lacking = frame.loc[frame["ceiling"].isna(), "target"].unique()
    if len(lacking):
        raise InputError(f"{raw.name}: no ceiling for {quoted(lacking)}")
    return frame[["model", "target", "ceiling"]]


def available_ceilings(accuracies: pd.DataFrame, chosen: str) -> dict[str, pd.DataFrame]:
    """The chosen ceiling and every built-in one that these data allow, resolved."""
    tables = {}
    for ceiling in dict.fromkeys([*CEILINGS, chosen]):
        try:
            tables[ceiling] = ceiling_table(accuracies, ceiling)
        except InputError:
            if ceiling == chosen:
                raise
    return tables
