"""Write an analysis to a folder, all of it or none of it."""

from __future__ import annotations

from pathlib import Path

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.graph import transfer_graph, write_graphml
from tasktransfer.files import MARKER, output_folder, write_json
from tasktransfer.report.figures.write import EMBEDDED, draw_figures
from tasktransfer.report.findings.find import find_findings
from tasktransfer.report.page.page import render_report
from tasktransfer.run_folder import RunFacts
from tasktransfer.tables import write_csv

__all__ = ["TABLES", "save_analysis"]

TABLES = (
    "accuracies",
    "pgf",
    "transfers",
    "tasks",
    "aggregates",
    "cliques",
    "edges",
    "taxonomy",
    "scale",
    "ceilings",
    "decomposition",
    "diagnostics",
    "controls",
    "control_columns",
)


def save_analysis(analysis: Analysis, folder: str | Path, run: RunFacts | None = None) -> Path:
    """Write tables, graph, figures, report and summary.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    folder
        Created with its parents where missing; an earlier analysis in it is replaced, other files stay.
    run
        What the folder of the run tells, where there is one.

    Returns
    -------
    pathlib.Path
        The report.

    Raises
    ------
    OutputError
        The folder cannot be written, or is a file.
    """
    with output_folder(Path(folder)) as made:
        for name in TABLES:
            write_csv(getattr(analysis, name), made / f"{name}.csv")
        write_graphml(transfer_graph(analysis.edges, analysis.tasks_of_models), made / "graph.graphml")
        (made / "figures").mkdir()
        figures, pictures = [], {}
        for drawn in draw_figures(analysis):
            drawn.save(made / "figures")
            figures.append(drawn.name)
            if drawn.name in EMBEDDED:
                pictures[drawn.name] = drawn.svg()
        page = render_report(analysis, run=run, pictures=pictures)
        (made / "report.html").write_text(page, encoding="utf-8")
        summary = {
            "findings": [finding._asdict() for finding in find_findings(analysis, run)],
            **analysis.summary,
            "figures": figures,
        }
        write_json(made / MARKER, summary)
    return Path(folder) / "report.html"
