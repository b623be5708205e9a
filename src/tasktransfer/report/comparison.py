"""A comparison in words, tables and one figure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from tasktransfer.analysis.comparison import Comparison
from tasktransfer.analysis.summary import versions
from tasktransfer.drawing.labels import printable
from tasktransfer.drawing.numbers import number, percent
from tasktransfer.files import MARKER, output_folder, write_json
from tasktransfer.tables import write_csv

__all__ = ["comparison_lines", "save_comparison"]


def comparison_lines(comparison: Comparison) -> Iterator[str]:
    """A comparison in sentences, one paragraph per pair of models."""
    for pair in comparison.agreement.to_dict("records"):
        shown = {name: number(value, ".2f") for name, value in pair.items() if isinstance(value, float)}
        names = f"A {printable(pair['model_a'])} against B {printable(pair['model_b'])}"
        yield f"{names}, {pair['n_cells']} cells between tasks"
        yield (
            f"  PGF B − A: mean {pair['mean_difference']:+.3f}, mean absolute "
            f"{pair['mean_absolute_difference']:.3f}; signs agree in {percent(pair['sign_agreement'])}"
        )
        yield (
            f"  rank correlation: all cells {shown['spearman_cells']}, sources within targets "
            f"{shown['spearman_sources']}, interaction {shown['spearman_interaction']}"
        )
        yield (
            f"  source effects {shown['spearman_source_effect']}, target effects {shown['spearman_target_effect']}"
        )
        yield (
            f"  shared (Jaccard): edges {shown['edge_overlap']}, largest cliques "
            f"{shown['positive_clique_overlap']} positive, {shown['negative_clique_overlap']} "
            f"negative; donors {shown['donor_overlap']}, pirates {shown['pirate_overlap']}, "
            f"sponges {shown['sponge_overlap']}, sieves {shown['sieve_overlap']}"
        )
    yield (
        "The correlation over all cells is high wherever targets differ in how easily they rise; what speaks of "
        "sources is the one within targets and on the interaction."
    )


def save_comparison(comparison: Comparison, folder: Path) -> None:
    """Write ``agreement.csv``, ``cells.csv``, the figure with its numbers, and ``summary.json`` last."""
    with output_folder(folder) as made:
        write_csv(comparison.agreement, made / "agreement.csv")
        write_csv(comparison.cells, made / "cells.csv")
        (made / "figures").mkdir()
        figure = draw_comparison(comparison)
        # neither date nor version: the same comparison gives the same bytes
        for suffix, metadata in (
            ("pdf", {"CreationDate": None, "Producer": None}),
            ("png", {"Software": None}),
        ):
            figure.savefig(made / "figures" / f"cells.{suffix}", dpi=200, metadata=metadata)
        write_csv(comparison.cells, made / "figures" / "cells.csv")
        pairs = comparison.agreement.to_dict("records")
        write_json(made / MARKER, {"pairs": pairs, "versions": versions()})


def draw_comparison(comparison: Comparison) -> Any:
    """PGF of the first set against the second, one panel per pair of models; the diagonal line is agreement.

    Returns
    -------
    matplotlib.figure.Figure
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    pairs = list(comparison.agreement[["model_a", "model_b"]].itertuples(index=False))
    with mpl.rc_context({"font.size": 8, "text.parse_math": False, "axes.linewidth": 0.6}):
        figure = Figure(figsize=(0.4 + 2.6 * len(pairs), 2.8), layout="constrained")
        axes = figure.subplots(1, len(pairs), squeeze=False)[0]
        for axis, (model_a, model_b) in zip(axes, pairs, strict=True):
            cells = comparison.cells
            cells = cells[(cells["model_a"] == model_a) & (cells["model_b"] == model_b)]
            _scatter(axis, cells[cells["source"] != cells["target"]], model_a, model_b)
    return figure


def _scatter(axis: Any, cells: pd.DataFrame, model_a: str, model_b: str) -> None:
    values = cells[["pgf_a", "pgf_b"]].to_numpy()
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    pad = 0.05 * (high - low or 1.0)
    ends = (low - pad, high + pad)
    axis.axhline(0, color="0.8", lw=0.6)
    axis.axvline(0, color="0.8", lw=0.6)
    axis.plot(ends, ends, color="0.5", lw=0.6, ls="--")
    for agree, marker, colour, label in (
        (True, "o", "#0072B2", "same sign"),
        (False, "x", "#D55E00", "other sign"),
    ):
        rows = cells[cells["same_sign"] == agree]
        axis.scatter(rows["pgf_a"], rows["pgf_b"], s=9, marker=marker, color=colour, lw=0.8, label=label)
    axis.set(xlim=ends, ylim=ends, aspect="equal")
    axis.set_xlabel(f"PGF, A: {printable(model_a, 20)}")
    axis.set_ylabel(f"PGF, B: {printable(model_b, 20)}")
    axis.legend(frameon=False, fontsize=6.5, loc="upper left", handletextpad=0.2)
