"""What came of recommendations, in sentences, tables and one picture for the report."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasktransfer.drawing.labels import printable
from tasktransfer.drawing.numbers import percent, points, signed
from tasktransfer.realise.headlines import headlines, realised_finding
from tasktransfer.realise.judgement import Outcome
from tasktransfer.realise.tables import named_estimate, realised_tables
from tasktransfer.report.page.page import Section, render_template

__all__ = ["realised_lines", "realised_section", "realised_words"]


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
    """What came out, method by method; wins and losses alike."""
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
    told = f"{row.method}: gains {points(row.gain)} on average over {_targets(row.n_targets)}"
    if row.n_pgf:
        predicted, realised = (signed(value) for value in (row.predicted, row.pgf))
        told += f" (predicted PGF {predicted}, realised {realised})"
    for name in ("direct", "random"):
        over = getattr(row, f"over_{name}")
        if np.isnan(over) or row.method.startswith(name):
            continue
        better, worse, n = (getattr(row, f"{what}_{name}") for what in ("better_than", "worse_than", "n_over"))
        told += f"; {points(over, sign=True)} against {name}, surely better on {better}, worse on {worse} of {n}"
    told += "."
    if not np.isnan(row.elsewhere):
        told += f" Tasks that it was not trained on: {points(row.elsewhere, sign=True)} on average."
    if not np.isnan(row.protected):
        told += f" Protected tasks {points(row.protected, sign=True)}"
        told += f", the others {points(row.unprotected, sign=True)}." if not np.isnan(row.unprotected) else "."
    return told


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
