"""The structure of every model as tables: tasks, aggregates, edges, cliques and the split of the variation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasktransfer.analysis.certainty import (
    DrawnMatrices,
    aggregate_certainty,
    clique_probabilities,
    draw_matrices,
    edge_probabilities,
    noise_sum_of_squares,
    persona_probabilities,
    rank_intervals,
)
from tasktransfer.analysis.chance import NULLS, CliqueChance, clique_chance
from tasktransfer.analysis.cliques import SIGNS, CliqueSearch, joined_names
from tasktransfer.analysis.decomposition import Decomposition
from tasktransfer.analysis.error_kinds import CellKinds, cell_kinds
from tasktransfer.analysis.graph import transfer_edges
from tasktransfer.analysis.personas import PERSONAS, assign_personas
from tasktransfer.analysis.pgf import matrix, models_of
from tasktransfer.analysis.resampling import Resampled
from tasktransfer.analysis.settings import Settings
from tasktransfer.analysis.transferability import AGGREGATES, aggregate_transfer
from tasktransfer.tasks import find_task

__all__ = [
    "aggregates_table",
    "clique_chances",
    "cliques_table",
    "decomposition_table",
    "drawn_structures",
    "edges_table",
    "kinds_of_models",
    "scale_table",
    "tasks_table",
]

RANKS = ("rank", "rank_low", "rank_high")


def drawn_structures(
    transfers: pd.DataFrame, resampled: dict[str, Resampled], settings: Settings
) -> dict[str, DrawnMatrices | None]:
    """Matrices that the errors leave open, for each model; None where no error is known.

    Parameters
    ----------
    transfers
        Table of all models.
    resampled
        Draws by model.
    settings
        ``on``, ``include_self`` and ``seed`` count here.
    """
    return {
        model: draw_matrices(
            matrix(transfers, model),
            resampled[model],
            on=settings.on,
            include_self=settings.include_self,
            # a stream of its own: no other model of the analysis moves its draws
            seed=np.random.default_rng([settings.seed, *model.encode()]),
        )
        for model in models_of(transfers)
    }


def kinds_of_models(transfers: pd.DataFrame, settings: Settings) -> dict[str, CellKinds]:
    """What the intervals and probabilities of each model's structure speak of."""
    return {
        model: cell_kinds(transfers, model, on=settings.on, include_self=settings.include_self)
        for model in models_of(transfers)
    }


def tasks_table(
    matrices: dict[str, pd.DataFrame],
    transfers: pd.DataFrame,
    decompositions: dict[str, Decomposition],
    drawn: dict[str, DrawnMatrices | None],
    kinds: dict[str, CellKinds],
    settings: Settings,
) -> pd.DataFrame:
    """Facts, aggregates and labels of every task, a row for each model and task.

    Parameters
    ----------
    matrices
        By model, rows sources, columns targets: what the structure is drawn on.
    transfers
        Table of all models, for self-transfer.
    decompositions
        By model, for target and source effects.
    drawn
        Draws by model; None where no error is known.
    kinds
        Kinds of uncertainty by model.
    settings
        ``include_self`` and ``confidence`` count here.

    Returns
    -------
    pandas.DataFrame
        Columns model, task, abbreviation, level, granularity, the aggregates, persona, a probability ``p_NAME`` of
        each label, rank, rank_low, rank_high, uncertainty, self_transfer, target_effect and source_effect.
    """
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
        frame["uncertainty"] = kinds[model].of_model()
        frame["self_transfer"] = np.diag(raw.to_numpy())
        frame["target_effect"] = decompositions[model].target_effect.to_numpy()
        frame["source_effect"] = decompositions[model].source_effect.to_numpy()
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def aggregates_table(
    tasks: pd.DataFrame,
    drawn: dict[str, DrawnMatrices | None],
    kinds: dict[str, CellKinds],
    settings: Settings,
) -> pd.DataFrame:
    """Every aggregate with its interval, noise level and debiased value; no rows where no error is known.

    Parameters
    ----------
    tasks
        Of `tasks_table`.
    drawn
        Draws by model; None where no error is known.
    kinds
        Kinds of uncertainty by model.
    settings
        ``confidence`` counts here.

    Returns
    -------
    pandas.DataFrame
        Columns model, task (empty for the mean over tasks), measure, value, low, high, debiased, noise_level and
        uncertainty.
    """
    parts = []
    for model, rows in tasks.groupby("model", sort=False):
        of_model = drawn[str(model)]
        if of_model is not None:
            frame = aggregate_certainty(rows.set_index("task"), of_model, confidence=settings.confidence)
            frame.insert(0, "model", model)
            named = zip(frame["task"], frame["measure"], strict=True)
            frame["uncertainty"] = [kinds[str(model)].of_aggregate(*row) for row in named]
            parts.append(frame)
    columns = ["model", "task", "measure", "value", "low", "high", "debiased", "noise_level", "uncertainty"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def edges_table(
    matrices: dict[str, pd.DataFrame],
    drawn: dict[str, DrawnMatrices | None],
    kinds: dict[str, CellKinds],
    settings: Settings,
) -> pd.DataFrame:
    """Edges of every model's graph, each with its probability.

    Parameters
    ----------
    matrices
        By model, rows sources, columns targets: what the structure is drawn on.
    drawn
        Draws by model; None where no error is known.
    kinds
        Kinds of uncertainty by model.
    settings
        ``top_share`` and ``on`` count here.

    Returns
    -------
    pandas.DataFrame
        Columns model, source, target, pgf, sign, probability (NaN where no error is known), uncertainty and on.
    """
    parts = []
    for model, values in matrices.items():
        edges = transfer_edges(values, top_share=settings.top_share)
        edges.insert(0, "model", model)
        of_model = drawn[model]
        if of_model is not None:
            edges["probability"] = edge_probabilities(edges, of_model, top_share=settings.top_share)
        else:
            edges["probability"] = np.nan
        ends = zip(edges["source"], edges["target"], strict=True)
        edges["uncertainty"] = [kinds[model].of_edge(*edge) for edge in ends]
        parts.append(edges.assign(on=settings.on))
    return pd.concat(parts, ignore_index=True)


def scale_table(trend: pd.DataFrame, aggregates: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """The trend over models with what is known of each mean and of each step.

    Parameters
    ----------
    trend
        Of `tasktransfer.analysis.scale.scale_trend`.
    aggregates
        Of `aggregates_table`; the rows of the mean over tasks are joined.
    steps
        Of `tasktransfer.analysis.certainty.step_certainty`.
    """
    means = aggregates[aggregates["task"] == ""].drop(columns=["task", "value"])
    key = ["measure", "model"]
    return trend.merge(means, on=key, how="left").merge(steps, on=key, how="left")


def clique_chances(
    matrices: dict[str, pd.DataFrame], settings: Settings
) -> dict[tuple[str, str, str], CliqueChance]:
    """The largest clique of each model and sign against each null, every one with a stream of its own."""
    keys = [(model, sign, null) for model in matrices for sign in SIGNS for null in NULLS]
    return {
        key: clique_chance(
            matrices[key[0]], *key[1:], seed=np.random.default_rng([settings.seed, *"\0".join(key).encode()])
        )
        for key in keys
    }


def cliques_table(
    searches: dict[tuple[str, str], CliqueSearch],
    drawn: dict[str, DrawnMatrices | None],
    kinds: dict[str, CellKinds],
) -> pd.DataFrame:
    """Cliques of every model and sign, the largest first.

    Parameters
    ----------
    searches
        By model and sign.
    drawn
        Draws by model; None where no error is known.
    kinds
        Kinds of uncertainty by model.

    Returns
    -------
    pandas.DataFrame
        Columns model, sign, size, probability (NaN where it is not known), uncertainty and tasks, as
        `joined_names` writes them.
    """
    parts = []
    for (model, sign), search in searches.items():
        frame = pd.DataFrame({"model": model, "sign": sign, "size": [len(c) for c in search.cliques]})
        of_model = drawn[model]
        frame["probability"] = np.nan
        if of_model is not None:
            frame["probability"] = clique_probabilities(search.cliques, sign, of_model)
        frame["uncertainty"] = [kinds[model].of_clique(clique) for clique in search.cliques]
        frame["tasks"] = [joined_names(clique) for clique in search.cliques]
        parts.append(frame)
    return pd.concat(parts, ignore_index=True).astype({"size": int})


def decomposition_table(
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
        estimable = total > 1e-24 and frame["df"].iloc[-1] > 0
        share = noise / total if estimable else np.nan
        frame.loc[len(frame)] = [model, "noise", share, noise, frame["df"].iloc[-1]]
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)
