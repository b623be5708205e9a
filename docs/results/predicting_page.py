"""Write the dated page on foretelling transfer from a folder that `tasktransfer predict` wrote.

    tasktransfer predict RUN EARLY_RUN --out DIR
    python docs/results/predicting_page.py DIR NOTES.md [SEEDS=DIR ...] > docs/results/PAGE.md

Every number of the tables is computed from those there; NOTES.md is what a reader made of them, put on top: it is
edited, the page is not. SEEDS=DIR are calls whose EARLY_RUN had so many seeds. The figure, which NOTES.md
shows, is copied by hand.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

COLUMNS = {
    "spearman": "rank correlation",
    "spearman_within": "within target",
    "spearman_interaction": "of interactions",
    "kendall": "Kendall",
    "kendall_interaction": "Kendall, interactions",
    "rmse": "error",
    "regret_1": "regret@1",
    "regret_3": "regret@3",
    "cost": "cost",
    "wins": "wins",
}
HOLES = {
    "all": "No cell measured",
    "cells": "{:.0%} of the cells measured",
    "sources": "{:.0%} of the sources measured",
}


def number(value: float, column: str) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.0%}" if column in {"cost", "wins"} else f"{value:.2f}"


def marks_table(rows: pd.DataFrame) -> str:
    shown = [column for column in COLUMNS if rows[column].notna().any()]
    lines = [
        "| estimate | " + " | ".join(COLUMNS[column] for column in shown) + " |",
        "|---" * (len(shown) + 1) + "|",
    ]
    for row in rows.to_dict("records"):
        lines.append(
            f"| {row['estimate']} | " + " | ".join(number(row[column], column) for column in shown) + " |"
        )
    return "\n".join(lines)


def by_seeds(folders: dict[str, Path]) -> None:
    """The marks of early steps by how many seeds took them."""
    parts = []
    for seeds, folder in folders.items():
        rows = pd.read_csv(folder / "prediction.csv")
        here = (rows["holes"] == "all") & rows["estimate"].str.endswith("of the steps")
        parts.append(rows[here].assign(estimate=rows["estimate"] + f", {seeds} seed{'s' * (seeds != '1')}"))
    if parts:
        print("\n## Early steps by seeds\n\nNo cell measured, all cells judged.\n")
        print(marks_table(pd.concat(parts)))


def main(folder: Path, notes: Path, early: dict[str, Path]) -> None:
    table = pd.read_csv(folder / "prediction.csv")
    told = json.loads((folder / "prediction.json").read_text(encoding="utf-8"))
    print("# Predicting transfer without the grid, on the embedded model\n")
    print(f"{date.today().isoformat()}. Model `{told['model']}`: the grid of studies/toy-paper.yaml, 4 seeds. A")
    print(
        "million-parameter stand-in on drawn pictures: that a method works here says little of large models; one"
    )
    print("that fails here needs a reason to be trusted there. What the columns are: `docs/predicting.md`.\n")
    print(notes.read_text(encoding="utf-8"))
    print("## In words\n")
    for sentence in told["sentences"]:
        print(f"- {sentence}")
    for (holes, share), rows in table.groupby(["holes", "measured"], sort=False):
        noise = rows["noise"].mean()
        print(f"\n## {HOLES[str(holes)].format(share)}\n")
        print(marks_table(rows))
        if holes == "all" and "p_interaction" in rows:
            p_values = rows.dropna(subset="p_interaction")
            shown = ", ".join(f"{row.estimate} {row.p_interaction:.3f}" for row in p_values.itertuples())
            print(f"\np-value of the interactions (sources permuted within each target): {shown}.")
        print(f"\nError of the measurement itself: {noise:.2f}.")
    by_seeds(early)
    print("\n## Self-transfer (the diagonal)\n")
    print("| estimate | tasks | rank correlation |\n|---|---|---|")
    for row in told["self_transfer"]:
        shown = "" if row["spearman"] is None else f"{row['spearman']:.2f}"
        print(f"| {row['estimate']} | {row['n_tasks']} | {shown} |")


if __name__ == "__main__":
    pairs = [argument.split("=", 1) for argument in sys.argv[3:]]
    main(Path(sys.argv[1]), Path(sys.argv[2]), {seeds: Path(place) for seeds, place in pairs})
