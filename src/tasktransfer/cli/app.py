"""The command line. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tasktransfer.cli.build_train import add_training_commands
from tasktransfer.cli.check_task import add_task_commands
from tasktransfer.cli.options import Ceiling, Out, Unit, Workers, folder, refuse_beside
from tasktransfer.cli.predict import add_predict_command
from tasktransfer.cli.realise import add_realise_command
from tasktransfer.cli.recommend import add_selection_commands
from tasktransfer.cli.similarity import add_similarity_command
from tasktransfer.cli.study import add_study_commands
from tasktransfer.errors import InputError, TaskTransferError

if TYPE_CHECKING:
    from tasktransfer.analysis.analyze import Analysis

__all__ = ["app", "main"]

MESSAGE_BYTES = 3500

app = typer.Typer(
    name="tasktransfer",
    help="Measure how finetuning a vision-language model on one task changes the others.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Tables (.csv, .tsv, .parquet) or folders; NAME=path names the model. Models in size order.",
        show_default=False,
    ),
]


@app.command()
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
    _keep_inputs_safe(inputs, out)
    analysis = _analysis(inputs, settings, unit)
    report = save_analysis(analysis, out)
    _tell_findings(analysis)
    typer.echo(f"\nReport: {report}")


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Table or folder; NAME=path names its model.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Table or folder to hold against A.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", parser=folder, help="Write agreement.csv, cells.csv and a figure."),
    ] = None,
    ceiling: Ceiling = "perfect",
    top_share: Annotated[float, typer.Option(help="Share of the cells of each sign kept as edges.")] = 0.20,
    unit: Unit = None,
) -> None:
    """Hold two sets of results against each other, model by model."""
    from tasktransfer.analysis.comparison import compare as compare_analyses
    from tasktransfer.analysis.settings import Settings
    from tasktransfer.report.comparison import comparison_lines, save_comparison

    settings = Settings(ceiling=ceiling, top_share=top_share)
    if out is not None:
        _keep_inputs_safe([first, second], out)
    comparison = compare_analyses(*(_analysis([text], settings, unit) for text in (first, second)))
    if out is not None:
        save_comparison(comparison, out)
    for line in comparison_lines(comparison):
        typer.echo(line)
    if out is not None:
        typer.echo(f"\nWritten to {out}")


@app.command()
def power(
    context: typer.Context,
    items: Annotated[int, typer.Option(help="Items a target.")] = 130,
    seeds: Annotated[int, typer.Option(help="Training seeds a source.")] = 4,
    discordance: Annotated[float, typer.Option(help="Share of items whose answer changes.")] = 0.15,
    seed_sd: Annotated[float, typer.Option(help="SD of the accuracy over seeds, a fraction.")] = 0.013,
    cells: Annotated[int, typer.Option(help="Cells tested together.")] = 156,
    baseline: Annotated[float, typer.Option(help="Baseline accuracy, to tell the gain as PGF.")] = 0.5,
    gain: Annotated[
        float | None, typer.Option(help="Wanted gain, a fraction: tells the items or seeds needed.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="Item-level predictions: tells what that study could see.")
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


@app.command()
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
    from tasktransfer.study.demo import demo_study

    run_and_report(demo_study(quick=quick), out, workers=workers)


@app.command("import")
def import_logs(
    manifest: Annotated[Path, typer.Option(help="Which log is which run; drafted when the file is not there.")],
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PATHS]...", help="Folders to look for logs in.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Table to write, .parquet or .csv.")] = Path("predictions.parquet"),
) -> None:
    """Read logs of lmms-eval, VLMEvalKit, EvalScope or Inspect AI as a table for analyze."""
    from tasktransfer.importers.draft import draft_lines
    from tasktransfer.importers.read_logs import import_lines

    lines = import_lines(manifest, paths or [], out) if manifest.exists() else draft_lines(manifest, paths or [])
    for line in lines:
        typer.echo(line, err=line.startswith("note: "))


add_study_commands(app)
add_realise_command(app)
add_selection_commands(app)
add_predict_command(app)
add_similarity_command(app)
add_task_commands(app)
add_training_commands(app)


def _analysis(inputs: list[str], settings: Any, unit: str | None) -> Analysis:
    from tasktransfer.analysis.analyze import analyze as analyze_accuracies
    from tasktransfer.importers.inputs import read_accuracies

    analysis = analyze_accuracies(read_accuracies(*inputs, unit=unit), settings)
    for note in analysis.summary["notes"]:
        typer.echo(f"note: {note}", err=True)
    return analysis


def _keep_inputs_safe(inputs: list[str], out: Path) -> None:
    """Refuse to write over a file that is being read."""
    from tasktransfer.importers.inputs import split_name

    for text in inputs:
        _, path = split_name(text)
        if path.is_file() and path.resolve().parent == out.resolve():
            raise InputError(
                f"{path}: lies in the output folder {out} and could be overwritten; choose another --out"
            )


def _tell_findings(analysis: Analysis) -> None:
    from tasktransfer.report.findings.find import finding_lines

    for line in finding_lines(analysis):
        typer.echo(line)


def main() -> None:
    """Run the command line; every error of ours ends as one short message and exit status 2."""
    try:
        sys.exit(app(sys.argv[1:] or ["--help"], standalone_mode=False) or 0)
    except TaskTransferError as error:
        _refuse(str(error))
    except typer.TyperException as error:  # unknown commands and options, values of the wrong type
        _refuse(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("stopped", err=True)
        sys.exit(130)


def _refuse(message: str) -> None:
    cut = message.encode("utf-8", "backslashreplace")[:MESSAGE_BYTES].decode("utf-8", "ignore")
    typer.echo(f"error: {cut}", err=True)
    sys.exit(2)
