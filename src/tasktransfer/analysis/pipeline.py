"""The whole analysis of one accuracies table, as a value that can be looked at, saved and compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasktransfer.analysis.ceilings import available_ceilings
from tasktransfer.analysis.certainty import step_certainty
from tasktransfer.analysis.cliques import SIGNS, find_cliques
from tasktransfer.analysis.controls import control_columns, net_of_controls
from tasktransfer.analysis.decomposition import Decomposition, decompose
from tasktransfer.analysis.diagnostics import diagnose
from tasktransfer.analysis.notes import cut_notes, registry_notes
from tasktransfer.analysis.personas import consistent_personas
from tasktransfer.analysis.pgf import matrix, models_of, pgf_table, tasks_of, transfers_table
from tasktransfer.analysis.resampling import drawn_intervals, resample
from tasktransfer.analysis.scale import scale_trend
from tasktransfer.analysis.sensitivity import ceiling_sensitivity, sensitivity_summary
from tasktransfer.analysis.settings import Settings
from tasktransfer.analysis.structure_tables import (
    aggregates_table,
    clique_chances,
    cliques_table,
    decomposition_table,
    drawn_structures,
    edges_table,
    kinds_of_models,
    scale_table,
    tasks_table,
)
from tasktransfer.analysis.summary import summarize_model, versions
from tasktransfer.analysis.taxonomy import average_by_taxonomy
from tasktransfer.errors import InputError, quoted
from tasktransfer.tables import ACCURACY_COLUMNS, Accuracies

__all__ = ["Analysis", "analyze"]


@dataclass(frozen=True)
class Analysis:
    """Every table of one analysis; see `analyze`."""

    settings: Settings
    accuracies: pd.DataFrame
    pgf: pd.DataFrame
    transfers: pd.DataFrame
    tasks: pd.DataFrame
    aggregates: pd.DataFrame
    edges: pd.DataFrame
    cliques: pd.DataFrame
    taxonomy: pd.DataFrame
    scale: pd.DataFrame
    ceilings: pd.DataFrame
    decomposition: pd.DataFrame
    diagnostics: pd.DataFrame
    controls: pd.DataFrame
    control_columns: pd.DataFrame
    summary: dict[str, Any]
    items: pd.DataFrame | None = None  # scores by item, where the input had them

    @property
    def models(self) -> list[str]:
        """Models in size order, which is the order of the inputs."""
        return models_of(self.transfers)

    def matrix(self, model: str, *, value: str = "pgf") -> pd.DataFrame:
        """The matrix of one model, rows sources, columns targets, tasks in the order of the whole analysis.

        `value` is a column of ``transfers``, for example ``pgf``, ``interaction`` or ``gain``.
        """
        own = set(tasks_of(self.transfers, model))
        order = [task for task in tasks_of(self.transfers) if task in own]
        return matrix(self.transfers, model, value=value, tasks=order)


def analyze(accuracies: Accuracies | pd.DataFrame, settings: Settings | None = None) -> Analysis:
    """Analyze accuracies: PGF, aggregates, graph, cliques, personas, diagnostics.

    Parameters
    ----------
    accuracies
        Result of `tasktransfer.read_accuracies`, or only its table. With item-level scores, intervals and tests
        are over items and seeds.
    settings
        Choices; by default the paper's conventions.

    Returns
    -------
    Analysis
        Its tables are what ``tasktransfer analyze`` writes.

    Raises
    ------
    InputError, SettingsError
        The input is no accuracies table; see also `tasktransfer.ceiling_table`.
    """
    table, notes, items = _as_accuracies(accuracies)
    settings = settings or Settings()
    ceilings = available_ceilings(table, settings.ceiling)
    pgf = pgf_table(table, ceilings[settings.ceiling])
    transfers = transfers_table(pgf, items=items, confidence=settings.confidence, margin=settings.margin)
    best_observed = settings.ceiling == "best-observed"
    resampled = resample(transfers, pgf, items, best_observed=best_observed, seed=settings.seed)
    if best_observed:
        transfers = drawn_intervals(transfers, resampled, confidence=settings.confidence)
    models = models_of(transfers)
    decompositions = {model: decompose(matrix(transfers, model)) for model in models}
    transfers = transfers.assign(interaction=_interaction_column(transfers, decompositions))
    value = "pgf" if settings.on == "raw" else "interaction"
    matrices = {model: matrix(transfers, model, value=value) for model in models}
    drawn = drawn_structures(transfers, resampled, settings)
    kinds = kinds_of_models(transfers, settings)
    tasks = tasks_table(matrices, transfers, decompositions, drawn, kinds, settings)
    aggregates = aggregates_table(tasks, drawn, kinds, settings)
    edges = edges_table(matrices, drawn, kinds, settings)
    searches = {(m, sign): find_cliques(matrices[m], sign) for m in models for sign in SIGNS}
    cliques = cliques_table(searches, drawn, kinds)
    chances = clique_chances(matrices, settings)
    decomposition = decomposition_table(decompositions, drawn)
    diagnostics = diagnose(table, pgf, transfers, decompositions, resampled)
    net = net_of_controls(transfers, resampled, confidence=settings.confidence)
    ceiling_rows = ceiling_sensitivity(table, ceilings, include_self=settings.include_self)
    steps = step_certainty(drawn, models, confidence=settings.confidence)
    summary = {
        "settings": asdict(settings),
        "models": {
            model: summarize_model(model, transfers, tasks, edges, cliques, decomposition, searches, chances)
            for model in models
        },
        "personas_in_every_model": consistent_personas(
            {model: rows.set_index("task")["persona"] for model, rows in tasks.groupby("model", sort=False)}
        ),
        "ceiling_sensitivity": sensitivity_summary(ceiling_rows, settings.ceiling),
        "notes": [*notes, *registry_notes(table), *cut_notes(searches)],
        "versions": versions(),
    }
    return Analysis(
        settings=settings,
        accuracies=table,
        pgf=pgf,
        transfers=transfers,
        tasks=tasks,
        aggregates=aggregates,
        edges=edges,
        cliques=cliques,
        taxonomy=average_by_taxonomy(tasks),
        scale=scale_table(scale_trend(tasks), aggregates, steps),
        ceilings=ceiling_rows,
        decomposition=decomposition,
        diagnostics=diagnostics,
        controls=net,
        control_columns=control_columns(net, transfers, resampled),
        summary=summary,
        items=items,
    )


def _as_accuracies(given: Accuracies | pd.DataFrame) -> Accuracies:
    accuracies = Accuracies(given) if isinstance(given, pd.DataFrame) else given
    if not isinstance(accuracies, Accuracies):
        raise InputError(f"analyze takes the result of read_accuracies(...), not {type(given).__name__}")
    if "top_answer" not in accuracies.table:  # a table made in Python, or by an earlier version
        accuracies = accuracies._replace(table=accuracies.table.assign(top_answer=""))
    missing = [column for column in ACCURACY_COLUMNS if column not in accuracies.table]
    if missing:
        raise InputError(f"missing column {quoted(missing)}; read_accuracies(path) makes the table analyze takes")
    if not (accuracies.table["kind"] == "finetune").any():
        kinds = quoted(kind for kind in accuracies.table["kind"].unique() if kind != "base")
        raise InputError(
            f"there is no finetune, only {kinds}: no matrix to analyze; transfers_table gives the rows"
        )
    return accuracies


def _interaction_column(transfers: pd.DataFrame, decompositions: dict[str, Decomposition]) -> np.ndarray:
    column = np.full(len(transfers), np.nan)
    for model, parts in decompositions.items():
        here = ((transfers["model"] == model) & (transfers["kind"] == "finetune")).to_numpy()
        rows = transfers.loc[here]
        source = parts.interaction.index.get_indexer(rows["source"])
        target = parts.interaction.columns.get_indexer(rows["target"])
        column[here] = parts.interaction.to_numpy()[source, target]
    return column
