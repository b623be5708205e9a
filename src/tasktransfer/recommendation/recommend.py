"""What to train on: counts of items by source, what that is expected to do, and on what evidence.

    expected_t = sum_s share_s PGF_st       in every draw of the matrix; mean and quantiles over the draws

That the effects of sources add up in proportion to their shares is an assumption (see `mixture`), and PGF speaks
of the number of items that the sources were trained with. The interval is of the true effect; what one run
measures on so many items also has the error of that run and of those items.

Whether any source helps at all is a test, see `significance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import yaml

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.recommendation.evidence import Evidence, gather_evidence
from tasktransfer.recommendation.methods import find_method
from tasktransfer.recommendation.request import MethodSettings, Request, as_names, as_weights
from tasktransfer.recommendation.significance import any_source_helps, source_p_values
from tasktransfer.recommendation.words import cautions_of, sentence_of, weakened
from tasktransfer.stats.false_discovery import false_discovery_rate
from tasktransfer.tables import Accuracies

__all__ = ["Recommendation", "answer", "recommend", "study_fragment"]

_EXACT = 1e-3  # width of an interval of PGF that is none, for want of an error


@dataclass(frozen=True, eq=False)
class Recommendation:
    """What to train on; see `recommend`."""

    method: str
    model: str
    targets: dict[str, float]
    budget: int
    items: dict[str, int]
    expected: pd.DataFrame
    evidence: pd.DataFrame
    helps: bool | None
    p_value: float
    p_gain: float
    sentence: str
    cautions: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def weights(self) -> dict[str, float]:
        """Shares of the items."""
        return {source: items / self.budget for source, items in self.items.items()}

    @property
    def name(self) -> str:
        """What the mixture is called in a study."""
        return f"{self.method}-for-{'+'.join(self.targets)}"


def recommend(
    evidence: Evidence | Analysis | Accuracies | pd.DataFrame,
    targets: str | Iterable[str] | Mapping[str, float],
    budget: int,
    *,
    method: str = "mixture",
    model: str | None = None,
    exclude_target_data: bool = False,
    exclude: Iterable[str] = (),
    protect: str | Iterable[str] = (),
    caps: Mapping[str, int] | int | None = None,
    settings: MethodSettings | None = None,
    confidence: float = 0.95,
) -> Recommendation:
    """Choose sources and numbers of items that should help targets.

    Parameters
    ----------
    evidence
        Whatever `tasktransfer.gather_evidence` takes; gather once where several questions are asked.
    targets
        Task, tasks, or tasks with weights.
    budget
        Items to train on, all sources together.
    method
        A key of `tasktransfer.recommendation.methods.METHODS`.
    model
        May be left out where there is one.
    exclude_target_data
        Leave the targets' own data out.
    exclude
        Sources to leave out.
    protect
        Tasks not to harm, or ``all`` for every task that is no target. ``mixture`` heeds it, all methods report
        it.
    caps
        Items that sources hold: by source, or one number for all; without it they are taken to hold enough.
    settings
        Choices of the methods.
    confidence
        Of intervals and of the test whether any source helps, in (0, 1).

    Returns
    -------
    Recommendation
        ``items`` by source, most first, their sum the budget; ``expected``, a row for the weighted targets (task
        empty) and for every task: role, pgf, low, high and p_harm, the probability of a loss (NaN where no error
        is known); ``evidence``, a row for every target and source that may be used (items 0 where it was not
        chosen): measured and shrunken PGF, ``q_helps`` (Benjamini-Hochberg over the sources), verdict and what
        weakens the cell; ``helps``, whether any source is shown to help (None where no error is known), with
        ``p_value``; ``p_gain``, the probability that this mixture gains; one ``sentence`` and ``cautions``.

    Raises
    ------
    InputError, SettingsError
        Unknown names, no budget, nothing left to train on, sources that hold too few items.
    """
    request = Request(
        as_weights(targets),
        budget,
        exclude=as_names(exclude),
        exclude_target_data=exclude_target_data,
        protect="all" if protect == "all" else as_names(protect),
        caps=caps,
        settings=settings or MethodSettings(),
        confidence=confidence,
    )
    find_method(method)  # a wrong name is an error before anything is drawn
    return answer(gather_evidence(evidence, model=model, confidence=confidence), request, method)


def answer(evidence: Evidence, request: Request, method: str = "mixture") -> Recommendation:
    """What one method answers to a request; see `recommend`.

    Parameters
    ----------
    evidence
        Of `tasktransfer.gather_evidence`.
    request
        Resolved against the evidence here.
    method
        A key of `tasktransfer.recommendation.methods.METHODS`.

    Raises
    ------
    InputError, SettingsError
        As in `recommend`.
    """
    request = request.resolved(evidence)
    items = _whole_items(find_method(method)(evidence, request), request)
    counts = {source: int(n) for source, n in zip(request.sources, items, strict=True) if n}
    p_value_S = source_p_values(evidence, request)
    p_value = any_source_helps(evidence, request, p_value_S)
    helps = None if np.isnan(p_value) else bool(p_value <= 1 - request.confidence)
    drawn_DT = _effects(evidence, request, items)
    gain_D = drawn_DT[:, evidence.target_places(tuple(request.targets))] @ request.weights
    expected = _expected(evidence, request, drawn_DT)
    return Recommendation(
        method=method,
        model=evidence.model,
        targets=dict(request.targets),
        budget=int(request.budget),
        items=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        expected=expected,
        evidence=_evidence_rows(evidence, request, items, p_value_S),
        helps=helps,
        p_value=p_value,
        p_gain=float((gain_D > 0).mean()) if not np.isnan(gain_D).any() else np.nan,
        sentence=sentence_of(request, counts, expected, helps, p_value),
        cautions=cautions_of(evidence, request, counts, p_value_S),
        settings={
            **vars(request.settings),
            "confidence": request.confidence,
            "exclude_target_data": request.exclude_target_data,
        },
    )


def study_fragment(recommendations: Iterable[Recommendation]) -> str:
    """The part of a study file that trains what was recommended."""
    mixtures = {recommendation.name: recommendation.items for recommendation in recommendations}
    return str(yaml.safe_dump({"mixtures": mixtures}, sort_keys=False, allow_unicode=True, width=1000))


def _whole_items(shares: np.ndarray, request: Request) -> np.ndarray:
    """Whole items that add up to the budget: largest remainders, none above its cap."""
    exact = shares * request.budget
    items = np.floor(exact + 1e-9)  # a whole number may come out of the product a rounding below itself
    order = np.lexsort((request.sources, (items - exact).round(9)))  # of equal remainders the first by name
    order = order[(items < request.held)[order] & (shares > 0)[order]]
    lacking = int(request.budget - items.sum())
    items[order[:lacking]] += 1
    return items.astype(int)


def _effects(evidence: Evidence, request: Request, items: np.ndarray) -> np.ndarray:
    """What the mixture does to every task: draws by tasks."""
    used = np.flatnonzero(items)
    rows = evidence.source_places(request.sources)[used]
    shares = (items[used] / request.budget).astype(np.float32)
    return np.asarray(np.einsum("dst,s->dt", evidence.draws_DST[:, rows], shares), dtype=float)


def _expected(evidence: Evidence, request: Request, drawn_DT: np.ndarray) -> pd.DataFrame:
    """Mean, interval and probability of a loss, for the weighted targets and for every task."""
    columns = evidence.target_places(tuple(request.targets))
    together = drawn_DT[:, columns] @ request.weights
    values = np.column_stack([together, drawn_DT])
    low, high = np.quantile(values, request.ends, axis=0)
    exact = high - low < _EXACT
    unknown = np.isnan(values).any(axis=0) | bool(evidence.cells["p_value"].isna().all())
    role = dict.fromkeys(request.targets, "target") | dict.fromkeys(request.protect, "protected")
    return pd.DataFrame(
        {
            "task": ["", *evidence.targets],
            "role": ["target", *(role.get(task, "other") for task in evidence.targets)],
            "pgf": values.mean(axis=0),
            "low": np.where(exact, np.nan, low),
            "high": np.where(exact, np.nan, high),
            "p_harm": np.where(unknown, np.nan, (values < 0).mean(axis=0)),
        }
    )


def _evidence_rows(evidence: Evidence, request: Request, items: np.ndarray, p_value_S: np.ndarray) -> pd.DataFrame:
    """A row for every source and target: most items first, then the highest shrunken PGF on the targets."""
    drawn_DST = evidence.drawn(request.sources, tuple(request.targets))
    low_ST, high_ST = np.quantile(drawn_DST, request.ends, axis=0)
    mean_ST = drawn_DST.mean(axis=0)
    measured = evidence.cells_at(request.confidence)
    here = measured[measured["target"].isin(request.targets)]
    cells = {(cell["source"], cell["target"]): cell for cell in here.to_dict("records")}
    q_helps = false_discovery_rate(p_value_S)
    order = np.lexsort([-mean_ST @ request.weights, -items])  # the last key counts first
    rows = []
    for s in order:
        for t, target in enumerate(request.targets):
            source = request.sources[s]
            cell = cells.get((source, target), {"flags": "missing"})
            rows.append(
                {
                    "source": source,
                    "target": target,
                    "items": int(items[s]),
                    "share": items[s] / request.budget,
                    **{name: cell.get(name, np.nan) for name in ("pgf", "low", "high")},
                    "shrunken": mean_ST[s, t],
                    "shrunken_low": low_ST[s, t],
                    "shrunken_high": high_ST[s, t],
                    "q_helps": q_helps[s],
                    **{name: cell.get(name, "") for name in ("verdict", "uncertainty")},
                    "weakened_by": weakened(evidence, source, target, str(cell["flags"])),
                }
            )
    return pd.DataFrame(rows)
