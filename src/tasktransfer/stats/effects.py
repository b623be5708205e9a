"""Effects of one kind (of targets, of sources) from noisy estimates, with how much they vary at all left open.

    estimate_n = effect_n + error_n,        error_n ~ N(0, v_n)
    effect_n   = 0 with probability z, else N(0, width^2)

z and width are drawn with the effects, from a grid: z is 0 with even odds, else any share up to all; the width
has a half-Cauchy prior [1]_, which rules out neither none nor much. A dozen effects do not determine the two
exactly, and an interval that took the most likely ones for known would be too short.

Shape letters: C chains, N effects, Z shares of zeros, G widths.

References
----------
.. [1] Gelman, "Prior distributions for variance parameters in hierarchical models", Bayesian Analysis 1, 2006.
"""

from __future__ import annotations

import numpy as np

__all__ = ["draw_variances"]

_WIDTHS = np.array([0.02, 0.03, 0.045, 0.07, 0.1, 0.15, 0.22, 0.33, 0.5, 0.75, 1.1])  # evenly spaced in the log
_SCALE = 0.25  # of the half-Cauchy
_OF_WIDTH = _WIDTHS / (1 + (_WIDTHS / _SCALE) ** 2)
_ZEROS = np.array([0.0, 0.25, 0.5, 0.75, 0.9, 1.0])
_OF_ZEROS = np.array([0.5, 0.08, 0.08, 0.08, 0.08, 0.18])


def draw_variances(estimate_CN: np.ndarray, error_CN: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw the variance each effect has a priori: 0, or the squared width.

    Parameters
    ----------
    estimate_CN
        Estimates of each chain.
    error_CN
        Their variances.
    random
        Generator of the draws.

    Returns
    -------
    numpy.ndarray
        Shape C, N.
    """
    log_none = -0.5 * (estimate_CN**2 / error_CN + np.log(error_CN))
    total_CNG = error_CN[..., None] + _WIDTHS**2
    log_some = -0.5 * (estimate_CN[..., None] ** 2 / total_CNG + np.log(total_CNG))
    # relative to the likeliest, or all of them would vanish where an estimate is far from 0
    highest = np.maximum(log_none, log_some.max(axis=-1))
    none_CN, some_CNG = np.exp(log_none - highest), np.exp(log_some - highest[..., None])
    mixed_CNZG = _ZEROS[:, None] * none_CN[..., None, None] + (1 - _ZEROS)[:, None] * some_CNG[..., None, :]
    log_CZG = np.log(mixed_CNZG + 1e-30).sum(axis=1) + np.log(_OF_ZEROS[:, None] * _OF_WIDTH)
    chance = np.exp(log_CZG - log_CZG.max(axis=(1, 2), keepdims=True)).reshape(len(log_CZG), -1)
    cumulated = np.cumsum(chance, axis=1)
    drawn = (random.random((len(chance), 1)) * cumulated[:, -1:] > cumulated).sum(axis=1)
    zeros_C1, g_C = _ZEROS[drawn // len(_WIDTHS)][:, None], drawn % len(_WIDTHS)
    none = zeros_C1 * none_CN
    some = (1 - zeros_C1) * np.take_along_axis(some_CNG, g_C[:, None, None], axis=2)[..., 0]
    there = random.random(none.shape) * (none + some) >= none
    return np.where(there, (_WIDTHS[g_C] ** 2)[:, None], 0.0)
