"""The command that says what a study can see."""

from __future__ import annotations

from typing import Annotated

import typer

from tasktransfer.cli.options import refuse_beside

__all__ = ["power"]


def power(
    context: typer.Context,
    items: Annotated[int, typer.Option(help="Items a target.")] = 130,
    seeds: Annotated[int, typer.Option(help="Training seeds a source.")] = 4,
    discordance: Annotated[float, typer.Option(help="Share of items whose answer changes.")] = 0.15,
    seed_sd: Annotated[float, typer.Option(help="SD of the accuracy over seeds, a fraction.")] = 0.013,
    cells: Annotated[int, typer.Option(help="Cells tested together.")] = 156,
    baseline: Annotated[float, typer.Option(help="Baseline accuracy, to tell the gain as PGF.")] = 0.5,
    gain: Annotated[
        float | None, typer.Option(help="Wanted gain, a fraction: shows the items or seeds needed.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Item-level predictions: shows what that study could see.")
    ] = None,
) -> None:
    """Plan: the smallest gain a design finds with 80 % power, and the items or seeds a wanted gain needs."""
    from tasktransfer.planning.power import Design
    from tasktransfer.planning.words import design_lines, study_lines

    if study is not None:
        refuse_beside(context, "--study", "items", "seeds", "discordance", "seed_sd", "baseline", "gain")
        from tasktransfer.importers.inputs import read_accuracies

        lines = study_lines(read_accuracies(study), cells=cells)
    else:
        design = Design(items=items, seeds=seeds, discordance=discordance, seed_sd=seed_sd, cells=cells)
        lines = design_lines(design, baseline=baseline, gain=gain)
    for line in lines:
        typer.echo(line)
