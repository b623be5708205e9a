"""Adapters compared by what they add to the weights, and with PGF where there are results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tasktransfer.analysis.decomposition import decompose
from tasktransfer.analysis.measure import measure
from tasktransfer.analysis.pgf import matrix, models_of
from tasktransfer.errors import InputError, quoted
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.similarity.adapters import Adapter, layer_factors
from tasktransfer.similarity.cosines import (
    Agreement,
    Products,
    cosines,
    pair_matrix,
    rank_agreement,
    seed_contrast,
    source_pairs,
    update_products,
)

__all__ = ["Similarity", "measure_similarity"]


@dataclass(frozen=True)
class Similarity:
    """One model's adapters compared."""

    model: str
    adapters: pd.DataFrame  # kind, source, seed, rank, layers, beside (other tensors), norm
    pairs: pd.DataFrame  # first, second, cosine, n_pairs, cosine_same_seed; controls come last
    layers: pd.DataFrame  # layer, first, second, cosine
    contrast: Mapping[str, float]
    transfer: pd.DataFrame | None  # PGF, rows sources, columns targets
    agreement: Mapping[str, Agreement]  # on raw PGF and on its interaction part
    beside: tuple[str, ...] = ()  # what else some adapters hold, which is not compared

    @property
    def sources(self) -> list[str]:
        """Finetuned sources, without the controls."""
        rows = self.adapters
        return list(dict.fromkeys(rows.loc[rows["kind"] == "finetune", "source"]))

    @property
    def matrix(self) -> pd.DataFrame:
        """Cosines of sources; the diagonal is a source under other seeds."""
        square = pair_matrix(self.pairs)
        return square.loc[self.sources, self.sources]


def measure_similarity(
    adapters: Sequence[Adapter], results: str | None = None, *, seed: int = 0
) -> list[Similarity]:
    """Compare the adapters of each model, and with PGF where there are results.

    Parameters
    ----------
    adapters
        Of one model or several; a model that has but one is left out.
    results
        Any input of ``analyze``, for their PGF; None for none.
    seed
        Of the relabellings of sources, from 0.

    Raises
    ------
    InputError
        Every model has one adapter only, adapters do not fit together, or the results are of another model.
    """
    transfers = measure(read_accuracies(results)).transfers if results is not None else None
    models = dict.fromkeys(adapter.model for adapter in adapters)
    if len(models) == len(adapters):
        raise InputError(
            f"each of the models {quoted(models)} has one adapter; adapters of one model are compared"
        )
    return [
        _of_model(model, [a for a in adapters if a.model == model], transfers, seed=seed)
        for model in models
        if sum(a.model == model for a in adapters) > 1
    ]


def _of_model(model: str, adapters: Sequence[Adapter], transfers: pd.DataFrame | None, *, seed: int) -> Similarity:
    transfer = _matrix_of(transfers, model)
    places = {} if transfer is None else {task: place for place, task in enumerate(transfer.index)}
    # in the order of the results, controls last
    order = sorted(adapters, key=lambda a: (a.kind != "finetune", places.get(a.source, len(places))))
    products = update_products(layer_factors(order))
    sources = [adapter.source for adapter in order]
    seeds = [adapter.seed for adapter in order]
    pairs = source_pairs(cosines(products.inner_LNN.sum(axis=0)), sources, seeds)
    by_layer = zip(products.layers, cosines(products.inner_LNN), strict=True)
    layers = [source_pairs(cosine_NN, sources, seeds).assign(layer=layer) for layer, cosine_NN in by_layer]
    finetuned = list(dict.fromkeys(adapter.source for adapter in order if adapter.kind == "finetune"))
    own = pairs[pairs["first"].isin(finetuned) & pairs["second"].isin(finetuned)]
    agreement = {}
    if transfer is not None:
        parts = {"raw": transfer, "interaction": decompose(transfer).interaction}
        agreement = {on: rank_agreement(pair_matrix(own), part, seed=seed) for on, part in parts.items()}
    return Similarity(
        model=model,
        adapters=_adapters_table(order, products),
        pairs=pairs,
        layers=pd.concat(layers, ignore_index=True)[["layer", "first", "second", "cosine"]],
        contrast=seed_contrast(own),
        transfer=transfer,
        agreement=agreement,
        beside=tuple(dict.fromkeys(name for adapter in order for name in adapter.peft.beside)),
    )


def _matrix_of(transfers: pd.DataFrame | None, model: str) -> pd.DataFrame | None:
    """The PGF of a model; adapters that were named alone belong to the only model there is."""
    if transfers is None:
        return None
    known = models_of(transfers)
    name = known[0] if len(known) == 1 else model
    if name not in known:
        raise InputError(f"the results hold the models {quoted(known)}, not {quoted([model])}")
    return matrix(transfers, name)


def _adapters_table(adapters: Sequence[Adapter], products: Products) -> pd.DataFrame:
    rows = [
        (
            a.kind,
            a.source,
            a.seed,
            max(map(a.peft.rank, a.maps)),
            len(a.maps),
            len(a.peft.beside),
            norm,
        )
        for a, norm in zip(adapters, products.norms, strict=True)
    ]
    return pd.DataFrame(rows, columns=["kind", "source", "seed", "rank", "layers", "beside", "norm"])
