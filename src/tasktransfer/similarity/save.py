"""Similarity of adapters in sentences, and as files: tables, and a matrix and a figure a model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasktransfer.analysis.summary import versions
from tasktransfer.drawing.labels import printable
from tasktransfer.drawing.numbers import number
from tasktransfer.errors import InputError, quoted
from tasktransfer.files import MARKER, output_folder, slug, write_json
from tasktransfer.similarity.measure import Similarity
from tasktransfer.tables import write_csv

__all__ = ["save_similarity", "similarity_lines"]


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
        models: list[dict[str, Any]] = [
            {"model": one.model, **one.contrast, "agreement": {on: a._asdict() for on, a in one.agreement.items()}}
            for one in found
        ]
        write_json(made / MARKER, {"models": models, "versions": versions()})


def similarity_lines(found: Sequence[Similarity]) -> Iterator[str]:
    """Each model in sentences."""
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
            also = f"other trained weights too ({quoted(one.beside, limit=3)})"
            yield f"  {beside} adapters hold {also}; only their LoRA factors are compared"
        if len(set(rows["layers"])) > 1:
            yield "  adapters of other layers are compared over all: where one has no factors its update is zero"
        between, within, same_seed = (
            number(contrast[name], "+.3f") for name in ("between", "within", "between_same_seed")
        )
        yield (
            f"  cosine of updates: different sources {between}; one source under other seeds {within}; different "
            f"sources of one seed {same_seed}"
        )
        if not np.isnan(contrast["recognised"]):
            yield f"  {contrast['recognised']:.0%} of the sources are more like themselves than like any other"
        for on, agreement in one.agreement.items():
            yield (
                f"  rank correlation with {'PGF' if on == 'raw' else 'the interaction part of PGF'}: "
                f"{number(agreement.spearman, '+.3f')}, p = {number(agreement.p_value, '.4f')}, "
                f"{agreement.n_cells} cells ({agreement.n_relabellings:,} relabellings of the sources)"
            )
