"""The whole analysis of one accuracies table, as a value that can be looked at, saved and compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasktransfer.analysis.ceilings import CEILINGS, available_ceilings
from tasktransfer.analysis.chance import NULLS, CliqueChance, clique_chance
from tasktransfer.analysis.cliques import SIGNS, CliqueSearch, find_cliques, joined_names
from tasktransfer.analysis.decomposition import Decomposition, decompose
from tasktransfer.analysis.diagnostics import diagnose
from tasktransfer.analysis.graph import transfer_edges
from tasktransfer.analysis.personas import assign_personas, consistent_personas
from tasktransfer.analysis.pgf import matrix, models_of, pgf_table, tasks_of, transfers_table
from tasktransfer.analysis.scale import scale_trend
from tasktransfer.analysis.sensitivity import ceiling_sensitivity, sensitivity_summary
from tasktransfer.analysis.summary import summarize_model, versions
from tasktransfer.analysis.taxonomy import average_by_taxonomy
from tasktransfer.analysis.transferability import AGGREGATES, aggregate_transfer
from tasktransfer.errors import InputError, SettingsError, closest, quoted
from tasktransfer.tables import ACCURACY_COLUMNS, Accuracies
from tasktransfer.tasks import find_task

__all__ = ["VIEWS", "Analysis", "Settings", "analyze"]

VIEWS = ("raw", "interaction")


@dataclass(frozen=True)
class Settings:
    """Choices that change the result; where it is written is not one of them.

    Parameters
    ----------
    ceiling
        ``perfect``, ``human``, ``best-observed`` or the path of a ceiling table.
    include_self
        Count self-transfer in transferability, malleability and what follows from them.
    on
        Draw graph, cliques, aggregates and personas on the ``raw`` PGF or on its ``interaction`` with target
        and source effects removed.
    top_share
        Share of the cells of each sign kept as edges, in (0, 1].
    confidence
        Level of intervals, in (0, 1).
    seed
        Seed of whatever draws random numbers (the null matrices).
    """

    ceiling: str = "perfect"
    include_self: bool = False
    on: str = "raw"
    top_share: float = 0.20
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.on not in VIEWS:
            hint = closest(self.on, VIEWS)
            raise SettingsError(f"on is {self.on!r}{hint}; accepted are {' and '.join(VIEWS)}")
        kind = type(self.ceiling).__name__
        if kind != "str":
            raise SettingsError(f"ceiling is of type {kind}; accepted are {', '.join(CEILINGS)}, or a file's path")
        if not 0 < self.top_share <= 1:
            raise SettingsError(f"top share is {self.top_share:g}; accepted is a share in (0, 1]")
        if not 0 < self.confidence < 1:
            raise SettingsError(f"confidence is {self.confidence:g}; accepted is a level in (0, 1)")
        if self.seed < 0:
            raise SettingsError(f"seed is {self.seed}; accepted is a whole number from 0")


@dataclass(frozen=True)
class Analysis:
    """Every table of one analysis; see `analyze`."""

    settings: Settings
    accuracies: pd.DataFrame
    pgf: pd.DataFrame
    transfers: pd.DataFrame
    tasks: pd.DataFrame
    edges: pd.DataFrame
    cliques: pd.DataFrame
    taxonomy: pd.DataFrame
    scale: pd.DataFrame
    ceilings: pd.DataFrame
    decomposition: pd.DataFrame
    diagnostics: pd.DataFrame
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
    transfers = transfers_table(pgf, items=items, confidence=settings.confidence)
    models = models_of(transfers)
    decompositions = {model: decompose(matrix(transfers, model)) for model in models}
    transfers = transfers.assign(interaction=_interaction_column(transfers, decompositions))
    value = "pgf" if settings.on == "raw" else "interaction"
    matrices = {model: matrix(transfers, model, value=value) for model in models}
    tasks = _tasks_table(matrices, transfers, decompositions, settings)
    edges = _edges_table(matrices, settings)
    searches = {(m, sign): find_cliques(matrices[m], sign) for m in models for sign in SIGNS}
    chances = _chances(matrices, settings)
    diagnostics = diagnose(table, pgf, transfers, decompositions)
    ceiling_rows = ceiling_sensitivity(table, ceilings, include_self=settings.include_self)
    scale = scale_trend(tasks)
    summary = {
        "settings": asdict(settings),
        "models": {
            model: summarize_model(model, transfers, tasks, edges, decompositions[model], searches, chances)
            for model in models
        },
        "personas_in_every_model": consistent_personas(
            {model: rows.set_index("task")["persona"] for model, rows in tasks.groupby("model", sort=False)}
        ),
        "ceiling_sensitivity": sensitivity_summary(ceiling_rows, settings.ceiling),
        "notes": [*notes, *_registry_notes(table), *_cut_notes(searches)],
        "versions": versions(),
    }
    return Analysis(
        settings=settings,
        accuracies=table,
        pgf=pgf,
        transfers=transfers,
        tasks=tasks,
        edges=edges,
        cliques=_cliques_table(searches),
        taxonomy=average_by_taxonomy(tasks),
        scale=scale,
        ceilings=ceiling_rows,
        decomposition=_decomposition_table(decompositions),
        diagnostics=diagnostics,
        summary=summary,
        items=items,
    )


def _as_accuracies(given: Accuracies | pd.DataFrame) -> Accuracies:
    accuracies = Accuracies(given) if isinstance(given, pd.DataFrame) else given
    if not isinstance(accuracies, Accuracies):
        raise InputError(f"analyze takes the result of read_accuracies(...), not {type(given).__name__}")
    missing = [column for column in ACCURACY_COLUMNS if column not in accuracies.table]
    if missing:
        raise InputError(f"missing column {quoted(missing)}; read_accuracies(path) makes the table analyze takes")
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


def _tasks_table(
    matrices: dict[str, pd.DataFrame],
    transfers: pd.DataFrame,
    decompositions: dict[str, Decomposition],
    settings: Settings,
) -> pd.DataFrame:
    parts = []
    for model, values in matrices.items():
        aggregates = aggregate_transfer(values, include_self=settings.include_self)
        facts = [find_task(str(task)) for task in values.index]
        raw = matrix(transfers, model)
        frame = pd.DataFrame(
            {
                "model": model,
                "task": values.index,
                "abbreviation": [fact.abbreviation if fact else "" for fact in facts],
                "level": [fact.level if fact else "" for fact in facts],
                "granularity": [fact.granularity if fact else "" for fact in facts],
            }
        )
        for column in AGGREGATES:
            frame[column] = aggregates[column].to_numpy()
        frame["persona"] = assign_personas(aggregates).to_numpy()
        frame["self_transfer"] = np.diag(raw.to_numpy())
        frame["target_effect"] = decompositions[model].target_effect.to_numpy()
        frame["source_effect"] = decompositions[model].source_effect.to_numpy()
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def _edges_table(matrices: dict[str, pd.DataFrame], settings: Settings) -> pd.DataFrame:
    parts = []
    for model, values in matrices.items():
        edges = transfer_edges(values, top_share=settings.top_share)
        edges.insert(0, "model", model)
        parts.append(edges.assign(on=settings.on))
    return pd.concat(parts, ignore_index=True)


def _chances(matrices: dict[str, pd.DataFrame], settings: Settings) -> dict[tuple[str, str, str], CliqueChance]:
    """The largest clique of each model and sign against each null, every one with a stream of its own."""
    keys = [(model, sign, null) for model in matrices for sign in SIGNS for null in NULLS]
    streams = np.random.SeedSequence(settings.seed).spawn(len(keys))
    return {
        key: clique_chance(matrices[key[0]], *key[1:], seed=np.random.default_rng(stream))
        for key, stream in zip(keys, streams, strict=True)
    }


def _cliques_table(searches: dict[tuple[str, str], CliqueSearch]) -> pd.DataFrame:
    rows = [
        (model, sign, len(clique), joined_names(clique))
        for (model, sign), search in searches.items()
        for clique in search.cliques
    ]
    return pd.DataFrame(rows, columns=["model", "sign", "size", "tasks"])


def _registry_notes(table: pd.DataFrame) -> list[str]:
    """One sentence for each task that is taken for a registered one under another spelling or item count."""
    told = []
    for name, n_items in table.groupby("target", sort=False)["n_items"].max().items():
        task = find_task(str(name))
        if task is None or task.n_items is None:
            continue
        read_as = f"{quoted([name])} is read as BLINK's {task.name} ({task.level} level, {task.granularity})"
        if not np.isnan(n_items) and n_items != task.n_items:
            told.append(
                f"{read_as}, but has {n_items:g} items, not {task.n_items}: chance and answer counts are not "
                f"taken from there. Rename it if it is another task."
            )
        elif str(name) != task.name and not str(name).startswith("blink_"):
            told.append(f"{read_as}. Rename it if it is another task.")
    return told


def _cut_notes(searches: dict[tuple[str, str], CliqueSearch]) -> list[str]:
    return [
        f"{model}: the search for {sign} cliques was cut after {len(search.cliques)} maximal cliques; "
        f"there are more, and larger ones may exist."
        for (model, sign), search in searches.items()
        if not search.complete
    ]


def _decomposition_table(decompositions: dict[str, Decomposition]) -> pd.DataFrame:
    parts = []
    for model, parts_of_model in decompositions.items():
        frame = parts_of_model.shares.reset_index()
        frame.insert(0, "model", model)
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)
