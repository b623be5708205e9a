"""Write the dated page of `tasktransfer realise` on the drawn world: what was recommended and what came of it.

    python docs/results/realise_page.py RUN_FOLDER > docs/results/PAGE.md

Every number is computed from the tables in RUN_FOLDER/realise; the figure is that of the folder, copied beside the
page by name. The planned families were fixed before any transfer was measured (docs/toyworld.md).
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

import tasktransfer as tt
from tasktransfer.report.labels import label_of
from tasktransfer.tasks.toyworld import FAMILIES

FAMILY_OF = {task: family for family, tasks in FAMILIES.items() for task in tasks}


def points(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:+.1f}"


def interval(row: pd.Series, name: str, *, pgf: bool = False) -> str:
    mean, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if np.isnan(mean):
        return "–"
    told = [f"{v:+.2f}" if pgf else points(v) for v in (mean, low, high)]
    return told[0] if np.isnan(low) else f"{told[0]} [{told[1]}, {told[2]}]"


def table(heads: str, rows: list[tuple[object, ...]]) -> str:
    """A table; heads are divided by ``;``."""
    told = heads.split("; ")
    lines = [told, ["---"] * len(told), *([str(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def methods_table(methods: pd.DataFrame) -> str:
    heads = "method; predicted PGF; realised PGF; gain; regret; over direct; surely better / worse; over random; "
    heads += "surely better / worse; other tasks; held / with error"
    rows = [
        (
            row.method,
            f"{row.predicted:+.2f}",
            f"{row.pgf:+.2f}",
            points(row.gain),
            f"{100 * row.regret:.1f}",
            points(row.over_direct),
            f"{row.better_than_direct} / {row.worse_than_direct}",
            points(row.over_random),
            f"{row.better_than_random} / {row.worse_than_random}",
            points(row.elsewhere),
            f"{row.held:.0%} / {row.held_with_error:.0%}",
        )
        for row in methods.itertuples()
    ]
    return table(heads, rows)


def parts_told(items: str) -> str:
    parts = [part.rsplit(" ", 1) for part in items.split("; ")]
    return ", ".join(f"{label_of(task)} {count}" for task, count in parts)


def target_table(rows_of: pd.DataFrame) -> str:
    heads = "method; trained on; predicted PGF; realised PGF; gain; over direct; over random; worst other task"
    rows = [
        (
            row["method"],
            parts_told(row["items"]),
            interval(row, "predicted", pgf=True),
            interval(row, "pgf", pgf=True),
            interval(row, "gain"),
            interval(row, "over_direct"),
            interval(row, "over_random"),
            f"{label_of(row['worst_task'])} {points(row['worst'])}",
        )
        for _, row in rows_of.iterrows()
    ]
    return table(heads, rows)


def family_table(chosen: pd.DataFrame, evidence: tt.Analysis, judged: pd.DataFrame) -> str:
    """For each target: where its relatives stand in the matrix that chose, and who trained on them."""
    matrix = evidence.matrix(evidence.models[0])
    heads = (
        "target; family, relatives among the sources; their PGF where it was chosen (rank among other sources); "
    )
    heads += "methods that gave them most items; best other finetune of the grid on the judging half"
    rows = []
    for target in chosen["target"].unique():
        column = matrix[target].drop(index=target).dropna().sort_values(ascending=False)
        relatives = [task for task in column.index if FAMILY_OF[task] == FAMILY_OF[target]]
        told = [f"{label_of(r)} {column[r]:+.2f} ({list(column.index).index(r) + 1})" for r in relatives]
        by_method = chosen[(chosen["target"] == target) & (chosen["method"] != "direct")]
        most = by_method[by_method["items"] == by_method.groupby("method")["items"].transform("max")]
        alone = most.groupby("method", sort=False)["source"].agg(list)
        by = [method for method, sources in alone.items() if set(sources) <= set(relatives)]
        there = judged[(judged["kind"] == "finetune") & (judged["target"] == target)]
        best = there[there["source"] != target].sort_values("pgf_pooled", ascending=False).iloc[0]
        rows.append(
            (
                f"{label_of(target)} {target}",
                f"{FAMILY_OF[target]}: {', '.join(map(label_of, relatives)) or 'none'}",
                ", ".join(told) or "–",
                ", ".join(by) or "none",
                f"{label_of(best['source'])} {best['pgf_pooled']:+.2f}",
            )
        )
    return table(heads, rows)


def main() -> None:
    root = Path(sys.argv[1])
    folder = root / "realise"
    study = json.loads((root / "study.json").read_text(encoding="utf-8"))["study"]
    trained = json.loads((folder / "trained" / "study.json").read_text(encoding="utf-8"))["study"]
    names = ("recommended", "realised", "elsewhere", "targets", "methods", "merge_agreement")
    tables = {name: pd.read_csv(folder / f"{name}.csv") for name in names}
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    realised, targets = tables["realised"], tables["targets"]
    evidence = tt.analyze(tt.read_accuracies(folder / "choosing"))
    judging = tt.read_accuracies(folder / "judging")
    judged = tt.transfers_table(tt.pgf_table(judging.table, tt.ceiling_table(judging.table)))
    items, optimisation = study["items"], study["optimisation"]
    budget = sum(next(iter(trained["mixtures"].values())).values())
    print(f"# Recommended and realised: study `{study['name']}` on the embedded model\n")
    n_seeds, n_mixtures, n_judge = len(trained["seeds"]), len(trained["mixtures"]), realised["n_items"].iloc[0]
    print(f"{date.today()}. {len(study['sources'])} sources and targets, {len(study['seeds'])} seeds in the grid,")
    print(f"{n_seeds} fresh seeds a mixture; {budget} items a mixture, {optimisation['steps']} steps of")
    print(f"{optimisation['batch']}; {n_mixtures} different mixtures for {len(targets)} targets. Of the")
    print(f"{items['target']} items a target {n_judge} judge, the others chose. A million-parameter")
    print("stand-in on drawn pictures: it shows what the tool measures, not what large models do.\n")
    print("![Gain of each method on each target](../images/toy_realise.png)\n")
    print("## As the report words it\n")
    for line in summary["findings"]:
        print(f"- {line}")
    print("\n## Methods, means over targets\n")
    print("Gains, regret and differences in accuracy points.\n")
    print(methods_table(tables["methods"]))
    print("\n## By target\n")
    for target, rows in realised.groupby("target", sort=False):
        of = targets[targets["target"] == target].iloc[0]
        print(
            f"**{label_of(target)} {target}**, baseline {of['baseline']:.1%}. Best trained: {of['best_methods']}"
        )
        print(f"({points(of['best_gain'])} points); regret@1 {100 * of['regret_at_1']:.1f}, regret@3")
        print(
            f"{100 * of['regret_at_3']:.1f}; rank correlation of predicted and realised {of['spearman']:.2f} over"
        )
        print(f"{of['n_mixtures']} mixtures.\n")
        print(target_table(rows) + "\n")
    print("## Planned families\n")
    print(family_table(tables["recommended"], evidence, judged))
    elsewhere = tables["elsewhere"].drop_duplicates(["mixture", "task"])
    held, held_with = elsewhere["held"].mean(), elsewhere["held_with_error"].mean()
    print("\n## Predicted intervals elsewhere\n")
    print(f"Over {len(elsewhere)} different pairs of mixture and other task the predicted interval holds the")
    print("realised PGF")
    print(f"in {held:.0%}, with the error of the realised value in {held_with:.0%}.")
    if len(tables["merge_agreement"]):
        print("\n## Merged against trained\n")
        rows = [
            (row["how"], row["n_mixtures"], row["n_pairs"], interval(row, "raw", pgf=True),
             interval(row, "within_target", pgf=True))
            for _, row in tables["merge_agreement"].iterrows()
        ]  # fmt: skip
        print(table("way; mixtures; pairs; rank correlation raw; within targets", rows))
    if summary["notes"]:
        print("\n## Questions without an answer\n")
        for note in summary["notes"]:
            print(f"- {note}")


if __name__ == "__main__":
    main()
