"""The command that compares adapters; it joins those of `tasktransfer.cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasktransfer.cli.options import folder
from tasktransfer.errors import quoted

__all__ = ["similarity"]


def similarity(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_FOLDER | SOURCE[/SEED]=ADAPTER_FOLDER...",
            help="A folder that `run` wrote to, or adapters as PEFT saves them.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", parser=folder, help="Write tables, matrix and figure.", show_default=False
        ),
    ] = None,
    results: Annotated[
        str | None,
        typer.Option(help="Results to compare it with, as `analyze` takes them; those of a run folder are found."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the relabellings of sources.")] = 0,
) -> None:
    """Compare LoRA adapters by the cosine of what they add to the weights, and with transfer."""
    from tasktransfer.importers.inputs import split_name
    from tasktransfer.similarity.adapters import elsewhere_trained, named_adapters
    from tasktransfer.similarity.measure import measure_similarity
    from tasktransfer.similarity.save import save_similarity, similarity_lines

    if left := [name for text in inputs for name in elsewhere_trained(split_name(text)[1])]:
        why = "was not trained by this run" if len(left) == 1 else "were not trained by this run"
        typer.echo(f"note: {quoted(left)} {why} and {'is' if len(left) == 1 else 'are'} left out", err=True)
    adapters = named_adapters(inputs)
    if results is None and len(inputs) == 1:
        own = split_name(inputs[0])[1] / "predictions.parquet"
        results = str(own) if own.is_file() else None
    similarities = measure_similarity(adapters, results, seed=seed)
    if out is not None:
        save_similarity(similarities, out)
    for line in similarity_lines(similarities):
        typer.echo(line)
    if out is not None:
        typer.echo(f"\nWritten to {out}")
