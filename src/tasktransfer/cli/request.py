"""A request from the options that the commands recommend and realise share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from tasktransfer.errors import InputError, quoted

if TYPE_CHECKING:
    from tasktransfer.recommendation.request import MethodSettings, Request

__all__ = ["read_request", "target_weights"]


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
    """Options as they were written, and the names that there are."""
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
    """``TASK`` or, where they may be weighted, ``TASK=WEIGHT``; none may be there twice."""
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
