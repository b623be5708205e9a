"""The command that trains what is recommended and judges it; it joins those of `tasktransfer.cli`."""

from __future__ import annotations

from typing import Annotated

import typer

from tasktransfer.cli.options import (
    Cap,
    Caution,
    Exclude,
    HarmWeight,
    K,
    Level,
    Protect,
    Quiet,
    Sets,
    StudyFile,
    StudyOut,
    Threshold,
    Workers,
)

__all__ = ["realise"]


def realise(
    study: StudyFile,
    out: StudyOut,
    target: Annotated[
        list[str],
        typer.Option("--target", metavar="TASK", help="A task to help; may be repeated.", show_default=False),
    ],
    budget: Annotated[int, typer.Option(help="Items of each mixture.", show_default=False)],
    methods: Annotated[
        str | None, typer.Option(help="Methods, separated by commas; all where not given.", show_default=False)
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Fresh seeds a mixture; as many as the study has.", show_default=False)
    ] = None,
    target_data: Annotated[
        str, typer.Option(help="with, without or both: may a mixture use the target's own data?")
    ] = "with",
    random: Annotated[int, typer.Option(help="Random mixtures; their mean is what others are compared with.")] = 1,
    exclude: Exclude = None,
    protect: Protect = None,
    cap: Cap = None,
    k: K = 3,
    threshold: Threshold = 0.0,
    caution: Caution = 1.0,
    harm_weight: HarmWeight = 3.0,
    confidence: Level = 0.95,
    merge: Annotated[
        str, typer.Option(help="Ways of merging, separated by commas; none for no merges.")
    ] = "linear,cat",
    workers: Workers = 1,
    sets: Sets = None,
    quiet: Quiet = False,
) -> None:
    """Run a study's grid, train what each method recommends from it, and judge it on items that did not choose."""
    from tasktransfer.analysis.analyze import analyze
    from tasktransfer.analysis.settings import Settings
    from tasktransfer.cli.options import read_request, target_weights
    from tasktransfer.importers.inputs import read_accuracies
    from tasktransfer.realise.choices import Trial
    from tasktransfer.realise.realise import realise as realise_study
    from tasktransfer.realise.save import save_realised
    from tasktransfer.realise.words import realised_lines
    from tasktransfer.recommendation.methods import METHODS
    from tasktransfer.recommendation.request import MethodSettings
    from tasktransfer.run_folder import RunFolder
    from tasktransfer.study.file import load_study

    checked = load_study(study, overrides=sets or ())
    request = read_request(
        target_weights(target, checked.targets, weighted=False),
        budget,
        exclude=exclude,
        protect=protect,
        cap=cap,
        settings=MethodSettings(k=k, threshold=threshold, caution=caution, harm_weight=harm_weight),
        confidence=confidence,
        sources=checked.sources,
        targets=checked.targets,
    )
    trial = Trial(
        methods=tuple(METHODS) if methods is None else _names(methods),
        n_seeds=seeds,
        target_data=target_data,
        n_random=random,
        merges=() if merge == "none" else _names(merge),
    )
    outcome = realise_study(study, out, request, trial, workers=workers, overrides=sets or (), quiet=quiet)
    analysis = analyze(read_accuracies(out), Settings(confidence=confidence))
    page = save_realised(outcome, analysis, out / "realise", RunFolder(out).facts())
    for line in realised_lines(outcome):
        typer.echo(line)
    for note in outcome.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"\nReport: {page}")
    if outcome.failed:
        typer.echo(f"{len(outcome.failed)} cells failed; `tasktransfer status {out}` shows why", err=True)
        raise typer.Exit(1)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
