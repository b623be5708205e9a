"""Similarity of adapters in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tasktransfer.drawing.labels import printable
from tasktransfer.drawing.numbers import number
from tasktransfer.errors import quoted
from tasktransfer.similarity.measure import Similarity

__all__ = ["similarity_lines"]


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
            also = f"other trained weights too ({quoted(one.beside, limit=3)})"
            yield f"  {beside} adapters hold {also}; only their LoRA factors are compared"
        if len(set(rows["layers"])) > 1:
            yield "  adapters of other layers are compared over all: where one has no factors its update is zero"
        yield (
            f"  cosine of updates: different sources {number(contrast['between'])}; one source under other seeds "
            f"{number(contrast['within'])}; different sources of one seed {number(contrast['between_same_seed'])}"
        )
        if not np.isnan(contrast["recognised"]):
            yield f"  {contrast['recognised']:.0%} of the sources are more like themselves than like any other"
        for on, agreement in one.agreement.items():
            yield (
                f"  rank correlation with {'PGF' if on == 'raw' else 'the interaction part of PGF'}: "
                f"{number(agreement.spearman)}, p = {number(agreement.p_value, '.4f')}, {agreement.n_cells} cells "
                f"({agreement.n_relabellings:,} relabellings of the sources)"
            )
