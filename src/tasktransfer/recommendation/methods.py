"""Ways to choose what to train on: each takes evidence and a request and gives shares over the sources, sum 1.

=============  ================================================================================================
from the matrix
---------------------------------------------------------------------------------------------------------------
mixture        the best expected gain less its risk and the harm to protected tasks, see `mixture`
lower-bound    shares in proportion to the shrunken PGF less `caution` standard deviations, where above 0
threshold      the paper's rule [1]_ 5.4: equal shares of the sources whose measured PGF exceeds a threshold
top-k          equal shares of the k highest measured PGF
=============  ================================================================================================

=============  ================================================================================================
to compare with
---------------------------------------------------------------------------------------------------------------
direct         the targets' own data, in the proportion of their weights
best-single    the highest measured PGF, alone
uniform        all sources alike
random         k sources drawn by the seed and the names of the targets, alike
largest        the source that holds most items, alone
=============  ================================================================================================

Of several targets the weighted mean counts. No share exceeds what a source holds; what it cannot give the other
chosen ones give in proportion, and where they cannot either, that is an error. The paper does not say how it
mixed; equal shares are ours. Of sources that are alike the first by name is taken: the order of rows in a table
decides nothing.

References
----------
.. [1] Sachdeva et al., "Understanding Task Transfer in Vision-Language Models", arXiv 2511.18787.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from tasktransfer.errors import InputError, SettingsError, closest, quoted
from tasktransfer.recommendation.evidence import Evidence
from tasktransfer.recommendation.mixture import best_mixture
from tasktransfer.recommendation.request import Request

__all__ = ["BASELINES", "METHODS", "Method", "find_method", "gain_draws", "measured_gain", "within_caps"]

Method = Callable[[Evidence, Request], np.ndarray]


def gain_draws(evidence: Evidence, request: Request) -> np.ndarray:
    """What each source may do to the weighted targets: draws by sources of the request."""
    drawn_DST = evidence.drawn(request.sources, tuple(request.targets))
    return np.asarray(drawn_DST @ request.weights)


def measured_gain(evidence: Evidence, request: Request) -> np.ndarray:
    """Measured PGF of each source on the weighted targets; NaN where one was not measured."""
    rows = evidence.source_places(request.sources)
    columns = evidence.target_places(tuple(request.targets))
    return np.asarray(evidence.observed[np.ix_(rows, columns)] @ request.weights)


def mixture(evidence: Evidence, request: Request) -> np.ndarray:
    """The mixture of the highest expected gain less risk and harm."""
    usable = _measured(evidence, request)
    _refuse_too_few(_alike(usable, request) > 0, request, "mixture")
    protected_DSP = evidence.drawn([request.sources[s] for s in usable], request.protect)
    shares = np.zeros(len(request.sources))
    shares[usable] = best_mixture(
        gain_draws(evidence, request)[:, usable],
        np.nan_to_num(protected_DSP),
        caution=request.settings.caution,
        harm_weight=request.settings.harm_weight,
        most=np.minimum(request.held[usable] / request.budget, 1.0),
    )
    return shares


def lower_bound(evidence: Evidence, request: Request) -> np.ndarray:
    """Shares in proportion to the lower bounds above 0; the highest alone where none is."""
    usable = _measured(evidence, request)
    draws = gain_draws(evidence, request)[:, usable]
    bound = draws.mean(axis=0) - request.settings.caution * draws.std(axis=0)
    shares = np.zeros(len(request.sources))
    shares[usable] = np.maximum(bound, 0.0)
    if not shares.any():
        shares[usable[np.argmax(bound)]] = 1.0
    return within_caps(shares, request, "lower-bound")


def threshold(evidence: Evidence, request: Request) -> np.ndarray:
    """Equal shares of the sources above the threshold."""
    gain = measured_gain(evidence, request)
    above = np.nan_to_num(gain, nan=-np.inf) > request.settings.threshold
    if not above.any():
        raise InputError(
            f"threshold: no source has a PGF above {request.settings.threshold:g} on the target; the highest is "
            f"{np.nanmax(gain[_measured(evidence, request)]):+.3f}. Lower the threshold or use another method"
        )
    return within_caps(above.astype(float), request, "threshold")


def top_k(evidence: Evidence, request: Request) -> np.ndarray:
    """Equal shares of the k highest; all where there are fewer."""
    usable = _measured(evidence, request)
    gain = measured_gain(evidence, request)[usable]
    best = usable[np.argsort(-gain, kind="stable")[: request.settings.k]]
    return within_caps(_alike(best, request), request, "top-k")


def direct(evidence: Evidence, request: Request) -> np.ndarray:  # noqa: ARG001
    """The targets' own data."""
    if lacking := [task for task in request.targets if task not in request.sources]:
        raise InputError(f"direct: the data of the target {quoted(lacking)} is excluded, or it is no source")
    shares = np.zeros(len(request.sources))
    for task, weight in request.targets.items():
        shares[request.sources.index(task)] = weight
    return within_caps(shares, request, "direct")


def best_single(evidence: Evidence, request: Request) -> np.ndarray:
    """The highest measured PGF, alone."""
    usable = _measured(evidence, request)
    best = usable[[np.argmax(measured_gain(evidence, request)[usable])]]
    return within_caps(_alike(best, request), request, "best-single")


def uniform(evidence: Evidence, request: Request) -> np.ndarray:  # noqa: ARG001
    """All sources alike."""
    return within_caps(np.ones(len(request.sources)), request, "uniform")


def random(evidence: Evidence, request: Request) -> np.ndarray:  # noqa: ARG001
    """k sources drawn by the seed and the names of the targets, alike: not the same ones for every target."""
    # Python's own hash of a text differs from process to process
    digest = hashlib.sha256(repr(sorted(request.targets)).encode()).digest()
    drawn = np.random.default_rng([request.settings.seed, *digest]).permutation(_by_name(request))
    return within_caps(_alike(drawn[: request.settings.k], request), request, "random")


def largest(evidence: Evidence, request: Request) -> np.ndarray:  # noqa: ARG001
    """The source that holds most items, alone; the first of equals."""
    if unknown := [s for s, cap in zip(request.sources, request.held, strict=True) if np.isinf(cap)]:
        raise InputError(f"largest: how many items {quoted(unknown)} holds is not known; give caps")
    ordered = _by_name(request)
    return within_caps(_alike(ordered[[np.argmax(request.held[ordered])]], request), request, "largest")


METHODS: dict[str, Method] = {
    "mixture": mixture,
    "lower-bound": lower_bound,
    "threshold": threshold,
    "top-k": top_k,
    "direct": direct,
    "best-single": best_single,
    "uniform": uniform,
    "random": random,
    "largest": largest,
}
BASELINES = ("direct", "best-single", "uniform", "random", "largest")


def find_method(name: str) -> Method:
    """A method by its name."""
    if name not in METHODS:
        raise SettingsError(f"no method {name!r}{closest(name, METHODS)}; there are {', '.join(METHODS)}")
    return METHODS[name]


def within_caps(shares: np.ndarray, request: Request, method: str) -> np.ndarray:
    """Shares scaled to sum 1, none above what its source holds.

    Parameters
    ----------
    shares
        From 0, of any sum above 0, shape S.
    request
        As resolved: its budget, and what its sources hold.
    method
        Name for the message.

    Raises
    ------
    InputError
        The sources with a share hold too few items.
    """
    most = request.held / request.budget
    chosen = shares > 0
    _refuse_too_few(chosen, request, method)
    shares = shares / shares.sum()
    full = np.zeros(len(shares), dtype=bool)
    # what a full source cannot give goes to the others, which may be full then: at most one round a source
    while (over := (shares > most + 1e-12) & ~full).any():
        full |= over
        shares = np.where(full, most, shares)
        rest = ~full & chosen
        shares[rest] *= (1 - most[full].sum()) / max(shares[rest].sum(), 1e-300)
    return np.asarray(shares)


def _refuse_too_few(chosen: np.ndarray, request: Request, method: str) -> None:
    held = float(request.held[chosen].sum())
    if held < request.budget:
        names = [source for source, here in zip(request.sources, chosen, strict=True) if here]
        raise InputError(
            f"{method}: {request.budget} items are asked, but {quoted(names)} {_hold(names)} {held:g}; lower the "
            "budget, or choose another method or other sources"
        )


def _hold(names: list[str]) -> str:
    return "holds" if len(names) == 1 else "hold"


def _measured(evidence: Evidence, request: Request) -> np.ndarray:
    """Places of the sources that were measured on every target and hold an item, by name."""
    ordered = _by_name(request)
    usable = ordered[~np.isnan(measured_gain(evidence, request)[ordered]) & (request.held[ordered] > 0)]
    if not len(usable):
        raise InputError(
            f"none of the sources that may be used was measured on {quoted(request.targets)}: "
            f"{quoted(request.sources)}"
        )
    return np.asarray(usable)


def _by_name(request: Request) -> np.ndarray:
    """Places of the sources in the order of their names."""
    return np.array(sorted(range(len(request.sources)), key=request.sources.__getitem__), dtype=int)


def _alike(places: np.ndarray, request: Request) -> np.ndarray:
    shares = np.zeros(len(request.sources))
    shares[places] = 1.0
    return shares
