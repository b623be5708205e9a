"""Does any source help the targets? One-sided tests of each source, and one of all of them together.

    z_s = sum_t a_st z_st               over the targets; a_st as w_t error_st, scaled to squares of sum 1
    p   = P(max_s Z_s >= max_s z_s)     over the sources, where none of them does anything
    Z_s = sum_t a_st (load_st c_t + sqrt(1 - load_st^2) e_st)             c, e ~ N(0, 1)

z_st is the normal score of a cell's one-sided p-value. It is about PGF over its error, so that z_s is about the
weighted PGF over the error of that. Errors of one source on several targets are taken for independent. The cells
of a target share its baseline and its items: their errors correlate as load_st load_ut. To take them for
independent (Bonferroni, Simes) would find help where there is none less often than the level allows, and miss what
is there [1]_.

Shape letters: S sources, T targets, N points of integration.

References
----------
.. [1] Dunnett, "A multiple comparison procedure for comparing several treatments with a control", JASA 50, 1955:
   the same with one baseline that all treatments share.
"""

from __future__ import annotations

import numpy as np
from scipy import special, stats

from tasktransfer.recommendation.evidence import Evidence
from tasktransfer.recommendation.request import Request

__all__ = ["any_source_helps", "source_p_values"]

_POINTS = 1024


def source_p_values(evidence: Evidence, request: Request) -> np.ndarray:
    """One-sided p-value of each source of the request on the weighted targets; NaN where one is not known."""
    p_value_ST = evidence.p_value[_places(evidence, request)]
    z_ST = stats.norm.isf(np.clip(p_value_ST, 1e-300, 1 - 1e-16))
    return np.asarray(stats.norm.sf((z_ST * _parts(evidence, request)).sum(axis=1)))


def any_source_helps(
    evidence: Evidence, request: Request, p_value_S: np.ndarray, *, among: np.ndarray | None = None
) -> float:
    """p-value of "no source helps", from those of the sources; NaN where none is known.

    Parameters
    ----------
    evidence, request
        As in `source_p_values`; the request is resolved.
    p_value_S
        Of `source_p_values`.
    among
        Which of the request's sources count; all where None.
    """
    tested = ~np.isnan(p_value_S) & (True if among is None else among)
    if not tested.any():
        return float("nan")
    load_ST = (evidence.errors.load[_places(evidence, request)] * _parts(evidence, request))[tested]
    own_S = np.sqrt(1 - (load_ST**2).sum(axis=1))
    highest = float(stats.norm.isf(max(p_value_S[tested].min(), 1e-300)))
    # mean over the shared errors c_t, at points of low discrepancy: the same for every call
    points = stats.qmc.Sobol(load_ST.shape[1], seed=0).random(_POINTS)
    shared_NT = stats.norm.ppf(points.clip(1e-12, 1 - 1e-12))
    below_N = special.log_ndtr((highest - shared_NT @ load_ST.T) / own_S).sum(axis=1)
    return float(-np.expm1(below_N).mean())  # 1 - P(all below), without cancellation where it is small


def _places(evidence: Evidence, request: Request) -> tuple[np.ndarray, ...]:
    return np.ix_(evidence.source_places(request.sources), evidence.target_places(tuple(request.targets)))


def _parts(evidence: Evidence, request: Request) -> np.ndarray:
    """What each target's score counts: shape S, T."""
    here = _places(evidence, request)
    error_ST = np.hypot(evidence.errors.own_ST[here], evidence.errors.shared_T[here[1]])
    part_ST = request.weights * np.maximum(np.nan_to_num(error_ST), 1e-9)
    return np.asarray(part_ST / np.linalg.norm(part_ST, axis=1, keepdims=True))
