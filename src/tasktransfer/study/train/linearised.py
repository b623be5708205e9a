"""Training a model that is replaced by its first-order expansion: penalised logistic regression.

    p_k(w) = softmax_k(z_k + <phi_k, w>),    w = argmin mean_n -log p_right(w) + penalty / 2 |w|^2

with z the logits of an item's options and phi their gradients. The penalty is chosen among seven by the held-out
loss of four parts of the items themselves.

Shape letters: N items, K options (padded to the most), D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

__all__ = ["OptionItems", "fit_linear", "right_probability"]

_PENALTIES = 10.0 ** np.arange(0, -7, -1.0)  # times the mean squared length of phi
_PARTS = 4


class OptionItems(NamedTuple):
    """Items with options; one entry each."""

    logits: Sequence[np.ndarray]  # (K,)
    features: Sequence[np.ndarray]  # (K, D), centred over the options
    right: Sequence[int]


class _Block(NamedTuple):
    logits_NK: np.ndarray  # -inf where an item has fewer options
    features_NKD: np.ndarray
    right_N: np.ndarray


def fit_linear(items: OptionItems) -> np.ndarray:
    """The fitted move ``(D,)``; zeros where nothing depends on it."""
    block = _stack(items)
    size = float((block.features_NKD**2).sum(axis=2).mean())
    if size == 0:
        return np.zeros(block.features_NKD.shape[2])
    part_N = np.arange(len(block.right_N)) % _PARTS
    # of too few items none are held out: all losses stay 0, and the first penalty, the largest, is taken
    losses = np.zeros(len(_PENALTIES))
    for part in range(_PARTS) if len(part_N) >= 2 * _PARTS else ():
        learned, held = (_Block(*(array[rows] for array in block)) for rows in (part_N != part, part_N == part))
        for number, penalty in enumerate(_PENALTIES):
            losses[number] += _loss(_fit(learned, penalty * size), held, 0.0)[0] * len(held.right_N)
    return _fit(block, _PENALTIES[int(np.argmin(losses))] * size)


def right_probability(items: OptionItems, moved_D: np.ndarray) -> float:
    """Mean probability of the right option."""
    block = _stack(items)
    return float(np.exp(_log_right(block, moved_D)[0]).mean())


def _stack(items: OptionItems) -> _Block:
    most = max(map(len, items.logits))
    features_NKD = np.zeros((len(items.right), most, items.features[0].shape[1]))
    logits_NK = np.full((len(items.right), most), -np.inf)
    for n, (logits, features) in enumerate(zip(items.logits, items.features, strict=True)):
        logits_NK[n, : len(logits)], features_NKD[n, : len(logits)] = logits, features
    return _Block(logits_NK, features_NKD, np.array(items.right))


def _log_right(block: _Block, moved_D: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-probability of the right option, and the probability of all."""
    logp_NK = special.log_softmax(block.logits_NK + block.features_NKD @ moved_D, axis=1)
    return logp_NK[np.arange(len(block.right_N)), block.right_N], np.exp(logp_NK)


def _loss(moved_D: np.ndarray, block: _Block, penalty: float) -> tuple[float, np.ndarray]:
    right_N, p_NK = _log_right(block, moved_D)
    p_NK[np.arange(len(right_N)), block.right_N] -= 1
    slope = np.einsum("nk,nkd->d", p_NK, block.features_NKD) / len(right_N)
    return float(-right_N.mean() + penalty / 2 * moved_D @ moved_D), slope + penalty * moved_D


def _fit(block: _Block, penalty: float) -> np.ndarray:
    start = np.zeros(block.features_NKD.shape[2])
    # the loss is convex and the penalty above 0: there is one optimum, whatever the start
    optimum = optimize.minimize(_loss, start, args=(block, penalty), jac=True, method="L-BFGS-B")
    return np.asarray(optimum.x)
