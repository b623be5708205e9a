"""Which uncertainty a row of the structure speaks of: that of its cells, in the words of `uncertainty`.

Where the cells differ, each kind is named once, joined by "; ".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from tasktransfer.analysis.pgf import matrix

__all__ = ["CellKinds", "cell_kinds", "joined_kinds"]


def joined_kinds(kinds: Iterable[str]) -> str:
    """The kinds that occur, joined ones too, each once, in alphabetical order; holes have none."""
    return "; ".join(sorted({kind for text in kinds for kind in text.split("; ") if kind}))


class CellKinds(NamedTuple):
    """Kind of uncertainty of every cell of one model."""

    place: dict[str, int]  # of a task in rows and columns
    codes_NN: np.ndarray  # of a kind; 0 for holes, and on the diagonal unless self-transfer counts
    kinds: list[str]
    together: bool  # every row stands on all cells, as on the interaction

    def of_cells(self, codes: np.ndarray) -> str:
        """Kinds of these cells, of all cells where none of the matrix stands alone."""
        taken = self.codes_NN if self.together else codes
        return joined_kinds(self.kinds[code] for code in np.unique(taken))

    def of_model(self) -> str:
        """Kinds of all cells that the structure stands on."""
        return self.of_cells(self.codes_NN)

    def of_aggregate(self, task: str, measure: str) -> str:
        """Kinds of a source's row or a target's column; of all cells for the mean over tasks, an empty `task`."""
        if not task:
            return self.of_model()
        k = self.place[task]
        return self.of_cells(self.codes_NN[k] if measure.startswith("transferability") else self.codes_NN[:, k])

    def of_edge(self, source: str, target: str) -> str:
        """Kind of one cell."""
        return self.of_cells(self.codes_NN[self.place[source], self.place[target]])

    def of_clique(self, clique: Iterable[str]) -> str:
        """Kinds of the cells between the members."""
        members = [self.place[task] for task in clique]
        between = self.codes_NN[np.ix_(members, members)]
        return self.of_cells(between[~np.eye(len(members), dtype=bool)])


def cell_kinds(transfers: pd.DataFrame, model: str, *, on: str, include_self: bool) -> CellKinds:
    """Read the kinds of one model's cells from the transfers table.

    Parameters
    ----------
    transfers
        With the column ``uncertainty``.
    model
        Name of the model.
    on
        ``raw`` or ``interaction``.
    include_self
        Self-transfer counts in the aggregates.
    """
    grid = matrix(transfers, model, value="uncertainty")
    place = {str(task): k for k, task in enumerate(grid.index)}
    kinds_NN = np.where(grid.isna(), "", grid.to_numpy(dtype=object)).astype(str)
    # the empty kind is always among them and sorts first: its code is 0
    kinds, codes = np.unique(np.append(kinds_NN.ravel(), ""), return_inverse=True)
    codes_NN = codes[:-1].reshape(kinds_NN.shape)
    if not include_self:
        np.fill_diagonal(codes_NN, 0)
    return CellKinds(place, codes_NN, kinds.tolist(), together=on == "interaction")
