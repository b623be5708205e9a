"""What came of recommendations, in sentences, tables and one picture for the report."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup

from tasktransfer.drawing.labels import printable
from tasktransfer.realise.figure import draw_realised
from tasktransfer.realise.headlines import headlines
from tasktransfer.realise.judgement import Outcome
from tasktransfer.realise.tables import interval_told, number_told, realised_tables
from tasktransfer.recommendation.methods import BASELINES

__all__ = ["realised_lines", "realised_words"]


def realised_words(outcome: Outcome) -> dict[str, Any]:
    """What the template sets."""
    first = headlines(outcome)
    return {
        "headlines": first,
        "lines": realised_lines(outcome)[len(first) :],
        "figure": Markup(_svg(outcome.judgement.realised)),
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
        raw, within = (interval_told(row, name, 1, 2) for name in ("raw", "within_target"))
        lines.append(
            f"Merging ({row.how}) orders {row.n_pairs} pairs of mixture and target as training does: rank "
            f"correlation {raw}, within targets {within}."
        )
    if outcome.failed:
        lines.append(f"{len(outcome.failed)} cells failed and are missing.")
    return [line for line in lines if line]


def _against(row: Any) -> str:
    """One method against direct finetuning and random mixtures."""
    told = f"{row.method}: gains {_points(row.gain)} on average over {_targets(row.n_targets)}"
    if row.n_pgf:
        predicted, realised = (number_told(value, 1, 2) for value in (row.predicted, row.pgf))
        told += f" (predicted PGF {predicted}, realised {realised})"
    for name in ("direct", "random"):
        over = getattr(row, f"over_{name}")
        if np.isnan(over) or row.method.startswith(name):
            continue
        better, worse, n = (getattr(row, f"{what}_{name}") for what in ("better_than", "worse_than", "n_over"))
        told += (
            f"; {_points(over, signed=True)} against {name}, surely better on {better}, worse on {worse} of {n}"
        )
    told += "."
    if not np.isnan(row.elsewhere):
        told += f" Tasks that it was not trained on: {_points(row.elsewhere, signed=True)} on average."
    if not np.isnan(row.protected):
        told += f" Protected tasks {_points(row.protected, signed=True)}"
        told += f", the others {_points(row.unprotected, signed=True)}." if not np.isnan(row.unprotected) else "."
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
    three = f", trying the three highest {_points(third.mean())}" if third.notna().any() else ""
    return (
        f"Among {among}, taking the one of the highest prediction costs {_points(first.mean())} against the "
        f"best{three} (means over {_targets(n)}; the best of noisy values is too good, so this is too large)."
    )


def _targets(number: int) -> str:
    return "1 target" if number == 1 else f"{number} targets"


def _share(truths: pd.Series) -> str:
    """Share of those known."""
    known = truths.dropna().astype(float)
    return f"{known.mean():.0%}" if len(known) else "–"


def _points(value: float, *, signed: bool = False) -> str:
    if np.isnan(value):
        return "unknown"
    return (f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}").replace("-", "−") + " points"


def _svg(realised: pd.DataFrame) -> str:
    """The figure as an element of the page, the same bytes each time."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "tasktransfer", "svg.fonttype": "path"}):
        figure = draw_realised(realised, BASELINES)
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    body = text.getvalue()
    body = re.sub(r"<metadata>.*?</metadata>", "", body[body.index("<svg") :], flags=re.DOTALL)
    return body.replace("<svg ", '<svg role="img" aria-label="Gain of each method on each target" ', 1)
