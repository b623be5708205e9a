"""How much of a known truth an analysis brings back: the check behind the demo."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.cliques import find_cliques
from tasktransfer.analysis.decomposition import decompose
from tasktransfer.analysis.simulation import SimulatedStudy
from tasktransfer.analysis.transferability import without_self

__all__ = ["Recovery", "recovered_truth"]

CLEAR_EFFECT = 0.10  # |true PGF| from which a wrong sign counts


class Recovery(NamedTuple):
    """What came back; shares in [0, 1], errors in PGF."""

    mean_absolute_error: float
    spearman_cells: float
    spearman_interaction: float
    n_clear: int  # off-diagonal cells with |true PGF| of at least `CLEAR_EFFECT`
    sign_agreement: float  # among those
    intervals_hold: float  # share of off-diagonal intervals that cover the truth
    true_target_share: float
    target_share: float
    clique_found: bool
    donor_found: bool
    sieve_found: bool
    constant_found: bool


def recovered_truth(analysis: Analysis, study: SimulatedStudy) -> Recovery:
    """Compare the analysis of a simulated study with its truth.

    Parameters
    ----------
    analysis
        Analysis of `study.predictions`, one model, ceiling ``perfect``, on the raw PGF.
    study
        Result of `simulate_study`.
    """
    model = analysis.models[0]
    estimate = analysis.matrix(model)
    true = study.truth.pivot(index="source", columns="target", values="pgf").loc[estimate.index, estimate.columns]
    cells, true_cells = without_self(estimate), without_self(true)
    off = ~np.isnan(cells) & ~np.isnan(true_cells)
    clear = off & (np.abs(true_cells) >= CLEAR_EFFECT)
    parts, true_parts = decompose(estimate), decompose(true)
    tasks = analysis.tasks.set_index("task")
    flagged = analysis.diagnostics[
        (analysis.diagnostics["scope"] == "target")
        & (analysis.diagnostics["check"] == "constant_answer")
        & analysis.diagnostics["flagged"].astype(bool)
    ]
    clique = set(study.planted["clique"])
    return Recovery(
        mean_absolute_error=float(np.abs(cells - true_cells)[off].mean()),
        spearman_cells=float(stats.spearmanr(cells[off], true_cells[off]).statistic),
        spearman_interaction=float(
            stats.spearmanr(parts.interaction.to_numpy()[off], true_parts.interaction.to_numpy()[off]).statistic
        ),
        n_clear=int(clear.sum()),
        sign_agreement=float((np.sign(cells) == np.sign(true_cells))[clear].mean()),
        intervals_hold=_intervals_hold(analysis, study.truth),
        true_target_share=float(true_parts.shares.loc["target", "share"]),
        target_share=float(parts.shares.loc["target", "share"]),
        clique_found=any(clique <= set(members) for members in find_cliques(estimate, "positive").cliques),
        donor_found=_holds(tasks, study.planted["donor"], "donor"),
        sieve_found=_holds(tasks, study.planted["sieve"], "sieve"),
        constant_found=set(study.planted["constant"]) == set(flagged["target"]),
    )


def _holds(tasks: pd.DataFrame, names: list[str], persona: str) -> bool:
    return all(persona in tasks.loc[name, "persona"].split(";") for name in names)


def _intervals_hold(analysis: Analysis, truth: pd.DataFrame) -> float:
    cells = analysis.transfers.merge(truth, on=["source", "target"], suffixes=("", "_true"))
    cells = cells[(cells["source"] != cells["target"]) & cells["low"].notna()]
    inside = (cells["low"] <= cells["pgf_true"]) & (cells["pgf_true"] <= cells["high"])
    return float(inside.mean()) if len(cells) else np.nan
