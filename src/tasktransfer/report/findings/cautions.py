"""What limits the other findings: constant answers, weak baselines, the ceiling, holes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.ceilings import CEILINGS
from tasktransfer.drawing.labels import label_of, list_labels, printable
from tasktransfer.report.findings import Finding
from tasktransfer.run_folder import RunFacts

__all__ = ["baselines", "ceiling", "constant_answers", "holes", "untrained"]

_NAMED = 6  # cells


def untrained(run: RunFacts) -> Iterator[Finding]:
    """Trained cells that say nothing about transfer, by the check of their training."""
    if not run.flagged:
        return
    several = len({model for cells in run.flagged.values() for model, _, _ in cells}) > 1
    texts = []
    for flag, cells in run.flagged.items():
        names = [
            (f"{printable(model)}, " if several else "") + f"{label_of(source)} (seed {printable(seed)})"
            for model, source, seed in cells
        ]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        texts.append(f"{printable(flag)}: {', '.join(names[:_NAMED])}{more}")
    n_flagged = sum(map(len, run.flagged.values()))
    yield Finding(
        f"{n_flagged} of {run.n_trained} trained cells say nothing about transfer",
        "; ".join(texts) + ".",
        "Where training did not take, no change says nothing about what two tasks share. Train longer or with "
        "another learning rate before reading those rows; trained.csv has the losses.",
        "diagnostics",
    )


def constant_answers(analysis: Analysis) -> Iterator[Finding]:
    rows = analysis.diagnostics
    rows = rows[(rows["scope"] == "target") & (rows["check"] == "constant_answer") & rows["flagged"].astype(bool)]
    if rows.empty:
        return
    listed = "; ".join(
        f"{printable(row.model)}, {label_of(row.target)}: {row.message.split(' score')[0]}"
        for row in rows.itertuples()
    )
    yield Finding(
        "Some cells are a constant answer",
        f"Runs that score exactly what one answer throughout would: {listed}.",
        "Such a cell measures how often that answer is right in the test set, not a skill, "
        "however small its seed spread.",
        "diagnostics",
    )


def baselines(analysis: Analysis) -> Iterator[Finding]:
    rows = analysis.diagnostics[analysis.diagnostics["flagged"].astype(bool)]
    low = rows[rows["check"] == "baseline_at_chance"]
    constant = rows[rows["check"] == "baseline_constant"]
    drift = rows[rows["check"] == "baseline_drift"]
    if len(low):
        yield Finding(
            "Baselines at or below chance",
            _by_model(low) + ".",
            "From there any finetune that teaches the answer format looks like transfer.",
            "diagnostics",
        )
    if len(constant):
        yield Finding(
            "Baselines that score as one answer throughout",
            f"With some seed, {_by_model(constant)}.",
            "A count can meet it by accident; where it does in every seed, look at the answers.",
            "diagnostics",
        )
    if len(drift):
        worst = drift.loc[drift["value"].idxmax()]
        yield Finding(
            "The untouched model does not repeat its own score",
            f"{len(drift)} model-target pairs have baselines that differ between seeds, the most "
            f"{label_of(worst['target'])} in {printable(worst['model'])} ({worst['value'] * 100:.1f} points).",
            "That is evaluation noise, and it enters every PGF of the column.",
            "diagnostics",
        )


def _by_model(rows: pd.DataFrame) -> str:
    """The targets of diagnostic rows, listed by model."""
    return "; ".join(
        f"{printable(str(model))}: {list_labels(list(group['target']))}"
        for model, group in rows.groupby("model", sort=False)
    )


def ceiling(analysis: Analysis) -> Iterator[Finding]:
    summary = analysis.summary["ceiling_sensitivity"]
    chosen = analysis.settings.ceiling
    shown = chosen if chosen in CEILINGS else Path(chosen).name
    agreements = []
    for name, values in summary.items():
        known = [tau for tau in values["kendall_tau_transferability_pos"].values() if tau is not None]
        if name != chosen and known:
            agreements.append(
                f"{printable(name)} {min(known):.2f}" + (f" to {max(known):.2f}" if len(known) > 1 else "")
            )
    if agreements:
        yield Finding(
            "How far the ceiling decides",
            f"Kendall tau of the sources' transferability against the ceiling ‘{printable(shown)}’: "
            + "; ".join(agreements)
            + ".",
            "A ceiling rescales a whole column: signs, and the order of sources for one target, cannot change; "
            "only what is summed over targets does.",
            "ceilings",
        )


def holes(analysis: Analysis) -> Iterator[Finding]:
    holes = {m: (s["n_holes"], s["n_cells"]) for m, s in analysis.summary["models"].items() if s["n_holes"]}
    if holes:
        listed = "; ".join(f"{printable(m)}: {n} of {cells}" for m, (n, cells) in holes.items())
        yield Finding(
            "The matrix has holes",
            f"Missing or undefined cells, {listed}.",
            "They are left out of every sum and count, never taken as zero.",
            "matrix",
        )
