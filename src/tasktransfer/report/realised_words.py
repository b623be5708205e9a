"""What came of recommendations, in sentences, tables and one picture for the report."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from markupsafe import Markup

from tasktransfer.report.labels import label_of, printable
from tasktransfer.report.realised_figure import draw_realised
from tasktransfer.selection.judgement import Outcome
from tasktransfer.selection.methods import BASELINES

__all__ = ["realised_lines", "realised_words"]


def realised_words(outcome: Outcome, *, confidence: float = 0.95) -> dict[str, Any]:
    """What the template sets."""
    return {
        "lines": realised_lines(outcome),
        "figure": Markup(_svg(outcome.judgement.realised)),
        "tables": [_method_table(outcome), *_target_tables(outcome), *_merge_tables(outcome)],
        "notes": [printable(note, 400) for note in outcome.notes],
        "confidence": f"{confidence:.0%}",
    }


def realised_lines(outcome: Outcome) -> list[str]:
    """What came out, method by method; wins and losses alike."""
    realised, _, targets, methods = outcome.judgement
    lines = [_against(row) for row in methods.itertuples() if row.method != "direct"]
    distinct = realised.drop_duplicates(["target", "mixture"])
    held, held_with = distinct["held"].mean(), distinct["held_with_error"].mean()
    lines.append(
        f"Predicted intervals hold {held:.0%} of the realised values, {held_with:.0%} with the error of these "
        f"({len(distinct)} different pairs of mixture and target)."
    )
    lines.append(
        f"Taking the mixture of the highest prediction costs {_points(targets['regret_at_1'].mean())} against the "
        f"best that was trained, trying the three highest {_points(targets['regret_at_3'].mean())} (means over "
        f"{len(targets)} targets; the best of noisy values is too good, so both are too large)."
    )
    for row in outcome.agreement.itertuples():
        lines.append(
            f"Merging ({row.how}) orders {row.n_pairs} pairs of mixture and target as training does: rank "
            f"correlation {_interval(row, 'raw', 1, 2)}, within targets {_interval(row, 'within_target', 1, 2)}."
        )
    if outcome.failed:
        lines.append(f"{len(outcome.failed)} cells failed and are missing.")
    return lines


def _against(row: Any) -> str:
    """One method against direct finetuning and random mixtures."""
    predicted, realised = (f"{value:+.2f}".replace("-", "−") for value in (row.predicted, row.pgf))
    told = f"{row.method}: gains {_points(row.gain)} (predicted PGF {predicted}, realised {realised})"
    for name in ("direct", "random"):
        over = getattr(row, f"over_{name}")
        if np.isnan(over) or row.method.startswith(name):
            continue
        better, worse = getattr(row, f"better_than_{name}"), getattr(row, f"worse_than_{name}")
        told += f"; {_points(over, signed=True)} against {name}, surely better on {better} and worse on {worse}"
    return f"{told} of {row.n_targets} targets. Other tasks {_points(row.elsewhere, signed=True)} on average."


def _points(value: float, *, signed: bool = False) -> str:
    if np.isnan(value):
        return "unknown"
    return (f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}").replace("-", "−") + " points"


def _interval(row: Any, name: str, scale: float = 100.0, digits: int = 1) -> str:
    mean, low, high = (scale * getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
    if np.isnan(mean):
        return "–"
    ends = "" if np.isnan(low) else f" [{low:+.{digits}f}, {high:+.{digits}f}]"
    return f"{mean:+.{digits}f}{ends}".replace("-", "−")


def _number(value: float, scale: float = 100.0, digits: int = 1) -> str:
    return "–" if np.isnan(value) else f"{scale * value:+.{digits}f}".replace("-", "−")


def _method_table(outcome: Outcome) -> dict[str, Any]:
    rows = [
        (
            row.method,
            str(row.n_targets),
            _number(row.predicted, 1, 2),
            _number(row.pgf, 1, 2),
            _number(row.gain),
            f"{100 * row.regret:.1f}",
            _number(row.over_direct),
            f"{row.better_than_direct} / {row.worse_than_direct}",
            _number(row.elsewhere),
            _number(row.worst),
            f"{row.held:.0%} / {row.held_with_error:.0%}",
        )
        for row in outcome.judgement.methods.itertuples()
    ]
    return {
        "title": "Methods, means over targets",
        "caption": "gains in accuracy points; held: share of predicted intervals that hold the realised PGF, and "
        "with its error",
        "heads": (
            "method", "targets", "predicted PGF", "realised PGF", "gain", "regret", "over direct",
            "surely better / worse", "other tasks", "worst other task", "held / with error",
        ),
        "rows": rows,
    }  # fmt: skip


def _target_tables(outcome: Outcome) -> list[dict[str, Any]]:
    tables = []
    for target, rows in outcome.judgement.realised.groupby("target", sort=False):
        tables.append(
            {
                "title": f"{label_of(str(target))} {printable(str(target))}",
                "caption": f"baseline {rows['baseline'].iloc[0]:.1%}, {rows['n_items'].iloc[0]} items, "
                f"{rows['n_seeds'].iloc[0]} seeds; intervals of gains in accuracy points",
                "heads": ("method", "items", "predicted PGF", "realised PGF", "gain", "over direct", "other tasks",
                          "worst other task"),
                "rows": [
                    (
                        row.method,
                        printable(row.items, 200),
                        _interval(row, "predicted", 1, 2),
                        _interval(row, "pgf", 1, 2),
                        _interval(row, "gain"),
                        _interval(row, "over_direct"),
                        _interval(row, "elsewhere"),
                        f"{label_of(row.worst_task)} {_interval(row, 'worst')}" if row.worst_task else "–",
                    )
                    for row in rows.itertuples()
                ],
            }
        )  # fmt: skip
    return tables


def _merge_tables(outcome: Outcome) -> list[dict[str, Any]]:
    if outcome.agreement.empty:
        return []
    return [
        {
            "title": "Merged without training, against trained",
            "caption": "Spearman’s rank correlation of gains; within targets, their means are taken away",
            "heads": ("way", "mixtures", "pairs", "raw", "within targets"),
            "rows": [
                (
                    row.how,
                    str(row.n_mixtures),
                    str(row.n_pairs),
                    _interval(row, "raw", 1, 2),
                    _interval(row, "within_target", 1, 2),
                )
                for row in outcome.agreement.itertuples()
            ],
        }
    ]


def _svg(realised: pd.DataFrame) -> str:
    """The figure as an element of the page, the same bytes each time."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "tasktransfer", "svg.fonttype": "path"}):
        figure = draw_realised(realised, BASELINES)
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    body = text.getvalue()
    body = re.sub(r"<metadata>.*?</metadata>", "", body[body.index("<svg") :], flags=re.DOTALL)
    return body.replace("<svg ", '<svg role="img" aria-label="Gain of each method on each target" ', 1)
