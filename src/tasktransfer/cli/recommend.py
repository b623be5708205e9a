"""The command that says what to train on; it joins those of `tasktransfer.cli`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tasktransfer.cli.options import Cap, Caution, Exclude, HarmWeight, K, Level, Protect, Threshold, Unit, folder
from tasktransfer.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasktransfer.recommendation.evidence import Evidence

__all__ = ["evidence_of", "recommend"]


def recommend(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_OR_TABLES...",
            help="A folder that `run` or `analyze` wrote, or tables as `analyze` takes them.",
            show_default=False,
        ),
    ],
    target: Annotated[
        list[str], typer.Option(metavar="TASK[=WEIGHT]", help="What is to improve; repeat it for several.")
    ],
    budget: Annotated[int, typer.Option(help="Items to train on, all sources together.")],
    method: Annotated[
        str,
        typer.Option(
            help="mixture, lower-bound, threshold, top-k; to compare with: direct, best-single, uniform, random, "
            "largest."
        ),
    ] = "mixture",
    model: Annotated[str | None, typer.Option(help="Which model, where there are several.")] = None,
    exclude_target_data: Annotated[
        bool, typer.Option("--exclude-target-data", help="Leave the targets' own data out.")
    ] = False,
    exclude: Exclude = None,
    protect: Protect = None,
    cap: Cap = None,
    k: K = 3,
    threshold: Threshold = 0.0,
    caution: Caution = 1.0,
    harm_weight: HarmWeight = 3.0,
    confidence: Level = 0.95,
    ceiling: Annotated[
        str | None, typer.Option(help="perfect, human, best-observed, or a table of target and ceiling.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of whatever draws random numbers.")] = 0,
    unit: Unit = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            parser=folder,
            help="Write tables, figure and a study fragment.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Say what to train on for one or several targets, what to expect, and on what evidence."""
    from tasktransfer.cli.options import read_request, target_weights
    from tasktransfer.recommendation.methods import find_method
    from tasktransfer.recommendation.recommend import answer
    from tasktransfer.recommendation.request import MethodSettings
    from tasktransfer.recommendation.save import recommendation_lines, save_recommendation

    settings = MethodSettings(k=k, threshold=threshold, caution=caution, harm_weight=harm_weight, seed=seed)
    find_method(method)
    evidence = evidence_of(inputs, model=model, ceiling=ceiling, seed=seed, confidence=confidence, unit=unit)
    request = read_request(
        target_weights(target, evidence.targets),
        budget,
        exclude=exclude,
        exclude_target_data=exclude_target_data,
        protect=protect,
        cap=cap,
        settings=settings,
        confidence=confidence,
        sources=evidence.sources,
        targets=evidence.targets,
    )
    recommendation = answer(evidence, request, method)
    fragment = save_recommendation(recommendation, out) if out is not None else None
    for line in recommendation_lines(recommendation):
        typer.echo(line)
    if fragment is not None:
        typer.echo(f"\nWritten to {out}; {fragment} goes into a study file")


def evidence_of(
    inputs: Sequence[str],
    *,
    model: str | None = None,
    ceiling: str | None = None,
    seed: int = 0,
    confidence: float = 0.95,
    unit: str | None = None,
) -> Evidence:
    """Evidence from a finished analysis as it was saved, else from whatever `read_accuracies` takes.

    Parameters
    ----------
    inputs
        As on the command line; one path of a finished analysis, or inputs of `read_accuracies`.
    model
        May be left out where there is one.
    ceiling
        As in `tasktransfer.Settings`, ``perfect`` where None; not for a finished analysis, which has its own.
    seed
        Of the draws, from 0.
    confidence
        Level of the intervals, in (0, 1); a finished analysis keeps its own.
    unit
        Of accuracies: ``fraction`` or ``percent``; read off where None.

    Raises
    ------
    InputError
        A finished analysis is given with a ceiling or a model's name, or the inputs cannot be used.
    """
    from tasktransfer.importers.inputs import split_name
    from tasktransfer.importers.saved_transfers import holds_transfers, read_transfers
    from tasktransfer.recommendation.evidence import gather_evidence
    from tasktransfer.run_folder import RunFolder

    if len(inputs) == 1:
        name, path = split_name(inputs[0])
        if holds_transfers(path):
            if ceiling is not None or name is not None:
                raise InputError(f"{path}: is a finished analysis, whose ceiling and model names are settled")
            evidence = gather_evidence(read_transfers(path), model=model, seed=seed)
            return replace(
                evidence, train_items=RunFolder((path if path.is_dir() else path.parent).parent).train_items()
            )

    from tasktransfer.importers.inputs import read_accuracies

    accuracies = read_accuracies(*inputs, unit=unit)
    for note in accuracies.notes:
        typer.echo(f"note: {note}", err=True)
    evidence = gather_evidence(
        accuracies, model=model, ceiling=ceiling or "perfect", seed=seed, confidence=confidence
    )
    return replace(
        evidence, train_items=RunFolder(split_name(inputs[0])[1]).train_items() if len(inputs) == 1 else None
    )
