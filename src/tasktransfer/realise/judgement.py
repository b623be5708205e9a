"""Results of recommendations, compared with what was predicted and with simpler choices.

    gain            accuracy of the trained mixture less the baseline, on the judging half of the items
    over direct     accuracy it has more than the mixture of the target's own data, paired by seed and item
    over random     the same against the mean of all random mixtures of the target that might use the same data
    over uniform    the same against the uniform mixture that might use the same data
    elsewhere       mean and least gain over the tasks that are neither the target nor in the mixture
    on sources      mean gain over the tasks in the mixture, the target aside
    regret          accuracy that the best mixture of all that were trained for the target has more
    held            whether the predicted interval of PGF holds the realised value; ``held_with_error`` whether the
                    two differ by no more than both intervals together allow; not known where either has no value

Choosing by the prediction is judged in `tasktransfer.realise.regret`, intervals are those of
`tasktransfer.realise.answers`. The interval of a difference to random mixtures is that of these draws: over
items and seeds, not over other draws of sources.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.errors import InputError
from tasktransfer.realise.answers import (
    UNKNOWN,
    Answers,
    Value,
    answers_of,
    difference_of,
    gain_of,
    mean_gain,
    pgf_of,
)
from tasktransfer.realise.choices import Choice
from tasktransfer.realise.regret import regret_table

__all__ = ["Judgement", "Outcome", "judge"]

COMPARED = ("direct", "random", "uniform")  # every mixture is compared with these of the same target


class Judgement(NamedTuple):
    """Tables; accuracies are fractions."""

    realised: pd.DataFrame  # a row per target and method
    elsewhere: pd.DataFrame  # a row per target, method and task
    targets: pd.DataFrame  # regret of choosing by the prediction, per target
    methods: pd.DataFrame  # means over targets


class Outcome(NamedTuple):
    """Everything that was chosen, trained and measured."""

    choices: list[Choice]
    judgement: Judgement
    merges: pd.DataFrame  # of `tasktransfer.realise.merged.merge_table`
    agreement: pd.DataFrame  # of `tasktransfer.realise.merged.merge_agreement`
    notes: list[str]  # questions that a method had no answer to
    failed: dict[str, str]  # cells
    confidence: float = 0.95  # of every interval


class _Judge(NamedTuple):
    """What every choice is judged by."""

    choices: Sequence[Choice]
    answers: Mapping[tuple[str, str], Answers]
    tasks: Sequence[str]
    protect: Collection[str]
    confidence: float


def judge(
    items: pd.DataFrame,
    choices: Sequence[Choice],
    *,
    protect: str | Collection[str] = (),
    confidence: float = 0.95,
) -> Judgement:
    """Judge choices by the answers of the mixtures that were trained.

    Parameters
    ----------
    items
        Scores by item of the judging half: the ``items`` of `tasktransfer.read_accuracies`, with the untouched
        model, the grid's finetunes, whose spread over seeds steadies that of the mixtures, and the mixtures.
    choices
        Of `make_choices`; one whose mixture was not trained is left out.
    protect
        Tasks that were not to be harmed, or ``all``; they get a mean of their own.
    confidence
        Level of the intervals, in (0, 1).

    Raises
    ------
    InputError
        No mixture was trained.
    """
    answers = answers_of(items)
    tasks = sorted({task for _, task in answers})
    held = _Judge(choices, answers, tasks, tasks if protect == "all" else protect, confidence)
    made = [choice for choice in choices if (choice.mixture, choice.target) in answers]
    if not made:
        raise InputError(f"nothing to judge: none of the {len(choices)} recommended mixtures answered its target")
    realised = pd.DataFrame([_row(choice, held) for choice in made])
    realised = realised.astype(dict.fromkeys(("held", "held_with_error"), "boolean"))
    realised["regret"] = realised.groupby("target")["gain"].transform("max") - realised["gain"]
    others = [row for choice in made for row in _elsewhere(choice, held)]
    elsewhere = pd.DataFrame(others, columns=None if others else list(_ELSEWHERE))
    elsewhere = elsewhere.astype(dict.fromkeys(("held", "held_with_error"), "boolean"))
    return Judgement(realised, elsewhere, regret_table(realised), _by_method(realised))


def _row(choice: Choice, held: _Judge) -> dict[str, object]:
    own = held.answers[choice.mixture, choice.target]
    gain = gain_of(own, held.confidence)
    pgf = pgf_of(own, gain, held.confidence)
    predicted = _predicted(choice, choice.target)
    return {
        "target": choice.target,
        "method": choice.method,
        "mixture": choice.mixture,
        "items": "; ".join(f"{task} {count}" for task, count in choice.items.items()),
        "n_sources": len(choice.items),
        "holds_target": choice.target in choice.items,
        "helps": "" if choice.helps is None else str(choice.helps).lower(),
        **_named("predicted", predicted),
        "n_seeds": len(own.seeds),
        "n_items": len(own.items_K),
        "baseline": float(own.before_SK.mean()),
        "accuracy": float(own.after_SK.mean()),
        **_named("gain", gain),
        **_named("pgf", pgf),
        "held": _holds(predicted, pgf),
        "held_with_error": _agree(predicted, pgf),
        **_against(choice, held),
        **_other_tasks(choice, held),
    }


def _against(choice: Choice, held: _Judge) -> dict[str, object]:
    """Against direct finetuning, and random and uniform mixtures that might use the same data."""
    own = held.answers[choice.mixture, choice.target]
    row: dict[str, object] = {}
    for name in COMPARED:
        rivals = [
            held.answers[other.mixture, other.target]
            for other in held.choices
            if (other.target, other.rule) == (choice.target, name)
            and (name == "direct" or other.other_data == choice.other_data)
            and (other.mixture, other.target) in held.answers
        ]
        row |= _named(f"over_{name}", difference_of(own, rivals, held.confidence) if rivals else UNKNOWN)
    return row


def _other_tasks(choice: Choice, held: _Judge) -> dict[str, object]:
    """Mean gains over other tasks: not in the mixture, with the one that loses most; in it; protected or not."""
    there = {
        task: held.answers[choice.mixture, task]
        for task in held.tasks
        if task != choice.target and (choice.mixture, task) in held.answers
    }
    apart = {task: of for task, of in there.items() if task not in choice.items}
    gains = {task: gain_of(of, held.confidence) for task, of in apart.items()}
    worst = min(gains, key=lambda task: gains[task].mean, default="")
    protected = [of for task, of in there.items() if task in held.protect]
    rest = [of for task, of in there.items() if task not in held.protect] if held.protect else []
    sources = [of for task, of in there.items() if task in choice.items]
    return {
        "n_elsewhere": len(apart),
        **_named("elsewhere", mean_gain(list(apart.values()), held.confidence)),
        "worst_task": worst,
        **_named("worst", gains.get(worst, UNKNOWN)),
        **_named("on_sources", mean_gain(sources, held.confidence)),
        **_named("protected", mean_gain(protected, held.confidence)),
        **_named("unprotected", mean_gain(rest, held.confidence)),
    }


def _named(name: str, value: Value) -> dict[str, float]:
    return {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}


def _predicted(choice: Choice, task: str) -> Value:
    row = choice.expected[choice.expected["task"] == task]
    return Value(*(float(row[name].iloc[0]) if len(row) else np.nan for name in ("pgf", "low", "high")))


def _holds(predicted: Value, realised: Value) -> bool | None:
    """Whether an interval holds a value."""
    if np.isnan([predicted.low, predicted.high, realised.mean]).any():
        return None
    return predicted.low <= realised.mean <= predicted.high


def _agree(a: Value, b: Value) -> bool | None:
    """Whether two values differ by no more than the half-intervals that face each other, in quadrature."""
    if np.isnan([*a, *b]).any():
        return None
    lower, upper = (a, b) if a.mean <= b.mean else (b, a)
    return bool(upper.mean - lower.mean <= np.hypot(lower.high - lower.mean, upper.mean - upper.low))


_ELSEWHERE = (
    "target", "method", "mixture", "task", "trained_on", "protected", "predicted", "predicted_low",
    "predicted_high", "gain", "gain_low", "gain_high", "pgf", "pgf_low", "pgf_high", "held", "held_with_error",
)  # fmt: skip


def _elsewhere(choice: Choice, held: _Judge) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for task in held.tasks:
        if task == choice.target or (choice.mixture, task) not in held.answers:
            continue
        of = held.answers[choice.mixture, task]
        gain = gain_of(of, held.confidence)
        pgf, predicted = pgf_of(of, gain, held.confidence), _predicted(choice, task)
        rows.append(
            {
                "target": choice.target,
                "method": choice.method,
                "mixture": choice.mixture,
                "task": task,
                "trained_on": task in choice.items,
                "protected": task in held.protect,
                **_named("predicted", predicted),
                **_named("gain", gain),
                **_named("pgf", pgf),
                "held": _holds(predicted, pgf),
                "held_with_error": _agree(predicted, pgf),
            }
        )
    return rows


def _by_method(realised: pd.DataFrame) -> pd.DataFrame:
    """Means over targets, and on how many a method is surely better or worse than what it is compared with."""
    rows = []
    for method, of in realised.groupby("method", sort=False):
        both = of[of["predicted"].notna() & of["pgf"].notna()]  # their means are to be of the same targets
        row: dict[str, object] = {
            "method": method,
            "n_targets": len(of),
            "n_pgf": len(both),
            "predicted": both["predicted"].mean(),
            "pgf": both["pgf"].mean(),
        }
        row |= {name: of[name].mean() for name in ("gain", "regret", "elsewhere")}
        row |= {"worst": of["worst"].min()}
        row |= {name: of[name].mean() for name in ("on_sources", "protected", "unprotected")}
        for name in COMPARED:
            over = f"over_{name}"
            row |= {
                over: of[over].mean(),
                f"n_over_{name}": int(of[over].notna().sum()),
                f"better_than_{name}": int((of[f"{over}_low"] > 0).sum()),
                f"worse_than_{name}": int((of[f"{over}_high"] < 0).sum()),
            }
        rows.append(row | {name: of[name].astype(float).mean() for name in ("held", "held_with_error")})
    return pd.DataFrame(rows)
