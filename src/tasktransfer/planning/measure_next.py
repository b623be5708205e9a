"""What to measure next: the seeds or items that are expected to decide the most cells.

    v(S', K')   = se_seeds^2 S / S' + se_items^2 K / K'          variance of a cell's gain after the spending
    gain'       ~ N(gain, v(S, K) - v(S', K'))                         what it may be estimated as then
    decided     |gain'| > t sqrt(v')   or   |gain'| + t_m sqrt(v') < margin

with S seeds and K items now. A seed of a source serves its whole row, an item of a target its whole column, and
the next best is bought until the budget is spent: greedily, by expected decisions a unit. For seeds up to eight at
once are looked at, since the first alone may decide nothing. t is where the false discovery rate of the cell's
model stands now, t_m that of two one-sided tests (`tasktransfer.analysis.uncertainty`), with the cell's degrees of
freedom, which grow as its seeds do.

The gain is taken as it was estimated, which makes the expectation high for cells that look best by luck. With one
seed the variance of seeds is not known yet and is assumed to be that of the items. More items of a target are
asked of every model anew: a sample of another size is another sample to `run`.

Ranking: the questions are instead, of each target, whether its best source is better than each other that is not
surely worse. Two finetunes answer the same items and share a baseline, so that of their difference

    se_items^2 = Var over items of (change by one - change by the other) / K        where answers are known
               = a^2 + b^2 - a b                                                    else, a and b their se_items

The second assumes a correlation of one half, as `tasktransfer.analysis.uncertainty` does from counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.analysis.items import PairedItems
from tasktransfer.analysis.uncertainty import EQUIVALENCE_MARGIN
from tasktransfer.errors import InputError, SettingsError

__all__ = ["DECISIONS", "NothingToAskError", "Proposal", "open_questions", "propose"]

DECISIONS = ("verdicts", "ranking")
UNITS = ("cells", "items")
_MOST_SEEDS = 8  # at once
_LEAST = 0.01  # decisions that a step must be expected to bring
_LEAST_IN_ALL = 0.05  # under that it reads 0.0
_LARGER = (1.5, 2.0, 3.0, 4.0, 8.0)  # times the items there are


class NothingToAskError(InputError):
    """Nothing is open, or nothing that could be measured is expected to decide anything."""


class Proposal(NamedTuple):
    """What to measure next."""

    table: pd.DataFrame  # step, task, what, more, cost, expected, example; in the order bought
    more_seeds: dict[str, int]  # how many more, by source
    more_items: dict[str, int]  # how many altogether, by target
    undecided: int  # questions open now
    expected: float  # of them decided afterwards
    cost: int  # in the unit of the budget


@dataclass
class _Questions:
    """Open questions, one entry each; rows of `source` may hold two."""

    name: list[str] = field(default_factory=list)
    gain: list[float] = field(default_factory=list)
    seeds: list[dict[str, tuple[float, float]]] = field(default_factory=list)  # source -> variance now, S
    items: list[float] = field(default_factory=list)  # variance now
    target: list[str] = field(default_factory=list)
    margin: list[float] = field(default_factory=list)  # NaN where there is none
    df: list[float] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)  # p-value that decides

    def add(
        self, name: str, cells: Sequence[_Cell], gain: float, of_items: float, margin: float, threshold: float
    ) -> None:
        self.name.append(name)
        self.gain.append(gain)
        self.seeds.append({cell.source: (cell.of_seeds, cell.n_seeds) for cell in cells})
        self.items.append(of_items)
        self.threshold.append(threshold)
        self.target.append(cells[0].target)
        self.margin.append(margin)
        self.df.append(min(cell.df for cell in cells))


class _Cell(NamedTuple):
    source: str
    target: str
    gain: float
    of_seeds: float
    of_items: float
    n_seeds: float
    df: float


def propose(
    transfers: pd.DataFrame,
    *,
    budget: int,
    unit: str = "cells",
    sources: Sequence[str],
    cells_per_seed: int = 1,
    models_asked: int = 1,
    available: Mapping[str, int | None] | None = None,
    items: pd.DataFrame | None = None,
    decide: str = "verdicts",
    margin: float = EQUIVALENCE_MARGIN,
    confidence: float = 0.95,
) -> Proposal:
    """Choose what decides most for a budget.

    Parameters
    ----------
    transfers
        Table of `tasktransfer.transfers_table`, of all models that the study trains.
    budget
        In cells (finetunes) or in items asked.
    unit
        ``cells`` buys seeds, ``items`` buys items.
    sources
        That can be trained again.
    cells_per_seed
        Finetunes that one more seed of a source takes: models times variants.
    models_asked
        Models that one more item of a target is put to, the untouched one and controls included.
    available
        Items there are at most, by target; None or absent where any number can be had.
    items
        Scores by item, where there are any, of which rankings take the error of a difference.
    decide
        One of `DECISIONS`.
    margin, confidence
        As the verdicts were made with.

    Raises
    ------
    NothingToAskError
        Nothing is open, no error is known, or nothing that the budget buys is expected to decide anything.
    InputError
        The budget buys nothing.
    """
    for name, value, known in (("unit", unit, UNITS), ("decide", decide, DECISIONS)):
        if value not in known:
            raise SettingsError(f"{name} {value!r}: accepted are {' and '.join(known)}")
    if budget < 1:
        raise SettingsError(f"the budget is {budget} {unit}; accepted is a whole number from 1")
    questions = _open(transfers, decide, items, margin, 1 - confidence)
    if not questions.name:
        raise NothingToAskError("no cell with a known error is undecided: there is nothing left to decide")
    spender = _Spender(questions, 1 - confidence)
    if unit == "cells":
        if cells_per_seed > budget:
            raise InputError(
                f"a budget of {budget} cells buys nothing: one more seed of a source takes {cells_per_seed} cells"
            )
        return _buy_seeds(spender, sources, budget, cells_per_seed)
    n_items = _between_tasks(transfers).groupby("target")["n_items"].max()
    return _buy_items(spender, n_items.dropna().astype(int).to_dict(), budget, models_asked, available or {})


def open_questions(
    transfers: pd.DataFrame,
    *,
    items: pd.DataFrame | None = None,
    decide: str = "verdicts",
    margin: float = EQUIVALENCE_MARGIN,
    confidence: float = 0.95,
) -> list[str]:
    """What is undecided, by name.

    Parameters
    ----------
    transfers, items, decide, margin, confidence
        As in `propose`.
    """
    return _open(transfers, decide, items, margin, 1 - confidence).name


def _between_tasks(transfers: pd.DataFrame) -> pd.DataFrame:
    return transfers[(transfers["kind"] == "finetune") & (transfers["source"] != transfers["target"])]


def _open(
    transfers: pd.DataFrame, decide: str, items: pd.DataFrame | None, margin: float, level: float
) -> _Questions:
    finetunes = _between_tasks(transfers)
    thresholds = {str(model): _threshold(rows, level) for model, rows in finetunes.groupby("model", sort=False)}
    return _questions(finetunes, decide, thresholds, margin, PairedItems(items if decide == "ranking" else None))


def _threshold(finetunes: pd.DataFrame, level: float) -> float:
    """p-value up to which a model's cell counts as decided: the largest that is a discovery, or Bonferroni's."""
    discovered = finetunes.loc[finetunes["q_value"] < level, "p_value"]
    least = level / max(int(finetunes["p_value"].notna().sum()), 1)
    return max(float(discovered.max()) if len(discovered) else 0.0, least)


def _questions(
    finetunes: pd.DataFrame, decide: str, thresholds: Mapping[str, float], margin: float, paired: PairedItems
) -> _Questions:
    questions = _Questions()
    known = finetunes[finetunes["se_items"].notna() & finetunes["gain"].notna()]
    several = known["model"].nunique() > 1
    for (model, target), rows in known.groupby(["model", "target"], sort=False):
        cells = [_cell(row) for row in rows.to_dict("records")]
        prefix, threshold = f"{model}: " if several else "", thresholds[str(model)]
        if decide == "verdicts":
            for cell, verdict in zip(cells, rows["verdict"], strict=True):
                if verdict == "undecided":
                    questions.add(
                        f"{prefix}{cell.source} → {target}", [cell], cell.gain, cell.of_items, margin, threshold
                    )
            continue
        best = max(cells, key=lambda cell: cell.gain)
        for cell in cells:
            gap = best.gain - cell.gain
            of_items = paired.variance(str(model), str(target), best.source, cell.source)
            if np.isnan(of_items):
                of_items = best.of_items + cell.of_items - np.sqrt(best.of_items * cell.of_items)
            error = np.sqrt(best.of_seeds + cell.of_seeds + of_items)
            if cell is not best and gap <= stats.t.isf(threshold / 2, min(best.df, cell.df)) * error:
                name = f"{prefix}{best.source} or {cell.source} → {target}"
                questions.add(name, [best, cell], gap, of_items, np.nan, threshold)
    return questions


def _cell(row: Mapping[str, float | str]) -> _Cell:
    of_items, of_seeds = float(row["se_items"]) ** 2, float(row["se_seeds"]) ** 2
    n_seeds = float(row["n_seeds"])
    if n_seeds < 2 or np.isnan(of_seeds):
        of_seeds = of_items
    df = float(row["df"]) if row["df"] == row["df"] else np.inf  # NaN: not known
    return _Cell(str(row["source"]), str(row["target"]), float(row["gain"]), of_seeds, of_items, n_seeds, df)


class _Spender:
    """Expected decisions for any spending."""

    def __init__(self, questions: _Questions, level: float) -> None:
        self.questions, self.level = questions, level
        self.threshold = np.array(questions.threshold)
        self.df = np.array(questions.df)
        self.gain = np.array(questions.gain)
        self.items = np.array(questions.items)
        self.margin = np.array(questions.margin)
        self.target = np.array(questions.target, dtype=object)
        self.now = self.items + np.array([sum(v for v, _ in seeds.values()) for seeds in questions.seeds])

    def decided(self, more_seeds: Mapping[str, int], larger: Mapping[str, float]) -> np.ndarray:
        """Probability that each question is decided after so many more seeds, and so many times the items."""
        of_seeds = np.array(
            [sum(v * s / (s + more_seeds.get(i, 0)) for i, (v, s) in row.items()) for row in self.questions.seeds]
        )
        after = of_seeds + self.items / np.array([larger.get(target, 1.0) for target in self.target])
        moves = np.sqrt(np.maximum(self.now - after, 0.0))
        error = np.sqrt(after)
        grown = [
            np.mean([(s + more_seeds.get(i, 0)) / s for i, (_, s) in row.items()]) for row in self.questions.seeds
        ]
        df = self.df * np.array(grown)
        least, one_sided = stats.t.isf(self.threshold / 2, df), stats.t.isf(self.level, df)
        with np.errstate(divide="ignore", invalid="ignore"):
            up, down = ((sign * self.gain - least * error) / moves for sign in (1, -1))
            inside = self.margin - one_sided * error
            within = stats.norm.cdf((inside - self.gain) / moves) - stats.norm.cdf((-inside - self.gain) / moves)
            decided = stats.norm.cdf(up) + stats.norm.cdf(down) + np.where(inside > 0, within, 0.0)
        return np.asarray(np.where(moves > 1e-12, np.clip(np.nan_to_num(decided), 0, 1), 0.0))

    def example(self, gained: np.ndarray) -> str:
        """The questions that gain most."""
        best = [number for number in np.argsort(-gained, kind="stable")[:3] if gained[number] > 0.01]
        return ", ".join(self.questions.name[number] for number in best)


def _buy_seeds(spender: _Spender, sources: Sequence[str], budget: int, cells_per_seed: int) -> Proposal:
    bought: dict[str, int] = {}
    now, spent, rows = spender.decided({}, {}), 0, []
    while True:
        affordable = min(_MOST_SEEDS, (budget - spent) // cells_per_seed)
        steps = [  # by decisions a seed, of equal ones by the fewest seeds
            (float((after - now).sum()) / more, -more, source, after)
            for source in sources
            for more in range(1, affordable + 1)
            for after in (spender.decided(bought | {source: bought.get(source, 0) + more}, {}),)
        ]
        best = max(steps, key=lambda one: one[:2], default=None)
        if best is None or float((best[3] - now).sum()) < _LEAST:
            break
        _, minus, source, after = best
        bought[source] = bought.get(source, 0) - minus
        spent -= minus * cells_per_seed
        rows.append(
            (source, "seeds", -minus, -minus * cells_per_seed, float(after.sum()), spender.example(after - now))
        )
        now = after
    return _proposal(rows, bought, {}, spender, now, spent)


def _buy_items(
    spender: _Spender,
    n_items: Mapping[str, int],
    budget: int,
    models_asked: int,
    available: Mapping[str, int | None],
) -> Proposal:
    asked: dict[str, int] = {}
    _refuse_too_little(n_items, budget, models_asked, available)
    now, spent, rows = spender.decided({}, {}), 0, []

    def larger(counts: Mapping[str, int]) -> dict[str, float]:
        return {target: count / n_items[target] for target, count in counts.items()}

    while True:
        steps = []
        for target, count in n_items.items():
            for size in _sizes(count, available.get(target)):
                cost = (size - asked.get(target, 0)) * models_asked
                if size > asked.get(target, 0) and spent + cost <= budget:
                    after = spender.decided({}, larger(asked | {target: size}))
                    steps.append((float((after - now).sum()) / cost, -size, target, cost, after))
        best = max(steps, key=lambda one: one[:2], default=None)
        if best is None or float((best[4] - now).sum()) < _LEAST:
            break
        _, minus, target, cost, after = best
        rows.append((target, "items", -minus - asked.get(target, n_items[target]), cost, float(after.sum()),
                     spender.example(after - now)))  # fmt: skip
        asked[target], spent, now = -minus, spent + cost, after
    return _proposal(rows, {}, asked, spender, now, spent)


def _sizes(count: int, most: int | None) -> list[int]:
    """How many items of a target may be asked altogether, more than now."""
    sizes = {min(round(count * times), most or round(count * times)) for times in _LARGER}
    return sorted(size for size in sizes if size > count)


def _refuse_too_little(
    n_items: Mapping[str, int], budget: int, models_asked: int, available: Mapping[str, int | None]
) -> None:
    sizes = {target: _sizes(count, available.get(target)) for target, count in n_items.items()}
    if not any(sizes.values()):
        raise NothingToAskError(
            "every target is asked all the items it has; seeds can decide more: --next 12cells"
        )
    least, target = min((larger[0] * models_asked, target) for target, larger in sizes.items() if larger)
    if least > budget:
        raise InputError(
            f"a budget of {budget} items buys nothing: the cheapest step takes {least} items, "
            f"{least // models_asked} of {target!r} asked of {models_asked} models"
        )


def _proposal(
    rows: Sequence[tuple[str, str, int, int, float, str]],
    more_seeds: dict[str, int],
    more_items: dict[str, int],
    spender: _Spender,
    now: np.ndarray,
    spent: int,
) -> Proposal:
    if float(now.sum()) < _LEAST_IN_ALL:
        raise NothingToAskError(
            f"{len(spender.gain)} open questions, but nothing that the budget buys is expected to decide one"
        )
    table = pd.DataFrame(rows, columns=["task", "what", "more", "cost", "expected", "example"])
    table.insert(0, "step", np.arange(1, len(table) + 1))
    return Proposal(table, more_seeds, more_items, len(spender.gain), float(now.sum()), spent)
