"""The command that analyzes results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tasktransfer.cli.options import Ceiling, Out, Unit
from tasktransfer.errors import InputError

if TYPE_CHECKING:
    from tasktransfer.analysis.analyze import Analysis

__all__ = ["analyze", "keep_inputs_safe", "read_analysis"]

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Tables (.csv, .tsv, .parquet) or folders; NAME=path names the model. Models in size order.",
        show_default=False,
    ),
]


def analyze(
    inputs: Inputs,
    out: Out,
    ceiling: Ceiling = "perfect",
    include_self: Annotated[bool, typer.Option("--include-self", help="Count self-transfer in the sums.")] = False,
    on: Annotated[str, typer.Option(help="Draw graph, cliques and personas on raw or interaction.")] = "raw",
    top_share: Annotated[float, typer.Option(help="Share of the cells of each sign kept as edges.")] = 0.20,
    confidence: Annotated[float, typer.Option(help="Level of the intervals.")] = 0.95,
    margin: Annotated[float, typer.Option(help="Gain in accuracy below which a transfer is negligible.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Seed of whatever draws random numbers.")] = 0,
    unit: Unit = None,
) -> None:
    """Analyze results: matrix, graph, cliques, personas, diagnostics, figures and one report."""
    from tasktransfer.analysis.settings import Settings
    from tasktransfer.report.findings.find import finding_lines
    from tasktransfer.report.save import save_analysis

    settings = Settings(
        ceiling=ceiling,
        include_self=include_self,
        on=on,
        top_share=top_share,
        confidence=confidence,
        margin=margin,
        seed=seed,
    )
    keep_inputs_safe(inputs, out)
    analysis = read_analysis(inputs, settings, unit)
    report = save_analysis(analysis, out)
    for line in finding_lines(analysis):
        typer.echo(line)
    typer.echo(f"\nReport: {report}")


def read_analysis(inputs: list[str], settings: Any, unit: str | None) -> Analysis:
    """Read and analyze inputs; what is to be known of them goes to the error stream.

    Parameters
    ----------
    inputs
        As on the command line: tables or folders, ``NAME=path`` names the model.
    settings
        A `tasktransfer.Settings`.
    unit
        Of accuracies: ``fraction`` or ``percent``; read off where None.
    """
    from tasktransfer.analysis.analyze import analyze as analyze_accuracies
    from tasktransfer.importers.inputs import read_accuracies

    analysis = analyze_accuracies(read_accuracies(*inputs, unit=unit), settings)
    for note in analysis.summary["notes"]:
        typer.echo(f"note: {note}", err=True)
    return analysis


def keep_inputs_safe(inputs: list[str], out: Path) -> None:
    """Refuse to write over a file that is being read."""
    from tasktransfer.importers.inputs import split_name

    for text in inputs:
        _, path = split_name(text)
        if path.is_file() and path.resolve().parent == out.resolve():
            raise InputError(
                f"{path}: lies in the output folder {out} and could be overwritten; choose another --out"
            )
