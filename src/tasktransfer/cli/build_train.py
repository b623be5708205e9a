"""The command that builds training sets; it joins those of `tasktransfer.cli`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tasktransfer.cli.options import folder

__all__ = ["build_train"]


def build_train(
    task: Annotated[str, typer.Argument(metavar="TASK", help="blink_jigsaw, blink_counting, ...")],
    source: Annotated[
        Path, typer.Option("--from", metavar="DIR", help="The public data set, as published.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", parser=folder, help="Folder to make.", show_default=False)
    ],
    items: Annotated[int, typer.Option(help="Items; keep it the same for all tasks.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of whatever is drawn.")] = 0,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Evaluation images, such as a copy of BLINK; items near them are left out."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Build a training set for a BLINK task from a public source (docs/training-sets.md)."""
    from tasktransfer.study.progress import Progress
    from tasktransfer.tasks.builders import build_training_set

    progress = Progress(Path(os.devnull), quiet=quiet)
    if against:
        progress.tell("hashing the evaluation images")
    else:
        typer.echo("warning: nothing is compared with the evaluation images; --against DIR does", err=True)
    progress.plan(items)
    built = build_training_set(
        task,
        source,
        out,
        n_items=items,
        seed=seed,
        against=against or (),
        tell=lambda done, planned: progress.advance(1, f"item {done} of {planned}"),
    )
    removed = built.card["removed"]
    progress.tell(
        f"{built.card['n_items']} items in {built.folder}; left out: {removed['near_evaluation_images']} near "
        f"evaluation images, {removed['unreadable_images']} unreadable images"
    )
