"""Mixtures and merges, which are no source of the matrix: a finding and the rows of their table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.drawing.labels import label_of, list_labels, printable
from tasktransfer.report.findings.finding import Finding
from tasktransfer.run_folder import RunFacts

__all__ = ["mixture_table", "mixtures"]

_TOLD = 6  # mixtures in the finding


def mixtures(analysis: Analysis, run: RunFacts) -> Iterator[Finding]:
    """What each mixture did, in words."""
    rows = _rows_of(analysis)
    if rows.empty:
        return
    told, n_help = [], 0
    groups = list(rows.groupby(["model", "source"], sort=False))
    for (model, source), cells in groups:
        helped, harmed = (cells.loc[cells["verdict"] == sign, "target"] for sign in ("positive", "negative"))
        n_help += len(helped) > 0
        prefix = f"{printable(str(model))}, " if len(analysis.models) > 1 else ""
        strongest = _strongest(cells, run.made_of.get(str(source), {}))
        told.append(
            f"{prefix}mixture {printable(str(source))}: {strongest}, surely helps "
            f"{len(helped)}{_named(helped)} and harms {len(harmed)}{_named(harmed)} of {_targets(len(cells))}"
        )
    more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    title = (
        f"{n_help} of {len(groups)} mixtures surely {'helps' if n_help == 1 else 'help'} a target"
        if len(groups) > 1
        else f"The mixture surely helps {'a' if n_help else 'no'} target"
    )
    yield Finding(
        title,
        "; ".join(told[:_TOLD]) + more + ".",
        "A mixture is no source of the matrix: it enters no sum, clique or persona, and its verdicts are not "
        "corrected for their number. A target whose own data are in it rises by that.",
        "mixtures",
    )


def _strongest(cells: pd.DataFrame, parts: Mapping[str, float]) -> str:
    known = cells[cells["pgf"].notna()]
    if known.empty:
        return "no PGF is defined"
    best = known.loc[known["pgf"].idxmax()]
    interval = "" if np.isnan(best["low"]) else f" [{best['low']:+.2f}, {best['high']:+.2f}]"
    own = ", which is in it" if best["target"] in parts else ""
    return f"highest PGF {best['pgf']:+.2f}{interval} on {label_of(best['target'])}{own}".replace("-", "−")


def _named(targets: pd.Series) -> str:
    return f" ({list_labels(list(targets), 4)})" if len(targets) else ""


def _targets(number: int) -> str:
    return "1 target" if number == 1 else f"{number} targets"


def mixture_table(analysis: Analysis, run: RunFacts) -> list[dict[str, Any]]:
    """A row for each mixture and target: what it is made of, gain, PGF, interval, verdict, as texts."""
    return [
        {
            "model": printable(row.model),
            "mixture": printable(row.source, 60),
            "made_of": _made_of(run.made_of.get(row.source, {})),
            "target": label_of(row.target) + (" (in it)" if row.target in run.made_of.get(row.source, {}) else ""),
            "gain": _signed(100 * row.gain, 1),
            "pgf": _signed(row.pgf),
            "interval": "–" if np.isnan(row.low) else f"{_signed(row.low)} to {_signed(row.high)}",
            "verdict": row.verdict or "–",
            "seeds": str(row.n_seeds),
        }
        for row in _rows_of(analysis).itertuples()
    ]


def _rows_of(analysis: Analysis) -> pd.DataFrame:
    rows = analysis.transfers
    return rows[(rows["kind"] == "mixture") & rows["model"].isin(analysis.models)]


def _made_of(parts: Mapping[str, float]) -> str:
    largest = sorted(parts.items(), key=lambda part: -part[1])
    told = ", ".join(f"{label_of(task)} {round(amount, 3):g}" for task, amount in largest[:8])
    return (told + (f" and {len(parts) - 8} more" if len(parts) > 8 else "")) or "–"


def _signed(value: float, digits: int = 2) -> str:
    return "–" if np.isnan(value) else f"{value:+.{digits}f}".replace("-", "−")
