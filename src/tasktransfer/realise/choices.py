"""Every method's choice for every target, from one half of the items; the other half is to judge it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.errors import InputError, quoted
from tasktransfer.recommendation.evidence import Evidence, gather_evidence
from tasktransfer.recommendation.methods import METHODS
from tasktransfer.recommendation.recommend import Recommendation, recommend
from tasktransfer.recommendation.request import MethodSettings

__all__ = ["Choice", "make_choices", "mixture_name"]

WITHOUT = ", other data"  # of a method that may not use the target's own


class Choice(NamedTuple):
    """What one method would train on for one target."""

    target: str
    method: str
    mixture: str  # the same for the same items, whoever chose them
    items: dict[str, int]
    expected: pd.DataFrame  # columns task, pgf, low, high
    helps: bool | None

    @property
    def rule(self) -> str:
        """The key in `tasktransfer.recommendation.methods.METHODS`."""
        return self.method.removesuffix(WITHOUT).split(" ")[0]

    @property
    def other_data(self) -> bool:
        """Whether the name says that the target's own data were left out."""
        return self.method.endswith(WITHOUT)


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
    protect: str | Sequence[str] = (),
    settings: MethodSettings | None = None,
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
        Keys of `tasktransfer.recommendation.methods.METHODS`.
    target_data
        ``with``: a target's own data may be used; ``without``: only ``direct`` uses it; ``both``: either way, the
        second under the name ``METHOD, other data``.
    n_random
        How many random mixtures there are; their seeds count on from that of the settings.
    caps
        Items that sources hold.
    exclude
        Sources that cannot be mixed.
    protect
        Tasks not to harm, or ``all``; a target among them is no protected task of its own question.
    settings
        Choices of the methods.

    Returns
    -------
    list of Choice, list of str
        The choices, and a sentence for each question that a method has no answer to.

    Raises
    ------
    InputError
        No method is named, or none has an answer.
    """
    if not methods:
        raise InputError(f"no method is named; there are {', '.join(METHODS)}")
    known = gather_evidence(evidence)  # a source whose finetunes failed is not in it
    caps = {source: items for source, items in (caps or {}).items() if source in known.sources} or None
    exclude = [source for source in exclude if source in known.sources]
    choices, notes = [], []
    for target in targets:
        others = protect if isinstance(protect, str) else [task for task in protect if task != target]
        for name, method, without, chosen in _questions(methods, target_data, n_random, settings):
            try:
                found = recommend(
                    known,
                    target,
                    budget,
                    method=method,
                    exclude=exclude,
                    exclude_target_data=without,
                    protect=others,
                    caps=caps,
                    settings=chosen,
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
    methods: Sequence[str], target_data: str, n_random: int, settings: MethodSettings | None
) -> Iterable[tuple[str, str, bool, MethodSettings]]:
    """Name, method, whether target data are left out, and settings."""
    settings = settings or MethodSettings()
    for method in methods:
        for number in range(n_random if method == "random" else 1):
            name = f"{method} {number + 1}" if method == "random" and n_random > 1 else method
            chosen = replace(settings, seed=settings.seed + number)
            if method == "direct" or target_data != "without":
                yield name, method, False, chosen
            if method != "direct" and target_data != "with":
                yield name + (WITHOUT if target_data == "both" else ""), method, True, chosen


def _choice(target: str, name: str, found: Recommendation) -> Choice:
    expected = found.expected[found.expected["task"] != ""][["task", "pgf", "low", "high"]]
    return Choice(
        target, name, mixture_name(found.items), dict(found.items), expected.reset_index(drop=True), found.helps
    )


def mixture_name(items: Mapping[str, int]) -> str:
    """What a mixture is called: its largest parts, and a digest of all of them.

    >>> mixture_name({"depth": 3, "jigsaw": 5})
    'jigsaw 5 + depth 3 (20f5f077)'
    """
    told = sorted(items.items(), key=lambda part: (-part[1], part[0]))
    digest = hashlib.sha256(repr(sorted(items.items())).encode()).hexdigest()[:8]
    shown = " + ".join(f"{task[:24].strip()} {count}" for task, count in told[:2])
    more = f" + {len(told) - 2} more" if len(told) > 2 else ""
    return f"{shown}{more} ({digest})".replace("=", "-")
