"""From accuracies to transfers: the one way, whatever asks.

    accuracies, ceiling -> pgf (a row a run) -> transfers (a row a cell) -> draws of what other items had given

Analysis, page, recommendation, realised mixtures and predictions all start here, so that the same accuracies under
the same settings give the same cells wherever they are shown. Only the quick loop over ceilings of `sensitivity`,
which wants no interval, calls the steps itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from tasktransfer.analysis.ceilings import available_ceilings
from tasktransfer.analysis.decomposition import Decomposition, decompose
from tasktransfer.analysis.pgf import matrix, models_of, pgf_table, transfers_table
from tasktransfer.analysis.resampling import Resampled, drawn_intervals, resample
from tasktransfer.analysis.settings import Settings
from tasktransfer.errors import InputError, quoted
from tasktransfer.tables import ACCURACY_COLUMNS, Accuracies

__all__ = ["Measured", "as_accuracies", "measure"]


@dataclass(frozen=True, eq=False)
class Measured:
    """What accuracies say under one ceiling; see `measure`."""

    accuracies: Accuracies
    settings: Settings
    ceilings: Mapping[str, pd.DataFrame]  # every ceiling that the data allow, by name
    pgf: pd.DataFrame
    cells: pd.DataFrame  # transfers, before ceilings that are themselves observed move their intervals
    n_draws: int | None

    @cached_property
    def transfers(self) -> pd.DataFrame:
        """A row a cell, with intervals, verdicts and interactions: `tasktransfer.tables.TRANSFER_COLUMNS`."""
        cells = self.cells.assign(interaction=_interaction_column(self.cells, self.decompositions))
        # the best of many noisy accuracies is random too: an interval around the ratio to it would be too narrow
        if self.settings.ceiling == "best-observed":
            return drawn_intervals(cells, self.resampled, confidence=self.settings.confidence)
        return cells

    @cached_property
    def decompositions(self) -> dict[str, Decomposition]:
        """Target, source and pair effects of each model that has finetunes."""
        finetuned = self.cells[self.cells["kind"] == "finetune"]
        return {model: decompose(matrix(self.cells, model)) for model in models_of(finetuned)}

    @cached_property
    def resampled(self) -> dict[str, Resampled]:
        """Draws of each model's matrix as other items and seeds would have given it."""
        return resample(
            self.cells,
            self.pgf,
            self.accuracies.items,
            best_observed=self.settings.ceiling == "best-observed",
            n_draws=self.n_draws,
            seed=self.settings.seed,
        )


def measure(
    accuracies: Accuracies | pd.DataFrame, settings: Settings | None = None, *, n_draws: int | None = None
) -> Measured:
    """Take accuracies to transfers.

    Parameters
    ----------
    accuracies
        Result of `tasktransfer.read_accuracies`, or only its table. With item-level scores, intervals and tests
        are over items and seeds.
    settings
        ``ceiling``, ``confidence``, ``margin`` and ``seed`` count here.
    n_draws
        Of `Measured.resampled`; where not given as many as `tasktransfer.analysis.resampling.resample` takes.

    Raises
    ------
    InputError, SettingsError
        The input is no accuracies table; see also `tasktransfer.ceiling_table`.

    Notes
    -----
    About 20 microseconds a cell at 150 items and 4 seeds; draws, 0.3 s for 3 x 13 x 13 x 4 runs, are made when
    they are first asked for.
    """
    accuracies, settings = as_accuracies(accuracies), settings or Settings()
    ceilings = available_ceilings(accuracies.table, settings.ceiling)
    pgf = pgf_table(accuracies.table, ceilings[settings.ceiling])
    cells = transfers_table(pgf, items=accuracies.items, confidence=settings.confidence, margin=settings.margin)
    if settings.ceiling == "best-observed":
        n_draws = None  # they make the intervals, which are to be the same wherever they are shown
    return Measured(accuracies, settings, ceilings, pgf, cells, n_draws)


def as_accuracies(given: Accuracies | pd.DataFrame) -> Accuracies:
    """Accuracies of this version from accuracies, or their table alone."""
    accuracies = Accuracies(given) if isinstance(given, pd.DataFrame) else given
    if not isinstance(accuracies, Accuracies):
        raise InputError(f"analyze takes the result of read_accuracies(...), not {type(given).__name__}")
    if "top_answer" not in accuracies.table:  # a table made in Python, or by an earlier version
        accuracies = accuracies._replace(table=accuracies.table.assign(top_answer=""))
    missing = [column for column in ACCURACY_COLUMNS if column not in accuracies.table]
    if missing:
        raise InputError(f"missing column {quoted(missing)}; read_accuracies(path) makes the table analyze takes")
    return accuracies


def _interaction_column(cells: pd.DataFrame, decompositions: Mapping[str, Decomposition]) -> np.ndarray:
    column = np.full(len(cells), np.nan)
    for model, parts in decompositions.items():
        here = ((cells["model"] == model) & (cells["kind"] == "finetune")).to_numpy()
        rows = cells.loc[here]
        source = parts.interaction.index.get_indexer(rows["source"])
        target = parts.interaction.columns.get_indexer(rows["target"])
        column[here] = parts.interaction.to_numpy()[source, target]
    return column
