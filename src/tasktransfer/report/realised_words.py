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


def realised_words(outcome: Outcome) -> dict[str, Any]:
    """What the template sets."""
    return {
        "lines": realised_lines(outcome),
        "figure": Markup(_svg(outcome.judgement.realised)),
        "tables": [_method_table(outcome), *_target_tables(outcome), *_merge_tables(outcome)],
        "notes": [printable(note, 400) for note in outcome.notes],
        "confidence": f"{100 * outcome.confidence:g} %",
    }


def realised_lines(outcome: Outcome) -> list[str]:
    """What came out, method by method; wins and losses alike."""
    realised, elsewhere, targets, methods = outcome.judgement
    lines = [_against(row) for row in methods.itertuples() if row.method != "direct"]
    level = f"{100 * outcome.confidence:g} %"
    lines += [
        _held(realised.drop_duplicates(["target", "mixture"]), level, "mixture and target"),
        _held(elsewhere.drop_duplicates(["mixture", "task"]), level, "mixture and other task"),
        _regret(targets, "", "mixture", "were trained"),
    ]
    if (targets["n_mixtures_other"] > 1).any():
        lines.append(_regret(targets, "_other", "mixture without the target’s own data", "have none of it"))
    for row in outcome.agreement.itertuples():
        lines.append(
            f"Merging ({row.how}) orders {row.n_pairs} pairs of mixture and target as training does: rank "
            f"correlation {_interval(row, 'raw', 1, 2)}, within targets {_interval(row, 'within_target', 1, 2)}."
        )
    if outcome.failed:
        lines.append(f"{len(outcome.failed)} cells failed and are missing.")
    return [line for line in lines if line]


def _against(row: Any) -> str:
    """One method against direct finetuning and random mixtures."""
    told = f"{row.method}: gains {_points(row.gain)} on average over {row.n_targets} {_several(row.n_targets, 'target')}"
    if row.n_pgf:
        predicted, realised = (_number(value, 1, 2) for value in (row.predicted, row.pgf))
        told += f" (predicted PGF {predicted}, realised {realised})"
    for name in ("direct", "random"):
        over = getattr(row, f"over_{name}")
        if np.isnan(over) or row.method.startswith(name):
            continue
        better, worse, known = (
            getattr(row, f"{which}_{name}") for which in ("better_than", "worse_than", "n_over")
        )
        told += f"; {_points(over, signed=True)} against {name}, surely better on {better} and worse on {worse} of {known}"
    told += f". Tasks that it was not trained on: {_points(row.elsewhere, signed=True)} on average."
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
        f"Predicted {level} intervals hold {held} of the realised values, {held_with} with the error of these ({n} "
        f"different pairs of {pair}{more})."
    )


def _regret(targets: pd.DataFrame, end: str, what: str, which: str) -> str:
    """What choosing by the prediction costs."""
    first, third = targets[f"regret_at_1{end}"], targets[f"regret_at_3{end}"]
    n = int(first.notna().sum())
    if not n:
        return ""
    return (
        f"Taking the {what} of the highest prediction costs {_points(first.mean())} against the best of those that "
        f"{which}, trying the three highest {_points(third.mean())} (means over {n} {_several(n, 'target')}; the best "
        "of noisy values is too good, so both are too large)."
    )


def _several(number: int, word: str) -> str:
    return word if number == 1 else f"{word}s"


def _share(truths: pd.Series) -> str:
    """Share of those known."""
    known = truths.dropna().astype(float)
    return f"{known.mean():.0%}" if len(known) else "–"


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
    methods = outcome.judgement.methods
    protects = methods["protected"].notna().any()
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
            _number(row.over_random),
            f"{row.better_than_random} / {row.worse_than_random}",
            _number(row.elsewhere),
            _number(row.worst),
            _number(row.on_sources),
            *((_number(row.protected), _number(row.unprotected)) if protects else ()),
            f"{_percent(row.held)} / {_percent(row.held_with_error)}",
        )
        for row in methods.itertuples()
    ]
    return {
        "title": "Methods, means over targets",
        "caption": "gains in accuracy points; random: the mean of all random mixtures of the target that might use "
        "the same data; other tasks: neither the target nor trained on; own sources: tasks in the mixture, the "
        "target aside; held: share of predicted intervals that hold the realised PGF, and with its error",
        "heads": (
            "method", "targets", "predicted PGF", "realised PGF", "gain", "regret", "over direct",
            "surely better / worse", "over random", "surely better / worse", "other tasks", "worst other task",
            "own sources", *(("protected", "not protected") if protects else ()), "held / with error",
        ),
        "rows": rows,
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
                        _interval(row, "predicted", 1, 2),
                        _interval(row, "pgf", 1, 2),
                        _interval(row, "gain"),
                        _interval(row, "over_direct"),
                        _interval(row, "over_random"),
                        _interval(row, "elsewhere"),
                        f"{label_of(row.worst_task)} {_interval(row, 'worst')}" if row.worst_task else "–",
                        _interval(row, "on_sources"),
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
