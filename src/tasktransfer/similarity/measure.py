"""Similarity of adapters in tables, words and one figure a model, and held against PGF where there are results."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasktransfer.analysis.decomposition import decompose
from tasktransfer.analysis.measure import measure
from tasktransfer.analysis.pgf import matrix, models_of
from tasktransfer.analysis.summary import versions
from tasktransfer.drawing.labels import printable
from tasktransfer.errors import InputError, quoted
from tasktransfer.files import MARKER, output_folder, slug, write_json
from tasktransfer.importers.inputs import read_accuracies, split_name
from tasktransfer.similarity.adapters import Adapter, layer_factors, read_adapter, run_adapters
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
from tasktransfer.tables import write_csv

__all__ = ["Similarity", "measure_similarity", "named_adapters", "save_similarity", "similarity_lines"]


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


def named_adapters(inputs: Sequence[str]) -> list[Adapter]:
    """Adapters of a run folder, or of folders ``SOURCE=path`` or ``SOURCE/SEED=path``.

    Raises
    ------
    InputError
        A folder holds no adapter, one name is given twice, or there is but one adapter.
    """
    found: list[Adapter] = []
    for text in inputs:
        name, path = split_name(text)
        if (path / "cells").is_dir():
            own = run_adapters(path)
            found += [replace(adapter, model=name) for adapter in own] if name else own
            continue
        source, _, seed = (name or path.resolve().name).partition("/")
        found.append(read_adapter(path, source=source, seed=seed))
    keys = [(adapter.model, adapter.kind, adapter.source, adapter.seed) for adapter in found]
    twice = [adapter.name for adapter, key in zip(found, keys, strict=True) if keys.count(key) > 1]
    if twice:
        raise InputError(f"{quoted(dict.fromkeys(twice))} is given twice; SOURCE/SEED=path tells seeds apart")
    if len(found) < 2:
        raise InputError("one adapter is like itself; name at least two, SOURCE=path or SOURCE/SEED=path each")
    return found


def measure_similarity(
    adapters: Sequence[Adapter], results: str | None = None, *, seed: int = 0
) -> list[Similarity]:
    """Compare the adapters of each model, and hold them against the PGF of `results`, any input of ``analyze``."""
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
            max(a.places[layer, "A"][1][0] for layer in a.scales),
            len(a.scales),
            a.beside,
            norm,
        )
        for a, norm in zip(adapters, products.norms, strict=True)
    ]
    return pd.DataFrame(rows, columns=["kind", "source", "seed", "rank", "layers", "beside", "norm"])


def similarity_lines(found: Sequence[Similarity]) -> Iterator[str]:
    """Tell each model in sentences."""
    for one in found:
        rows, contrast = one.adapters, one.contrast
        head = f"{printable(one.model)}: " if one.model else ""
        yield (
            f"{head}{len(rows)} adapters, {len(one.sources)} sources, {rows['seed'].nunique()} seeds, "
            f"{one.layers['layer'].nunique()} layers"
        )
        if zero := [f"{r.source}/{r.seed}".removesuffix("/") for r in rows.itertuples() if r.norm == 0]:
            yield f"  {quoted(zero)} adds nothing to the weights and is left out"
        if beside := int((rows["beside"] > 0).sum()):
            yield f"  {beside} adapters hold other trained weights too; only their LoRA factors are compared"
        if len(set(rows["layers"])) > 1:
            yield "  adapters of other layers are compared over all: where one has no factors its update is zero"
        yield (
            f"  cosine of updates: different sources {_told(contrast['between'])}; one source under other seeds "
            f"{_told(contrast['within'])}; different sources of one seed {_told(contrast['between_same_seed'])}"
        )
        if not np.isnan(contrast["recognised"]):
            yield f"  {contrast['recognised']:.0%} of the sources are more like themselves than like any other"
        for on, agreement in one.agreement.items():
            yield (
                f"  rank correlation with {'PGF' if on == 'raw' else 'the interaction part of PGF'}: "
                f"{_told(agreement.spearman)}, p = {_told(agreement.p_value, '.4f')}, {agreement.n_cells} cells "
                f"({agreement.n_relabellings:,} relabellings of the sources)"
            )


def _told(value: float, form: str = "+.3f") -> str:
    return "–" if np.isnan(value) else f"{value:{form}}"


def save_similarity(found: Sequence[Similarity], folder: Path) -> None:
    """Write the tables, a matrix and a figure a model, and ``summary.json`` last."""
    from tasktransfer.drawing.style import save_figure
    from tasktransfer.similarity.figure import draw_similarity

    if (folder / "cells").is_dir():
        raise InputError(f"{os.fspath(folder)}: is a run folder; choose another --out, such as a folder within it")
    with output_folder(folder) as made:
        for name in ("adapters", "pairs", "layers"):
            parts = [getattr(one, name).assign(model=one.model) for one in found]
            table = pd.concat(parts, ignore_index=True)
            write_csv(table[["model", *table.columns.drop("model")]], made / f"{name}.csv")
        (made / "figures").mkdir()
        for position, one in enumerate(found, start=1):
            name = f"similarity_{position}_{slug(one.model or 'adapters')}"
            write_csv(one.matrix.rename_axis("source").reset_index(), made / f"{name}.csv")
            write_csv(one.matrix.rename_axis("source").reset_index(), made / "figures" / f"{name}.csv")
            save_figure(draw_similarity(one.matrix, one.layers, one.transfer), made / "figures" / name)
        told: list[dict[str, Any]] = [
            {"model": one.model, **one.contrast, "agreement": {on: a._asdict() for on, a in one.agreement.items()}}
            for one in found
        ]
        write_json(made / MARKER, {"models": told, "versions": versions()})
