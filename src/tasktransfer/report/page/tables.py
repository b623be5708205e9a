"""The tables of the page that no control changes, as texts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.cliques import SIGNS
from tasktransfer.analysis.diagnostics import CHECKS
from tasktransfer.analysis.personas import PERSONAS
from tasktransfer.analysis.transferability import AGGREGATES
from tasktransfer.drawing.labels import WORDS, label_of, list_labels, printable
from tasktransfer.drawing.numbers import UNKNOWN, estimate, interval, number, signed
from tasktransfer.report.findings.mixtures import mixture_rows
from tasktransfer.report.page.payload import FULL_WIDTH, ceiling_label
from tasktransfer.report.reference_lines import strongest_control
from tasktransfer.run_folder import RunFacts

__all__ = ["Table", "best_source_tables", "page_tables"]

NULLS = {
    "within_target": "sources permuted within each target",
    "additive": "target and source effects kept, the rest permuted",
}
_SHORT = {
    "transferability_pos": "transferability +",
    "transferability_neg": "transferability −",
    "malleability_pos": "malleability +",
    "malleability_neg": "malleability −",
}


class Table(NamedTuple):
    """A table as texts."""

    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    caption: str = ""
    numbers: frozenset[int] = frozenset()  # columns that hold numbers
    anchor: str = ""


def page_tables(analysis: Analysis, run: RunFacts) -> dict[str, Table]:
    """Every table of the page that stands whatever is chosen there, by the section's name."""
    chosen = ceiling_label(analysis.settings.ceiling)
    view = "raw PGF" if analysis.settings.on == "raw" else "interaction"
    return {
        "chances": _chances(analysis),
        "certain": _certain_means(analysis, f"Mean over tasks; ceiling {chosen}, {view}, mean over seeds"),
        "taxonomy": _taxonomy(analysis),
        "scale": _scale(analysis),
        "decomposition": _decomposition(analysis),
        "mixtures": _mixtures(analysis, run),
        "agreement": _agreement(analysis, f"Kendall’s τ of that ranking with ‘{chosen}’"),
        "personas": _personas(analysis),
        "checks": _check_counts(analysis),
        "settings": _settings(analysis),
    }


def best_source_tables(analysis: Analysis) -> list[Table]:
    """For each model and target the source that helps it most; targets without any are left out."""
    level = f"{analysis.settings.confidence:.0%}"
    heads = ("target", "best other source", "PGF", "accuracy points", f"{level} interval of PGF", "verdict",
             "runner-up", "own data, points")  # fmt: skip
    chosen = ceiling_label(analysis.settings.ceiling)
    tables = (
        Table(heads, list(_best_sources(analysis, model)), f"{printable(model)}, ceiling {chosen}, raw PGF",
              frozenset({2, 3, 7}))
        for model in analysis.models
    )  # fmt: skip
    return [table for table in tables if table.rows]


def _best_sources(analysis: Analysis, model: str) -> Iterator[tuple[str, ...]]:
    cells = analysis.transfers
    cells = cells[(cells["model"] == model) & (cells["kind"] == "finetune") & cells["pgf"].notna()]
    for target, column in cells.groupby("target", sort=False):
        own = column[column["source"] == target]
        others = column[column["source"] != target].sort_values("pgf", ascending=False, kind="stable")
        if others.empty:
            continue
        best = others.iloc[0]
        second = [f"{label_of(row.source)} {signed(row.pgf)}" for row in others.iloc[1:2].itertuples()]
        yield (
            label_of(str(target)),
            label_of(best["source"]),
            signed(best["pgf"]),
            signed(best["gain"], 1, scale=100),
            interval(best["low"], best["high"]),
            best["verdict"],
            *(second or [UNKNOWN]),
            signed(own["gain"].iloc[0] if len(own) else np.nan, 1, scale=100),
        )


def _certain_means(analysis: Analysis, caption: str) -> Table:
    """For each model and aggregate the mean over tasks; empty where no error is known."""
    control = strongest_control(analysis)
    means = analysis.aggregates[(analysis.aggregates["task"] == "") & analysis.aggregates["value"].notna()]
    rows: list[tuple[str, ...]] = [
        (
            printable(row.model),
            WORDS[row.measure],
            signed(row.value, 3),
            signed(row.debiased, 3),
            interval(row.low, row.high, 3),
            signed(row.noise_level, 3),
            signed(control.get((row.model, row.measure), np.nan), 3),
        )
        for row in means.itertuples()
    ]
    level = f"{analysis.settings.confidence:.0%} interval"
    heads = ("model", "measure", "by the formula", "without noise", level, "noise alone", "strongest control")
    if analysis.control_columns.empty:
        rows = [row[:-1] for row in rows]
        return Table(heads[:-1], rows, caption, frozenset(range(2, 6)), "certain-means")
    return Table(heads, rows, caption, frozenset(range(2, 7)), "certain-means")


def _taxonomy(analysis: Analysis) -> Table:
    rows = [
        (
            printable(row["model"]),
            row["by"],
            row["group"],
            str(row["n_sources"]),
            str(row["n_targets"]),
            *(signed(row[name], 4) for name in AGGREGATES),
        )
        for row in analysis.taxonomy.to_dict("records")
    ]
    heads = ("model", "by", "group", "sources", "targets", *_SHORT.values())
    return Table(heads, rows, "Averages by level and granularity", frozenset(range(3, 9)))


def _scale(analysis: Analysis) -> Table:
    rows = [
        (
            _SHORT[row.measure],
            printable(row.model),
            str(row.n_tasks),
            signed(row.mean, 4),
            estimate(row.debiased, row.low, row.high, 4),
            signed(row.noise_level, 4),
            signed(row.step, 4),
            estimate(row.step_debiased, row.step_low, row.step_high, 4),
            number(row.p_value, ".2g"),
        )
        for row in analysis.scale.itertuples()
    ]
    heads = (
        "measure",
        "model",
        "tasks",
        "mean",
        "without noise",
        "noise alone",
        "step",
        "step without noise",
        "p",
    )
    caption = "Mean over tasks, and the step from the model before over the tasks both have"
    return Table(heads, rows, caption, frozenset(range(2, 9)))


def _decomposition(analysis: Analysis) -> Table:
    rows = [
        (
            printable(row.model),
            row.component,
            number(row.share, ".1%"),
            number(row.sum_of_squares, ".4f"),
            number(row.df, ".0f"),
        )
        for row in analysis.decomposition.itertuples()
        if row.component != "noise" or not math.isnan(row.share)
    ]
    heads = ("model", "component", "share", "sum of squares", "degrees of freedom")
    caption = "Sequential sums of squares, target first; noise is a part of the interaction"
    return Table(heads, rows, caption, frozenset({2, 3, 4}))


def _mixtures(analysis: Analysis, run: RunFacts) -> Table:
    heads = ("model", "mixture", "made of", "target", "gain", "PGF", "interval", "verdict", "seeds")
    caption = (
        "Each mixture on each target; gain in accuracy points, "
        f"{analysis.settings.confidence:.0%} intervals of PGF; made of: items by task, of a merge weights"
    )
    return Table(heads, mixture_rows(analysis, run), caption, frozenset({4, 5, 6, 8}))


def _check_counts(analysis: Analysis) -> Table:
    """Each check met: what it asks, how often it was made for targets or models, how often flagged, and runs."""
    rows = {}
    for check, group in analysis.diagnostics.groupby("check", sort=False):
        made = group[group["scope"] != "run"]
        n_runs = int((group["scope"] == "run").sum())
        rows[str(check)] = (
            Markup("<code>{}</code>").format(check),
            CHECKS.get(str(check), ""),
            str(int(made["flagged"].sum())),
            str(len(made)),
            str(n_runs or UNKNOWN),
        )
    order = [*(check for check in CHECKS if check in rows), *(check for check in rows if check not in CHECKS)]
    heads = ("check", "flagged when", "flagged", "made", "runs")
    caption = "Checks made on targets and models, and single runs named"
    return Table(heads, [rows[check] for check in order], caption, frozenset({2, 3, 4}))


def _chances(analysis: Analysis) -> Table:
    """The largest clique of each model and sign against each null."""
    rows = []
    for model, summary in analysis.summary["models"].items():
        for sign in SIGNS:
            largest = summary["largest_clique"][sign]
            for null, chance in largest.get("against_chance", {}).items():
                tested = largest["size"] and not math.isnan(chance["p_value"])
                of_null = (f"{chance['mean_null_size']:.1f}", f"{chance['p_value']:.2g}", str(chance["n_draws"]))
                size = str(largest["size"] or "none")
                none = (UNKNOWN, UNKNOWN, "not tested")
                rows.append((printable(model), sign, size, NULLS.get(null, null), *(of_null if tested else none)))
    heads = ("model", "sign", "size", "null", "mean size under it", "p", "draws")
    return Table(heads, rows, "", frozenset({2, 4, 5, 6}), "chances")


def _personas(analysis: Analysis) -> Table:
    """For each ceiling the tasks that hold a label in every model."""
    rows = [
        (
            ceiling_label(name),
            *(list_labels(facts["personas_in_every_model"].get(label, []), 40) or UNKNOWN for label in PERSONAS),
        )
        for name, facts in analysis.summary["ceiling_sensitivity"].items()
    ]
    where = "every model" if len(analysis.models) > 1 else "this model"
    return Table(("ceiling", *PERSONAS), rows, f"Labels held in {where}, raw PGF")


def _agreement(analysis: Analysis, caption: str) -> Table:
    """For each other ceiling Kendall's tau with the chosen one, by model."""
    rows = [
        (
            ceiling_label(name),
            *(
                UNKNOWN if tau is None else f"{tau:.2f}"
                for tau in (facts["kendall_tau_transferability_pos"].get(model) for model in analysis.models)
            ),
        )
        for name, facts in analysis.summary["ceiling_sensitivity"].items()
        if name != analysis.settings.ceiling
    ]
    heads = ("ceiling", *map(printable, analysis.models))
    return Table(heads, rows, caption, frozenset(range(1, len(heads))))


def _settings(analysis: Analysis) -> Table:
    """Each setting: name, value, what it decides."""
    chosen = analysis.settings
    rows = (
        ("ceiling", printable(str(chosen.ceiling), FULL_WIDTH), "the accuracy at which a gap is closed"),
        ("on", chosen.on, "what graph, cliques, aggregates and personas are drawn on"),
        ("include_self", "yes" if chosen.include_self else "no", "whether aggregates count the diagonal"),
        ("top_share", f"{chosen.top_share:g}", "share of the cells of each sign kept as edges"),
        ("confidence", f"{chosen.confidence:g}", "level of intervals; a verdict needs q below 1 minus this"),
        ("margin", f"{chosen.margin:g}", "gain in accuracy within which a transfer is negligible"),
        ("seed", str(chosen.seed), "of whatever draws random numbers"),
    )
    named = [(Markup("<code>{}</code>").format(name), value, decides) for name, value, decides in rows]
    return Table(("setting", "value", "decides"), named, "Settings of this analysis")
