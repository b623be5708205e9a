"""Write the dated page on the similarity of a run's adapters, held against the drawn world's planned families.

    tasktransfer similarity RUN_FOLDER --out SIMILARITY_FOLDER
    python docs/results/similarity_page.py RUN_FOLDER > docs/results/PAGE.md

Every number is computed from the run; the figure is that of the first command.
"""

from __future__ import annotations

import json
import sys
import textwrap
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from tasktransfer.drawing.labels import label_of
from tasktransfer.similarity.adapters import named_adapters
from tasktransfer.similarity.measure import Similarity, measure_similarity
from tasktransfer.similarity.save import similarity_lines
from tasktransfer.tasks.open_form import closed_name
from tasktransfer.tasks.toyworld.registry import FAMILY_OF

DRAWS = 9999


def family_contrast(square: pd.DataFrame) -> tuple[float, float, float]:
    """Mean similarity within and between planned families, and p by relabelling; open forms are left out."""
    closed = [task for task in square.index if task in FAMILY_OF]
    square = square.loc[closed, closed]
    values = square.to_numpy(dtype=float)
    family = np.array([FAMILY_OF[task] for task in square.index])
    upper = np.triu(np.ones_like(values, dtype=bool), 1)
    same = family[:, None] == family[None, :]

    def contrast(order: np.ndarray) -> float:
        drawn = values[np.ix_(order, order)]
        return float(drawn[same & upper].mean() - drawn[~same & upper].mean())

    random = np.random.default_rng(0)
    seen = contrast(np.arange(len(values)))
    as_large = sum(contrast(random.permutation(len(values))) >= seen - 1e-12 for _ in range(DRAWS))
    return float(values[same & upper].mean()), float(values[~same & upper].mean()), (1 + as_large) / (1 + DRAWS)


def closest_table(found: Similarity) -> str:
    """Each source, itself under other seeds, and the three most like it, with their family."""
    square = found.matrix
    lines = ["| source | family | itself, other seeds | most alike |", "|---|---|---|---|"]
    for task in square.index:
        others = square[task].drop(task).nlargest(3)
        told = ", ".join(
            f"{label_of(str(o))} {value:+.2f} ({FAMILY_OF[closed_name(str(o))]})" for o, value in others.items()
        )
        family, itself = FAMILY_OF[closed_name(task)], square.loc[task, task]
        lines.append(f"| {label_of(task)} {task} | {family} | {itself:+.2f} | {told} |")
    return "\n".join(lines)


def main() -> None:
    folder = Path(sys.argv[1])
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))["study"]
    [found] = measure_similarity(named_adapters([str(folder)]), str(folder / "predictions.parquet"))
    within, between, p_value = family_contrast(found.matrix)
    print("# Similarity of adapters on the embedded model\n")
    items, seeds = study["items"], study["seeds"]
    told = (
        f"{date.today()}. Study `{study['name']}`: LoRA r={study['method']['r']}, {len(study['sources'])} "
        f"sources, {len(seeds)} seeds, {items['source']} items a source, {items['target']} a target. "
        "Cosines of what adapters add to the weights, see [similarity.md](../similarity.md). A million-parameter "
        "stand-in on drawn pictures: it shows that the measurement works, not what large models do. By "
        "`docs/results/similarity_page.py`."
    )
    print(textwrap.fill(told, 115, break_on_hyphens=False))
    print("\n![Cosines of updates by source, by block, and against PGF](../images/toy_similarity.png)\n")
    print("As `tasktransfer similarity` words it:\n")
    print("\n".join(f"    {line}" for line in similarity_lines([found])))
    print(f"\nPGF is known on {len(study['targets'])} targets.", end="")
    square = found.matrix.where(~np.eye(len(found.matrix), dtype=bool))
    openly = [task for task in square.index if closed_name(task) != task]
    if openly:
        print(
            f" Sources in open form reach a cosine of {square.loc[openly].max(axis=None):+.3f} with any other.",
            end="",
        )
    print()
    print("\n## Planned families\n")
    told = (
        f"Mean similarity of two sources of one family {within:+.3f}, of different families {between:+.3f}: "
        f"p = {p_value:.4f} ({DRAWS:,} relabellings of the sources; open forms left out). The families were "
        "written down in `tasks/toyworld/registry.py` before any of it was measured."
    )
    print(textwrap.fill(told, 115, break_on_hyphens=False))
    print("\n## The most alike\n")
    print(closest_table(found))


if __name__ == "__main__":
    main()
