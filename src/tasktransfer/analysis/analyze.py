"""The whole analysis of one accuracies table, as a value that can be looked at, saved and compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from tasktransfer.analysis.certainty import step_certainty
from tasktransfer.analysis.cliques import SIGNS, find_cliques
from tasktransfer.analysis.controls import control_columns, net_of_controls
from tasktransfer.analysis.diagnostics import diagnose
from tasktransfer.analysis.measure import Measured, as_accuracies, measure
from tasktransfer.analysis.personas import consistent_personas
from tasktransfer.analysis.pgf import matrix, models_of, tasks_of
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
from tasktransfer.analysis.summary import cut_notes, registry_notes, summarize_model, versions
from tasktransfer.analysis.taxonomy import average_by_taxonomy
from tasktransfer.errors import InputError, quoted
from tasktransfer.tables import Accuracies

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

    @property
    def tasks_of_models(self) -> dict[str, list[str]]:
        """Tasks of each model, in the order of the whole analysis, so that models compare."""
        every = tasks_of(self.transfers)
        own = {model: set(tasks_of(self.transfers, model)) for model in self.models}
        return {model: [task for task in every if task in own[model]] for model in own}

    def matrix(self, model: str, *, value: str = "pgf") -> pd.DataFrame:
        """The matrix of one model, rows sources, columns targets, tasks in the order of the whole analysis.

        `value` is a column of ``transfers``, for example ``pgf``, ``interaction`` or ``gain``.
        """
        return matrix(self.transfers, model, value=value, tasks=self.tasks_of_models[model])

    def measured_again(self, **changed: Any) -> Measured:
        """The same accuracies measured with other settings: ``ceiling="human"``, ``confidence=0.8``."""
        accuracies = Accuracies(self.accuracies, items=self.items)
        return measure(accuracies, replace(self.settings, **changed))


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
    accuracies = as_accuracies(accuracies)
    _require_finetunes(accuracies.table)
    measured = measure(accuracies, settings)
    settings, (table, notes, items) = measured.settings, accuracies
    pgf, transfers, decompositions = measured.pgf, measured.transfers, measured.decompositions
    models = models_of(transfers)
    value = "pgf" if settings.on == "raw" else "interaction"
    matrices = {model: matrix(transfers, model, value=value) for model in models}
    drawn = drawn_structures(transfers, measured.resampled, settings)
    kinds = kinds_of_models(transfers, settings)
    tasks = tasks_table(matrices, transfers, decompositions, drawn, kinds, settings)
    aggregates = aggregates_table(tasks, drawn, kinds, settings)
    edges = edges_table(matrices, drawn, kinds, settings)
    searches = {(m, sign): find_cliques(matrices[m], sign) for m in models for sign in SIGNS}
    cliques = cliques_table(searches, drawn, kinds)
    chances = clique_chances(matrices, settings)
    decomposition = decomposition_table(decompositions, drawn)
    diagnostics = diagnose(table, pgf, transfers, decompositions, measured.resampled)
    net = net_of_controls(transfers, measured.resampled, confidence=settings.confidence)
    ceiling_rows = ceiling_sensitivity(table, measured.ceilings, include_self=settings.include_self)
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
        control_columns=control_columns(net, transfers, measured.resampled),
        summary=summary,
        items=items,
    )


def _require_finetunes(table: pd.DataFrame) -> None:
    if not (table["kind"] == "finetune").any():
        kinds = quoted(kind for kind in table["kind"].unique() if kind != "base")
        raise InputError(
            f"there is no finetune, only {kinds}: no matrix to analyze; transfers_table gives the rows"
        )
