"""The commands that run studies; they join those of `tasktransfer.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tasktransfer.cli.options import Quiet, Sets, StudyFile, StudyOut, Workers, folder
from tasktransfer.errors import InputError, OutputError, TaskTransferError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasktransfer.study.plan import Cell, Plan
    from tasktransfer.study.spec import Study
    from tasktransfer.study.store import Store
    from tasktransfer.tables import Accuracies

__all__ = ["add_study_commands", "run_and_report"]

StudyFolder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that `run` wrote to.")]


def add_study_commands(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (init, plan, run, status, retry, report):
        app.command()(command)


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
        Path | None, typer.Option(metavar="DIR", parser=folder, help="Tell what is finished there.")
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
    if next_budget is not None:
        from tasktransfer.cli.predict import propose_next

        propose_next(study, out, next_budget, decide=decide, sets=sets or ())
        return
    from tasktransfer.study.checks import unseen_items
    from tasktransfer.study.file import load_study
    from tasktransfer.study.plan_study import plan_study, taken_from_hub
    from tasktransfer.study.store import Store

    checked = load_study(study, overrides=sets or ())
    planned = plan_study(checked, here_only=True)
    for sentence in taken_from_hub(checked):
        typer.echo(sentence)
    _tell_plan(planned, Store(out, still=True) if out is not None else None)
    for sentence in unseen_items(planned):
        typer.echo(sentence)
    _tell_costs(planned, tflops)
    _tell_missing(planned)


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
    """Do what is missing of a study, tell the findings, write the report; leaves with status 1 if cells failed."""
    from tasktransfer.study.run import run_study

    result = run_study(study, out, workers=workers, overrides=sets, quiet=quiet)
    _finish(out, result.failed)


def status(folder: StudyFolder) -> None:
    """Tell what of a study is finished, what failed and why, and whether the finetunes are trained."""
    from tasktransfer.study.checks import check_training, unhelped
    from tasktransfer.study.store import Store

    store = Store(folder, still=True)
    planned = store.read_plan()
    _tell_plan(planned, store)
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
    from tasktransfer.study.store import Store

    Store(folder).read_study()
    _report(folder)


def _finish(folder: Path, failed: dict[str, str]) -> None:
    """Write the report of a run; the exit status says whether cells failed."""
    try:
        _report(folder)
    except TaskTransferError as error:
        if not failed:
            raise
        typer.echo(f"no report: {error}", err=True)
    if failed:
        typer.echo(f"{len(failed)} cells failed; `tasktransfer status {folder}` tells why", err=True)
        raise typer.Exit(1)


def _report(folder: Path) -> None:
    from tasktransfer.analysis.analyze import analyze
    from tasktransfer.importers.inputs import read_accuracies
    from tasktransfer.report.findings.find import finding_lines
    from tasktransfer.report.save import save_analysis
    from tasktransfer.run_folder import RunFolder

    if not (folder / "predictions.parquet").is_file():
        raise InputError(f"{folder}: has no predictions yet")
    accuracies = read_accuracies(folder)
    if not (accuracies.table["kind"] == "finetune").any():
        _tell_rows(accuracies, folder / "report")
        return
    analysis = analyze(accuracies)
    page = save_analysis(analysis, folder / "report", RunFolder(folder).facts())
    for line in finding_lines(analysis):
        typer.echo(line)
    typer.echo(f"\nReport: {page}")


def _tell_rows(accuracies: Accuracies, folder: Path) -> None:
    """The rows of a study without finetunes, of which there is no matrix."""
    from tasktransfer.analysis.measure import measure
    from tasktransfer.files import output_folder
    from tasktransfer.tables import write_csv

    measured = measure(accuracies)
    with output_folder(folder) as made:
        write_csv(measured.pgf, made / "pgf.csv")
        write_csv(measured.transfers, made / "transfers.csv")
    for row in measured.transfers.itertuples():
        typer.echo(f"{row.source} -> {row.target}: gain {100 * row.gain:+.1f} points, PGF {row.pgf_pooled:+.2f}")
    typer.echo(f"\nNo finetune, so no matrix and no report. Tables: {folder}")


def _tell_missing(planned: Plan) -> None:
    """What is not on this machine: what a run gets by itself, and what has to be there before it."""
    own = [sentence for sentence in planned.missing if sentence not in planned.fetched]
    for title, sentences in (
        ("Not on this machine; `run` downloads these from the Hub by itself (or you, before):", planned.fetched),
        ("Not on this machine, and `run` does not get these; they have to be there before:", own),
    ):
        if sentences:
            typer.echo(f"\n{title}")
        for sentence in sentences:
            typer.echo(f"  {sentence}")


def _tell_costs(planned: Plan, tflops: float) -> None:
    """Memory, disk and hours of the models whose checkpoint is known."""
    from tasktransfer.study.estimate import estimates
    from tasktransfer.study.progress import duration

    for cost in estimates(planned, tflops=tflops):
        whence = "counted from the pictures" if cost.counted else "pictures of the usual size assumed"
        typer.echo(
            f"{cost.model}: {cost.memory:.0f} GB on a device for the heaviest step, {cost.disk:.0f} GB of disk; "
            f"{duration(3600 * cost.training)} to train {cost.n_trained} cells and {duration(3600 * cost.asking)} "
            f"to ask, on one device at {tflops:g} TFLOP/s ({whence}; an estimate)"
        )
        if cost.recomputed < 0.9 * cost.memory:
            typer.echo(f"  with compute.activation_checkpointing: true, {cost.recomputed:.0f} GB")
        for adapter in cost.adapters:
            typer.echo(f"  {adapter}")


def _tell_plan(planned: Plan, store: Store | None) -> None:
    cells = planned.unique_cells
    states = _states(cells, store) if store is not None else {}
    for kind, word in (
        ("base", "untouched models"),
        ("finetune", "finetunes"),
        ("control", "controls"),
        ("mixture", "mixtures"),
    ):
        of_kind = [cell for cell in cells if cell.kind == kind]
        words = [states[cell.key].partition(":")[0] for cell in of_kind] if states else []
        done = f", {words.count('finished')} finished" if store is not None else ""
        failed = f", {words.count('failed')} failed" if "failed" in words else ""
        typer.echo(f"{len(of_kind):5d} {word}{done}{failed}")
    typer.echo(
        f"{planned.n_shards:5d} shards of answers, {sum(s.n_items for c in cells for s in c.shards)} answers"
    )
    for cell in cells:
        state, _, why = states.get(cell.key, "").partition(":")
        typer.echo(f"  {f'{state:10}' if states else ''}{cell.key}{why and f': {why}'}")


def _states(cells: Sequence[Cell], store: Store) -> dict[str, str]:
    """``finished``, ``to do``, or ``failed:`` with the first line of why, by key; each cell is looked at once."""
    states = {}
    for cell in cells:
        if store.is_done(cell):
            states[cell.key] = "finished"
            continue
        told = str((store.error(cell) or {}).get("error", ""))
        states[cell.key] = f"failed:{told.splitlines()[0]}" if told else "to do"
    return states
