"""Write the results of recommendations to a folder, all of it or none of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.summary import versions
from tasktransfer.drawing.style import save_figure, svg_of
from tasktransfer.files import MARKER, output_folder, write_json
from tasktransfer.realise.figure import draw_realised
from tasktransfer.realise.judgement import Outcome
from tasktransfer.realise.words import realised_lines, realised_section
from tasktransfer.recommendation.methods import BASELINES
from tasktransfer.report.page.page import render_report
from tasktransfer.run_folder import RunFacts
from tasktransfer.tables import write_csv

__all__ = ["save_realised"]


def save_realised(outcome: Outcome, analysis: Analysis, folder: str | Path, run: RunFacts | None = None) -> Path:
    """Write tables, figure, report and summary; other files in the folder stay.

    Parameters
    ----------
    outcome
        Result of `tasktransfer.realise.realise.realise`.
    analysis
        Of the grid, for the rest of the report.
    folder
        Folder to write to.
    run
        What the grid's folder says beside accuracies.

    Returns
    -------
    pathlib.Path
        The report.
    """
    with output_folder(Path(folder)) as made:
        for name, table in _tables(outcome).items():
            write_csv(table, made / f"{name}.csv")
        (made / "figures").mkdir()
        figure = draw_realised(outcome.judgement.realised, BASELINES)
        save_figure(figure, made / "figures" / "realised")
        section = realised_section(outcome, svg_of(figure, "realised", "Gain of each method on each target"))
        (made / "report.html").write_text(render_report(analysis, [section], run=run), encoding="utf-8")
        summary = {
            "findings": realised_lines(outcome),
            "notes": outcome.notes,
            "failed": outcome.failed,
            "confidence": outcome.confidence,
            "versions": versions(),
        }
        write_json(made / MARKER, summary)
    return Path(folder) / "report.html"


def _tables(outcome: Outcome) -> dict[str, pd.DataFrame]:
    return {
        "recommended": pd.DataFrame(
            [
                {"target": choice.target, "method": choice.method, "mixture": choice.mixture, "source": source,
                 "items": count}
                for choice in outcome.choices
                for source, count in choice.items.items()
            ]
        ),
        "realised": outcome.judgement.realised,
        "elsewhere": outcome.judgement.elsewhere,
        "targets": outcome.judgement.targets,
        "methods": outcome.judgement.methods,
        "merges": outcome.merges,
        "merge_agreement": outcome.agreement,
    }  # fmt: skip
