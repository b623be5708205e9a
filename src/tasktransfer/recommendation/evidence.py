"""What a recommendation starts from: one model's matrix, how sure each cell is, and what weakens it.

    draws     what the true matrix may be. Up to `MOST_CELLS` cells: `plausible_matrices` on resampled errors
              (items where they are known, standard errors elsewhere). Above: `posterior_draws`, in closed form.
    errors    split into a cell's own and what its column shares, through its baseline and its items.
    diagonal  drawn from its own error alone: self-transfer is too unlike the rest to be shrunk with it.
    holes     have a stand-in, so that a mixture's effect is defined wherever anything was measured: in each draw,
              what some other source does to that target. No method that reads the matrix chooses a source for a
              target that it was not measured on.

Shape letters: D draws, S sources, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.diagnostics import DIAGNOSTIC_COLUMNS, diagnose
from tasktransfer.analysis.measure import measure
from tasktransfer.analysis.pgf import models_of
from tasktransfer.analysis.resampling import Resampled, resample
from tasktransfer.analysis.settings import Settings
from tasktransfer.errors import InputError, closest, quoted
from tasktransfer.importers.saved_transfers import SavedTransfers
from tasktransfer.recommendation.posterior import errors_of_cells, posterior_draws
from tasktransfer.stats.shrinkage import Errors, errors_of_draws, even_scale, plausible_matrices
from tasktransfer.tables import TRANSFER_COLUMNS, Accuracies

__all__ = ["MOST_CELLS", "Evidence", "gather_evidence"]

MOST_CELLS = 1600  # drawn by Gibbs sampling, which takes seconds there
_DRAWS = 1000
_FEW_DRAWS = 200  # enough to see whether draws of the items leave a gap


@dataclass(frozen=True, eq=False)
class Evidence:
    """One model's matrix and its uncertainty; see the module."""

    model: str
    sources: list[str]
    targets: list[str]
    cells: pd.DataFrame  # finetune rows of transfers
    draws_DST: np.ndarray  # float32; NaN only where there is no stand-in either
    errors: Errors  # of the cells
    diagnostics: pd.DataFrame  # flagged checks of the model
    notes: tuple[str, ...] = ()
    train_items: int | None = None  # that each source was trained on, where known
    accuracies: Accuracies | None = None  # what the cells were measured from, where it is at hand
    settings: Settings = field(default_factory=Settings)  # with which they were

    @cached_property
    def observed(self) -> np.ndarray:
        """PGF as measured; NaN for holes."""
        return self._grid("pgf")

    @property
    def measured_targets(self) -> list[str]:
        """Targets that some source was measured on."""
        unmeasured = np.isnan(self.observed).all(axis=0)
        return [task for task, empty in zip(self.targets, unmeasured, strict=True) if not empty]

    @cached_property
    def p_value(self) -> np.ndarray:
        """One-sided p-value of "the source does not help"; NaN where no error is known."""
        two_sided, pgf = self._grid("p_value"), self.observed
        return np.asarray(np.where(pgf > 0, two_sided / 2, 1 - two_sided / 2))

    @cached_property
    def flagged_runs(self) -> dict[tuple[str, str], dict[str, int]]:
        """By source and target the checks that flag single runs of the cell, with how many."""
        rows = self.diagnostics[self.diagnostics["scope"] == "run"]
        counts: dict[tuple[str, str], dict[str, int]] = {}
        for source, target, check in rows[["source", "target", "check"]].itertuples(index=False, name=None):
            of_cell = counts.setdefault((source, target), {})
            of_cell[check] = of_cell.get(check, 0) + 1
        return counts

    def drawn(self, sources: Sequence[str], targets: Sequence[str]) -> np.ndarray:
        """Draws of some sources on some targets, in that order, float64."""
        every = np.arange(len(self.draws_DST))
        here = np.ix_(every, self.source_places(sources), self.target_places(targets))
        return np.asarray(self.draws_DST[here], dtype=float)

    def source_places(self, names: Sequence[str]) -> np.ndarray:
        """Rows of sources."""
        place = {name: k for k, name in enumerate(self.sources)}
        return np.array([place[name] for name in names], dtype=int)

    def target_places(self, names: Sequence[str]) -> np.ndarray:
        """Columns of targets."""
        place = {name: k for k, name in enumerate(self.targets)}
        return np.array([place[name] for name in names], dtype=int)

    def cells_at(self, confidence: float) -> pd.DataFrame:
        """The cells with intervals and verdicts at a level; intervals are empty where they cannot be made anew."""
        if confidence == self.settings.confidence:
            return self.cells
        if self.accuracies is None:
            return self.cells.assign(low=np.nan, high=np.nan)
        measured = measure(self.accuracies, replace(self.settings, confidence=confidence))
        return _finetunes(measured.transfers, self.model)

    def _grid(self, column: str) -> np.ndarray:
        return _grid(self.cells, column, self.sources, self.targets)


def gather_evidence(
    given: Analysis | Accuracies | SavedTransfers | pd.DataFrame | Evidence,
    *,
    model: str | None = None,
    ceiling: str = "perfect",
    diagnostics: pd.DataFrame | None = None,
    seed: int = 0,
    confidence: float = 0.95,
) -> Evidence:
    """Take one model's matrix with all that is known of its uncertainty.

    Parameters
    ----------
    given
        Result of `tasktransfer.analyze` or `tasktransfer.read_accuracies` (items and diagnostics are used), a
        finished analysis as it was saved, or a table of `tasktransfer.transfers_table`.
    model
        May be left out where there is one.
    ceiling
        Of accuracies, as in `tasktransfer.Settings`; the other forms have theirs.
    diagnostics
        Table of `tasktransfer.diagnose`, for a transfers table; the other forms have theirs.
    seed
        Of the draws.
    confidence
        Level of the intervals, of accuracies; the other forms have theirs, and a table is taken to be at 0.95.

    Raises
    ------
    InputError
        No such model, several and none chosen, no finetune, or no table of ours.
    """
    if isinstance(given, Evidence):
        if model not in (None, given.model):
            raise InputError(f"the evidence is of model {quoted([given.model])}, not {quoted([model])}")
        return given
    study = _study_of(given, Settings(ceiling=ceiling, seed=seed, confidence=confidence), diagnostics)
    model = _model(study.transfers, model)
    cells = _finetunes(study.transfers, model)
    if (twice := cells.duplicated(["source", "target"])).any():
        first = cells[twice].iloc[0]
        raise InputError(f"the cell of {quoted([first['source']])} on {quoted([first['target']])} is there twice")
    if cells["pgf"].isna().all():
        raise InputError(f"model {quoted([model])}: every cell is a hole, so nothing can be recommended")
    sources, targets = list(cells["source"].unique()), list(cells["target"].unique())
    draws, errors, notes = _draw(cells, study, sources, targets, seed)
    rows = study.diagnostics
    flagged = rows[(rows["model"] == model) & rows["flagged"].astype(bool)].reset_index(drop=True)
    return Evidence(
        model,
        sources,
        targets,
        cells,
        draws,
        errors,
        flagged,
        notes,
        accuracies=study.accuracies,
        settings=study.settings,
    )


class _Study(NamedTuple):
    """All models, as far as they are needed."""

    transfers: pd.DataFrame
    diagnostics: pd.DataFrame
    settings: Settings  # of a table of transfers those that were asked for
    pgf: pd.DataFrame | None = None  # None where transfers are all there is
    accuracies: Accuracies | None = None


def _study_of(
    given: Analysis | Accuracies | SavedTransfers | pd.DataFrame,
    settings: Settings,
    diagnostics: pd.DataFrame | None,
) -> _Study:
    none = pd.DataFrame(columns=list(DIAGNOSTIC_COLUMNS))
    if isinstance(given, Analysis):
        accuracies = Accuracies(given.accuracies, items=given.items)
        return _Study(given.transfers, given.diagnostics, given.settings, given.pgf, accuracies)
    if isinstance(given, Accuracies):
        return _of_accuracies(given, settings)
    if isinstance(given, SavedTransfers):
        at_its_level = replace(settings, confidence=given.confidence)
        return _Study(given.transfers, none if given.diagnostics is None else given.diagnostics, at_its_level)
    if not isinstance(given, pd.DataFrame):
        raise InputError(
            f"evidence is gathered from an analysis, accuracies or a transfers table, not {type(given).__name__}"
        )
    lacking = [column for column in TRANSFER_COLUMNS if column not in given]
    if lacking:
        raise InputError(f"the transfers table lacks the column {quoted(lacking)}; transfers_table makes them all")
    return _Study(given, none if diagnostics is None else diagnostics, replace(settings, confidence=0.95))


def _of_accuracies(accuracies: Accuracies, settings: Settings) -> _Study:
    """What `analyze` finds, without the structure, which a recommendation has no use for."""
    measured = measure(accuracies, settings, n_draws=_FEW_DRAWS)
    diagnostics = diagnose(
        measured.accuracies.table, measured.pgf, measured.transfers, measured.decompositions, measured.resampled
    )
    return _Study(measured.transfers, diagnostics, settings, measured.pgf, measured.accuracies)


def _finetunes(transfers: pd.DataFrame, model: str) -> pd.DataFrame:
    """The finetune cells of a model."""
    here = (transfers["kind"] == "finetune") & (transfers["model"] == model)
    return transfers[here].reset_index(drop=True)


def _model(transfers: pd.DataFrame, model: str | None) -> str:
    known = models_of(transfers[transfers["kind"] == "finetune"])
    if not known:
        raise InputError("there is no finetune in the input, so there is nothing to recommend from")
    if model is None and len(known) > 1:
        raise InputError(f"there are several models, {quoted(known)}: choose one (model=, --model)")
    if model is not None and model not in known:
        raise InputError(f"no model {quoted([model])}{closest(model, known)}; there are {quoted(known)}")
    return known[0] if model is None else model


def _grid(cells: pd.DataFrame, column: str, sources: list[str], targets: list[str]) -> np.ndarray:
    row, at = pd.Index(sources).get_indexer(cells["source"]), pd.Index(targets).get_indexer(cells["target"])
    values = np.full((len(sources), len(targets)), np.nan)
    values[row, at] = cells[column].to_numpy(dtype=float)
    return values


def _draw(
    cells: pd.DataFrame, study: _Study, sources: list[str], targets: list[str], seed: int
) -> tuple[np.ndarray, Errors, tuple[str, ...]]:
    """Draws of the whole matrix, its errors, and what to know of them."""
    observed = _grid(cells, "pgf", sources, targets)
    own = np.array(sources, dtype=object)[:, None] == np.array(targets, dtype=object)
    if observed.size > MOST_CELLS:
        errors = errors_of_cells(cells, sources, targets)
        drawn = posterior_draws(observed, errors, own, seed=seed)
    else:
        resampled = _arranged(_resampled(cells, study, seed), sources, targets)
        errors = errors_of_draws(even_scale(resampled))
        drawn = _plausible(observed, resampled, own, sources, targets, seed)
    # a normal draw may lie above what every item right gives
    drawn = np.minimum(drawn, _highest(cells, sources, targets), out=drawn)
    holes = np.isnan(observed)
    notes = []
    if holes.any():
        drawn = _with_stand_ins(drawn, holes, own, np.random.default_rng([seed, 1]))
        notes.append(
            f"{int(holes.sum())} of {holes.size} cells are holes: what other sources do to the same target stands "
            "in, as uncertain as they differ; of a task on itself, what other tasks do to themselves"
        )
    if cells["p_value"].isna().all():
        notes.append("no error of any cell is known (one seed, no item counts): every value counts as exact")
    return drawn, errors, tuple(notes)


def _highest(cells: pd.DataFrame, sources: list[str], targets: list[str]) -> np.ndarray:
    """PGF of every item right: 1, or more under a ceiling that a model can pass."""
    of_all = (1 - cells["baseline"]) / cells["gap"].where(cells["gap"] > 0)
    return _grid(cells.assign(highest=of_all.fillna(np.inf)), "highest", sources, targets).astype(np.float32)


def _resampled(cells: pd.DataFrame, study: _Study, seed: int) -> Resampled:
    """Draws of what other items and seeds would have given."""
    model = str(cells["model"].iloc[0])
    if study.pgf is None:
        runs = cells.assign(ceiling=cells["baseline"] + cells["gap"])
        return resample(cells, runs, n_draws=_DRAWS, seed=seed)[model]
    items = None if study.accuracies is None else study.accuracies.items
    if study.settings.ceiling == "best-observed":  # the best of any model
        drawn = resample(study.transfers, study.pgf, items, best_observed=True, n_draws=_DRAWS, seed=seed)
        return drawn[model]
    items = None if items is None else items[(items["model"] == model) & items["kind"].isin(["base", "finetune"])]
    return resample(cells, study.pgf[study.pgf["model"] == model], items, n_draws=_DRAWS, seed=seed)[model]


def _arranged(resampled: Resampled, sources: list[str], targets: list[str]) -> np.ndarray:
    """Draws of the finetunes: shape D, S, T."""
    at = [resampled.cells.index(("finetune", source)) for source in sources]
    return resampled.pgf_DCT[:, at][:, :, [resampled.targets.index(target) for target in targets]]


def _plausible(
    observed: np.ndarray,
    drawn: np.ndarray,
    own: np.ndarray,
    sources: list[str],
    targets: list[str],
    seed: int,
) -> np.ndarray:
    """What the true matrix may be; the diagonal is not shrunk."""
    by_name = np.ix_(np.arange(len(drawn)), np.argsort(sources), np.argsort(targets))  # no order changes a draw
    off = np.where(own, np.nan, observed)[by_name[1][0], by_name[2][0]]
    plausible = np.empty_like(drawn)
    plausible[by_name] = plausible_matrices(off, np.where(own, np.float32(np.nan), drawn)[by_name], seed=seed)
    # a draw whose items leave no gap has no PGF there
    selves = np.where(np.isnan(drawn), observed.astype(np.float32), drawn)
    return np.where(own, selves, plausible)


def _with_stand_ins(
    drawn_DST: np.ndarray, holes_ST: np.ndarray, own_ST: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Fill a hole by what, in each draw, another source does to the target; a diagonal's by another's own.

    Where no source was measured on the target it stays a hole.
    """
    filled_DST = drawn_DST.copy()
    measured = ~holes_ST & ~own_ST
    selves = own_ST & ~holes_ST
    every = np.arange(len(drawn_DST))
    for s, t in zip(*np.nonzero(holes_ST & ~holes_ST.all(axis=0)), strict=True):
        among = selves if own_ST[s, t] else measured & (np.arange(measured.shape[1]) == t)
        rows, columns = np.nonzero(among)
        if len(rows):
            pick = random.integers(len(rows), size=len(every))
            filled_DST[:, s, t] = drawn_DST[every, rows[pick], columns[pick]]
    return filled_DST
