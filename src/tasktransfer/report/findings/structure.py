"""What is said of the structure: sums and the noise in them, the trend over models, cliques, personas."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.drawing.labels import list_labels, printable
from tasktransfer.report.findings import Finding

__all__ = ["cliques", "kinds_of_error", "noise", "personas", "scale"]


def noise(analysis: Analysis) -> Iterator[Finding]:
    """What positive transferability is worth without the noise it sums."""
    rows = analysis.aggregates
    rows = rows[(rows["task"] == "") & (rows["measure"] == "transferability_pos")]
    rows = rows[rows["value"].notna() & rows["noise_level"].notna()]
    if rows.empty:
        return
    sentences = [
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
        "Mean over tasks, " + "; ".join(sentences) + ".",
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


def scale(analysis: Analysis) -> Iterator[Finding]:
    trend = analysis.scale[analysis.scale["measure"] == "transferability_pos"]
    means = trend["mean"].dropna()
    if len(means) < 2:
        return
    rising = bool((means.diff().dropna() > 0).all())
    falling = bool((means.diff().dropna() < 0).all())
    direction = "grows" if rising else "shrinks" if falling else "does not follow a line"
    if (rising or falling) and bool((trend["p_value"].dropna() >= 1 - analysis.settings.confidence).any()):
        caveat = "; not every step is beyond chance"
    else:
        caveat = ""
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
        f"Positive transferability {direction} over the models given{caveat}",
        f"Mean over tasks: {listed}.",
        explanation,
        "scale",
    )


def cliques(analysis: Analysis) -> Iterator[Finding]:
    listed, beyond, tested = [], [], 0
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
            listed.append((f"{printable(model)}: " if len(analysis.models) > 1 else "") + ", ".join(parts))
    if not listed:
        return
    if beyond:
        title = f"Cliques larger than both nulls give: {', '.join(beyond)}"
    else:
        title = "No clique is larger than both nulls give" if tested else "Cliques"
    yield Finding(
        title + _view(analysis),
        "; ".join(listed) + ".",
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


def personas(analysis: Analysis) -> Iterator[Finding]:
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
    probable = f" With a probability of at least .9{' in each' if several else ''}: {'; '.join(sure) or 'none'}."
    yield Finding(
        f"Personas that hold {where}{_view(analysis)}",
        "; ".join(listed) + "." + (probable if known else ""),
        "A label means beyond the mean over these tasks, no more; it is a rank, and it moves with the ceiling and "
        "with the diagonal.",
        "personas",
    )


def _least_probability(analysis: Analysis, task: str, persona: str) -> float:
    """The lowest probability over models that a task earns a label; NaN where not known."""
    return float(analysis.tasks.loc[analysis.tasks["task"] == task, f"p_{persona}"].min(skipna=False))
