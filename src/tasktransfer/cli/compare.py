"""The command that compares two sets of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasktransfer.cli.analyze import keep_inputs_safe, read_analysis
from tasktransfer.cli.options import Ceiling, Unit, folder

__all__ = ["compare"]


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Table or folder; NAME=path names its model.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Table or folder to compare with A.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", parser=folder, help="Write agreement.csv, cells.csv and a figure."),
    ] = None,
    ceiling: Ceiling = "perfect",
    top_share: Annotated[float, typer.Option(help="Share of the cells of each sign kept as edges.")] = 0.20,
    unit: Unit = None,
) -> None:
    """Compare two sets of results, model by model."""
    from tasktransfer.analysis.comparison import compare as compare_analyses
    from tasktransfer.analysis.settings import Settings
    from tasktransfer.report.comparison import comparison_lines, save_comparison

    settings = Settings(ceiling=ceiling, top_share=top_share)
    if out is not None:
        keep_inputs_safe([first, second], out)
    comparison = compare_analyses(*(read_analysis([text], settings, unit) for text in (first, second)))
    if out is not None:
        save_comparison(comparison, out)
    for line in comparison_lines(comparison):
        typer.echo(line)
    if out is not None:
        typer.echo(f"\nWritten to {out}")
