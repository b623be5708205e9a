"""The commands that plan and run a study."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tasktransfer.cli.options import Quiet, Sets, StudyFile, StudyOut, Workers, folder
from tasktransfer.errors import OutputError, SettingsError, TaskTransferError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasktransfer.study.spec import Study

__all__ = ["init", "plan", "report", "retry", "run", "run_and_report", "status"]

StudyFolder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that `run` wrote to.")]


def init(
    path: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="File to write.")] = Path("study.yaml"),
) -> None:
    """Write a study file to start from, with every key explained."""
    from tasktransfer.study.template import TEMPLATE

    try:
        with path.open("x", encoding="utf-8") as handle:
            handle.write(TEMPLATE)
    except FileExistsError as error:
        raise OutputError(f"{path}: is there already; name another file") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
    typer.echo(f"{path} written. Next: tasktransfer plan {path}, then tasktransfer run {path} --out DIR")


def plan(
    study: StudyFile,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", parser=folder, help="Report what is finished there.")
    ] = None,
    sets: Sets = None,
    tflops: Annotated[float, typer.Option(help="Rate that a device keeps up, for the hours.", min=0.1)] = 200.0,
    next_budget: Annotated[
        str | None,
        typer.Option(
            "--next",
            metavar="BUDGET",
            help="Propose the seeds (12cells) or items (20000items) that decide most, from what is in --out.",
        ),
    ] = None,
    decide: Annotated[
        str, typer.Option(help="With --next: decide verdicts, or the ranking of sources.")
    ] = "verdicts",
) -> None:
    """Check a study, list its cells, what is missing and what it will cost; nothing is computed or fetched."""
    from tasktransfer.study.checks import unseen_items
    from tasktransfer.study.file import load_study
    from tasktransfer.study.plan_study import plan_study, taken_from_hub
    from tasktransfer.study.store import Store
    from tasktransfer.study.words import cost_lines, missing_lines, plan_lines

    checked = load_study(study, overrides=sets or ())
    if next_budget is not None:
        from tasktransfer.planning.next_study import next_lines

        amount, unit = _budget(next_budget)
        for line in next_lines(checked, out, amount, unit, decide=decide):
            typer.echo(line)
        return
    planned = plan_study(checked, here_only=True)
    for line in (
        *taken_from_hub(checked),
        *plan_lines(planned, Store(out, still=True) if out is not None else None),
        *unseen_items(planned),
        *cost_lines(planned, tflops),
        *missing_lines(planned),
    ):
        typer.echo(line)


def run(
    study: StudyFile,
    out: StudyOut,
    workers: Workers = 1,
    sets: Sets = None,
    quiet: Quiet = False,
) -> None:
    """Do what is missing of a study, then analyze it and write the report."""
    run_and_report(study, out, workers=workers, sets=sets or (), quiet=quiet)


def run_and_report(
    study: Study | Path,
    out: Path,
    *,
    workers: int = 1,
    sets: Sequence[str] = (),
    quiet: bool = False,
) -> None:
    """Do what is missing of a study, write the report, say what was found; status 1 if cells failed.

    Parameters
    ----------
    study
        A study, or the path of a study file.
    out
        Folder of the study.
    workers
        Processes, from 1; the results do not depend on it.
    sets
        Changes of the study, ``key=value`` each.
    quiet
        Show no progress.
    """
    from tasktransfer.study.run import run_study

    result = run_study(study, out, workers=workers, overrides=sets, quiet=quiet)
    _finish(out, result.failed)


def status(folder: StudyFolder) -> None:
    """Report what of a study is finished, what failed and why, and whether the finetunes are trained."""
    from tasktransfer.study.checks import check_training, unhelped
    from tasktransfer.study.store import Store
    from tasktransfer.study.words import plan_lines

    store = Store(folder, still=True)
    planned = store.read_plan()
    for line in plan_lines(planned, store):
        typer.echo(line)
    for cell in planned.unique_cells:
        for sentence in store.damage(cell):
            typer.echo(f"damaged: {sentence} by the next run")
    for sentence in unhelped(check_training(planned, store)):
        typer.echo(sentence)


def retry(folder: StudyFolder, workers: Workers = 1, quiet: Quiet = False) -> None:
    """Do what is missing of the study in a folder, failed cells included."""
    from tasktransfer.study.run import resume_study

    result = resume_study(folder, workers=workers, quiet=quiet)
    _finish(folder, result.failed)


def report(folder: StudyFolder) -> None:
    """Analyze what is finished of a study and write its report."""
    from tasktransfer.report.save import report_run
    from tasktransfer.study.store import Store

    Store(folder).read_study()
    for line in report_run(folder):
        typer.echo(line)


def _finish(folder: Path, failed: dict[str, str]) -> None:
    """Write the report of a run; the exit status says whether cells failed."""
    from tasktransfer.report.save import report_run

    try:
        for line in report_run(folder):
            typer.echo(line)
    except TaskTransferError as error:
        if not failed:
            raise
        typer.echo(f"no report: {error}", err=True)
    if failed:
        typer.echo(f"{len(failed)} cells failed; `tasktransfer status {folder}` shows why", err=True)
        raise typer.Exit(1)


def _budget(text: str) -> tuple[int, str]:
    """Amount and unit of a budget."""
    match = re.fullmatch(r"\s*(\d+)\s*(cells|items)?\s*", text)
    if match is None:
        raise SettingsError(
            f"--next is {text!r}; accepted is a whole number of cells or items: 12cells, 20000items"
        )
    return int(match[1]), match[2] or "cells"
