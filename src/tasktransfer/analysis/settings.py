"""Choices that change the result of an analysis."""

from __future__ import annotations

from dataclasses import dataclass

from tasktransfer.analysis.ceilings import CEILINGS
from tasktransfer.analysis.uncertainty import EQUIVALENCE_MARGIN
from tasktransfer.errors import SettingsError, closest

__all__ = ["VIEWS", "Settings"]

VIEWS = ("raw", "interaction")


@dataclass(frozen=True)
class Settings:
    """Choices that change the result; where it is written is not one of them.

    Parameters
    ----------
    ceiling
        ``perfect``, ``human``, ``best-observed`` or the path of a ceiling table.
    include_self
        Count self-transfer in transferability, malleability and what follows from them.
    on
        Draw graph, cliques, aggregates and personas on the ``raw`` PGF or on its ``interaction`` with target
        and source effects removed.
    top_share
        Share of the cells of each sign kept as edges, in (0, 1].
    confidence
        Level of intervals, in (0, 1).
    margin
        Accuracy, in (0, 1); a gain surely within it is called negligible.
    seed
        Seed of whatever draws random numbers (resampled, plausible and null matrices).
    """

    ceiling: str = "perfect"
    include_self: bool = False
    on: str = "raw"
    top_share: float = 0.20
    confidence: float = 0.95
    margin: float = EQUIVALENCE_MARGIN
    seed: int = 0

    def __post_init__(self) -> None:
        if self.on not in VIEWS:
            hint = closest(self.on, VIEWS)
            raise SettingsError(f"on is {self.on!r}{hint}; accepted are {' and '.join(VIEWS)}")
        kind = type(self.ceiling).__name__
        if kind != "str":
            raise SettingsError(f"ceiling is of type {kind}; accepted are {', '.join(CEILINGS)}, or a file's path")
        if not 0 < self.top_share <= 1:
            raise SettingsError(f"top share is {self.top_share:g}; accepted is a share in (0, 1]")
        if not 0 < self.confidence < 1:
            raise SettingsError(f"confidence is {self.confidence:g}; accepted is a level in (0, 1)")
        if not 0 < self.margin < 1:
            raise SettingsError(f"margin is {self.margin:g}; accepted is a gain in accuracy in (0, 1)")
        if self.seed < 0:
            raise SettingsError(f"seed is {self.seed}; accepted is a whole number from 0")
