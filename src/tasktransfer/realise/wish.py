"""What is asked of `tasktransfer.realise.realise`, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tasktransfer.errors import InputError, SettingsError, closest, quoted
from tasktransfer.recommendation.methods import METHODS
from tasktransfer.recommendation.request import MethodSettings

__all__ = ["Wish"]

WAYS = ("linear", "cat", "ties", "dare_linear", "dare_ties")
TARGET_DATA = ("with", "without", "both")


@dataclass(frozen=True)
class Wish:
    """A wish; the study is told beside it.

    Parameters
    ----------
    targets
        Tasks to help, each by mixtures of its own.
    budget
        Items of each mixture.
    methods
        Of `tasktransfer.recommendation.methods.METHODS`.
    n_seeds
        Fresh seeds a mixture; as many as the grid has where None.
    target_data
        ``with``, ``without`` or ``both``, see `tasktransfer.realise.choices.make_choices`.
    n_random
        Random mixtures.
    merges
        Ways of merging; none for no merges.
    exclude
        Sources that are in no mixture.
    protect
        Tasks not to harm, or ``all``, as in `tasktransfer.recommend`.
    caps
        Items that sources hold at most, beside what is known of them.
    settings
        Choices of the methods.
    confidence
        Of every interval, in (0, 1).
    """

    targets: tuple[str, ...]
    budget: int
    methods: tuple[str, ...] = tuple(METHODS)
    n_seeds: int | None = None
    target_data: str = "with"
    n_random: int = 1
    merges: tuple[str, ...] = ("linear", "cat")
    exclude: tuple[str, ...] = ()
    protect: str | tuple[str, ...] = ()
    caps: Mapping[str, int] = field(default_factory=dict)
    settings: MethodSettings = field(default_factory=MethodSettings)
    confidence: float = 0.95

    def check(self, targets: Sequence[str], sources: Sequence[str]) -> None:
        """Raise what is wrong, given the names of a study, before anything is computed."""
        protect = () if self.protect == "all" else self.protect
        for names, what, known in (
            (self.targets, "target", targets),
            (self.exclude, "source", sources),
            (self.caps, "source", sources),
            (protect, "target", targets),
        ):
            for name in names:
                if name not in known:
                    near = closest(name, known)
                    raise InputError(f"{name!r} is no {what} of the study{near}; there are {quoted(known)}")
        if not self.targets:
            raise InputError("no target is named; at least one of the study's is needed")
        if twice := [target for target in self.targets if self.targets.count(target) > 1]:
            raise InputError(f"the target {twice[0]!r} is named twice")
        if not self.methods:
            raise InputError(f"no method is named; there are {', '.join(METHODS)}")
        self._check_values()

    def _check_values(self) -> None:
        if self.budget < 1:
            raise SettingsError(f"the budget is {self.budget}; accepted is a whole number of items from 1")
        for name, given in (("seeds", self.n_seeds), ("random", self.n_random)):
            if given is not None and given < 1:
                raise SettingsError(f"{name} is {given}; accepted is a whole number from 1")
        for source, cap in self.caps.items():
            if cap < 0:
                raise SettingsError(f"the cap of {source!r} is {cap}; accepted is a whole number of items from 0")
        if not 0 < self.confidence < 1:
            raise SettingsError(f"confidence is {self.confidence:g}; accepted is a level in (0, 1)")
        for what, names, known in (
            ("method", self.methods, METHODS),
            ("way of merging", self.merges, WAYS),
            ("use of target data", (self.target_data,), TARGET_DATA),
        ):
            for name in names:
                if name not in known:
                    raise SettingsError(f"no {what} {name!r}{closest(name, known)}; there are {', '.join(known)}")

    def held(self, there: Mapping[str, int]) -> dict[str, int]:
        """Items by source, as far as known: the caps, and no more than is there."""
        return {
            **self.caps,
            **{source: min(items, self.caps.get(source, items)) for source, items in there.items()},
        }

    def check_budget(self, sources: Sequence[str], there: Mapping[str, int]) -> None:
        """Raise where the sources that a target's mixtures may take hold fewer items than the budget."""
        held = self.held(there)
        spares_target = self.target_data == "without" and self.methods != ("direct",)
        for target in self.targets:
            left_out = {*self.exclude, *((target,) if spares_target else ())}
            usable = [source for source in sources if source not in left_out]
            if not usable:
                raise InputError(f"every source is excluded, so there is nothing to train on for {target!r}")
            together = sum(held.get(source, self.budget) for source in usable)
            if together < self.budget:
                raise InputError(
                    f"the budget is {self.budget} items, but the sources that {target!r} may be helped by hold "
                    f"{together} together: {quoted(usable)}"
                )
