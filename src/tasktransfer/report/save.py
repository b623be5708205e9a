"""Write an analysis to a folder, all of it or none of it; and that of a run to its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasktransfer.analysis.analyze import Analysis, analyze
from tasktransfer.analysis.graph import transfer_graph, write_graphml
from tasktransfer.analysis.measure import measure
from tasktransfer.errors import InputError
from tasktransfer.files import MARKER, output_folder, write_json
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.report.figures.write import EMBEDDED, draw_figures
from tasktransfer.report.findings.find import find_findings, finding_lines
from tasktransfer.report.page.page import render_report
from tasktransfer.run_folder import RunFacts, RunFolder
from tasktransfer.tables import Accuracies, write_csv

__all__ = ["TABLES", "report_run", "save_analysis"]

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
        What the folder of the run says, where there is one.

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


def report_run(folder: Path) -> Iterator[str]:
    """Analyze what is finished of a run, write its report to ``report/``, and yield the findings line by line.

    Raises
    ------
    InputError
        There are no predictions yet.
    """
    run = RunFolder(folder)
    if not run.prediction_files():
        raise InputError(f"{folder}: has no predictions yet")
    accuracies = read_accuracies(folder)
    if not (accuracies.table["kind"] == "finetune").any():
        yield from _save_rows(accuracies, folder / "report")
        return
    analysis = analyze(accuracies)
    page = save_analysis(analysis, folder / "report", run.facts())
    yield from finding_lines(analysis)
    yield f"\nReport: {page}"


def _save_rows(accuracies: Accuracies, folder: Path) -> Iterator[str]:
    """The rows of a study without finetunes, of which there is no matrix."""
    measured = measure(accuracies)
    with output_folder(folder) as made:
        write_csv(measured.pgf, made / "pgf.csv")
        write_csv(measured.transfers, made / "transfers.csv")
    for row in measured.transfers.itertuples():
        yield f"{row.source} -> {row.target}: gain {100 * row.gain:+.1f} points, PGF {row.pgf_pooled:+.2f}"
    yield f"\nNo finetune, so no matrix and no report. Tables: {folder}"
