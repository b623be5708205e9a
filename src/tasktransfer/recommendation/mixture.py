"""The mixture of the highest expected gain, less its risk and the harm it does.

    maximise   E[g(w)] - a SD[g(w)] - b sum_p E[max(0, -h_p(w))]
    under      sum_s w_s = 1,  0 <= w_s <= most_s
    where      g(w) = sum_s w_s g_s,  h_p(w) = sum_s w_s h_ps

======  =======================================================================================================
symbol  meaning
======  =======================================================================================================
w       shares of the items
g_s     PGF on the weighted targets after training on source s alone; a draw of what the errors leave open
h_ps    PGF on the protected task p, of the same draw
a, b    caution and harm weight
======  =======================================================================================================

Means and deviations are over the draws. That effects add up in proportion to the shares is an assumption: nothing
measured on single sources can show how they work together. Under it alone one would always train on the single
best source; what spreads the mixture is that the best is not known: sources whose errors are their own insure each
other, as in a portfolio [1]_, exactly as far as the draws are uncertain. An SD and a mean of hinges are convex, so
what is found is the maximum over all mixtures.

Shape letters: D draws, S sources, P protected tasks, N draws and protected tasks.

References
----------
.. [1] Markowitz, "Portfolio Selection", The Journal of Finance 7, 1952.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize

__all__ = ["best_mixture"]

_AT_ONCE = 30  # sources the solver sees; others join when they would improve what it found
_ROUNDS = 10
_HARMS = 20_000  # draws times protected tasks that harm is averaged over
_FEWEST_DRAWS = 50
_EVEN = 1e-6  # rounds off the kink of an SD at 0
_DUST = 1e-3


class _Aim(NamedTuple):
    """What is to be made small, and all it needs."""

    mean_S: np.ndarray
    covariance_SS: np.ndarray
    harm_NS: np.ndarray  # what each source does to the protected tasks, a row for each draw and task
    n_draws: int
    caution: float
    harm_weight: float

    def only(self, here: np.ndarray) -> _Aim:
        """Of some sources."""
        covariance_SS, harm_NS = (
            self.covariance_SS[np.ix_(here, here)],
            np.ascontiguousarray(self.harm_NS[:, here]),
        )
        return self._replace(mean_S=self.mean_S[here], covariance_SS=covariance_SS, harm_NS=harm_NS)

    def value(self, w: np.ndarray) -> tuple[float, np.ndarray]:
        """The objective, to be made small, and its gradient."""
        spread = self.covariance_SS @ w
        risk = np.sqrt(w @ spread + _EVEN**2)
        change_N = self.harm_NS @ w
        harmed_N = change_N < 0
        harm = -float(change_N[harmed_N].sum()) / self.n_draws
        of_harm = harmed_N.astype(float) @ self.harm_NS / self.n_draws
        value = float(-self.mean_S @ w + self.caution * risk + self.harm_weight * harm)
        return value, np.asarray(-self.mean_S + self.caution * spread / risk - self.harm_weight * of_harm)

    def alone(self) -> np.ndarray:
        """The objective of each source alone."""
        harm = np.maximum(0, -self.harm_NS).sum(axis=0) / self.n_draws
        risk = np.sqrt(np.diag(self.covariance_SS))
        return np.asarray(-self.mean_S + self.caution * risk + self.harm_weight * harm)


def best_mixture(
    gain_DS: np.ndarray, harm_DSP: np.ndarray, *, caution: float, harm_weight: float, most: np.ndarray
) -> np.ndarray:
    """Find the shares.

    Parameters
    ----------
    gain_DS
        Draws of what each source does to the weighted targets.
    harm_DSP
        Of what it does to each protected task; the last axis may be empty.
    caution, harm_weight
        a and b above.
    most
        Largest share of each source; their sum is at least 1.

    Returns
    -------
    numpy.ndarray
        Sum 1; shares under a thousandth are left out where the caps allow it.

    Notes
    -----
    The solver starts with the 30 sources that do best alone and takes in those that would improve its solution,
    until none would: the maximum is that over all sources.
    """
    covariance = np.atleast_2d(np.cov(gain_DS, rowvar=False, ddof=0))
    harm_DSP = harm_DSP[: max(_FEWEST_DRAWS, _HARMS // max(harm_DSP.shape[2], 1))]
    harm_NS = np.moveaxis(harm_DSP, 2, 1).reshape(-1, harm_DSP.shape[1])
    aim = _Aim(gain_DS.mean(axis=0), covariance, harm_NS, len(harm_DSP), caution, harm_weight)
    order = np.argsort(aim.alone(), kind="stable")
    # the sources of the first round must be able to hold the whole budget, or no mixture of them is allowed
    enough = int(np.searchsorted(np.cumsum(most[order]), 1 - 1e-12)) + 1
    here = order[: max(_AT_ONCE, enough)]
    w = np.zeros(len(most))
    for _ in range(_ROUNDS):
        w[:] = 0.0
        w[here] = _solve(aim.only(here), most[here])
        slope = aim.value(w)[1]
        price = slope[w > 1e-9].max()  # what the last item gives where it is now
        better = np.flatnonzero((slope < price - 1e-6) & ~np.isin(np.arange(len(w)), here))
        if not len(better):
            break
        here = np.concatenate([here, better[np.argsort(slope[better])][:_AT_ONCE]])
    return _without_dust(w, most)


def _solve(aim: _Aim, most: np.ndarray) -> np.ndarray:
    """The shares over a few sources."""
    greedy = _in_order(aim.alone(), most)
    even = _in_order(np.zeros(len(most)), np.minimum(most, np.maximum(1 / len(most), most / most.sum())))
    starts = [greedy, 0.5 * greedy + 0.5 * even]
    solutions = [greedy]  # allowed whatever becomes of the solver, which may end outside the constraints
    for start in starts:
        solution = optimize.minimize(
            aim.value,
            start,
            jac=True,
            method="SLSQP",
            bounds=[(0.0, float(m)) for m in most],
            constraints=[{"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like}],
            options={"maxiter": 200, "ftol": 1e-10},
        )
        shares = np.clip(solution.x, 0, most)
        if abs(shares.sum() - 1) < 1e-6:
            solutions.append(shares)
    return min(solutions, key=lambda w: aim.value(w)[0])


def _in_order(cost: np.ndarray, most: np.ndarray) -> np.ndarray:
    """Fill up from the cheapest."""
    order = np.argsort(cost, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(most[order])[:-1]])
    shares = np.empty(len(most))
    shares[order] = np.clip(1 - before, 0, most[order])
    return shares


def _without_dust(w: np.ndarray, most: np.ndarray) -> np.ndarray:
    kept = np.where(w < _DUST, 0.0, w)
    kept /= kept.sum()
    return kept if (kept <= most + 1e-12).all() else np.asarray(w / w.sum())
