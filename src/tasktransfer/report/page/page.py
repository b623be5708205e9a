"""The whole analysis as one HTML file that needs nothing else: no network, no server, no installed font.

Words and tables that no control changes are set in the template; figures that none changes are the saved ones,
embedded; what the reader can switch comes as JSON and is drawn by our own script. Nothing in the page says when or
where it was made, so the same analysis gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.drawing.labels import printable, short_names
from tasktransfer.report.figures.write import EMBEDDED, draw_figures
from tasktransfer.report.findings import Finding
from tasktransfer.report.findings.find import find_findings
from tasktransfer.report.findings.structure import kinds_of_error
from tasktransfer.report.page.payload import FULL_WIDTH, build_payload, ceiling_label, json_in_html
from tasktransfer.report.page.tables import best_source_tables, page_tables
from tasktransfer.run_folder import RunFacts

__all__ = ["Section", "render_report", "render_template"]

SCRIPTS = ("page.js", "matrix.js", "graph.js", "plane.js", "charts.js", "certainty.js", "tables.js")


class Section(NamedTuple):
    """A part of the page that another question brings; it stands behind the findings."""

    anchor: str
    title: str
    body: Markup
    finding: Finding  # the first of the page


def render_report(
    analysis: Analysis,
    sections: Sequence[Section] = (),
    *,
    run: RunFacts | None = None,
    pictures: Mapping[str, str] | None = None,
) -> str:
    """Render the self-contained report.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    sections
        Sections of other questions, such as the results of recommendations.
    run
        What the folder of the run says, where there is one.
    pictures
        SVG of the figures `tasktransfer.report.figures.write.EMBEDDED` by name, where they are drawn already.

    Returns
    -------
    str
        An HTML document, to be written as UTF-8.

    Notes
    -----
    About a megabyte for 13 tasks and three models of four seeds, a few for 200 tasks.
    """
    run = run or RunFacts()
    if pictures is None:
        pictures = {drawn.name: drawn.svg() for drawn in draw_figures(analysis, only=EMBEDDED)}
    script = "(() => {\n'use strict';\n" + "\n".join(_asset(name) for name in SCRIPTS) + "\nstart();\n})();\n"
    return render_template(
        _asset("page.html.j2"),
        style=Markup(_asset("page.css")),
        script=Markup(script),
        # the page runs this one script and loads nothing, whatever the names in it are
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        payload=Markup(json_in_html(build_payload(analysis))),
        sections=sections,
        findings=[*(section.finding for section in sections), *find_findings(analysis, run)],
        tables=page_tables(analysis, run),
        best_sources=best_source_tables(analysis),
        pictures={name: Markup(svg) for name, svg in pictures.items()},
        **_words(analysis),
    )


def render_template(text: str, **words: Any) -> Markup:
    """Fill a template; whatever is no markup is escaped, and a word that is not there is an error."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return Markup(environment.from_string(text).render(**words))


def _asset(name: str) -> str:
    return resources.files("tasktransfer.report.page").joinpath(name).read_text(encoding="utf-8")


def _words(analysis: Analysis) -> dict[str, Any]:
    """What the template sets in words."""
    summary, settings = analysis.summary, analysis.settings
    return {
        "models": [printable(model) for model in summary["models"]],
        "overview": _overview(analysis),
        "short_names": short_names(analysis.tasks["task"]),
        "notes": [printable(note, 4 * FULL_WIDTH) for note in summary["notes"]],
        "versions": {str(name): str(text) for name, text in summary.get("versions", {}).items()},
        "has_controls": len(analysis.control_columns) > 0,
        "chosen": ceiling_label(settings.ceiling),
        "confidence": f"{settings.confidence:.0%}",
        "errors_of": kinds_of_error(analysis) or "nothing known",
        "margin": f"{100 * settings.margin:g}",
        "share": f"{settings.top_share:.0%}",
        "include_self": settings.include_self,
        "view": "raw PGF" if settings.on == "raw" else "interaction",
    }


def _overview(analysis: Analysis) -> list[tuple[str, str]]:
    """The line under the title, as pairs of what and how much."""
    facts = list(analysis.summary["models"].values())
    names = [printable(model) for model in analysis.models]
    sources, targets, seeds = (_span([one[key] for one in facts]) for key in ("n_sources", "n_targets", "n_seeds"))
    return [
        ("model" if len(names) == 1 else "models", ", ".join(names)),
        ("sources × targets", f"{sources} × {targets}"),
        ("seeds", seeds),
        ("ceiling", ceiling_label(analysis.settings.ceiling)),
        ("computed on", "raw PGF" if analysis.settings.on == "raw" else "interaction"),
    ]


def _span(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}–{high}"
