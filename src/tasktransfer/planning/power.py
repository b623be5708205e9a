"""What a design can see: the smallest gain it would find, and the items or seeds a wanted gain needs.

    se^2 = discordance / items + seed_sd^2 / seeds
    smallest gain = (t(1 - alpha / 2) + t(power)) * se

Discordance is the share of items whose answer differs between baseline and finetune; the same items are taken to
change for every seed, which is the cautious end. With m cells tested together alpha is alpha / m, the strict end
of a false discovery rate, where one cell alone must stand out. Degrees of freedom are Satterthwaite's, as in
`crossed`.

References
----------
.. [1] Miller, "Adding Error Bars to Evals", arXiv 2411.00640, for paired evaluation and its power.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.analysis.items import CellGroup, targets_of_items
from tasktransfer.analysis.uncertainty import groups_with_prior
from tasktransfer.errors import SettingsError
from tasktransfer.stats.crossed import crossed_mean, mean_squares
from tasktransfer.stats.variance_prior import VariancePrior

__all__ = ["Design", "achieved_power", "items_needed", "seeds_needed", "smallest_gain"]

MOST_ITEMS = 10_000_000
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Design:
    """A planned study of one cell among many.

    Parameters
    ----------
    items, seeds
        Items of the target and training seeds of the source.
    discordance
        Share of items whose answer changes, in (0, 1].
    seed_sd
        SD of the accuracy over seeds, as a fraction.
    cells
        Cells tested together.
    alpha, power
        Level of the two-sided test and chance to find the gain, in (0, 1).
    """

    items: int = 130
    seeds: int = 4
    discordance: float = 0.15
    seed_sd: float = 0.013
    cells: int = 1
    alpha: float = 0.05
    power: float = 0.80

    def __post_init__(self) -> None:
        for name, low in (("items", 2), ("seeds", 1), ("cells", 1)):
            if getattr(self, name) < low:
                raise SettingsError(f"{name} is {getattr(self, name)}; accepted is a whole number from {low}")
        for name in ("discordance", "alpha", "power"):
            if not 0 < getattr(self, name) <= (1 if name == "discordance" else 1 - 1e-12):
                raise SettingsError(f"{name} is {getattr(self, name):g}; accepted is a share in (0, 1)")
        if not 0 <= self.seed_sd < 0.5:
            raise SettingsError(f"seed SD is {self.seed_sd:g}; accepted is a fraction in [0, 0.5)")


def smallest_gain(design: Design) -> float:
    """The smallest gain in accuracy, as a fraction, that the design finds with its power.

    Examples
    --------
    >>> round(smallest_gain(Design(items=130, seeds=1, seed_sd=0)), 3)
    0.096
    """
    of_items = design.discordance / design.items
    # one seed says nothing of other seeds: the gain is then this adapter's
    of_seeds = design.seed_sd**2 / design.seeds if design.seeds > 1 else 0.0
    variance = of_items + of_seeds
    squares = of_items**2 / (design.items - 1) + of_seeds**2 / max(design.seeds - 1, 1)
    df = variance**2 / squares
    ends = stats.t.ppf(1 - design.alpha / design.cells / 2, df) + stats.t.ppf(design.power, df)
    return float(ends * math.sqrt(variance))


def items_needed(gain: float, design: Design) -> int | None:
    """Fewest items with which the design, otherwise as given, finds a gain; None when no number is enough."""
    return _fewest(gain, design, "items", 2, MOST_ITEMS)


def seeds_needed(gain: float, design: Design) -> int | None:
    """Fewest seeds (from two) with which the design finds a gain; None when no number is enough."""
    return _fewest(gain, design, "seeds", 2, MOST_SEEDS)


def _fewest(gain: float, design: Design, name: str, low: int, high: int) -> int | None:
    if not gain > 0:
        raise SettingsError(f"the wanted gain is {gain:g}; accepted is a fraction above 0")

    def enough(number: int) -> bool:
        return smallest_gain(_with(design, name, number)) <= gain

    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def _with(design: Design, name: str, number: int) -> Design:
    return Design(**{**design.__dict__, name: number})


def achieved_power(
    items: pd.DataFrame, *, cells: int = 1, alpha: float = 0.05, power: float = 0.80
) -> pd.DataFrame:
    """What a finished study could see, cell by cell.

    Parameters
    ----------
    items
        The ``items`` of `tasktransfer.read_accuracies`.
    cells, alpha, power
        As in `Design`.

    Returns
    -------
    pandas.DataFrame
        Columns model, kind, source, target, n_items, n_seeds, discordance (mean over seeds), seed_sd (of the
        accuracy; NaN for one seed) and smallest_gain at the standard error found.
    """
    parts = []
    for block in targets_of_items(items):
        parts += [_achieved(group, prior, alpha / cells, power) for group, prior in groups_with_prior(block)]
    return pd.concat(parts, ignore_index=True)


def _achieved(group: CellGroup, prior: VariancePrior, alpha: float, power: float) -> pd.DataFrame:
    change = group.after_CSK - group.before_CSK
    n_seeds, n_items = change.shape[1:]
    mean = crossed_mean(mean_squares(change, group.clusters_K), "source", prior)
    ends = stats.t.ppf(1 - alpha / 2, mean.df) + stats.t.ppf(power, mean.df)
    return pd.DataFrame(group.cells, columns=["model", "kind", "source", "target"]).assign(
        n_items=n_items,
        n_seeds=n_seeds,
        discordance=(change != 0).mean(axis=(1, 2)),
        seed_sd=change.mean(axis=2).std(axis=1, ddof=1) if n_seeds > 1 else np.nan,
        smallest_gain=ends * np.sqrt(mean.variance),
    )
