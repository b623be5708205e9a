"""Cliques: sets of tasks that all help (or all harm) each other.

A positive clique is a maximal set of at least two tasks in which every ordered pair has PGF > 0; a negative
clique one in which every ordered pair has PGF < 0. They are the maximal cliques of the undirected graph that
joins i and j when PGF(i -> j) and PGF(j -> i) have that sign.

The number of maximal cliques can grow as 3 ** (tasks / 3) [1]_, so the search stops at a limit and says so;
what it returns then are maximal cliques, but not all of them, and perhaps not the largest.

References
----------
.. [1] Moon and Moser, "On cliques in graphs", Israel J. Math. 3, 1965.
"""

from __future__ import annotations

from typing import NamedTuple

import networkx as nx
import numpy as np
import pandas as pd

from tasktransfer.analysis.pgf import ZERO
from tasktransfer.analysis.transferability import without_self

__all__ = ["CLIQUE_LIMIT", "CliqueSearch", "find_cliques", "joined_names", "split_names"]

CLIQUE_LIMIT = 100_000
MEMBER_LIMIT = 2_000_000  # tasks over all cliques of one search; keeps the table of a dense matrix writable
SIGNS = {"positive": 1, "negative": -1}


class CliqueSearch(NamedTuple):
    """Maximal cliques, largest first, and whether these are all of them."""

    cliques: list[tuple[str, ...]]
    complete: bool


def find_cliques(matrix: pd.DataFrame, sign: str, *, limit: int = CLIQUE_LIMIT) -> CliqueSearch:
    """Find the maximal same-sign cliques of a PGF matrix.

    Parameters
    ----------
    matrix
        Square, rows sources, columns targets. A hole or a zero joins nothing; the diagonal is not used.
    sign
        ``positive`` or ``negative``.
    limit
        Stop after this many maximal cliques, or after `MEMBER_LIMIT` tasks in them.

    Returns
    -------
    CliqueSearch
        Tasks of a clique are in the order of the matrix.

    Notes
    -----
    Time and memory are bounded by `limit`; at 200 tasks a hundred thousand cliques take a few seconds.

    Examples
    --------
    >>> m = pd.DataFrame([[0, 1, 1], [1, 0, -1], [1, 1, 0]], index=list("abc"), columns=list("abc"))
    >>> find_cliques(m, "positive").cliques
    [('a', 'b'), ('a', 'c')]
    """
    of_sign = without_self(matrix) * SIGNS[sign] >= ZERO
    mutual = of_sign & of_sign.T
    graph = nx.Graph()
    graph.add_edges_from(np.argwhere(np.triu(mutual)).tolist())
    cliques, complete = _first_cliques(graph, limit)
    cliques.sort(key=lambda clique: (-len(clique), clique))
    names = list(matrix.index)
    return CliqueSearch([tuple(names[node] for node in clique) for clique in cliques], complete)


def _first_cliques(graph: nx.Graph, limit: int) -> tuple[list[tuple[int, ...]], bool]:
    """Maximal cliques until one of the limits is reached, and whether none was."""
    cliques: list[tuple[int, ...]] = []
    n_members = 0
    for clique in nx.find_cliques(graph):
        if len(cliques) == limit or n_members > MEMBER_LIMIT:
            return cliques, False
        cliques.append(tuple(sorted(clique)))
        n_members += len(clique)
    return cliques, True


def joined_names(names: tuple[str, ...]) -> str:
    """Join task names by ``;``, with ``%`` and ``;`` inside a name percent-encoded.

    >>> joined_names(("50% grey", "a;b"))
    '50%25 grey;a%3Bb'
    """
    return ";".join(name.replace("%", "%25").replace(";", "%3B") for name in names)


def split_names(text: str) -> tuple[str, ...]:
    """Undo `joined_names`.

    >>> split_names("50%25 grey;a%3Bb")
    ('50% grey', 'a;b')
    """
    return tuple(part.replace("%3B", ";").replace("%25", "%") for part in text.split(";"))
