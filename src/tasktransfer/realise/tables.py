"""What came of recommendations as tables of text for the report."""

from __future__ import annotations

from typing import Any

import numpy as np

from tasktransfer.drawing.labels import label_of, printable
from tasktransfer.realise.judgement import Outcome

__all__ = ["interval_told", "number_told", "realised_tables"]


def realised_tables(outcome: Outcome) -> list[dict[str, Any]]:
    """Methods, then each target, then merges: title, caption, heads and rows of text."""
    return [_method_table(outcome), _more_of_methods(outcome), *_target_tables(outcome), *_merge_tables(outcome)]


def _method_table(outcome: Outcome) -> dict[str, Any]:
    """What a reader chooses by; few columns, so that none is cut."""
    return {
        "title": "Methods, means over targets",
        "caption": "accuracy points; over: how much more than direct finetuning, or than the mean of all random "
        "mixtures of the target that might use the same data, and on how many targets surely better / worse; "
        "other tasks: neither the target nor trained on; regret: against the best mixture of all",
        "heads": ("method", "targets", "gain", "over direct", "better / worse", "over random", "better / worse",
                  "other tasks", "regret"),
        "rows": [
            (
                row.method,
                str(row.n_targets),
                number_told(row.gain),
                number_told(row.over_direct),
                _counts(row, "direct"),
                number_told(row.over_random),
                _counts(row, "random"),
                number_told(row.elsewhere),
                f"{100 * row.regret:.1f}",
            )
            for row in outcome.judgement.methods.itertuples()
        ],
    }  # fmt: skip


def _counts(row: Any, name: str) -> str:
    """On how many targets surely better and worse, of those where it could be told."""
    better, worse, n = (getattr(row, f"{what}_{name}") for what in ("better_than", "worse_than", "n_over"))
    return f"{better} / {worse} of {n}" if n else "–"


def _more_of_methods(outcome: Outcome) -> dict[str, Any]:
    methods = outcome.judgement.methods
    protects = methods["protected"].notna().any()
    return {
        "title": "Methods: what was predicted, and other tasks",
        "caption": "PGF; other columns in accuracy points; own sources: tasks in the mixture, the target aside; "
        "held: share of predicted intervals that hold the realised PGF, and with its error",
        "heads": ("method", "predicted PGF", "realised PGF", "held / with error", "worst other task",
                  "own sources", *(("protected", "not protected") if protects else ())),
        "rows": [
            (
                row.method,
                number_told(row.predicted, 1, 2),
                number_told(row.pgf, 1, 2),
                f"{_percent(row.held)} / {_percent(row.held_with_error)}",
                number_told(row.worst),
                number_told(row.on_sources),
                *((number_told(row.protected), number_told(row.unprotected)) if protects else ()),
            )
            for row in methods.itertuples()
        ],
    }  # fmt: skip


def _percent(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.0%}"


def _target_tables(outcome: Outcome) -> list[dict[str, Any]]:
    tables = []
    for target, rows in outcome.judgement.realised.groupby("target", sort=False):
        tables.append(
            {
                "title": f"{label_of(str(target))} {printable(str(target))}",
                "caption": f"baseline {rows['baseline'].iloc[0]:.1%}, {rows['n_items'].iloc[0]} items, "
                f"{rows['n_seeds'].iloc[0]} seeds; intervals of gains in accuracy points",
                "heads": ("method", "items", "predicted PGF", "realised PGF", "gain", "over direct", "over random",
                          "other tasks", "worst other task", "own sources"),
                "rows": [
                    (
                        row.method,
                        printable(row.items, 200),
                        interval_told(row, "predicted", 1, 2),
                        interval_told(row, "pgf", 1, 2),
                        interval_told(row, "gain"),
                        interval_told(row, "over_direct"),
                        interval_told(row, "over_random"),
                        interval_told(row, "elsewhere"),
                        f"{label_of(row.worst_task)} {interval_told(row, 'worst')}" if row.worst_task else "–",
                        interval_told(row, "on_sources"),
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
                    interval_told(row, "raw", 1, 2),
                    interval_told(row, "within_target", 1, 2),
                )
                for row in outcome.agreement.itertuples()
            ],
        }
    ]


def interval_told(row: Any, name: str, scale: float = 100.0, digits: int = 1) -> str:
    """A value of a row with its interval, in points where nothing else is said."""
    mean, low, high = (scale * getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
    if np.isnan(mean):
        return "–"
    ends = "" if np.isnan(low) else f" [{low:+.{digits}f}, {high:+.{digits}f}]"
    return f"{mean:+.{digits}f}{ends}".replace("-", "−")


def number_told(value: float, scale: float = 100.0, digits: int = 1) -> str:
    """A signed number, in points where nothing else is said."""
    return "–" if np.isnan(value) else f"{scale * value:+.{digits}f}".replace("-", "−")
