"""Options that several commands take, each said once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tasktransfer.errors import InputError, OutputError, SettingsError, quoted

if TYPE_CHECKING:
    from tasktransfer.recommendation.request import MethodSettings, Request

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
    "read_request",
    "refuse_beside",
    "target_weights",
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

    Parameters
    ----------
    context
        Of the command.
    option
        As it is written, ``--name``.
    idle
        Names of the parameters, as Python has them.

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


def read_request(
    weights: Mapping[str, float],
    budget: int,
    *,
    exclude: Sequence[str] | None,
    protect: Sequence[str] | None,
    cap: Sequence[str] | None,
    settings: MethodSettings,
    confidence: float,
    sources: Sequence[str],
    targets: Sequence[str],
    exclude_target_data: bool = False,
) -> Request:
    """A request from options as they were written.

    Parameters
    ----------
    weights
        Of `target_weights`; of any sum above 0.
    budget
        Items to train on, from 1.
    exclude, protect
        Names, or ``all`` of what is protected; None for none.
    cap
        ``SOURCE=ITEMS``, or a number alone for all sources; None for no caps.
    settings
        Choices of the methods.
    confidence
        Level of intervals and tests, in (0, 1).
    sources, targets
        Names that there are: a cap of all is one of each source, and a task may be called ``all``.
    exclude_target_data
        Leave the targets' own data out.

    Raises
    ------
    InputError, SettingsError
        A number that cannot be used, a cap that is given twice, or names beside ``all``.
    """
    from tasktransfer.recommendation.request import Request, as_names, as_weights

    return Request(
        as_weights(weights),
        budget,
        exclude=as_names(exclude or ()),
        exclude_target_data=exclude_target_data,
        protect=_protected(protect or (), targets),
        caps=_caps(cap or (), sources),
        settings=settings,
        confidence=confidence,
    )


def target_weights(texts: Sequence[str], known: Collection[str], *, weighted: bool = True) -> dict[str, float]:
    """``TASK`` or, where they may be weighted, ``TASK=WEIGHT``; none may be there twice.

    Parameters
    ----------
    texts
        As on the command line.
    known
        Names of tasks: a text that is one of them is never split at its ``=``.
    weighted
        Whether weights are accepted; without one a target counts 1.

    Raises
    ------
    InputError
        A weight that is no number, or a target twice.
    """
    pairs = [_named_number(text, known, 1.0, "a target's weight") if weighted else (text, 1.0) for text in texts]
    return _once(pairs, "target")


def _protected(names: Sequence[str], known: Sequence[str]) -> Literal["all"] | tuple[str, ...]:
    """The word ``all``, unless a task is called that."""
    if "all" not in names or "all" in known:
        return tuple(dict.fromkeys(names))
    if len(names) > 1:
        raise InputError("--protect all already protects every task; leave the other names out")
    return "all"


def _caps(texts: Sequence[str], sources: Sequence[str]) -> dict[str, int] | None:
    """Items by source; a number alone is for all sources that are not named."""
    for_all = [text for text in texts if "=" not in text]
    named = _once(
        [_named_number(text, sources, None, "a cap", whole=True) for text in texts if "=" in text], "cap"
    )
    if len(for_all) > 1:
        raise InputError(f"the cap of all sources is given more than once: {quoted(for_all)}")
    if for_all and not for_all[0].isdecimal():
        raise InputError(f"{for_all[0]!r}: a cap is a whole number of items from 0, or SOURCE=number")
    caps = {**(dict.fromkeys(sources, int(for_all[0])) if for_all else {}), **named}
    return {source: int(items) for source, items in caps.items()} or None


def _once(pairs: Sequence[tuple[str, float]], what: str) -> dict[str, float]:
    """By name; none may be there twice."""
    names = [name for name, _ in pairs]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise InputError(f"the {what} {quoted(twice)} is given more than once")
    return dict(pairs)


def _named_number(
    text: str, known: Collection[str], otherwise: float | None, what: str, *, whole: bool = False
) -> tuple[str, float]:
    """``NAME=number``; a name that is known as written is a name, whatever signs it holds."""
    name, sign, number = text.rpartition("=")
    if otherwise is not None and (text in known or not sign):
        return text, otherwise
    try:
        return name, int(number) if whole else float(number)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise InputError(f"{text!r}: {what} is {number!r}, not {kind}; write NAME={kind}") from None
