"""Results of recommendations in sentences, and as a section of the report.

What a reader wants first: was anything surely better, and which methods chose alike.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasktransfer.drawing.labels import label_of, list_labels, printable
from tasktransfer.drawing.numbers import percent, points, signed
from tasktransfer.realise.judgement import Outcome
from tasktransfer.realise.tables import named_estimate, realised_tables
from tasktransfer.report.findings import Finding
from tasktransfer.report.page.page import Section, render_template

__all__ = ["headlines", "realised_finding", "realised_lines", "realised_section", "realised_words"]

_WIDE = 0.05  # half an interval of a difference that says little, in accuracy
_GROUPS = 6  # of methods that chose alike
_LISTED = 4  # methods
_AGAINST = ("direct", "random")


def realised_section(outcome: Outcome, picture: str) -> Section:
    """The section of the report; `picture` is the SVG of `tasktransfer.realise.figure.draw_realised`."""
    template = resources.files("tasktransfer.realise").joinpath("section.html.j2").read_text(encoding="utf-8")
    body = render_template(template, figure=Markup(picture), **realised_words(outcome))
    return Section("realised", "Recommended and realised", body, realised_finding(outcome))


def realised_words(outcome: Outcome) -> dict[str, Any]:
    """What the section's template sets."""
    first = headlines(outcome)
    return {
        "headlines": first,
        "lines": realised_lines(outcome)[len(first) :],
        "tables": realised_tables(outcome),
        "notes": [printable(note, 400) for note in outcome.notes],
        "confidence": f"{100 * outcome.confidence:g}%",
    }


def realised_lines(outcome: Outcome) -> list[str]:
    """Results, method by method; wins and losses alike."""
    realised, elsewhere, targets, methods = outcome.judgement
    lines = headlines(outcome)
    lines += [_against(row) for row in methods.itertuples() if row.method != "direct"]
    level = f"{100 * outcome.confidence:g}%"
    lines += [
        _held(realised.drop_duplicates(["target", "mixture"]), level, "mixture and target"),
        _held(elsewhere.drop_duplicates(["mixture", "task"]), level, "mixture and other task"),
        _regret(targets, "", "all mixtures of a target"),
        _regret(targets, "_other", "those without the target’s own data"),
    ]
    for row in outcome.agreement.itertuples():
        raw, within = (named_estimate(row, name, digits=2) for name in ("raw", "within_target"))
        lines.append(
            f"Merging ({row.how}) orders {row.n_pairs} pairs of mixture and target as training does: rank "
            f"correlation {raw}, within targets {within}."
        )
    if outcome.failed:
        lines.append(f"{len(outcome.failed)} cells failed and are missing.")
    return [line for line in lines if line]


def _against(row: Any) -> str:
    """One method against direct finetuning and random mixtures."""
    text = f"{row.method}: gains {points(row.gain)} on average over {_targets(row.n_targets)}"
    if row.n_pgf:
        predicted, realised = (signed(value) for value in (row.predicted, row.pgf))
        text += f" (predicted PGF {predicted}, realised {realised})"
    for name in ("direct", "random"):
        over = getattr(row, f"over_{name}")
        if np.isnan(over) or row.method.startswith(name):
            continue
        better, worse, n = (getattr(row, f"{what}_{name}") for what in ("better_than", "worse_than", "n_over"))
        text += f"; {points(over, sign=True)} against {name}, surely better on {better}, worse on {worse} of {n}"
    text += "."
    if not np.isnan(row.elsewhere):
        text += f" Tasks that it was not trained on: {points(row.elsewhere, sign=True)} on average."
    if not np.isnan(row.protected):
        text += f" Protected tasks {points(row.protected, sign=True)}"
        text += f", the others {points(row.unprotected, sign=True)}." if not np.isnan(row.unprotected) else "."
    return text


def _held(distinct: pd.DataFrame, level: str, pair: str) -> str:
    """How often predicted intervals hold; of pairs where there is a PGF and a prediction."""
    held, held_with = _share(distinct["held"]), _share(distinct["held_with_error"])
    n, n_undefined = int(distinct["held"].notna().sum()), int(distinct["held"].isna().sum())
    if not n:
        return ""
    more = f"; {n_undefined} more have no PGF, or no prediction" if n_undefined else ""
    return (
        f"Predicted {level} intervals hold {held} of the realised values, {held_with} with the error of these "
        f"({n} different pairs of {pair}{more})."
    )


def _regret(targets: pd.DataFrame, end: str, among: str) -> str:
    """What choosing by the prediction costs."""
    first, third = targets[f"regret_at_1{end}"], targets[f"regret_at_3{end}"]
    n = int(first.notna().sum())
    if not n:
        return ""
    three = f", trying the three highest {points(third.mean())}" if third.notna().any() else ""
    return (
        f"Among {among}, taking the one of the highest prediction costs {points(first.mean())} against the "
        f"best{three} (means over {_targets(n)}; the best of noisy values is too good, so this is too large)."
    )


def _targets(number: int) -> str:
    return "1 target" if number == 1 else f"{number} targets"


def _share(truths: pd.Series) -> str:
    """Share of those known."""
    return percent(float(truths.dropna().astype(float).mean()))


def realised_finding(outcome: Outcome) -> Finding:
    """The headlines as the first finding of the page."""
    nothing, won, alike = _nothing(outcome), _won(outcome), _alike(outcome.judgement.realised)
    title, text = "Results of the recommendations", ""
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
    """Methods that were compared with direct or random, these two themselves aside."""
    methods = outcome.judgement.methods
    return methods[~methods["method"].str.startswith(_AGAINST) & (methods[f"n_over_{name}"] > 0)]


def _won(outcome: Outcome) -> list[str]:
    lines = []
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
            lines.append(f"Surely better than {name}: {'; '.join(listed)}{more}.")
    return lines


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
    widths = widths[widths > 0]  # a mixture that is itself what it is compared with differs by nothing
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
    lines = []
    for methods, targets in sorted(where.items(), key=lambda group: -len(group[1]))[:_GROUPS]:
        comma = ";" if any(", " in method for method in methods) else ","  # "mixture, other data" has its own
        names = f"{f'{comma} '.join(methods[:-1])}{';' if comma == ';' else ''} and {methods[-1]}"
        if n_targets == 1:
            place = "here"
        elif len(targets) == n_targets:
            place = f"on all {n_targets} targets"
        else:
            place = f"on {list_labels(targets, 6) if len(targets) > 1 else label_of(targets[0])}"
        lines.append(f"{names} are the same mixture {place}.")
    if len(where) > _GROUPS:
        lines.append(
            f"{len(where) - _GROUPS} more groups of methods are one mixture on some target; see the tables."
        )
    return lines
