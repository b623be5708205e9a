"""The command that shows everything on the embedded model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasktransfer.cli.options import Out, Workers, refuse_beside

__all__ = ["demo"]


def demo(
    context: typer.Context,
    out: Out = Path("demo-out"),
    quick: Annotated[bool, typer.Option("--quick", help="Four tasks, one seed: a minute.")] = False,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="No model, no torch: simulated answers with a known truth.")
    ] = False,
    workers: Workers = 2,
) -> None:
    """Finetune the embedded model on thirteen drawn tasks, test every adapter on all of them, and report."""
    if simulated:
        refuse_beside(context, "--simulated", "quick", "workers")
        from tasktransfer.report.simulated_demo import run_demo

        for line in run_demo(out, seed=0):
            typer.echo(line)
        return
    from tasktransfer.cli.study import run_and_report
    from tasktransfer.study.template import demo_study

    run_and_report(demo_study(quick=quick), out, workers=workers)
