"""What is asked of a method: targets, budget, which sources may be used and how many items each holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from typing import Any

import numpy as np

from tasktransfer.errors import InputError, SettingsError, closest, quoted
from tasktransfer.recommendation.evidence import Evidence

__all__ = ["MOST_ITEMS", "MethodSettings", "Question", "ask"]

MOST_ITEMS = 10**12  # of a budget


@dataclass(frozen=True)
class MethodSettings:
    """Choices of the methods.

    Parameters
    ----------
    k
        Sources that ``top-k`` and ``random`` take.
    threshold
        PGF on the target that ``threshold`` wants exceeded; the paper does not tell its own.
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


@dataclass(frozen=True, eq=False)
class Question:
    """One question, checked; shares over ``sources`` are its answer."""

    targets: dict[str, float]  # weights, sum 1
    budget: int
    sources: tuple[str, ...]  # that may be used
    caps: np.ndarray  # items each of them holds; inf where not known
    protect: tuple[str, ...]
    settings: MethodSettings

    @property
    def weights(self) -> np.ndarray:
        """Of the targets, sum 1."""
        return np.array(list(self.targets.values()))


def ask(
    evidence: Evidence,
    targets: str | Iterable[str] | Mapping[str, float],
    budget: int,
    *,
    exclude: Iterable[str] = (),
    exclude_target_data: bool = False,
    protect: str | Iterable[str] = (),
    caps: Mapping[str, int] | int | None = None,
    settings: MethodSettings | None = None,
) -> Question:
    """Check a question against the evidence; see `tasktransfer.recommend`.

    Raises
    ------
    InputError
        Unknown names, a budget or weight that is no positive number, nothing left to use, too few items.
    """
    weights = _target_weights(evidence, targets)
    if not whole(budget) or not 1 <= budget <= MOST_ITEMS:
        raise InputError(f"the budget is {budget}; accepted is a whole number of items from 1 to {MOST_ITEMS}")
    left_out = set(_known(exclude, evidence.sources, "excluded source"))
    left_out |= set(weights) if exclude_target_data else set()
    sources = tuple(source for source in evidence.sources if source not in left_out)
    if not sources:
        raise InputError(
            f"every source is excluded ({quoted(sorted(left_out))}), so there is nothing left to train on"
        )
    unmeasured = np.isnan(evidence.observed).all(axis=0)
    there = [task for task, empty in zip(evidence.targets, unmeasured, strict=True) if not empty]
    others = [task for task in there if task not in weights]
    protected = tuple(others) if protect == "all" else _known(protect, evidence.targets, "protected task")
    if empty := [task for task in protected if task not in there]:
        raise InputError(f"no source was measured on the protected task {quoted(empty)}, so its harm is not known")
    if both := [task for task in protected if task in weights]:
        raise InputError(f"{quoted(both)} is a target and protected; a target is protected by being one")
    held = _held(evidence, sources, caps)
    if held.sum() < budget:
        raise InputError(f"the budget is {budget} items, but the sources hold {held.sum():g} together")
    return Question(weights, int(budget), sources, held, protected, settings or MethodSettings())


def _target_weights(evidence: Evidence, targets: str | Iterable[str] | Mapping[str, float]) -> dict[str, float]:
    if isinstance(targets, str):
        targets = [targets]
    weights = dict(targets) if isinstance(targets, Mapping) else dict.fromkeys(targets, 1.0)
    if not weights:
        raise InputError(f"no target given; there are {quoted(evidence.targets)}")
    _known(weights, evidence.targets, "target")
    for task, weight in weights.items():
        if not isinstance(weight, Real) or not isfinite(weight) or weight <= 0:
            raise InputError(f"target {quoted([task])} has the weight {weight}; accepted is a number above 0")
    observed = evidence.observed[:, evidence.target_places(tuple(weights))]
    if empty := [task for task, holes in zip(weights, np.isnan(observed).all(axis=0), strict=True) if holes]:
        raise InputError(f"no source was measured on the target {quoted(empty)}")
    total = float(sum(weights.values()))
    return {task: float(weight) / total for task, weight in weights.items()}


def _known(names: str | Iterable[str], known: Sequence[str], what: str) -> tuple[str, ...]:
    names = (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"{what} {name!r} is no text; there are {quoted(known, limit=20)}")
        if name not in known:
            raise InputError(
                f"no {what} {quoted([name])}{closest(name, known)}; there are {quoted(known, limit=20)}"
            )
    return names


def _held(evidence: Evidence, sources: tuple[str, ...], caps: Mapping[str, int] | int | None) -> np.ndarray:
    """Items each source holds."""
    if caps is None:
        return np.full(len(sources), np.inf)
    of_source = dict(caps) if isinstance(caps, Mapping) else dict.fromkeys(sources, caps)
    _known(of_source, evidence.sources, "source (of a cap)")
    for source, items in of_source.items():
        if not whole(items) or items < 0:
            raise InputError(
                f"the cap of {quoted([source])} is {items}; accepted is a whole number of items from 0"
            )
    return np.array([of_source.get(source, np.inf) for source in sources], dtype=float)


def whole(number: Any) -> bool:
    """Whether it is a whole number, of whatever type."""
    if isinstance(number, (int, np.integer)):
        return True
    return isinstance(number, (float, np.floating)) and float(number).is_integer()
