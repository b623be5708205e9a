"""The whole analysis of one accuracies table, as a value that can be looked at, saved and compared."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasktransfer.analysis.ceilings import CEILINGS, available_ceilings
from tasktransfer.analysis.certainty import (
    DrawnMatrices,
    aggregate_certainty,
    clique_probabilities,
    draw_matrices,
    edge_probabilities,
    noise_sum_of_squares,
    persona_probabilities,
    rank_intervals,
    scale_certainty,
)
from tasktransfer.analysis.chance import NULLS, CliqueChance, clique_chance
from tasktransfer.analysis.cliques import SIGNS, CliqueSearch, find_cliques, joined_names
from tasktransfer.analysis.controls import control_columns, net_of_controls
from tasktransfer.analysis.decomposition import Decomposition, decompose
from tasktransfer.analysis.diagnostics import diagnose
from tasktransfer.analysis.graph import transfer_edges
from tasktransfer.analysis.personas import PERSONAS, assign_personas, consistent_personas
from tasktransfer.analysis.pgf import matrix, models_of, pgf_table, tasks_of, transfers_table
from tasktransfer.analysis.resampling import Resampled, drawn_intervals, resample
from tasktransfer.analysis.scale import scale_trend
from tasktransfer.analysis.sensitivity import ceiling_sensitivity, sensitivity_summary
from tasktransfer.analysis.summary import summarize_model, versions
from tasktransfer.analysis.taxonomy import average_by_taxonomy
from tasktransfer.analysis.transferability import AGGREGATES, aggregate_transfer
from tasktransfer.analysis.uncertainty import EQUIVALENCE_MARGIN
from tasktransfer.errors import InputError, SettingsError, closest, quoted
from tasktransfer.tables import ACCURACY_COLUMNS, Accuracies
from tasktransfer.tasks import find_task

__all__ = ["VIEWS", "Analysis", "Settings", "analyze"]

VIEWS = ("raw", "interaction")
RANKS = ("rank", "rank_low", "rank_high")


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
    margin
        Accuracy, in (0, 1); a gain surely within it is called negligible.
    seed
        Seed of whatever draws random numbers (resampled, plausible and null matrices).
    """

    ceiling: str = "perfect"
    include_self: bool = False
    on: str = "raw"
    top_share: float = 0.20
    confidence: float = 0.95
    margin: float = EQUIVALENCE_MARGIN
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
        if not 0 < self.margin < 1:
            raise SettingsError(f"margin is {self.margin:g}; accepted is a gain in accuracy in (0, 1)")
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
    drawn = _drawn(transfers, resampled, settings)
    tasks = _tasks_table(matrices, transfers, decompositions, drawn, settings)
    aggregates = _aggregates_table(tasks, drawn, settings)
    edges = _edges_table(matrices, drawn, settings)
    searches = {(m, sign): find_cliques(matrices[m], sign) for m in models for sign in SIGNS}
    cliques = _cliques_table(searches, drawn)
    chances = _chances(matrices, settings)
    decomposition = _decomposition_table(decompositions, drawn)
    diagnostics = diagnose(table, pgf, transfers, decompositions, resampled)
    net = net_of_controls(transfers, resampled, confidence=settings.confidence)
    ceiling_rows = ceiling_sensitivity(table, ceilings, include_self=settings.include_self)
    scale = scale_trend(tasks)
    certain = scale_certainty(drawn, models, confidence=settings.confidence)
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
        "notes": [*notes, *_registry_notes(table), *_cut_notes(searches)],
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
        scale=scale.merge(certain, on=["measure", "model"], how="left"),
        ceilings=ceiling_rows,
        decomposition=decomposition,
        diagnostics=diagnostics,
        controls=net,
        control_columns=control_columns(net, transfers, resampled),
        summary=summary,
        items=items,
    )


def _drawn(
    transfers: pd.DataFrame, resampled: dict[str, Resampled], settings: Settings
) -> dict[str, DrawnMatrices | None]:
    """Matrices that the errors leave open, for each model; None where no error is known."""
    return {
        model: draw_matrices(
            matrix(transfers, model),
            resampled[model],
            on=settings.on,
            include_self=settings.include_self,
            seed=np.random.default_rng([settings.seed, *model.encode()]),
        )
        for model in models_of(transfers)
    }


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
    drawn: dict[str, DrawnMatrices | None],
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
        of_model = drawn[model]
        if of_model is not None:
            labels = persona_probabilities(of_model).add_prefix("p_")
            ranks = rank_intervals(aggregates, of_model, confidence=settings.confidence)
            frame = frame.join(labels.join(ranks), on="task")
        else:
            frame = frame.assign(**dict.fromkeys([*(f"p_{name}" for name in PERSONAS), *RANKS], np.nan))
        frame["self_transfer"] = np.diag(raw.to_numpy())
        frame["target_effect"] = decompositions[model].target_effect.to_numpy()
        frame["source_effect"] = decompositions[model].source_effect.to_numpy()
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def _aggregates_table(
    tasks: pd.DataFrame, drawn: dict[str, DrawnMatrices | None], settings: Settings
) -> pd.DataFrame:
    parts = []
    for model, rows in tasks.groupby("model", sort=False):
        of_model = drawn[str(model)]
        if of_model is not None:
            frame = aggregate_certainty(rows.set_index("task"), of_model, confidence=settings.confidence)
            frame.insert(0, "model", model)
            parts.append(frame)
    columns = ["model", "task", "measure", "value", "low", "high", "debiased", "noise_level"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _edges_table(
    matrices: dict[str, pd.DataFrame], drawn: dict[str, DrawnMatrices | None], settings: Settings
) -> pd.DataFrame:
    parts = []
    for model, values in matrices.items():
        edges = transfer_edges(values, top_share=settings.top_share)
        edges.insert(0, "model", model)
        of_model = drawn[model]
        if of_model is not None:
            edges["probability"] = edge_probabilities(edges, of_model, top_share=settings.top_share)
        else:
            edges["probability"] = np.nan
        parts.append(edges.assign(on=settings.on))
    return pd.concat(parts, ignore_index=True)


def _chances(matrices: dict[str, pd.DataFrame], settings: Settings) -> dict[tuple[str, str, str], CliqueChance]:
    """The largest clique of each model and sign against each null, every one with a stream of its own."""
    keys = [(model, sign, null) for model in matrices for sign in SIGNS for null in NULLS]
    return {
        key: clique_chance(
            matrices[key[0]], *key[1:], seed=np.random.default_rng([settings.seed, *"\0".join(key).encode()])
        )
        for key in keys
    }


def _cliques_table(
    searches: dict[tuple[str, str], CliqueSearch], drawn: dict[str, DrawnMatrices | None]
) -> pd.DataFrame:
    parts = []
    for (model, sign), search in searches.items():
        frame = pd.DataFrame({"model": model, "sign": sign, "size": [len(c) for c in search.cliques]})
        of_model = drawn[model]
        frame["probability"] = np.nan
        if of_model is not None:
            frame["probability"] = clique_probabilities(search.cliques, sign, of_model)
        frame["tasks"] = [joined_names(clique) for clique in search.cliques]
        parts.append(frame)
    return pd.concat(parts, ignore_index=True).astype({"size": int})


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


def _decomposition_table(
    decompositions: dict[str, Decomposition], drawn: dict[str, DrawnMatrices | None]
) -> pd.DataFrame:
    """Shares by model; the row ``noise`` is the part of the interaction that errors alone would leave."""
    parts = []
    for model, of_model in decompositions.items():
        frame = of_model.shares.reset_index()
        frame.insert(0, "model", model)
        drawn_model = drawn[model]
        noise = noise_sum_of_squares(drawn_model) if drawn_model is not None else np.nan
        total = frame["sum_of_squares"].sum()
        share = noise / total if total > 1e-24 else np.nan
        frame.loc[len(frame)] = [model, "noise", share, noise, frame["df"].iloc[-1]]
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)
