"""Error from items of the difference of two finetunes: they answer the same items and share a baseline."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.analysis.items import paired_runs, targets_of_items
from tasktransfer.stats.crossed import crossed_mean, mean_squares

__all__ = ["PairedItems"]


class _Answers(NamedTuple):
    change_K: np.ndarray  # mean over seeds of each item's change; NaN where not answered
    unit_K: np.ndarray


class PairedItems:
    """What the finetunes of a study changed, item by item.

    Parameters
    ----------
    items
        The ``items`` of `tasktransfer.read_accuracies`; None where answers to items are not known.
    """

    def __init__(self, items: pd.DataFrame | None) -> None:
        self._answers: dict[tuple[str, str, str], _Answers] = {}
        for block in targets_of_items(items) if items is not None and len(items) else ():
            for cell, runs in paired_runs(block).items():
                if cell.kind == "finetune":
                    after, before = (block.scores_RK[[pair[k] for pair in runs]] for k in (0, 1))
                    answers = _Answers((after - before).mean(axis=0), block.unit_K)
                    self._answers[cell.model, cell.source, cell.target] = answers

    def variance(self, model: str, target: str, first: str, second: str) -> float:
        """Of the difference of two sources' gains, as other items would have it; NaN where not known."""
        one, other = (self._answers.get((model, source, target)) for source in (first, second))
        if one is None or other is None:
            return float("nan")
        apart_K = one.change_K - other.change_K
        here = ~np.isnan(apart_K)
        units_K = np.unique(one.unit_K[here], return_inverse=True)[1]
        if units_K.max(initial=-1) < 1:
            return float("nan")
        squares = mean_squares(apart_K[here][None, None], units_K)
        return float(crossed_mean(squares, "adapters").of_items[0])
