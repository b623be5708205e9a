"""Results of recommendations as tables of text for the report."""

from __future__ import annotations

from typing import Any

from tasktransfer.drawing.labels import label_of, printable
from tasktransfer.drawing.numbers import estimate, percent, signed
from tasktransfer.realise.judgement import Outcome

__all__ = ["named_estimate", "realised_tables"]


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
                signed(row.gain, 1, scale=100),
                signed(row.over_direct, 1, scale=100),
                _counts(row, "direct"),
                signed(row.over_random, 1, scale=100),
                _counts(row, "random"),
                signed(row.elsewhere, 1, scale=100),
                f"{100 * row.regret:.1f}",
            )
            for row in outcome.judgement.methods.itertuples()
        ],
    }  # fmt: skip


def _counts(row: Any, name: str) -> str:
    """On how many targets surely better and worse, of those where a difference is known."""
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
                signed(row.predicted),
                signed(row.pgf),
                f"{percent(row.held)} / {percent(row.held_with_error)}",
                signed(row.worst, 1, scale=100),
                signed(row.on_sources, 1, scale=100),
                *(signed(getattr(row, name), 1, scale=100) for name in ("protected", "unprotected") if protects),
            )
            for row in methods.itertuples()
        ],
    }  # fmt: skip


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
                        named_estimate(row, "predicted", digits=2),
                        named_estimate(row, "pgf", digits=2),
                        _points(row, "gain"),
                        _points(row, "over_direct"),
                        _points(row, "over_random"),
                        _points(row, "elsewhere"),
                        f"{label_of(row.worst_task)} {_points(row, 'worst')}" if row.worst_task else "–",
                        _points(row, "on_sources"),
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
                    named_estimate(row, "raw", digits=2),
                    named_estimate(row, "within_target", digits=2),
                )
                for row in outcome.agreement.itertuples()
            ],
        }
    ]


def named_estimate(row: Any, name: str, *, digits: int = 1, scale: float = 1.0) -> str:
    """A value of a row with its interval.

    Parameters
    ----------
    row
        With the attributes NAME, NAME_low and NAME_high.
    name
        Of the value.
    digits
        After the point.
    scale
        What the value is multiplied by; 100 makes accuracy points of a fraction.
    """
    mean, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
    return estimate(mean, low, high, digits, scale=scale)


def _points(row: Any, name: str) -> str:
    """The same in accuracy points."""
    return named_estimate(row, name, scale=100)
