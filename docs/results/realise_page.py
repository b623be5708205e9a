"""Write the dated page of `tasktransfer realise` on the drawn world: what was recommended and what came of it.

    python docs/results/realise_page.py RUN_FOLDER [NOTES.md] > docs/results/PAGE.md

Every number is computed from the tables in RUN_FOLDER/realise; the figure is that of the folder, copied beside the
page by name. What somebody concludes from them stands in NOTES.md, which is put below the figure as it is; without
it the page holds no conclusion. The planned families were fixed before any transfer was measured
(docs/toyworld.md).
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

FAMILY_OF = {task: family for family, tasks in FAMILIES.items() for task in tasks}


def points(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:+.1f}"


def pgf(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:+.2f}"


def share(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.0%}"


def interval(row: pd.Series, name: str, *, as_pgf: bool = False) -> str:
    mean, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if np.isnan(mean):
        return "–"
    told = [f"{v:+.2f}" if as_pgf else points(v) for v in (mean, low, high)]
    return told[0] if np.isnan(low) else f"{told[0]} [{told[1]}, {told[2]}]"


def table(heads: str, rows: list[tuple[object, ...]]) -> str:
    """A table; heads are divided by ``;``."""
    told = heads.split("; ")
    lines = [told, ["---"] * len(told), *([str(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def methods_table(methods: pd.DataFrame) -> str:
    heads = "method; predicted PGF; realised PGF; gain; regret; over direct; surely better / worse; over random; "
    heads += "surely better / worse; over uniform; surely better / worse; other tasks; own sources; "
    protects = methods["protected"].notna().any()
    heads += ("protected; not protected; " if protects else "") + "held / with error"
    rows = [
        (
            row.method,
            pgf(row.predicted),
            pgf(row.pgf),
            points(row.gain),
            f"{100 * row.regret:.1f}",
            points(row.over_direct),
            f"{row.better_than_direct} / {row.worse_than_direct}",
            points(row.over_random),
            f"{row.better_than_random} / {row.worse_than_random}",
            points(row.over_uniform),
            f"{row.better_than_uniform} / {row.worse_than_uniform}",
            points(row.elsewhere),
            points(row.on_sources),
            *((points(row.protected), points(row.unprotected)) if protects else ()),
            f"{share(row.held)} / {share(row.held_with_error)}",
        )
        for row in methods.itertuples()
    ]
    return table(heads, rows)


def parts_told(items: str) -> str:
    parts = [part.rsplit(" ", 1) for part in items.split("; ")]
    return ", ".join(f"{label_of(task)} {count}" for task, count in parts)


def target_table(rows_of: pd.DataFrame) -> str:
    heads = "method; trained on; predicted PGF; realised PGF; gain; over direct; over random; over uniform; "
    heads += "worst other task; own sources"
    rows = [
        (
            row["method"],
            parts_told(row["items"]),
            interval(row, "predicted", as_pgf=True),
            interval(row, "pgf", as_pgf=True),
            interval(row, "gain"),
            interval(row, "over_direct"),
            interval(row, "over_random"),
            interval(row, "over_uniform"),
            f"{label_of(row['worst_task'])} {points(row['worst'])}" if row["n_elsewhere"] else "–",
            interval(row, "on_sources"),
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
        column = matrix[target].drop(index=target, errors="ignore").dropna().sort_values(ascending=False)
        relatives = [task for task in column.index if FAMILY_OF[task] == FAMILY_OF[target]]
        told = [f"{label_of(r)} {column[r]:+.2f} ({list(column.index).index(r) + 1})" for r in relatives]
        by_method = chosen[(chosen["target"] == target) & (chosen["method"] != "direct")]
        most = by_method[by_method["items"] == by_method.groupby("method")["items"].transform("max")]
        alone = most.groupby("method", sort=False)["source"].agg(list)
        by = [method for method, sources in alone.items() if set(sources) <= set(relatives)]
        there = judged[(judged["kind"] == "finetune") & (judged["target"] == target)]
        best = there[there["source"] != target].nlargest(1, "pgf_pooled")
        rows.append(
            (
                f"{label_of(target)} {target}",
                f"{FAMILY_OF[target]}: {', '.join(map(label_of, relatives)) or 'none'}",
                ", ".join(told) or "–",
                ", ".join(by) or "none",
                f"{label_of(best['source'].iloc[0])} {best['pgf_pooled'].iloc[0]:+.2f}" if len(best) else "–",
            )
        )
    return table(heads, rows)


def regret_rows(targets: pd.DataFrame) -> str:
    """Choosing by the prediction: among all mixtures, and among those without the target's own data."""
    heads = "target; mixtures; best trained; gain; regret@1; regret@3; rank correlation of predicted and realised"
    rows = []
    for _, row in targets.iterrows():
        for end, which in (("", ""), ("_other", ", other data")):
            rows.append(
                (
                    f"{label_of(row['target'])}{which}",
                    row[f"n_mixtures{end}"],
                    row[f"best_methods{end}"] if row[f"n_mixtures{end}"] else "–",
                    points(row[f"best_gain{end}"]),
                    points(row[f"regret_at_1{end}"]).lstrip("+"),
                    points(row[f"regret_at_3{end}"]).lstrip("+"),
                    pgf(row[f"spearman{end}"]),
                )
            )
    return table(heads, rows)


def held_among(rows: pd.DataFrame) -> str:
    """How often predicted intervals hold, of the pairs where there is a PGF and a prediction."""
    told = [share(rows[name].astype("boolean").astype(float).mean()) for name in ("held", "held_with_error")]
    return f"{rows['held'].notna().sum()} of {len(rows)} | {told[0]} | {told[1]}"


def main() -> None:
    root = Path(sys.argv[1])
    notes = Path(sys.argv[2]).read_text(encoding="utf-8").strip() if len(sys.argv) > 2 else ""
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
    print(f"{items['target']} items a target {n_judge} judge, the others chose. Intervals are of")
    print(f"{100 * summary['confidence']:g} %. A million-parameter stand-in on drawn pictures: it shows what the")
    print("tool measures, not what large models do.\n")
    print("![Gain of each method on each target](../images/toy_realise.png)\n")
    if notes:
        print(f"{notes}\n")
    print("## As the report words it\n")
    for line in summary["findings"]:
        print(f"- {line}")
    print("\n## Methods, means over targets\n")
    print("Gains, regret and differences in accuracy points.\n")
    print(methods_table(tables["methods"]))
    print("\n## By target\n")
    for target, rows in realised.groupby("target", sort=False):
        of = targets[targets["target"] == target].iloc[0]
        print(f"**{label_of(target)} {target}**, baseline {of['baseline']:.1%}.\n")
        print(target_table(rows) + "\n")
    print("## Choosing by the prediction\n")
    print(
        "Regret in accuracy points against the best of the mixtures named, a maximum of noisy values: somewhat too"
    )
    print("large. Not given where there are no more mixtures than are tried.\n")
    print(regret_rows(targets) + "\n")
    print("## Planned families\n")
    print(family_table(tables["recommended"], evidence, judged))
    elsewhere = tables["elsewhere"].drop_duplicates(["mixture", "task"])
    apart = ~elsewhere["trained_on"].astype(bool)
    print("\n## Predicted intervals\n")
    print("Different pairs of mixture and task; those without a PGF or a prediction are in no share.\n")
    print("| task | pairs | held | with the error of the realised value |\n| --- | --- | --- | --- |")
    print(f"| the target | {held_among(realised.drop_duplicates(['target', 'mixture']))} |")
    print(f"| in the mixture | {held_among(elsewhere[~apart])} |")
    print(f"| neither | {held_among(elsewhere[apart])} |")
    if len(tables["merge_agreement"]):
        print("\n## Merged against trained\n")
        rows = [
            (row["how"], row["n_mixtures"], row["n_pairs"], interval(row, "raw", as_pgf=True),
             interval(row, "within_target", as_pgf=True))
            for _, row in tables["merge_agreement"].iterrows()
        ]  # fmt: skip
        print(table("way; mixtures; pairs; rank correlation raw; within targets", rows))
    if summary["notes"]:
        print("\n## Questions without an answer\n")
        for note in summary["notes"]:
            print(f"- {note}")


if __name__ == "__main__":
    main()
