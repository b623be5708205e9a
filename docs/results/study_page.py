"""Write the dated page of a study of the drawn world: what came out, held against the planned families.

    python docs/results/study_page.py RUN_FOLDER > docs/results/PAGE.md

Every number is computed from the run; figures are those of its report, copied beside the page by name.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

import tasktransfer as tt
from tasktransfer.drawing.labels import label_of
from tasktransfer.tasks.toyworld import FAMILIES

DRAWS = 9999
FAMILY_OF = {task: family for family, tasks in FAMILIES.items() for task in tasks}


def family_contrast(values: np.ndarray, same: np.ndarray, off: np.ndarray) -> float:
    """Mean within families less mean between them, self-transfer excluded."""
    return float(values[same & off].mean() - values[~same & off].mean())


def family_test(matrix: pd.DataFrame, seed: int = 0) -> tuple[float, float, float]:
    """Interaction within and between families, and the p-value when sources are permuted within each target."""
    tasks = [task for task in matrix.index if task in matrix.columns and not matrix.loc[task].isna().all()]
    values = matrix.loc[tasks, tasks].to_numpy(dtype=float)
    family = np.array([FAMILY_OF[task] for task in tasks])
    same, off = family[:, None] == family[None, :], ~np.eye(len(tasks), dtype=bool)
    seen = family_contrast(values, same, off)
    random = np.random.default_rng(seed)
    as_large = 0
    for _ in range(DRAWS):
        drawn = values.copy()
        for j in range(len(tasks)):
            sources = np.flatnonzero(off[:, j])
            drawn[sources, j] = values[random.permutation(sources), j]
        as_large += family_contrast(drawn, same, off) >= seen
    return float(values[same & off].mean()), float(values[~same & off].mean()), (1 + as_large) / (1 + DRAWS)


def percent(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.1%}"


def tasks_table(analysis: tt.Analysis) -> str:
    rows = ["| task | baseline | after its own finetune | self-transfer | verdict |", "|---|---|---|---|---|"]
    cells = analysis.transfers[analysis.transfers["kind"] == "finetune"]
    own = cells[cells["source"] == cells["target"]]
    for cell in own.itertuples():
        interval = (
            f"{cell.pgf:+.2f} [{cell.low:+.2f}, {cell.high:+.2f}]"
            if not np.isnan(cell.low)
            else f"{cell.pgf:+.2f}"
        )
        rows.append(
            f"| {label_of(cell.target)} {cell.target} | {percent(cell.baseline)} | {percent(cell.accuracy)} | "
            f"{interval} | {cell.verdict} |"
        )
    return "\n".join(rows)


def controls_table(analysis: tt.Analysis) -> str:
    share = "explains of the squared PGF, noise included"
    head = ("control", share, "mean PGF of it", "mean PGF of finetunes", "net")
    rows = [f"| {' | '.join(head)} |"]
    rows.append("|---|---|---|---|---|")
    for row in analysis.control_columns[analysis.control_columns["target"] == ""].itertuples():
        rows.append(
            f"| {row.control} | {row.share_explained:.0%} | {row.control_pgf:+.3f} | {row.mean_pgf:+.3f} | "
            f"{row.mean_net:+.3f} |"
        )
    return "\n".join(rows)


def main() -> None:
    folder = Path(sys.argv[1])
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))["study"]
    analysis = tt.analyze(tt.read_accuracies(folder))
    [model] = analysis.models
    within, between, p_value = family_test(analysis.matrix(model, value="interaction"))
    raw_within, raw_between, raw_p = family_test(analysis.matrix(model))
    items = study["items"]
    print(f"# Study `{study['name']}` on the embedded model\n")
    controls = ", ".join(study["controls"]) or "none"
    counts = [len(study[what]) for what in ("sources", "targets", "seeds")]
    print(f"{date.today()}. {counts[0]} sources, {counts[1]} targets, {counts[2]} seeds, controls {controls};")
    print(f"{items['source']} items a source, {items['target']} a target. A million-parameter stand-in on drawn")
    print("pictures: it shows that the measurement works, not what large models do.\n")
    print("## Findings, as the report words them\n")
    for finding in tt.find_findings(analysis):
        print(f"- **{finding.title}.** {finding.text}")
    print("\n## Self-transfer\n")
    print(tasks_table(analysis))
    print("\n## Planned families\n")
    print(f"Mean interaction between tasks of a family {within:+.3f}, of different families {between:+.3f},")
    print(f"self-transfer excluded: p = {p_value:.4f} ({DRAWS:,} permutations of the sources within each target).")
    print(
        f"On the raw PGF {raw_within:+.3f} against {raw_between:+.3f}, p = {raw_p:.4f}. The families were written"
    )
    print("down in `tasks/toyworld/registry.py` before any of it was measured.")
    if len(analysis.control_columns):
        print("\n## Controls\n")
        print(controls_table(analysis))


if __name__ == "__main__":
    main()
