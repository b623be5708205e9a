"""Write an analysis to a folder, all of it or none of it.

Everything is made in a temporary folder beside the target and moved in by rename; ``summary.json`` goes last,
so a folder that has one is complete.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasktransfer.analysis.graph import transfer_graph, write_graphml
from tasktransfer.analysis.pgf import tasks_of
from tasktransfer.analysis.pipeline import Analysis
from tasktransfer.errors import OutputError
from tasktransfer.report.figures import write_figures
from tasktransfer.report.findings import find_findings
from tasktransfer.report.html import render_report
from tasktransfer.tables import write_csv

__all__ = ["TABLES", "output_folder", "save_analysis", "write_json"]

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
MARKER = "summary.json"


def save_analysis(analysis: Analysis, folder: str | Path) -> Path:
    """Write tables, graph, figures, report and summary.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    folder
        Created with its parents where missing; an earlier analysis in it is replaced, other files stay.

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
        tasks = {model: tasks_of(analysis.transfers, model) for model in analysis.models}
        write_graphml(transfer_graph(analysis.edges, tasks), made / "graph.graphml")
        (made / "figures").mkdir()
        figures = write_figures(analysis, made / "figures")
        (made / "report.html").write_text(render_report(analysis), encoding="utf-8")
        summary = {
            "findings": [finding._asdict() for finding in find_findings(analysis)],
            **analysis.summary,
            "figures": figures,
        }
        write_json(summary, made / MARKER)
    return Path(folder) / "report.html"


def write_json(value: Any, path: Path) -> None:
    """Write strict JSON: NaN and infinities become null."""
    path.write_text(json.dumps(_strict(value), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@contextmanager
def output_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder whose content replaces that of `folder` once the block has ended well.

    Raises
    ------
    OutputError
        The place cannot be written, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; the output needs a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
    try:
        yield made
        _move_in(made, folder)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _move_in(made: Path, folder: Path) -> None:
    finished_before = (folder / MARKER).is_file()
    (folder / MARKER).unlink(missing_ok=True)
    if finished_before:
        shutil.rmtree(folder / "figures", ignore_errors=True)
    for path in sorted(made.rglob("*"), key=lambda p: (p.name == MARKER, p)):
        place = folder / path.relative_to(made)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        else:
            path.replace(place)
