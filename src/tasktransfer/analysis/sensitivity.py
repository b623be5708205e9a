"""How far the choice of a ceiling decides the results; what it can and cannot change is in `ceilings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.analysis.personas import assign_personas, consistent_personas
from tasktransfer.analysis.pgf import matrix, models_of, pgf_table, transfers_table
from tasktransfer.analysis.transferability import AGGREGATES, aggregate_transfer

__all__ = ["ceiling_sensitivity", "sensitivity_summary"]


def ceiling_sensitivity(
    accuracies: pd.DataFrame, ceilings: Mapping[str, pd.DataFrame], *, include_self: bool = False
) -> pd.DataFrame:
    """Aggregates and personas of every task under several ceilings, on the raw PGF.

    Parameters
    ----------
    accuracies
        Table of `tasktransfer.read_accuracies`.
    ceilings
        Resolved ceilings by name, as from `tasktransfer.analysis.ceilings.available_ceilings`.
    include_self
        Count the diagonal.

    Returns
    -------
    pandas.DataFrame
        Columns model, ceiling_name, task, ceiling, baseline and gap (means over seeds), the aggregates, persona.
    """
    parts = []
    for name, table in ceilings.items():
        pgf = pgf_table(accuracies, table)
        transfers = transfers_table(pgf)
        means = pgf[pgf["kind"] == "finetune"].groupby(["model", "target"], sort=False)
        columns = means[["ceiling", "baseline", "gap"]].mean()
        for model in models_of(transfers):
            values = matrix(transfers, model)
            aggregates = aggregate_transfer(values, include_self=include_self)
            frame = aggregates.assign(persona=assign_personas(aggregates)).reset_index()
            frame = frame.merge(
                columns[columns.index.get_level_values("model") == model].reset_index("model", drop=True),
                left_on="task",
                right_index=True,
                how="left",
            )
            frame.insert(0, "model", model)
            frame.insert(1, "ceiling_name", name)
            parts.append(frame)
    order = ["model", "ceiling_name", "task", "ceiling", "baseline", "gap", *AGGREGATES, "persona"]
    return pd.concat(parts, ignore_index=True)[order]


def sensitivity_summary(ceilings: pd.DataFrame, chosen_name: str) -> dict[str, Any]:
    """Rank agreement of transferability with the chosen ceiling, and the labels that hold in every model.

    Parameters
    ----------
    ceilings
        Table of `ceiling_sensitivity`.
    chosen_name
        The ceiling that the others are compared with.

    Returns
    -------
    dict
        By ceiling: ``kendall_tau_transferability_pos`` by model (None where undefined) and
        ``personas_in_every_model``.
    """
    summary: dict[str, Any] = {}
    chosen = ceilings[ceilings["ceiling_name"] == chosen_name]
    for name, rows in ceilings.groupby("ceiling_name", sort=False):
        agreement = {}
        for model, of_model in rows.groupby("model", sort=False):
            here = of_model.set_index("task")["transferability_pos"]
            there = chosen[chosen["model"] == model].set_index("task")["transferability_pos"]
            pair = pd.concat([here, there], axis=1).dropna()
            varied = len(pair) > 1 and bool((pair.nunique() > 1).all())
            tau = stats.kendalltau(pair.iloc[:, 0], pair.iloc[:, 1]).statistic if varied else np.nan
            agreement[str(model)] = None if np.isnan(tau) else float(tau)
        labels = {m: of_model.set_index("task")["persona"] for m, of_model in rows.groupby("model", sort=False)}
        summary[str(name)] = {
            "kendall_tau_transferability_pos": agreement,
            "personas_in_every_model": consistent_personas({str(m): s for m, s in labels.items()}),
        }
    return summary
