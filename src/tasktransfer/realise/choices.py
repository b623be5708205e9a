"""Every method's choice for every target, from one half of the items; the other half is to judge it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import pandas as pd

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.errors import InputError, SettingsError, closest, quoted
from tasktransfer.recommendation.evidence import Evidence, gather_evidence
from tasktransfer.recommendation.methods import METHODS
from tasktransfer.recommendation.recommend import Recommendation, answer
from tasktransfer.recommendation.request import Request

__all__ = ["Choice", "Trial", "make_choices", "mixture_name"]

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
    evidence: Evidence | Analysis, request: Request, trial: Trial | None = None
) -> tuple[list[Choice], list[str]]:
    """Ask every method about every target, each by itself.

    Parameters
    ----------
    evidence
        From one half of the items.
    request
        Tasks to help and what may be used; a target among the protected tasks is none of its own question.
    trial
        Which methods are asked, and how.

    Returns
    -------
    list of Choice, list of str
        The choices, and a sentence for each question that a method has no answer to.

    Raises
    ------
    InputError
        No method has an answer.
    """
    trial = trial or Trial()
    known = gather_evidence(evidence)
    choices, notes = [], []
    for target in request.targets:
        for name, method, asked in _questions(_of_target(request, target, known.sources), trial):
            try:
                choices.append(_choice(target, name, answer(known, asked, method)))
            except InputError as error:
                notes.append(f"{target}, {name}: {error}")
    if not choices:
        raise InputError(f"no method recommends anything for {quoted(request.targets)}: {notes[0]}")
    return choices, notes


def _of_target(request: Request, target: str, sources: Sequence[str]) -> Request:
    """The request for one of its targets; a source whose finetunes all failed is in no evidence."""
    caps = request.caps
    return replace(
        request,
        targets={target: 1.0},
        exclude=tuple(source for source in request.exclude if source in sources),
        caps={s: caps[s] for s in caps if s in sources} if isinstance(caps, Mapping) else caps,
        protect="all" if request.protect == "all" else tuple(task for task in request.protect if task != target),
    )


def _questions(request: Request, trial: Trial) -> Iterator[tuple[str, str, Request]]:
    """Name, method and request."""
    for method in trial.methods:
        for number in range(trial.n_random if method == "random" else 1):
            name = f"{method} {number + 1}" if method == "random" and trial.n_random > 1 else method
            asked = replace(request, settings=replace(request.settings, seed=request.settings.seed + number))
            if method == "direct" or trial.target_data != "without":
                yield name, method, asked
            if method != "direct" and trial.target_data != "with":
                without = replace(asked, exclude_target_data=True)
                yield name + (WITHOUT if trial.target_data == "both" else ""), method, without


def _choice(target: str, name: str, recommendation: Recommendation) -> Choice:
    expected = recommendation.expected[recommendation.expected["task"] != ""][["task", "pgf", "low", "high"]]
    return Choice(
        target,
        name,
        mixture_name(recommendation.items),
        dict(recommendation.items),
        expected.reset_index(drop=True),
        recommendation.helps,
    )


def mixture_name(items: Mapping[str, int]) -> str:
    """What a mixture is called: its largest parts, and a digest of all of them.

    >>> mixture_name({"depth": 3, "jigsaw": 5})
    'jigsaw 5 + depth 3 (20f5f077)'
    """
    parts = sorted(items.items(), key=lambda part: (-part[1], part[0]))
    digest = hashlib.sha256(repr(sorted(items.items())).encode()).hexdigest()[:8]
    shown = " + ".join(f"{task[:24].strip()} {count}" for task, count in parts[:2])
    more = f" + {len(parts) - 2} more" if len(parts) > 2 else ""
    return f"{shown}{more} ({digest})".replace("=", "-")


MERGING = ("linear", "cat", "ties", "dare_linear", "dare_ties")
TARGET_DATA = ("with", "without", "both")


@dataclass(frozen=True)
class Trial:
    """What `tasktransfer.realise.realise` does with a request; each of its targets is asked by itself.

    Parameters
    ----------
    methods
        Keys of `tasktransfer.recommendation.methods.METHODS`.
    n_seeds
        Fresh seeds a mixture, from 1; as many as the grid has where None.
    target_data
        ``with``: a target's own data may be used; ``without``: only ``direct`` uses it; ``both``: either way, the
        second under the name ``METHOD, other data``.
    n_random
        How many random mixtures there are, from 1; their seeds count on from that of the request's settings.
    merges
        Ways of merging, of `MERGING`; none for no merges.

    Raises
    ------
    InputError, SettingsError
        No method, or a choice that is none.
    """

    methods: tuple[str, ...] = tuple(METHODS)
    n_seeds: int | None = None
    target_data: str = "with"
    n_random: int = 1
    merges: tuple[str, ...] = ("linear", "cat")

    def __post_init__(self) -> None:
        if not self.methods:
            raise InputError(f"no method is named; there are {', '.join(METHODS)}")
        for name, given in (("seeds", self.n_seeds), ("random", self.n_random)):
            if given is not None and given < 1:
                raise SettingsError(f"{name} is {given}; accepted is a whole number from 1")
        for what, names, known in (
            ("method", self.methods, METHODS),
            ("way of merging", self.merges, MERGING),
            ("use of target data", (self.target_data,), TARGET_DATA),
        ):
            for name in names:
                if name not in known:
                    raise SettingsError(f"no {what} {name!r}{closest(name, known)}; there are {', '.join(known)}")
