"""Mixtures and merges, which are no source of the matrix: a finding and the rows of their table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.drawing.labels import label_of, list_labels, printable
from tasktransfer.drawing.numbers import UNKNOWN, interval, signed
from tasktransfer.report.findings import Finding
from tasktransfer.run_folder import RunFacts

__all__ = ["mixture_rows", "mixtures"]

_LISTED = 6  # mixtures in the finding


def mixtures(analysis: Analysis, run: RunFacts) -> Iterator[Finding]:
    """What each mixture did, in words."""
    rows = _rows_of(analysis)
    if rows.empty:
        return
    sentences, n_help = [], 0
    groups = list(rows.groupby(["model", "source"], sort=False))
    for (model, source), cells in groups:
        helped, harmed = (cells.loc[cells["verdict"] == sign, "target"] for sign in ("positive", "negative"))
        n_help += len(helped) > 0
        prefix = f"{printable(str(model))}, " if len(analysis.models) > 1 else ""
        strongest = _strongest(cells, run.made_of.get(str(source), {}))
        sentences.append(
            f"{prefix}mixture {printable(str(source))}: {strongest}, surely helps "
            f"{len(helped)}{_named(helped)} and harms {len(harmed)}{_named(harmed)} of {_targets(len(cells))}"
        )
    more = f"; and {len(sentences) - _LISTED} more" if len(sentences) > _LISTED else ""
    title = (
        f"{n_help} of {len(groups)} mixtures surely {'helps' if n_help == 1 else 'help'} a target"
        if len(groups) > 1
        else f"The mixture surely helps {'a' if n_help else 'no'} target"
    )
    yield Finding(
        title,
        "; ".join(sentences[:_LISTED]) + more + ".",
        "A mixture is no source of the matrix: it enters no sum, clique or persona, and its verdicts are not "
        "corrected for their number. A target whose own data are in it rises by that.",
        "mixtures",
    )


def _strongest(cells: pd.DataFrame, parts: Mapping[str, float]) -> str:
    known = cells[cells["pgf"].notna()]
    if known.empty:
        return "no PGF is defined"
    best = known.loc[known["pgf"].idxmax()]
    ends = "" if np.isnan(best["low"]) else f" [{signed(best['low'])}, {signed(best['high'])}]"
    own = ", which is in it" if best["target"] in parts else ""
    return f"highest PGF {signed(best['pgf'])}{ends} on {label_of(best['target'])}{own}"


def _named(targets: pd.Series) -> str:
    return f" ({list_labels(list(targets), 4)})" if len(targets) else ""


def _targets(number: int) -> str:
    return "1 target" if number == 1 else f"{number} targets"


def mixture_rows(analysis: Analysis, run: RunFacts) -> list[tuple[str, ...]]:
    """A row for each mixture and target: model, mixture, what it is made of, target, gain, PGF ..., as texts."""
    return [
        (
            printable(row.model),
            printable(row.source, 60),
            _made_of(run.made_of.get(row.source, {})),
            label_of(row.target) + (" (in it)" if row.target in run.made_of.get(row.source, {}) else ""),
            signed(row.gain, 1, scale=100),
            signed(row.pgf),
            interval(row.low, row.high),
            row.verdict or UNKNOWN,
            str(row.n_seeds),
        )
        for row in _rows_of(analysis).itertuples()
    ]


def _rows_of(analysis: Analysis) -> pd.DataFrame:
    rows = analysis.transfers
    return rows[(rows["kind"] == "mixture") & rows["model"].isin(analysis.models)]


def _made_of(parts: Mapping[str, float]) -> str:
    largest = sorted(parts.items(), key=lambda part: -part[1])
    listed = ", ".join(f"{label_of(task)} {round(amount, 3):g}" for task, amount in largest[:8])
    return (listed + (f" and {len(parts) - 8} more" if len(parts) > 8 else "")) or UNKNOWN
