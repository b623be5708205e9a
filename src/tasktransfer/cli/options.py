"""Options that several commands take, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasktransfer.errors import OutputError, SettingsError

__all__ = [
    "Cap",
    "Caution",
    "Ceiling",
    "Exclude",
    "HarmWeight",
    "K",
    "Level",
    "Out",
    "Protect",
    "Quiet",
    "Sets",
    "StudyFile",
    "StudyOut",
    "Threshold",
    "Unit",
    "Workers",
    "folder",
    "refuse_beside",
]


def folder(text: str) -> Path:
    """Read an output folder from the command line, and refuse what can be none before anything is computed."""
    if not text:
        raise OutputError("the output folder is the empty text; give the path of a folder")
    path = Path(text)
    there = next((place for place in (path, *path.parents) if place.exists()), path)
    if there.is_file():
        why = "is a file; the output needs a folder" if there == path else f"cannot be written ({there} is a file)"
        raise OutputError(f"{path}: {why}")
    return path


Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", parser=folder, help="Folder to write to.", show_default=False)
]
StudyOut = Annotated[
    Path, typer.Option("--out", metavar="DIR", parser=folder, help="Folder of the study.", show_default=False)
]
Unit = Annotated[
    str | None, typer.Option(help="Unit of accuracies, fraction or percent; read off when not given.")
]
Ceiling = Annotated[str, typer.Option(help="perfect, human, best-observed, or a table of target and ceiling.")]
StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="A study file; `init` writes one.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the study: --set method.r=16")
]
Workers = Annotated[int, typer.Option(help="Processes; the results do not depend on it.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress; run.log is written all the same.")]

# how training data is chosen, of `recommend` and `realise`
Exclude = Annotated[list[str] | None, typer.Option(metavar="TASK", help="A source to leave out; repeatable.")]
Protect = Annotated[
    list[str] | None,
    typer.Option(metavar="TASK", help="A task not to harm; repeatable; `all` is every task that is no target."),
]
Cap = Annotated[
    list[str] | None,
    typer.Option(metavar="SOURCE=ITEMS", help="Items a source holds; repeatable; a number alone is for all."),
]
K = Annotated[int, typer.Option("-k", "--k", help="Sources that top-k and random take.")]
Threshold = Annotated[float, typer.Option(help="PGF that the threshold rule wants exceeded.")]
Caution = Annotated[float, typer.Option(help="Standard deviations taken off the expected PGF.")]
HarmWeight = Annotated[float, typer.Option(help="What a point lost on a protected task counts.")]
Level = Annotated[float, typer.Option(help="Level of the intervals.")]


def refuse_beside(context: typer.Context, option: str, *idle: str) -> None:
    """Refuse parameters that were given and would be ignored beside an option.

    Raises
    ------
    SettingsError
        One of `idle` stands on the command line.
    """
    sources = ((name, context.get_parameter_source(name)) for name in idle)
    given = [f"--{name.replace('_', '-')}" for name, source in sources if source and source.name == "COMMANDLINE"]
    if given:
        has = "has" if len(given) == 1 else "have"
        raise SettingsError(f"{', '.join(given)} {has} no effect beside {option}; leave one of them out")
