"""The transfer graph: tasks as nodes, the strongest transfers of either sign as directed edges.

Of each sign the cells are ranked by |PGF| and an edge is kept when |PGF| is at least the value at 0-based rank
floor(share * n) among the n cells of that sign, ties kept. With share 0.20 this gives exactly the 23 positive
and 10 negative edges of the paper's teaser figure (its 32B model); one cut over both signs does not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd

from tasktransfer.analysis.pgf import ZERO
from tasktransfer.analysis.transferability import without_self
from tasktransfer.errors import OutputError
from tasktransfer.tasks import find_task

__all__ = ["drawn_edges", "edge_thresholds", "transfer_edges", "transfer_graph", "write_graphml"]

_TIE = 1e-12  # values this near the threshold are at it
# what XML 1.0 cannot hold
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def edge_thresholds(matrix: pd.DataFrame, *, top_share: float = 0.20) -> dict[str, float]:
    """The smallest |value| an edge of each sign needs; infinite when no cell has that sign.

    Parameters
    ----------
    matrix
        Square, rows sources, columns targets. The diagonal is not used.
    top_share
        Share of the cells of each sign to keep, in (0, 1].
    """
    values = without_self(matrix)
    thresholds = {}
    for name, sign in (("positive", 1), ("negative", -1)):
        of_sign = np.sort(np.abs(values[values * sign >= ZERO]))[::-1]
        rank = min(math.floor(top_share * len(of_sign)), len(of_sign) - 1)
        thresholds[name] = float(of_sign[rank]) if len(of_sign) else math.inf
    return thresholds


def transfer_edges(matrix: pd.DataFrame, *, top_share: float = 0.20) -> pd.DataFrame:
    """Edges of the transfer graph of one matrix.

    Parameters
    ----------
    matrix
        Square, rows sources, columns targets. The diagonal is not used.
    top_share
        Share of the cells of each sign to keep, in (0, 1].

    Returns
    -------
    pandas.DataFrame
        Columns source, target, pgf (the matrix value), sign (``positive`` or ``negative``); rows by source, then
        target, in the order of the matrix.
    """
    values = without_self(matrix)
    thresholds = edge_thresholds(matrix, top_share=top_share)
    positive = (values >= ZERO) & (values >= thresholds["positive"] - _TIE)
    negative = (values <= -ZERO) & (-values >= thresholds["negative"] - _TIE)
    source, target = np.nonzero(positive | negative)
    names = matrix.index.to_numpy(dtype=object)
    return pd.DataFrame(
        {
            "source": names[source],
            "target": names[target],
            "pgf": values[source, target],
            "sign": np.where(values[source, target] > 0, "positive", "negative").astype(object),
        }
    )


def drawn_edges(values_DNN: np.ndarray, *, top_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Which cells are positive and negative edges in many matrices at once; NaN is no edge.

    Returns
    -------
    positive, negative
        Truth values of the same shape.
    """
    masks = []
    for sign in (1, -1):
        strength = np.where(values_DNN * sign >= ZERO, values_DNN * sign, 0).reshape(len(values_DNN), -1)
        n_sign = (strength > 0).sum(axis=1)
        rank = np.minimum(np.floor(top_share * n_sign).astype(int), np.maximum(n_sign - 1, 0))
        ordered = -np.sort(-strength, axis=1)
        threshold = np.take_along_axis(ordered, rank[:, None], axis=1)
        masks.append(((strength >= threshold) & (strength > 0)).reshape(values_DNN.shape))
    return masks[0], masks[1]


def transfer_graph(edges: pd.DataFrame, tasks: Mapping[str, list[str]]) -> nx.MultiDiGraph:
    """The edges of all models as one directed multigraph.

    Parameters
    ----------
    edges
        Columns model, source, target, pgf, sign.
    tasks
        Tasks of each model; all of them are nodes, with or without an edge.

    Returns
    -------
    networkx.MultiDiGraph
        Node attributes label, level and granularity; edge attributes model, sign and pgf.
    """
    graph = nx.MultiDiGraph()
    for name in dict.fromkeys(task for names in tasks.values() for task in names):
        facts = find_task(name)
        graph.add_node(
            name,
            label=facts.abbreviation if facts else name,
            level=facts.level if facts else "",
            granularity=facts.granularity if facts else "",
        )
    for edge in edges.itertuples():
        graph.add_edge(edge.source, edge.target, model=edge.model, sign=edge.sign, pgf=float(edge.pgf))
    return graph


def write_graphml(graph: nx.MultiDiGraph, path: Path) -> None:
    """Write GraphML; what XML cannot hold is written as ``\\uXXXX``, a backslash beside it doubled."""

    def legal(text: object) -> object:
        if not isinstance(text, str) or not (_NOT_XML.search(text) or "\\u" in text):
            return text
        doubled = text.replace("\\", "\\\\")
        return _NOT_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", doubled)

    clean = nx.relabel_nodes(graph, {node: legal(node) for node in graph})
    for _, data in clean.nodes(data=True):
        data.update({key: legal(value) for key, value in data.items()})
    for _, _, data in clean.edges(data=True):
        data.update({key: legal(value) for key, value in data.items()})
    try:
        # not write_graphml, which writes other bytes where lxml happens to be installed
        nx.write_graphml_xml(clean, path, named_key_ids=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
