"""Where labels go: beside their points or lines, apart from each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["place_labels", "spread_apart"]


def spread_apart(places: Sequence[float], least: float, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """Move numbers as little as needed to be `least` apart and within bounds, keeping their order.

    If they cannot all fit they are spread over the bounds evenly.

    Parameters
    ----------
    places
        Where they would be, in any order.
    least
        Distance of neighbours, in the same unit.
    low, high
        Bounds.

    >>> spread_apart([0.0, 0.0, 5.0], 1.0).tolist()
    [-0.5, 0.5, 5.0]
    >>> spread_apart([0.0, 0.0, 5.0], 1.0, low=0.0).tolist()
    [0.0, 1.0, 5.0]
    """
    values = np.asarray(places, dtype=float)
    steps = np.arange(len(values))
    if len(values) > 1:
        least = min(least, (high - low) / (len(values) - 1))
    order = np.argsort(values, kind="stable")
    # pool adjacent violators on what is left after giving each its distance: the least-squares answer
    blocks: list[tuple[float, int]] = []
    for value in values[order] - least * steps:
        blocks.append((float(value), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (below, n_below), (above, n_above) = blocks[-2:]
            together = n_below + n_above
            blocks[-2:] = [((below * n_below + above * n_above) / together, together)]
    fitted = np.repeat([mean for mean, _ in blocks], [count for _, count in blocks])
    moved = np.empty(len(values))
    moved[order] = np.clip(fitted, low, high - least * steps[-1:]) + least * steps
    return moved


def place_labels(
    points: np.ndarray,
    named: np.ndarray,
    boxes: np.ndarray,
    size: np.ndarray,
    others: np.ndarray | None = None,
) -> np.ndarray:
    """Offsets of label centres from their points, chosen one after the other, the most crowded first.

    A place costs by what it covers (markers, other labels, the mean lines), by how far it is, and by standing
    nearer to another point than to its own.

    Parameters
    ----------
    points
        Places of all points, shape (n, 2).
    named
        Which points get a label, shape (k,).
    boxes
        Width and height of their labels, shape (k, 2).
    size
        Width and height of the panel; all in the same unit.
    others
        Places of further marks that are not to be covered, shape (m, 2).
    """
    mean = points.mean(axis=0)
    lines = np.array([[mean[0] - 1, 0, mean[0] + 1, size[1]], [0, mean[1] - 1, size[0], mean[1] + 1]])
    # left, bottom, right, top of every marker
    marks = points if others is None else np.vstack([points, others])
    taken = np.vstack([np.column_stack([marks - 2.6, marks + 2.6]), lines])
    crowd = (np.hypot(*(points[named][:, None] - points[None]).transpose(2, 0, 1)) < 20).sum(axis=1)
    offsets = np.zeros((len(named), 2))
    for k in np.argsort(-crowd, kind="stable"):
        shifts, reach = _candidates(boxes[k])
        centres = points[named[k]] + shifts
        corners = np.column_stack([centres - boxes[k] / 2, centres + boxes[k] / 2])
        outside = np.maximum(-corners[:, :2], 0).sum(axis=1) + np.maximum(corners[:, 2:] - size, 0).sum(axis=1)
        apart = _distances(corners, points)
        own = apart[:, named[k]].copy()
        apart[:, named[k]] = np.inf
        mistaken = apart.min(axis=1) < own
        cost = _overlap(corners, taken).sum(axis=1) + 30 * outside + reach + 25 * mistaken
        best = int(np.argmin(cost))
        offsets[k] = shifts[best]
        taken = np.vstack([taken, corners[best]])
    return offsets


def _candidates(box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets of a label's centre in sixteen directions at five distances, and those distances."""
    angles = np.arange(16) * np.pi / 8
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    # the box touches a circle about the point: aside it is shifted by half its width, up by half its height
    edges = np.clip(directions * np.sqrt(2), -1, 1) * box / 2
    reaches = np.array([3.2, 7.0, 11.0, 16.0, 22.0])
    shifts = np.concatenate([edges + directions * reach for reach in reaches])
    return shifts, np.repeat(1.5 * reaches, len(angles))


def _distances(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance of each box from each point, 0 inside."""
    below = boxes[:, None, :2] - points[None]
    above = points[None] - boxes[:, None, 2:]
    beside = np.maximum(np.maximum(below, above), 0)
    distances: np.ndarray = np.hypot(beside[..., 0], beside[..., 1])
    return distances


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Area that each of some boxes shares with each of others."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared: np.ndarray = np.maximum(high - low, 0).prod(axis=2)
    return shared
