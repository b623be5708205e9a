"""What a reader of recommendations wants first: was anything surely better, and which methods chose alike."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasktransfer.drawing.labels import label_of, list_labels
from tasktransfer.realise.judgement import Outcome
from tasktransfer.report.findings.finding import Finding

__all__ = ["headlines", "realised_finding"]

_WIDE = 0.05  # half an interval of a difference that tells little, in accuracy
_GROUPS = 6  # of methods that chose alike
_LISTED = 4  # methods
_AGAINST = ("direct", "random")


def realised_finding(outcome: Outcome) -> Finding:
    """The headlines as the first finding of the page."""
    nothing, won, alike = _nothing(outcome), _won(outcome), _alike(outcome.judgement.realised)
    title, text = "What came of the recommendations", ""
    if nothing[0]:
        title, text = nothing[0], f"{nothing[1]}. "
    best = outcome.judgement.methods.sort_values("gain", ascending=False, kind="stable").iloc[0]
    highest = f"Highest mean gain: {best['method']}, {100 * best['gain']:+.1f} points.".replace("-", "−", 1)
    return Finding(
        title,
        text + " ".join([highest, *won, *alike[:1]]),
        "Measured on items and with seeds that recommendations were not made from. The best of many methods looks "
        "better than it is.",
        "realised",
    )


def headlines(outcome: Outcome) -> list[str]:
    """Sentences: what is surely better than direct and random, and which methods are the same mixture."""
    nothing = [f"{claim} ({limits})." for claim, limits in [_nothing(outcome)] if claim]
    return [*nothing, *_won(outcome), *_alike(outcome.judgement.realised)]


def _compared(outcome: Outcome, name: str) -> pd.DataFrame:
    """Methods that were held against direct or random, these two themselves aside."""
    methods = outcome.judgement.methods
    return methods[~methods["method"].str.startswith(_AGAINST) & (methods[f"n_over_{name}"] > 0)]


def _won(outcome: Outcome) -> list[str]:
    told = []
    for name in _AGAINST:
        won = _compared(outcome, name)
        won = won[won[f"better_than_{name}"] > 0]
        won = won.sort_values(f"better_than_{name}", ascending=False, kind="stable")
        listed = [
            f"{row['method']} on {row[f'better_than_{name}']} of {row[f'n_over_{name}']}"
            for _, row in won.head(_LISTED).iterrows()
        ]
        if listed:
            more = f"; and {len(won) - _LISTED} more methods" if len(won) > _LISTED else ""
            told.append(f"Surely better than {name}: {'; '.join(listed)}{more}.")
    return told


def _nothing(outcome: Outcome) -> tuple[str, str]:
    """That nothing was better, and with how much data: how large a difference could have been missed."""
    names = [
        name
        for name in _AGAINST
        if len(compared := _compared(outcome, name)) and not compared[f"better_than_{name}"].any()
    ]
    if not names:
        return "", ""
    realised = outcome.judgement.realised
    rows = realised[~realised["method"].str.startswith(_AGAINST)]
    halves = [(rows[f"over_{name}_high"] - rows[f"over_{name}_low"]).to_numpy(dtype=float) / 2 for name in names]
    widths = np.concatenate(halves)
    widths = widths[widths > 0]  # a mixture that is itself what it is held against differs by nothing
    low, high = int(realised["n_items"].min()), int(realised["n_items"].max())
    targets = realised["target"].nunique()
    limits = f"{low if low == high else f'{low} to {high}'} items, {targets} target{'' if targets == 1 else 's'}"
    claim = f"No method is surely better than {' or '.join(names)}"
    if not len(widths):
        return claim, limits
    typical = float(np.median(widths))
    points = f"{100 * typical:.{0 if typical >= 0.015 else 1}f}"
    limits += f"; differences under about {points} points cannot be told from none"
    return claim + (": too little to tell" if typical >= _WIDE else ""), limits


def _alike(realised: pd.DataFrame) -> list[str]:
    """Methods that chose the very same mixture, by the targets on which they did."""
    n_targets = realised["target"].nunique()
    where: dict[tuple[str, ...], list[str]] = {}
    for (target, _), rows in realised.groupby(["target", "mixture"], sort=False):
        if len(rows) > 1 and not rows["method"].str.startswith("random").all():
            where.setdefault(tuple(dict.fromkeys(rows["method"])), []).append(str(target))
    told = []
    for methods, targets in sorted(where.items(), key=lambda group: -len(group[1]))[:_GROUPS]:
        comma = ";" if any(", " in method for method in methods) else ","  # "mixture, other data" has its own
        names = f"{f'{comma} '.join(methods[:-1])}{';' if comma == ';' else ''} and {methods[-1]}"
        if n_targets == 1:
            place = "here"
        elif len(targets) == n_targets:
            place = f"on all {n_targets} targets"
        else:
            place = f"on {list_labels(targets, 6) if len(targets) > 1 else label_of(targets[0])}"
        told.append(f"{names} are the same mixture {place}.")
    if len(where) > _GROUPS:
        told.append(
            f"{len(where) - _GROUPS} more groups of methods are one mixture on some target; see the tables."
        )
    return told
