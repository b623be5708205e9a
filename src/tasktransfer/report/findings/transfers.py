"""What is said of the matrix: its mean, what explains it, its strongest cells, verdicts, what controls do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.pgf import ZERO
from tasktransfer.drawing.labels import label_of, list_labels, printable
from tasktransfer.report.findings import Finding

__all__ = ["best_and_worst", "controls", "overall", "target_effect", "verdicts"]


def overall(analysis: Analysis) -> Iterator[Finding]:
    means = [s["mean_pgf"] for s in analysis.summary["models"].values() if s["mean_pgf"] is not None]
    if not means:
        yield Finding("No transfer can be measured", "Every off-diagonal cell is a hole.", "", "matrix")
        return
    title = _mean_title({m: s for m, s in analysis.summary["models"].items() if s["mean_pgf"] is not None})
    template = (
        "mean off-diagonal PGF {mean_pgf:+.3f}, median {median_pgf:+.3f}, {n_positive} up, {n_negative} down"
    )
    text = _per_model(analysis, template)
    yield Finding(title, text + ".", "A mean over cells hides the targets that carry it; see below.", "matrix")


def _mean_title(models: Mapping[str, Mapping[str, Any]]) -> str:
    """The sign of the mean; a harmed model is named first, and what did not move is called neither."""
    if not any(s["n_positive"] or s["n_negative"] for s in models.values()):
        return "Nothing changed: no finetune moved another task"
    signs = {
        "negative": [m for m, s in models.items() if s["mean_pgf"] <= -ZERO],
        "positive": [m for m, s in models.items() if s["mean_pgf"] >= ZERO],
    }
    sign = next((sign for sign, those in signs.items() if those), "zero")
    those = signs.get(sign, list(models))
    where = "" if len(those) == len(models) else f" in {', '.join(map(printable, those))}"
    return f"The mean transfer to other tasks is {sign}{where}"


def _per_model(analysis: Analysis, text: str) -> str:
    """Fill a template from the summary of each model with a defined cell, joined by semicolons."""
    single = len(analysis.models) == 1
    texts = []
    for model, summary in analysis.summary["models"].items():
        if summary["mean_pgf"] is not None:
            filled = text.format(**summary)
            texts.append(filled if single else f"{printable(model)}: {filled}")
    return "; ".join(texts)


def target_effect(analysis: Analysis) -> Iterator[Finding]:
    shares = {
        model: summary["variance_share"]
        for model, summary in analysis.summary["models"].items()
        if summary["variance_share"]["target"] is not None
    }
    unknown = [model for model, share in shares.items() if share["interaction"] is None]
    if unknown:
        yield _not_estimable(analysis, unknown)
    shares = {model: share for model, share in shares.items() if model not in unknown}
    if not shares:
        return
    text = "; ".join(
        (f"{printable(model)}: " if len(shares) > 1 else "")
        + f"target {share['target']:.1%}, source {share['source']:.1%}, interaction {share['interaction']:.1%}"
        + (f" (noise alone: {min(noise, 1):.1%})" if (noise := share.get("noise")) is not None else "")
        for model, share in shares.items()
    )
    most = max(shares, key=lambda model: shares[model]["target"])
    if shares[most]["target"] >= 0.5:
        where = f" in {printable(most)}" if len(shares) > 1 else ""
        title = f"Most of the transfer is a target effect{where}"
        explanation = (
            "A target that rises whatever one trains on is no evidence that two tasks share a skill: it may have "
            "learned the answer format, or started from a weak baseline. Pairwise claims rest on the interaction "
            "share less its noise; switch the views to ‘interaction’ to see it alone."
        )
    else:
        title = "Source and pair matter more than the target alone"
        explanation = "The interaction share holds the noise of items and seeds."
    yield Finding(title, f"Share of the off-diagonal variation, {text}.", explanation, "decomposition")


def _not_estimable(analysis: Analysis, models: list[str]) -> Finding:
    """Too few cells for the split; as many as sources and targets have effects."""
    counts = []
    for model in models:
        cells = analysis.transfers
        cells = cells[(cells["model"] == model) & (cells["kind"] == "finetune")]
        n_cells = int(cells.loc[cells["source"] != cells["target"], "pgf"].notna().sum())
        counts.append(
            (f"{printable(model)}: " if len(analysis.models) > 1 else "") + f"{n_cells} cells between tasks"
        )
    where = f" in {', '.join(map(printable, models))}" if len(models) < len(analysis.models) else ""
    return Finding(
        f"Target, source and pair cannot be told apart{where}",
        "; ".join(counts) + ", which effects of targets and sources alone fit whatever they are.",
        "The split needs more cells than there are such effects: fill the holes, or add tasks. Until then "
        "a transfer may as well be its target’s doing or its source’s.",
        "decomposition",
    )


def best_and_worst(analysis: Analysis) -> Iterator[Finding]:
    cells = analysis.transfers
    cells = cells[(cells["kind"] == "finetune") & (cells["source"] != cells["target"]) & cells["pgf"].notna()]
    extremes = []
    for model, rows in cells.groupby("model", sort=False):
        best, worst = rows.loc[rows["pgf"].idxmax()], rows.loc[rows["pgf"].idxmin()]
        prefix = f"{printable(str(model))}: " if len(analysis.models) > 1 else ""
        parts = [
            f"{most} {label_of(cell['source'])} → {label_of(cell['target'])} ({cell['pgf']:+.2f})"
            for most, cell, moved in (
                ("most helped", best, best["pgf"] >= ZERO),
                ("most harmed", worst, worst["pgf"] <= -ZERO),
            )
            if moved
        ]
        if parts:
            extremes.append(prefix + ", ".join(parts))
    if extremes:
        yield Finding(
            "The strongest transfers",
            "; ".join(extremes) + ".",
            "Losses are unbounded while gains end at 1: with a small gap, a few items make a large negative PGF.",
            "matrix",
        )


def verdicts(analysis: Analysis) -> Iterator[Finding]:
    cells = analysis.transfers
    cells = cells[(cells["kind"] == "finetune") & (cells["source"] != cells["target"]) & cells["pgf"].notna()]
    if cells.empty:
        return
    decided = []
    for model, rows in cells.groupby("model", sort=False):
        counts = rows["verdict"].value_counts()
        parts = [f"{counts[name]} {name}" for name in ("positive", "negative", "negligible") if name in counts]
        prefix = f"{printable(str(model))}: " if len(analysis.models) > 1 else ""
        decided.append(f"{prefix}{', '.join(parts) or '0 decided'} of {len(rows)}")
    n_decided = int(cells["verdict"].isin(["positive", "negative", "negligible"]).sum())
    kinds = cells["uncertainty"].unique()
    yield Finding(
        f"{n_decided} of {len(cells)} transfers between tasks are decided",
        "; ".join(decided) + ".",
        f"At a false discovery rate of {1 - analysis.settings.confidence:.0%} a model. The uncertainty speaks of: "
        f"{'; '.join(kinds)}. What is undecided may be real: more items or seeds would tell.",
        "matrix",
    )


def controls(analysis: Analysis) -> Iterator[Finding]:
    columns = analysis.control_columns
    overall = columns[columns["target"] == ""]
    if overall.empty:
        return
    sentences = []
    for row in overall.itertuples():
        single = columns[(columns["model"] == row.model) & (columns["control"] == row.control)]
        single = single[(single["target"] != "") & (single["share_beyond_noise"] >= 0.5)]
        where = f", more than half of {list_labels(list(single['target']))}" if len(single) else ""
        share = row.share_beyond_noise
        explains = "what cannot be told from noise" if math.isnan(share) else f"{max(share, 0):.0%}"
        sentences.append(
            (f"{printable(row.model)}, " if len(analysis.models) > 1 else "")
            + f"{printable(row.control)}: explains {explains} of the squared PGF{where} "
            f"(mean PGF {row.mean_pgf:+.3f}, net of it {row.mean_net:+.3f})"
        )
    most = overall["share_beyond_noise"].max()
    yield Finding(
        "A control explains much of the transfer"
        if most >= 0.5
        else "The controls explain little of the transfer",
        "; ".join(sentences) + ".",
        "A control is trained as the finetunes are but teaches no skill: what it changes as well is answer "
        "format, or training as such. Shares are beyond noise. Cells net of each control are in controls.csv.",
        "controls",
    )
