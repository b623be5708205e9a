"""What an analysis says, in sentences, each beside what explains it.

A finding is chosen and worded by rules on the numbers alone; the same analysis gives the same sentences. The
explanation is what a careful reader would hold against the finding: that the target moves whatever one trains on,
that a model answers one letter throughout, that the ceiling decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tasktransfer.analysis.ceilings import CEILINGS
from tasktransfer.analysis.pipeline import Analysis
from tasktransfer.report.labels import label_of, list_labels, printable

__all__ = ["Finding", "find_findings", "kinds_of_error"]


class Finding(NamedTuple):
    """One sentence to remember and the one that belongs beside it."""

    title: str  # the claim, a few words
    text: str  # the numbers
    explanation: str  # what explains or limits it; may be empty
    section: str  # id of the report section that shows it


def find_findings(analysis: Analysis) -> list[Finding]:
    """Findings of an analysis in the order a reader needs them.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    """
    findings = [
        *_overall(analysis),
        *_target_effect(analysis),
        *_best_and_worst(analysis),
        *_verdicts(analysis),
        *_noise(analysis),
        *_controls(analysis),
        *_scale(analysis),
        *_cliques(analysis),
        *_personas(analysis),
        *_constant_answers(analysis),
        *_baselines(analysis),
        *_ceiling(analysis),
        *_holes(analysis),
    ]
    names = tuple(printable(model) for model in analysis.models)  # written as given also at a sentence's start
    return [f if f.text.startswith(names) else f._replace(text=f.text[:1].upper() + f.text[1:]) for f in findings]


def _per_model(analysis: Analysis, text: str) -> str:
    """Fill a template from the summary of each model with a defined cell, joined by semicolons."""
    single = len(analysis.models) == 1
    told = []
    for model, summary in analysis.summary["models"].items():
        if summary["mean_pgf"] is not None:
            filled = text.format(**summary)
            told.append(filled if single else f"{printable(model)}: {filled}")
    return "; ".join(told)


def _overall(analysis: Analysis) -> Iterator[Finding]:
    means = [s["mean_pgf"] for s in analysis.summary["models"].values() if s["mean_pgf"] is not None]
    if not means:
        yield Finding("No transfer can be measured", "Every off-diagonal cell is a hole.", "", "matrix")
        return
    net = [m for m, s in analysis.summary["models"].items() if s["mean_pgf"] is not None and s["mean_pgf"] < 0]
    if net:
        where = "" if len(net) == len(means) else f" in {', '.join(printable(model) for model in net)}"
        title = f"The mean transfer to other tasks is negative{where}"
    else:
        title = "The mean transfer to other tasks is positive"
    template = (
        "mean off-diagonal PGF {mean_pgf:+.3f}, median {median_pgf:+.3f}, {n_positive} up, {n_negative} down"
    )
    text = _per_model(analysis, template)
    yield Finding(title, text + ".", "A mean over cells hides the targets that carry it; see below.", "matrix")


def _target_effect(analysis: Analysis) -> Iterator[Finding]:
    shares = {
        model: summary["variance_share"]
        for model, summary in analysis.summary["models"].items()
        if summary["variance_share"]["target"] is not None
    }
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


def _best_and_worst(analysis: Analysis) -> Iterator[Finding]:
    cells = analysis.transfers
    cells = cells[(cells["kind"] == "finetune") & (cells["source"] != cells["target"]) & cells["pgf"].notna()]
    told = []
    for model, rows in cells.groupby("model", sort=False):
        best, worst = rows.loc[rows["pgf"].idxmax()], rows.loc[rows["pgf"].idxmin()]
        prefix = f"{printable(str(model))}: " if len(analysis.models) > 1 else ""
        told.append(
            f"{prefix}most helped {label_of(best['source'])} → {label_of(best['target'])} ({best['pgf']:+.2f}), "
            f"most harmed {label_of(worst['source'])} → {label_of(worst['target'])} ({worst['pgf']:+.2f})"
        )
    if told:
        yield Finding(
            "The strongest transfers",
            "; ".join(told) + ".",
            "Losses are unbounded while gains end at 1: with a small gap, a few items make a large negative PGF.",
            "matrix",
        )


def _verdicts(analysis: Analysis) -> Iterator[Finding]:
    cells = analysis.transfers
    cells = cells[(cells["kind"] == "finetune") & (cells["source"] != cells["target"]) & cells["pgf"].notna()]
    if cells.empty:
        return
    told = []
    for model, rows in cells.groupby("model", sort=False):
        counts = rows["verdict"].value_counts()
        parts = [f"{counts[name]} {name}" for name in ("positive", "negative", "negligible") if name in counts]
        prefix = f"{printable(str(model))}: " if len(analysis.models) > 1 else ""
        told.append(f"{prefix}{', '.join(parts) or '0 decided'} of {len(rows)}")
    n_decided = int(cells["verdict"].isin(["positive", "negative", "negligible"]).sum())
    kinds = cells["uncertainty"].unique()
    yield Finding(
        f"{n_decided} of {len(cells)} transfers between tasks are decided",
        "; ".join(told) + ".",
        f"At a false discovery rate of {1 - analysis.settings.confidence:.0%} a model. The uncertainty speaks of: "
        f"{'; '.join(kinds)}. What is undecided may be real: more items or seeds would tell.",
        "matrix",
    )


def _noise(analysis: Analysis) -> Iterator[Finding]:
    """What positive transferability is worth without the noise it sums."""
    rows = analysis.aggregates
    rows = rows[(rows["task"] == "") & (rows["measure"] == "transferability_pos")]
    rows = rows[rows["value"].notna() & rows["noise_level"].notna()]
    if rows.empty:
        return
    told = [
        (f"{printable(row.model)}: " if len(analysis.models) > 1 else "")
        + f"{row.value:.3f} by the formula, of which pure noise would give {row.noise_level:.3f}; without noise "
        f"{row.debiased:.3f} [{row.low:.3f}, {row.high:.3f}]"
        for row in rows.itertuples()
    ]
    near = [printable(row.model) for row in rows.itertuples() if row.noise_level >= 0.5 * row.value]
    if near:
        where = f" in {', '.join(near)}" if len(analysis.models) > 1 else ""
        title = f"Noise alone would give half or more of the positive transferability{where}"
    else:
        title = "Positive transferability is more than twice what noise alone would give"
    yield Finding(
        title + _view(analysis),
        "Mean over tasks, " + "; ".join(told) + ".",
        "Sums of one sign count every error of that sign: a model that nothing was transferred to has a positive "
        "transferability too. The value without noise shrinks each cell as far as its error asks for. The errors "
        f"are those of: {kinds_of_error(analysis)}.",
        "certainty",
    )


def kinds_of_error(analysis: Analysis) -> str:
    """What the uncertainty of the off-diagonal cells speaks of."""
    cells = analysis.transfers
    cells = cells[(cells["kind"] == "finetune") & (cells["source"] != cells["target"]) & cells["pgf"].notna()]
    return "; ".join(cells["uncertainty"].unique())


def _controls(analysis: Analysis) -> Iterator[Finding]:
    columns = analysis.control_columns
    overall = columns[columns["target"] == ""]
    if overall.empty:
        return
    told = []
    for row in overall.itertuples():
        single = columns[(columns["model"] == row.model) & (columns["control"] == row.control)]
        single = single[(single["target"] != "") & (single["share_beyond_noise"] >= 0.5)]
        where = f", more than half of {list_labels(list(single['target']))}" if len(single) else ""
        share = row.share_beyond_noise
        explains = "what cannot be told from noise" if math.isnan(share) else f"{max(share, 0):.0%}"
        told.append(
            (f"{printable(row.model)}, " if len(analysis.models) > 1 else "")
            + f"{printable(row.control)}: explains {explains} of the squared PGF{where} "
            f"(mean PGF {row.mean_pgf:+.3f}, net of it {row.mean_net:+.3f})"
        )
    most = overall["share_beyond_noise"].max()
    yield Finding(
        "A control explains much of the transfer"
        if most >= 0.5
        else "The controls explain little of the transfer",
        "; ".join(told) + ".",
        "A control is trained as the finetunes are but teaches no skill: what it changes as well is answer "
        "format, or training as such. Shares are beyond noise. Cells net of each control are in controls.csv.",
        "controls",
    )


def _scale(analysis: Analysis) -> Iterator[Finding]:
    trend = analysis.scale[analysis.scale["measure"] == "transferability_pos"]
    means = trend["mean"].dropna()
    if len(means) < 2:
        return
    rising = bool((means.diff().dropna() > 0).all())
    falling = bool((means.diff().dropna() < 0).all())
    direction = "grows" if rising else "shrinks" if falling else "does not follow a line"
    if (rising or falling) and bool((trend["p_value"].dropna() >= 1 - analysis.settings.confidence).any()):
        steps_told = "; not every step is beyond chance"
    else:
        steps_told = ""
    steps = [
        f"{printable(before['model'])} to {printable(row['model'])} {row['step']:+.4f} (p = {row['p_value']:.2g}"
        + (
            f"; without noise {row['step_debiased']:+.4f} [{row['step_low']:+.4f}, {row['step_high']:+.4f}])"
            if pd.notna(row["step_debiased"])
            else ")"
        )
        for (_, before), (_, row) in zip(trend.iloc[:-1].iterrows(), trend.iloc[1:].iterrows(), strict=True)
        if pd.notna(row["p_value"])
    ]
    listed = ", ".join(
        f"{printable(row['model'])} {row['mean']:.4f}" for _, row in trend.iterrows() if pd.notna(row["mean"])
    )
    explanation = "Paired Wilcoxon over tasks: " + "; ".join(steps) + "." if steps else ""
    yield Finding(
        f"Positive transferability {direction} over the models given{steps_told}",
        f"Mean over tasks: {listed}.",
        explanation,
        "scale",
    )


def _cliques(analysis: Analysis) -> Iterator[Finding]:
    told, beyond, tested = [], [], 0
    for model, summary in analysis.summary["models"].items():
        parts = []
        for sign, largest in summary["largest_clique"].items():
            if not largest["size"]:
                continue
            p_values = [chance["p_value"] for chance in largest["against_chance"].values()]
            first = largest["cliques"][0]
            others = "" if len(largest["cliques"]) == 1 else " and others"
            sure = largest["probability"]
            chance = "" if sure is None else f", a clique with probability {sure:.2f}"
            members = f"{list_labels(first)}{others}{chance}{_p_range(p_values)}"
            parts.append(f"largest {sign} of {largest['size']} ({members})")
            tested += all(not math.isnan(p) for p in p_values)
            if all(p <= 1 - analysis.settings.confidence for p in p_values):
                beyond.append(f"{sign} in {printable(model)}")
        if parts:
            told.append((f"{printable(model)}: " if len(analysis.models) > 1 else "") + ", ".join(parts))
    if not told:
        return
    if beyond:
        title = f"Cliques larger than both nulls give: {', '.join(beyond)}"
    else:
        title = "No clique is larger than both nulls give" if tested else "Cliques"
    yield Finding(
        title + _view(analysis),
        "; ".join(told) + ".",
        "p: share of null matrices with a clique as large, under two nulls that keep what each target gives to "
        "every source (sources permuted within targets; additive fit with residuals permuted). Where targets rise "
        "or fall whatever one trains on, large same-sign cliques follow by themselves.",
        "cliques",
    )


def _p_range(p_values: list[float]) -> str:
    if any(math.isnan(p) for p in p_values):
        return ", too many tasks to test"
    low, high = min(p_values), max(p_values)
    return f", p = {low:.2g}" if f"{low:.2g}" == f"{high:.2g}" else f", p = {low:.2g} and {high:.2g}"


def _view(analysis: Analysis) -> str:
    """What a title adds when structure is not drawn on the raw PGF."""
    return " (on the interaction)" if analysis.settings.on == "interaction" else ""


def _personas(analysis: Analysis) -> Iterator[Finding]:
    consistent = analysis.summary["personas_in_every_model"]
    listed = [f"{persona} {list_labels(tasks)}" for persona, tasks in consistent.items() if tasks]
    several = len(analysis.models) > 1
    if not listed:
        if several:
            yield Finding("No persona holds in every model", "Labels change with the model.", "", "personas")
        return
    where = "in every model" if several else "in this model"
    sure = [
        f"{persona} {list_labels(held)}"
        for persona, tasks in consistent.items()
        if (held := [task for task in tasks if _least_probability(analysis, task, persona) >= 0.9])
    ]
    known = analysis.tasks["p_donor"].notna().any()
    told = f" With a probability of at least .9{' in each' if several else ''}: {'; '.join(sure) or 'none'}."
    yield Finding(
        f"Personas that hold {where}{_view(analysis)}",
        "; ".join(listed) + "." + (told if known else ""),
        "A label means beyond the mean over these tasks, no more; it is a rank, and it moves with the ceiling and "
        "with the diagonal.",
        "personas",
    )


def _least_probability(analysis: Analysis, task: str, persona: str) -> float:
    """The lowest probability over models that a task earns a label; NaN where not known."""
    return float(analysis.tasks.loc[analysis.tasks["task"] == task, f"p_{persona}"].min(skipna=False))


def _constant_answers(analysis: Analysis) -> Iterator[Finding]:
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
        f"Runs that score exactly what one letter throughout would: {listed}.",
        "Such a cell measures the letter frequencies of the test set, not a skill, however small its seed spread.",
        "diagnostics",
    )


def _baselines(analysis: Analysis) -> Iterator[Finding]:
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
            "Baselines that score as one letter throughout",
            f"With some seed, {_by_model(constant)}.",
            "A count can meet a letter's by accident; where it does in every seed, look at the answers.",
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


def _ceiling(analysis: Analysis) -> Iterator[Finding]:
    summary = analysis.summary["ceiling_sensitivity"]
    chosen = analysis.settings.ceiling
    shown = chosen if chosen in CEILINGS else Path(chosen).name
    told = []
    for name, values in summary.items():
        known = [tau for tau in values["kendall_tau_transferability_pos"].values() if tau is not None]
        if name != chosen and known:
            told.append(
                f"{printable(name)} {min(known):.2f}" + (f" to {max(known):.2f}" if len(known) > 1 else "")
            )
    if told:
        yield Finding(
            "How far the ceiling decides",
            f"Kendall tau of the sources' transferability against the ceiling ‘{printable(shown)}’: "
            + "; ".join(told)
            + ".",
            "A ceiling rescales a whole column: signs, and the order of sources for one target, cannot change; "
            "only what is summed over targets does.",
            "ceilings",
        )


def _holes(analysis: Analysis) -> Iterator[Finding]:
    holes = {m: (s["n_holes"], s["n_cells"]) for m, s in analysis.summary["models"].items() if s["n_holes"]}
    if holes:
        listed = "; ".join(f"{printable(m)}: {n} of {cells}" for m, (n, cells) in holes.items())
        yield Finding(
            "The matrix has holes",
            f"Missing or undefined cells, {listed}.",
            "They are left out of every sum and count, never taken as zero.",
            "matrix",
        )
