"""The command that predicts transfer from less than a grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasktransfer.cli.options import Out
from tasktransfer.errors import SettingsError

__all__ = ["predict"]


def predict(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="A folder that `run` wrote to, and others with variants that stopped early; tables of accuracies "
            "or of answers do as well.",
            show_default=False,
        ),
    ],
    out: Out,
    model: Annotated[str | None, typer.Option(help="Model of the results; by default the first.")] = None,
    measured: Annotated[
        list[float] | None,
        typer.Option(
            help="Share of cells, and of sources, taken as measured; several may be.  [default: 0.25 and 0.5, as "
            "far as the grid allows]",
            show_default=False,
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(help="Random masks of each share.", min=1)] = 20,
    no_gradients: Annotated[bool, typer.Option("--no-gradients", help="Compute no gradients.")] = False,
    gradients: Annotated[
        Path | None, typer.Option(help="Take gradients.csv and .json of an earlier call.")
    ] = None,
    items: Annotated[
        int | None,
        typer.Option(help="Train items of a task whose gradients are taken.  [default: 64]", show_default=False),
    ] = None,
    draws: Annotated[
        int | None, typer.Option(help="Draws of A for the gradients.  [default: 3]", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of masks and gradients.")] = 0,
) -> None:
    """Compare estimates of transfer that cost less than a grid with one that was run; say which to trust."""
    from tasktransfer.predict.predict import Gradients, predict_runs

    _refuse_unused(gradients, no_gradients, items, draws)
    asked = None if no_gradients else Gradients(gradients, items or 64, draws or 3)
    for line in predict_runs(runs, out, asked, model=model, shares=measured, repeats=repeats, seed=seed):
        typer.echo(line)
    typer.echo(f"\nWritten to {out}")


def _refuse_unused(gradients: Path | None, no_gradients: bool, items: int | None, draws: int | None) -> None:
    """Options that would change nothing."""
    given = {"--gradients": gradients is not None, "--no-gradients": no_gradients}
    given |= {"--items": items is not None, "--draws": draws is not None}
    names = [name for name, on in given.items() if on]
    if len(names) > 1 and (given["--gradients"] or no_gradients):
        why = "takes gradients as they are" if given["--gradients"] else "computes none"
        raise SettingsError(f"{' and '.join(names)} do not go together: {names[0]} {why}")
    for name, value in (("--items", items), ("--draws", draws)):
        if value is not None and value < 1:
            raise SettingsError(f"{name} is {value}; accepted is a whole number from 1")
