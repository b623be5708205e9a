"""Every method's choice for every target, from one half of the items; the other half is to judge it.

Items are halved by the order of SHA-256 of ``target, a zero byte, item``: the first half, rounded up, chooses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from tasktransfer.analysis.pipeline import Analysis
from tasktransfer.errors import InputError, quoted
from tasktransfer.selection.evidence import Evidence, gather_evidence
from tasktransfer.selection.question import MethodSettings
from tasktransfer.selection.recommend import Recommendation, recommend

__all__ = ["Choice", "choosing_items", "make_choices", "mixture_name"]

WITHOUT = ", other data"  # of a method that may not use the target's own


class Choice(NamedTuple):
    """What one method would train on for one target."""

    target: str
    method: str
    mixture: str  # the same for the same items, whoever chose them
    items: dict[str, int]
    expected: pd.DataFrame  # columns task, pgf, low, high
    helps: bool | None


def choosing_items(target: str, items: Iterable[str]) -> set[str]:
    """The half of a target's items that recommendations are made from.

    >>> sorted(choosing_items("t", ["a", "b", "c", "d"])) == sorted(choosing_items("t", ["d", "c", "b", "a"]))
    True
    """
    ordered = sorted(set(items), key=lambda item: hashlib.sha256(f"{target}\0{item}".encode()).digest())
    return set(ordered[: (len(ordered) + 1) // 2])


def make_choices(
    evidence: Evidence | Analysis,
    targets: Sequence[str],
    budget: int,
    *,
    methods: Sequence[str],
    target_data: str = "with",
    n_random: int = 1,
    caps: Mapping[str, int] | None = None,
    exclude: Sequence[str] = (),
    confidence: float = 0.95,
) -> tuple[list[Choice], list[str]]:
    """Ask every method about every target.

    Parameters
    ----------
    evidence
        From one half of the items.
    targets
        Tasks to help.
    budget
        Items to train on.
    methods
        Keys of `tasktransfer.selection.methods.METHODS`.
    target_data
        ``with``: a target's own data may be used; ``without``: only ``direct`` uses it; ``both``: either way, the
        second under the name ``METHOD, other data``.
    n_random
        How many random mixtures there are.
    caps
        Items that sources hold.
    exclude
        Sources that cannot be mixed.

    Returns
    -------
    list of Choice, list of str
        The choices, and a sentence for each question that a method has no answer to.

    Raises
    ------
    InputError
        No method has an answer.
    """
    known = gather_evidence(evidence)
    choices, notes = [], []
    for target in targets:
        for name, method, without, settings in _questions(methods, target_data, n_random):
            try:
                found = recommend(
                    known,
                    target,
                    budget,
                    method=method,
                    exclude=exclude,
                    exclude_target_data=without,
                    caps=caps,
                    settings=settings,
                    confidence=confidence,
                )
            except InputError as error:
                notes.append(f"{target}, {name}: {error}")
                continue
            choices.append(_choice(target, name, found))
    if not choices:
        raise InputError(f"no method recommends anything for {quoted(targets)}: {notes[0]}")
    return choices, notes


def _questions(
    methods: Sequence[str], target_data: str, n_random: int
) -> Iterable[tuple[str, str, bool, MethodSettings]]:
    """Name, method, whether target data are left out, and settings."""
    for method in methods:
        for number in range(n_random if method == "random" else 1):
            name = f"{method} {number + 1}" if method == "random" and n_random > 1 else method
            settings = replace(MethodSettings(), seed=number)
            if method == "direct" or target_data != "without":
                yield name, method, False, settings
            if method != "direct" and target_data != "with":
                yield name + (WITHOUT if target_data == "both" else ""), method, True, settings


def _choice(target: str, name: str, found: Recommendation) -> Choice:
    expected = found.expected[found.expected["task"] != ""][["task", "pgf", "low", "high"]]
    return Choice(
        target, name, mixture_name(found.items), dict(found.items), expected.reset_index(drop=True), found.helps
    )


def mixture_name(items: Mapping[str, int]) -> str:
    """What a mixture is called: its largest parts, and a digest of all of them.

    >>> mixture_name({"depth": 3, "jigsaw": 5})
    'jigsaw 5 + depth 3 (20f5)'
    """
    told = sorted(items.items(), key=lambda part: (-part[1], part[0]))
    digest = hashlib.sha256(repr(sorted(items.items())).encode()).hexdigest()[:4]
    shown = " + ".join(f"{task[:24].strip()} {count}" for task, count in told[:2])
    more = f" + {len(told) - 2} more" if len(told) > 2 else ""
    return f"{shown}{more} ({digest})".replace("=", "-")
