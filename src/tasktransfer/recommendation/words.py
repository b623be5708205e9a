"""A recommendation in words, and what weakens it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from tasktransfer.recommendation.evidence import Evidence
from tasktransfer.recommendation.request import Request
from tasktransfer.recommendation.significance import any_source_helps

__all__ = ["PROBABLE", "cautions_of", "sentence_of", "weakened"]

PROBABLE = 0.9  # probability from which a loss is reported
_UNLIKELY = 0.1
_NAMED = 4  # tasks and sources, before the rest is counted


def sentence_of(
    request: Request,
    items: Mapping[str, int],
    expected: pd.DataFrame,
    helps: bool | None,
    p_value: float,
) -> str:
    """What to train on and what to expect, or that nothing is known to help.

    Parameters
    ----------
    request
        As resolved against the evidence.
    items
        Items by source, of those that are chosen; their sum is the budget.
    expected
        Of `tasktransfer.recommendation.recommend.Recommendation`: first the row of the weighted targets.
    helps, p_value
        Result of the test whether any source helps; None and NaN where no error is known.
    """
    target = _targets(request)
    parts = [f"{n} {'item' if n == 1 else 'items'} of {source}" for source, n in
             sorted(items.items(), key=lambda item: -item[1])]  # fmt: skip
    train = _listed(parts)
    gain = expected.iloc[0]
    effect = _effect(gain, target, request.confidence)
    if helps is False:
        return (
            f"No evidence that any source helps {target} (p = {p_value:.2f}, {len(request.sources)} sources). "
            f"{train} would be a guess: {effect}."
        )
    return f"Train on {train}: {effect}{_harm(request, expected)}."


def _effect(row: pd.Series, target: str, confidence: float) -> str:
    if np.isnan(row["pgf"]):
        return f"what that does to {target} was not measured"
    does = "close" if row["pgf"] >= 0 else "open"
    between = f"({confidence:.0%} interval {row['low']:+.2f} to {row['high']:+.2f})"
    if np.isnan(row["low"]):
        between = "(no error is known)"
    sentence = f"it is expected to {does} {abs(row['pgf']):.0%} of the gap of {target} {between}"
    if row["low"] <= 0 < row["pgf"]:
        sentence += ", which may also be nothing"
    return sentence


def _harm(request: Request, expected: pd.DataFrame) -> str:
    """What is probably lost, protected tasks first."""
    tasks = expected.iloc[1:]
    lost = tasks[(tasks["role"] != "target") & (tasks["p_harm"] >= PROBABLE)].sort_values("pgf")
    protected = tasks[tasks["role"] == "protected"].sort_values("p_harm", ascending=False)
    of_protected = _of_protected(protected) if request.protect else ""
    others = lost[lost["role"] == "other"]
    return of_protected + ("" if others.empty else _losses("", others))


def _of_protected(protected: pd.DataFrame) -> str:
    lost = protected[protected["p_harm"] >= PROBABLE].sort_values("pgf")
    if len(lost):
        return _losses("protected ", lost)
    worst = protected.iloc[0]
    if worst["p_harm"] <= _UNLIKELY:
        return "; no protected task is likely to lose"
    return (
        f"; protected {worst['task']} may lose ({worst['pgf']:+.2f}, with a probability of {worst['p_harm']:.0%})"
    )


def _losses(which: str, rows: pd.DataFrame) -> str:
    named = [f"{row.task} ({row.pgf:+.2f})" for row in rows.itertuples()]
    return f"; {which}{_listed(named)} probably {'loses' if len(named) == 1 else 'lose'}"


def _targets(request: Request) -> str:
    if len(request.targets) == 1:
        return next(iter(request.targets))
    named = [f"{task} ({weight:.0%})" for task, weight in request.targets.items()]
    return f"{_listed(named)} together"


def _listed(names: list[str]) -> str:
    if len(names) > _NAMED + 1:
        names = [*names[:_NAMED], f"{len(names) - _NAMED} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def weakened(evidence: Evidence, source: str, target: str, flags: str) -> str:
    """What weakens one cell: its flags, and the checks that flag its runs; joined by ``; ``.

    Parameters
    ----------
    evidence
        Its `flagged_runs` are read.
    source, target
        Names of the cell.
    flags
        Of the cell, as in `tasktransfer.transfers_table`: joined by ``;``, empty for none.
    """
    reasons = [flag for flag in flags.split(";") if flag]
    for check, n_runs in evidence.flagged_runs.get((source, target), {}).items():
        reasons.append(f"{check} ({n_runs} {'run' if n_runs == 1 else 'runs'})")
    return "; ".join(reasons)


def _of_the_budget(evidence: Evidence, request: Request, items: Mapping[str, int]) -> Iterator[str]:
    """What the number of items does to the answer: sources used up, and a budget that nothing was trained on."""
    held = dict(zip(request.sources, request.held, strict=True))
    if used_up := [source for source, n in items.items() if n >= held[source] and n < request.budget]:
        gain_ST = evidence.drawn(list(items), tuple(request.targets)).mean(axis=0)
        alone = dict(zip(items, gain_ST @ request.weights, strict=True))
        mixed = sum(n / request.budget * alone[source] for source, n in items.items())
        better = [source for source in used_up if alone[source] > mixed]
        if better:
            names = [f"{source} ({held[source]:g} items, {alone[source]:+.2f} by itself)" for source in better]
            are = "is" if len(better) == 1 else "are"
            yield (
                f"{_listed(names)} {are} used up; the rest of the budget goes to sources that help less, and the "
                f"mixture is expected to give {mixed:+.2f}. A smaller budget may serve better"
            )
    if evidence.train_items is not None and evidence.train_items != request.budget:
        yield (
            f"the sources were trained on {evidence.train_items} items each; what {request.budget} items do may "
            "be more or less"
        )


def cautions_of(
    evidence: Evidence, request: Request, items: Mapping[str, int], p_value_S: np.ndarray
) -> tuple[str, ...]:
    """What the draws lack, and what weakens the columns of the targets and the protected tasks.

    Parameters
    ----------
    evidence
        What the request was resolved against.
    request
        As resolved.
    items
        Items by source, of those that are chosen.
    p_value_S
        Of `tasktransfer.recommendation.significance.source_p_values`, shape S.
    """
    cautions = list(evidence.notes)
    if evidence.accuracies is None and request.confidence != (level := evidence.settings.confidence):
        cautions.append(
            f"measured intervals are left out, since the table has them at {level:.0%} and not at "
            f"{request.confidence:.0%}; its verdicts stand. `analyze --confidence {request.confidence:g}` makes "
            "both anew"
        )
    holes = np.isnan(evidence.observed)
    for target in request.targets:
        of_target = holes[evidence.source_places(list(items)), evidence.target_places([target])]
        if unmeasured := [source for source, hole in zip(items, of_target, strict=True) if hole]:
            cautions.append(f"what is said of {target} is a guess: {_listed(unmeasured)} was not measured on it")
    cautions.extend(_of_the_budget(evidence, request, items))
    if len(items) > 1:
        cautions.append(
            f"the effects of {len(items)} sources are added up by their shares, which is an assumption"
        )
    if np.isnan(p_value_S).all():
        cautions.append("whether any source helps is not tested: no error is known for its cells on the targets")
    others = np.array([source not in request.targets for source in request.sources])
    p_value = np.nan if others.all() else any_source_helps(evidence, request, p_value_S, among=others)
    if p_value > 1 - request.confidence:
        cautions.append(f"no evidence that any task but the target itself helps it (p = {p_value:.2f})")
    rows = evidence.diagnostics
    for task in (*request.targets, *request.protect):
        of_task = rows[(rows["scope"] == "target") & (rows["target"] == task)]
        cautions.extend(f"{task}: {message}" for message in of_task["message"])
    return tuple(cautions)
