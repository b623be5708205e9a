"""How the methods are tried on a request: which, on how many seeds, against what."""

from __future__ import annotations

from dataclasses import dataclass

from tasktransfer.errors import InputError, SettingsError, closest
from tasktransfer.recommendation.methods import METHODS

__all__ = ["Trial"]

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
