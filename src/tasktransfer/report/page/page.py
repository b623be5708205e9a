"""The whole analysis as one HTML file that needs nothing else: no network, no server, no installed font.

Words are set here and in the template; what is drawn comes as JSON and is drawn by our own script. Nothing in the
page tells when or where it was made, so the same analysis gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import math
from importlib import resources
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.cliques import SIGNS
from tasktransfer.analysis.diagnostics import CHECKS
from tasktransfer.analysis.personas import PERSONAS
from tasktransfer.drawing.labels import WORDS, label_of, list_labels, printable, short_names
from tasktransfer.realise.headlines import realised_finding
from tasktransfer.realise.judgement import Outcome
from tasktransfer.realise.words import realised_words
from tasktransfer.report.findings.find import find_findings
from tasktransfer.report.findings.mixtures import mixture_table
from tasktransfer.report.findings.structure import kinds_of_error
from tasktransfer.report.page.payload import FULL_WIDTH, build_payload, ceiling_label, json_in_html
from tasktransfer.report.reference_lines import strongest_control
from tasktransfer.run_folder import RunFacts

__all__ = ["render_report"]

SCRIPTS = (
    "report.js",
    "report_matrix.js",
    "report_graph.js",
    "report_plane.js",
    "report_charts.js",
    "report_certainty.js",
    "report_tables.js",
)

NULLS = {
    "within_target": "sources permuted within each target",
    "additive": "target and source effects kept, the rest permuted",
}


def render_report(analysis: Analysis, realised: Outcome | None = None, *, run: RunFacts | None = None) -> str:
    """Render the self-contained report.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    realised
        What was trained on recommendations from it, where that was done: a section of its own.
    run
        What the folder of the run tells, where there is one.

    Returns
    -------
    str
        An HTML document, to be written as UTF-8.

    Notes
    -----
    About half a megabyte for 13 tasks and three models of four seeds, a few for 200 tasks.
    """
    script = "(() => {\n'use strict';\n" + "\n".join(_asset(name) for name in SCRIPTS) + "\nstart();\n})();\n"
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_asset("report.html.j2"))
    words = _words(analysis, run or RunFacts())
    if realised is not None:
        words["findings"] = [realised_finding(realised), *words["findings"]]
    return template.render(
        style=Markup(_asset("report.css")),
        script=Markup(script),
        # the page runs this one script and loads nothing, whatever the names in it are
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        payload=Markup(json_in_html(build_payload(analysis))),
        realised=None if realised is None else realised_words(realised),
        **words,
    )


def _asset(name: str) -> str:
    return resources.files("tasktransfer.report.page").joinpath(name).read_text(encoding="utf-8")


def _words(analysis: Analysis, run: RunFacts) -> dict[str, Any]:
    """What the template sets in words and tables."""
    summary = analysis.summary
    models = summary["models"]
    return {
        "models": [printable(model) for model in models],
        "overview": _overview(analysis),
        "findings": find_findings(analysis, run),
        "short_names": short_names(analysis.tasks["task"]),
        "settings": _settings(analysis),
        "notes": [printable(note, 4 * FULL_WIDTH) for note in summary["notes"]],
        "versions": {str(name): str(text) for name, text in summary.get("versions", {}).items()},
        "checks": _check_counts(analysis),
        "chances": _chances(analysis),
        "certain": _certain_means(analysis),
        "has_controls": len(analysis.control_columns) > 0,
        "mixtures": mixture_table(analysis, run),
        "personas": _persona_table(analysis),
        "agreement": _agreement(analysis),
        "best_sources": [(printable(m), rows) for m in analysis.models if (rows := _best_sources(analysis, m))],
        "chosen": ceiling_label(analysis.settings.ceiling),
        "confidence": f"{analysis.settings.confidence:.0%}",
        "errors_of": kinds_of_error(analysis) or "nothing known",
        "margin": f"{100 * analysis.settings.margin:g}",
        "share": f"{analysis.settings.top_share:.0%}",
        "include_self": analysis.settings.include_self,
        "view": "raw PGF" if analysis.settings.on == "raw" else "interaction",
    }


def _certain_means(analysis: Analysis) -> list[tuple[str, ...]]:
    """For each model and aggregate the mean over tasks as texts of a table row; empty where no error is known."""
    control = strongest_control(analysis)
    rows = analysis.aggregates[(analysis.aggregates["task"] == "") & analysis.aggregates["value"].notna()]
    return [
        (
            printable(row.model),
            WORDS[row.measure],
            _signed(row.value, 3),
            _signed(row.debiased, 3),
            "–" if np.isnan(row.low) else f"{_signed(row.low, 3)} to {_signed(row.high, 3)}",
            _signed(row.noise_level, 3),
            _signed(control.get((row.model, row.measure), np.nan), 3),
        )
        for row in rows.itertuples()
    ]


def _overview(analysis: Analysis) -> list[tuple[str, str]]:
    """The line under the title, as pairs of what and how much."""
    told = list(analysis.summary["models"].values())
    names = [printable(model) for model in analysis.models]
    sources = _span([one["n_sources"] for one in told])
    targets = _span([one["n_targets"] for one in told])
    seeds = _span([one["n_seeds"] for one in told])
    return [
        ("model" if len(names) == 1 else "models", ", ".join(names)),
        ("sources × targets", f"{sources} × {targets}"),
        ("seeds", seeds),
        ("ceiling", ceiling_label(analysis.settings.ceiling)),
        ("computed on", "raw PGF" if analysis.settings.on == "raw" else "interaction"),
    ]


def _best_sources(analysis: Analysis, model: str) -> list[tuple[str, ...]]:
    """For each target the source that helps it most, as texts of a table row; targets without any are left out."""
    cells = analysis.transfers
    cells = cells[(cells["model"] == model) & (cells["kind"] == "finetune") & cells["pgf"].notna()]
    rows: list[tuple[str, ...]] = []
    for target, column in cells.groupby("target", sort=False):
        own = column[column["source"] == target]
        others = column[column["source"] != target].sort_values("pgf", ascending=False, kind="stable")
        if others.empty:
            continue
        best = others.iloc[0]
        second = (
            f"{label_of(others.iloc[1]['source'])} {_signed(others.iloc[1]['pgf'])}" if len(others) > 1 else "–"
        )
        interval = "–" if np.isnan(best["low"]) else f"{_signed(best['low'])} to {_signed(best['high'])}"
        row = (
            label_of(str(target)),
            label_of(best["source"]),
            _signed(best["pgf"]),
            _signed(100 * best["gain"], 1),
        )
        of_own = _signed(100 * own["gain"].iloc[0], 1) if len(own) else "–"
        rows.append((*row, interval, best["verdict"], second, of_own))
    return rows


def _signed(value: float, digits: int = 2) -> str:
    return "–" if np.isnan(value) else f"{value:+.{digits}f}".replace("-", "−")


def _span(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}–{high}"


def _settings(analysis: Analysis) -> list[tuple[str, str, str]]:
    """Each setting: name, value, what it decides."""
    chosen = analysis.settings
    return [
        ("ceiling", printable(str(chosen.ceiling), FULL_WIDTH), "the accuracy at which a gap is closed"),
        ("on", chosen.on, "what graph, cliques, aggregates and personas are drawn on"),
        ("include_self", "yes" if chosen.include_self else "no", "whether aggregates count the diagonal"),
        ("top_share", f"{chosen.top_share:g}", "share of the cells of each sign kept as edges"),
        ("confidence", f"{chosen.confidence:g}", "level of intervals; a verdict needs q below 1 minus this"),
        ("seed", str(chosen.seed), "of whatever draws random numbers"),
    ]


def _check_counts(analysis: Analysis) -> list[dict[str, Any]]:
    """Each check met: what it asks, how often it was made for targets or models, how often flagged, and runs."""
    table = analysis.diagnostics
    rows = []
    for check, group in table.groupby("check", sort=False):
        made = group[group["scope"] != "run"]
        rows.append(
            {
                "check": str(check),
                "asks": CHECKS.get(str(check), ""),
                "flagged": int(made["flagged"].sum()),
                "made": len(made),
                "runs": int((group["scope"] == "run").sum()),
            }
        )
    order = list(CHECKS)
    return sorted(rows, key=lambda row: order.index(row["check"]) if row["check"] in order else len(order))


def _chances(analysis: Analysis) -> list[dict[str, Any]]:
    """The largest clique of each model and sign against each null."""
    rows = []
    for model, told in analysis.summary["models"].items():
        for sign in SIGNS:
            largest = told["largest_clique"][sign]
            for null, chance in largest.get("against_chance", {}).items():
                exact = largest["size"] and not math.isnan(chance["p_value"])
                rows.append(
                    {
                        "model": printable(model),
                        "sign": sign,
                        "size": largest["size"] or "none",
                        "null": NULLS.get(null, null),
                        "mean": f"{chance['mean_null_size']:.1f}" if exact else "–",
                        "p_value": f"{chance['p_value']:.2g}" if exact else "–",
                        "n_draws": chance["n_draws"] if exact else "not tested",
                    }
                )
    return rows


def _persona_table(analysis: Analysis) -> list[dict[str, Any]]:
    """For each ceiling the tasks that hold a label in every model."""
    return [
        {
            "ceiling": ceiling_label(name),
            "labels": {
                label: list_labels(told["personas_in_every_model"].get(label, []), 40) for label in PERSONAS
            },
        }
        for name, told in analysis.summary["ceiling_sensitivity"].items()
    ]


def _agreement(analysis: Analysis) -> list[dict[str, Any]]:
    """For each other ceiling Kendall's tau with the chosen one, by model."""
    return [
        {
            "ceiling": ceiling_label(name),
            "taus": [
                "–" if tau is None else f"{tau:.2f}"
                for tau in (told["kendall_tau_transferability_pos"].get(model) for model in analysis.models)
            ],
        }
        for name, told in analysis.summary["ceiling_sensitivity"].items()
        if name != analysis.settings.ceiling
    ]
