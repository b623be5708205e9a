"""The command that reads logs of evaluation harnesses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["import_logs"]


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
