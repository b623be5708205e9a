"""The matrix under every choice that a reader may switch to, with all that is read off it.

A view is one model, one seed or the mean over them, one ceiling, and raw PGF or its interaction. Each is measured
and read as the analysed one is, so that a page that switches shows what an analysis with that setting would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.cliques import SIGNS, find_cliques, split_names
from tasktransfer.analysis.decomposition import decompose
from tasktransfer.analysis.graph import edge_thresholds
from tasktransfer.analysis.personas import assign_personas
from tasktransfer.analysis.pgf import matrix
from tasktransfer.analysis.settings import VIEWS
from tasktransfer.analysis.transferability import aggregate_transfer

__all__ = ["Cliques", "View", "views_of"]

CLIQUES_SHOWN = 50
_SEARCHED = {True: 5_000, False: 1_000}  # cliques at most, by: is it the mean over seeds


class Cliques(NamedTuple):
    """Cliques of one sign, the largest first."""

    shown: list[tuple[str, ...]]  # at most `CLIQUES_SHOWN`
    n_maximal: int
    complete: bool  # whether all were searched
    probability: pd.Series | None  # of those shown; None where it is not known


class View(NamedTuple):
    """One matrix and what is read off it."""

    model: str
    seed: str | None  # None is the mean over seeds
    ceiling: str
    on: str  # raw or interaction
    rows: pd.DataFrame  # transfers of all models, or PGF of one seed of this model
    matrix: pd.DataFrame  # rows sources, columns targets
    aggregates: pd.DataFrame
    personas: pd.Series
    thresholds: dict[str, float]  # smallest size of an edge, by sign
    cliques: dict[str, Cliques]  # by sign


def views_of(analysis: Analysis, seeds: Sequence[str], ceilings: Sequence[str]) -> Iterator[View]:
    """Every view of an analysis: by ceiling, model, seed (the mean first), and raw or interaction.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    seeds
        Seeds shown one by one; those that a model lacks are left out for it.
    ceilings
        Names of those that the data allow.
    """
    for ceiling in ceilings:
        measured = analysis if ceiling == analysis.settings.ceiling else analysis.measured_again(ceiling=ceiling)
        for model, order in analysis.tasks_of_models.items():
            for seed, rows in _grains(measured.pgf, measured.transfers, model, seeds):
                raw = matrix(rows, model, tasks=order)
                for on in VIEWS:
                    shown = raw if on == "raw" else decompose(raw).interaction
                    analysed = seed is None and (ceiling, on) == (analysis.settings.ceiling, analysis.settings.on)
                    aggregates = aggregate_transfer(shown, include_self=analysis.settings.include_self)
                    yield View(
                        model,
                        seed,
                        ceiling,
                        on,
                        rows,
                        shown,
                        aggregates,
                        assign_personas(aggregates),
                        edge_thresholds(shown, top_share=analysis.settings.top_share),
                        _analysed_cliques(analysis, model) if analysed else _cliques(shown, mean=seed is None),
                    )


def _grains(
    pgf: pd.DataFrame, transfers: pd.DataFrame, model: str, seeds: Sequence[str]
) -> Iterator[tuple[str | None, pd.DataFrame]]:
    """The mean over seeds, then each seed that the model has."""
    yield None, transfers
    of_model = pgf[(pgf["model"] == model) & (pgf["kind"] == "finetune")]
    for seed in seeds:
        rows = of_model[of_model["seed"] == seed]
        if len(rows):
            yield seed, rows


def _analysed_cliques(analysis: Analysis, model: str) -> dict[str, Cliques]:
    table = analysis.cliques[analysis.cliques["model"] == model]
    cliques = {}
    for sign in SIGNS:
        first = table[table["sign"] == sign].head(CLIQUES_SHOWN)
        largest = analysis.summary["models"][model]["largest_clique"][sign]
        names = [split_names(text) for text in first["tasks"]]
        cliques[sign] = Cliques(names, largest["n_maximal"], largest["complete"], first["probability"])
    return cliques


def _cliques(shown: pd.DataFrame, *, mean: bool) -> dict[str, Cliques]:
    searches = {sign: find_cliques(shown, sign, limit=_SEARCHED[mean]) for sign in SIGNS}
    return {
        sign: Cliques(search.cliques[:CLIQUES_SHOWN], len(search.cliques), search.complete, None)
        for sign, search in searches.items()
    }
