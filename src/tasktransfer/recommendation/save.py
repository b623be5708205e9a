"""A recommendation in lines for the terminal, and as files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tasktransfer.analysis.summary import versions
from tasktransfer.drawing.labels import printable
from tasktransfer.drawing.numbers import number
from tasktransfer.files import output_folder, write_json
from tasktransfer.recommendation.recommend import Recommendation, study_fragment
from tasktransfer.recommendation.words import PROBABLE
from tasktransfer.tables import write_csv

__all__ = ["FRAGMENT", "recommendation_lines", "save_recommendation"]

FRAGMENT = "mixture.yaml"
_NEXT_BEST = 5
_TASKS = 20  # shown; of more, the smallest effects are only counted


def recommendation_lines(recommendation: Recommendation) -> Iterator[str]:
    """The sentence, the sources with their evidence, the effects, and what weakens them."""
    yield recommendation.sentence
    rows = recommendation.evidence
    shown = rows[(rows["items"] > 0) | (rows.index < (rows["items"] > 0).sum() + _NEXT_BEST)]
    yield ""
    yield (
        f"{'items':>7}  {'source':<28} {'target':<28} {'PGF':>6} {'interval':>16} {'shrunken':>8} {'q':>6}  "
        "verdict"
    )
    for row in shown.itertuples():
        weak = f"  ({row.weakened_by})" if row.weakened_by else ""
        yield (
            f"{row.items:>7}  {printable(row.source):<28} {printable(row.target):<28} {number(row.pgf):>6} "
            f"{_interval(row.low, row.high):>16} {number(row.shrunken):>8} "
            f"{number(row.q_helps, '.3f'):>6}  {row.verdict}{weak}"
        )
    yield "shrunken: PGF as far as its error lets it be believed; q: false discovery rate of 'it helps'"
    yield ""
    yield f"{'task':<28} {'role':<10} {'expected':>8} {'interval':>16}  probability of a loss"
    tasks = _notable(recommendation.expected)
    for row in tasks.itertuples():
        yield (
            f"{printable(row.task):<28} {row.role:<10} {number(row.pgf):>8} {_interval(row.low, row.high):>16}  "
            f"{number(row.p_harm, '.3f')}"
        )
    if left := int((recommendation.expected["task"] != "").sum()) - len(tasks):
        yield f"{left} more {'task' if left == 1 else 'tasks'} with smaller effects; --out writes all of them"
    for caution in recommendation.cautions:
        yield f"caution: {caution}"


def _notable(expected: pd.DataFrame) -> pd.DataFrame:
    """Targets, protected tasks and the others, largest effects first; of very many tasks the smallest effects are
    left out, unless a loss is probable.
    """
    tasks = expected[expected["task"] != ""]
    others = tasks[tasks["role"] == "other"]
    others = others.loc[others["pgf"].abs().sort_values(ascending=False, kind="stable").index]
    room = _TASKS - (len(tasks) - len(others))
    kept = (others["p_harm"] >= PROBABLE) | (np.arange(len(others)) < room)
    return pd.concat([tasks[tasks["role"] == role] for role in ("target", "protected")] + [others[kept]])


def _interval(low: float, high: float) -> str:
    """Empty where no error is known."""
    return "" if np.isnan(low) or np.isnan(high) else f"{low:+.2f} to {high:+.2f}"


def save_recommendation(recommendation: Recommendation, folder: str | Path) -> Path:
    """Write the tables, the study fragment, the figure with its numbers, and ``recommendation.json``.

    Returns
    -------
    pathlib.Path
        The study fragment.

    Raises
    ------
    OutputError
        The folder cannot be written, or is a file.
    """
    from tasktransfer.drawing.style import save_figure
    from tasktransfer.recommendation.figure import draw_recommendation, recommendation_numbers

    items = pd.DataFrame({"source": recommendation.items.keys(), "items": recommendation.items.values()})
    with output_folder(Path(folder)) as made:
        write_csv(items.assign(share=items["items"] / recommendation.budget), made / "recommendation.csv")
        write_csv(recommendation.expected, made / "expected.csv")
        write_csv(recommendation.evidence, made / "evidence.csv")
        (made / FRAGMENT).write_text(study_fragment([recommendation]), encoding="utf-8")
        (made / "figures").mkdir()
        save_figure(draw_recommendation(recommendation), made / "figures" / "recommendation")
        write_csv(recommendation_numbers(recommendation), made / "figures" / "recommendation.csv")
        write_json(made / "recommendation.json", _payload(recommendation))
    return Path(folder) / FRAGMENT


def _payload(recommendation: Recommendation) -> dict[str, object]:
    """Everything a program would ask, as plain values."""
    plain = ("method", "model", "targets", "budget", "items", "helps", "p_value", "p_gain", "sentence", "cautions")
    return {
        **{name: getattr(recommendation, name) for name in plain},
        "name": recommendation.name,
        "expected": recommendation.expected.to_dict("records"),
        "evidence": recommendation.evidence.to_dict("records"),
        "settings": recommendation.settings,
        "versions": versions(),
    }
