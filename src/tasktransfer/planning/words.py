"""A plan in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tasktransfer.drawing.labels import printable
from tasktransfer.errors import InputError, SettingsError
from tasktransfer.planning.power import Design, achieved_power, items_needed, seeds_needed, smallest_gain
from tasktransfer.tables import Accuracies

__all__ = ["design_lines", "study_lines"]


def design_lines(design: Design, *, baseline: float, gain: float | None) -> Iterator[str]:
    """What a design sees: alone and among its cells, in accuracy points and as PGF from a baseline.

    Parameters
    ----------
    design
        The plan.
    baseline
        Baseline accuracy, in [0, 1).
    gain
        A wanted gain, as a fraction; None for none.
    """
    if not 0 <= baseline < 1:
        raise SettingsError(f"baseline is {baseline:g}; accepted is an accuracy in [0, 1)")
    yield (
        f"{design.items} items, {design.seeds} seeds, {design.discordance:.0%} of the answers change, seed SD "
        f"{design.seed_sd * 100:g} points; a baseline of {baseline:.0%}"
    )
    for cells in dict.fromkeys((1, design.cells)):
        smallest = smallest_gain(replace(design, cells=cells))
        among = "one cell alone" if cells == 1 else f"one of {cells} cells"
        yield (
            f"  smallest gain found in 80 % of studies, {among}: {smallest * 100:.1f} points, "
            f"PGF {smallest / (1 - baseline):.2f}"
        )
    if gain is None:
        return
    yield f"for a gain of {gain * 100:g} points, one of {design.cells} cells"
    n_items, n_seeds = items_needed(gain, design), seeds_needed(gain, design)
    yield f"  items, with {design.seeds} seeds: {_number(n_items, 'the seeds scatter too far')}"
    yield f"  seeds, with {design.items} items: {_number(n_seeds, 'the items are too few')}"


def study_lines(accuracies: Accuracies, *, cells: int) -> Iterator[str]:
    """What a finished study could see, as medians over its cells off the diagonal, by model."""
    if accuracies.items is None:
        raise InputError("item-level predictions are needed to tell what a study could see; this input has none")
    table = achieved_power(accuracies.items, cells=cells)
    table = table[(table["kind"] == "finetune") & (table["source"] != table["target"])]
    for model, rows in table.groupby("model", sort=False):
        middle = rows[["n_items", "n_seeds", "discordance", "seed_sd", "smallest_gain"]].median()
        spread = (  # NaN with one seed
            "" if middle["seed_sd"] != middle["seed_sd"] else f", seed SD {middle['seed_sd'] * 100:.1f} points"
        )
        yield (
            f"{printable(str(model))}, median of {len(rows)} cells: {middle['n_items']:.0f} items, "
            f"{middle['n_seeds']:.0f} seeds, {middle['discordance']:.0%} of the answers change{spread}; smallest "
            f"gain found in 80 % of studies, one of {cells} cells: {middle['smallest_gain'] * 100:.1f} points"
        )


def _number(number: int | None, why: str) -> str:
    return f"no number is enough: {why}" if number is None else f"{number:,}"
