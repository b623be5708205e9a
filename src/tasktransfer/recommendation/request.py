"""What is asked: targets, budget, which sources may be used, and how many items each holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from numbers import Real
from typing import Any, Literal

import numpy as np

from tasktransfer.errors import InputError, SettingsError, closest, quoted
from tasktransfer.recommendation.evidence import Evidence

__all__ = ["MOST_ITEMS", "MethodSettings", "Request", "as_names", "as_weights"]

MOST_ITEMS = 10**12  # of a budget


@dataclass(frozen=True)
class MethodSettings:
    """Choices of the methods.

    Parameters
    ----------
    k
        Sources that ``top-k`` and ``random`` take.
    threshold
        PGF on the target that ``threshold`` wants exceeded; the paper does not report its own.
    caution
        Standard deviations of the expected PGF taken off it (``mixture``, ``lower-bound``); 0 trusts the means.
    harm_weight
        What a PGF point lost on a protected task counts, in points gained on the targets (``mixture``).
    seed
        Of ``random``.
    """

    k: int = 3
    threshold: float = 0.0
    caution: float = 1.0
    harm_weight: float = 3.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not whole(self.k) or self.k < 1:
            raise SettingsError(f"k is {self.k}; accepted is a whole number from 1")
        if not isfinite(self.threshold) or self.threshold >= 1:
            raise SettingsError(f"threshold is {self.threshold:g}; accepted is a PGF below 1")
        for name, value in (("caution", self.caution), ("harm weight", self.harm_weight)):
            if not isfinite(value) or value < 0:
                raise SettingsError(f"{name} is {value:g}; accepted is a number from 0")
        if self.seed < 0:
            raise SettingsError(f"seed is {self.seed}; accepted is a whole number from 0")


@dataclass(frozen=True)
class Request:
    """What to help, with how much, from what, and at whose cost; recommend, realise and the command line share it.

    Parameters
    ----------
    targets
        Weights of the tasks to help, of sum 1: `as_weights`.
    budget
        Items to train on, all sources together, from 1 to `MOST_ITEMS`.
    exclude
        Sources to leave out.
    exclude_target_data
        Leave the targets' own data out.
    protect
        Tasks not to harm, or ``all`` for every task that is no target.
    caps
        Items that sources hold: by source, or one number for all; without it they are taken to hold enough.
    settings
        Choices of the methods.
    confidence
        Of intervals and of the test whether any source helps, in (0, 1).
    sources
        Those that may be used; all where there are none, and named once the request is `resolved`.

    Raises
    ------
    InputError, SettingsError
        A budget, weight, cap or level that is none.
    """

    targets: Mapping[str, float]
    budget: int
    exclude: tuple[str, ...] = ()
    exclude_target_data: bool = False
    protect: Literal["all"] | tuple[str, ...] = ()
    caps: Mapping[str, int] | int | None = None
    settings: MethodSettings = field(default_factory=MethodSettings)
    confidence: float = 0.95
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise SettingsError(f"confidence is {self.confidence:g}; accepted is a level in (0, 1)")
        if not whole(self.budget) or not 1 <= self.budget <= MOST_ITEMS:
            raise InputError(
                f"the budget is {self.budget}; accepted is a whole number of items from 1 to {MOST_ITEMS}"
            )
        for source, items in (self.caps if isinstance(self.caps, Mapping) else {"all sources": self.caps}).items():
            if items is not None and (not whole(items) or items < 0):
                raise InputError(
                    f"the cap of {quoted([source])} is {items}; accepted is a whole number of items from 0"
                )

    @property
    def weights(self) -> np.ndarray:
        """Of the targets, sum 1, shape T."""
        return np.array(list(self.targets.values()))

    @property
    def ends(self) -> tuple[float, float]:
        """Quantiles at which an interval begins and ends."""
        return (1 - self.confidence) / 2, (1 + self.confidence) / 2

    @property
    def held(self) -> np.ndarray:
        """Items that each of `sources` holds; inf where not known, shape S."""
        caps = self.caps if isinstance(self.caps, Mapping) else dict.fromkeys(self.sources, self.caps)
        return np.array([np.inf if caps.get(s) is None else caps[s] for s in self.sources], dtype=float)

    def check_names(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        """Raise `InputError` where a name is none of a study, before anything is computed."""
        if not self.targets:
            raise InputError(f"no target given; there are {quoted(targets)}")
        _check(self.targets, targets, "target")
        _check(self.exclude, sources, "excluded source")
        _check(() if self.protect == "all" else self.protect, targets, "protected task")
        _check(self.caps if isinstance(self.caps, Mapping) else (), sources, "source (of a cap)")

    def resolved(self, evidence: Evidence) -> Request:
        """The same request with every word for several names replaced by the names.

        Raises
        ------
        InputError
            Unknown names, a target or protected task nothing was measured on, no source left, too few items.
        """
        self.check_names(evidence.sources, evidence.targets)
        measured = evidence.measured_targets
        if empty := [task for task in self.targets if task not in measured]:
            raise InputError(f"no source was measured on the target {quoted(empty)}")
        left_out = {*self.exclude, *(self.targets if self.exclude_target_data else ())}
        usable = tuple(source for source in self.sources or evidence.sources if source not in left_out)
        if not usable:
            raise InputError(
                f"every source is excluded ({quoted(sorted(left_out))}), so there is nothing left to train on"
            )
        others = tuple(task for task in measured if task not in self.targets)
        protect = others if self.protect == "all" else self.protect
        if empty := [task for task in protect if task not in measured]:
            raise InputError(
                f"no source was measured on the protected task {quoted(empty)}, so its harm is not known"
            )
        if both := [task for task in protect if task in self.targets]:
            raise InputError(f"{quoted(both)} is a target and protected; a target is protected by being one")
        request = replace(self, sources=usable, protect=protect)
        if (together := request.held.sum()) < self.budget:
            raise InputError(
                f"the budget is {self.budget} items, but the sources hold {together:g} together: {quoted(usable)}"
            )
        return request


def as_weights(targets: str | Iterable[str] | Mapping[str, float]) -> dict[str, float]:
    """A task, tasks, or tasks with weights above 0, as weights whose sum is 1.

    >>> as_weights({"depth": 3, "jigsaw": 1})
    {'depth': 0.75, 'jigsaw': 0.25}
    """
    given = dict(targets) if isinstance(targets, Mapping) else dict.fromkeys(as_names(targets), 1.0)
    for task, weight in given.items():
        if not isinstance(weight, Real) or not isfinite(weight) or weight <= 0:
            raise InputError(f"target {quoted([task])} has the weight {weight}; accepted is a number above 0")
    total = float(sum(given.values()))
    return {task: float(weight) / total for task, weight in given.items()}


def as_names(names: str | Iterable[str]) -> tuple[str, ...]:
    """One name or several, each once."""
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


def _check(names: Iterable[str], known: Sequence[str], what: str) -> None:
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"{what} {name!r} is no text; there are {quoted(known, limit=20)}")
        if name not in known:
            raise InputError(
                f"no {what} {quoted([name])}{closest(name, known)}; there are {quoted(known, limit=20)}"
            )


def whole(number: Any) -> bool:
    """Whether it is a whole number, of whatever type."""
    if isinstance(number, (int, np.integer)):
        return True
    return isinstance(number, (float, np.floating)) and float(number).is_integer()
