"""Write the dated page of a study with variants: how far the matrix depends on what was varied.

    python docs/results/variants_page.py RUN_FOLDER REFERENCE > docs/results/PAGE.md

REFERENCE is the variant the others are held against. Its two seeds, held against each other, are the yardstick:
a variant that agrees with it no less differs by no more than a seed does.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

import tasktransfer as tt

DRAWS = 2000
AGREEMENT = ("mean_absolute_difference", "spearman_sources", "spearman_interaction", "sign_agreement")

LEVELS = """## What the finetunes of each variant do

Self-transfer is the mean over tasks (and the lowest); transferability is the mean over tasks of the sum over a
source's helped (harmed) targets: by the formula; without what noise adds, with its 95 % interval over items and
seeds. The last column counts cells off the diagonal.

| variant | own task after | self-transfer | lowest | PGF on others | transferability + | transferability - \
| cells helped / harmed / negligible |
|---|---|---|---|---|---|---|---|"""

AGREEMENTS = """\
Differences in PGF (variant less reference), with 95 % intervals over items drawn again under both (these seeds);
correlation across sources within each target; correlation of what target and source alone do not tell
(interaction); share of cells of the same sign. A seed alone is noisier than the two together, so the first row is
a lenient yardstick.

| | own task | others | mean absolute | sources within targets | interaction | same sign |
|---|---|---|---|---|---|---|"""


def analysis_of(predictions: pd.DataFrame, label: str, seed: int | None = None) -> tt.Analysis:
    """The analysis of one variant, or of one seed of it, under the name ``toy``."""
    own = predictions[predictions["model"] == label].assign(model="toy")
    if seed is not None:
        own = own[(own["kind"] == "base") | (own["seed"].astype(str) == str(seed))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.parquet"
        own.to_parquet(path)
        return tt.analyze(tt.read_accuracies(path))


def measured(analysis: tt.Analysis, measure: str) -> str:
    """A mean over tasks by the formula; without noise, with its interval."""
    found = analysis.aggregates
    row = found[(found["task"] == "") & (found["measure"] == measure)].iloc[0]
    return f"{row['value']:+.3f}; {row['debiased']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"


def level_row(name: str, analysis: tt.Analysis) -> str:
    """What the finetunes of a variant do, on themselves and on each other."""
    cells = analysis.transfers[analysis.transfers["kind"] == "finetune"]
    own = cells["source"] == cells["target"]
    off = cells[~own]
    counts = [str(int((off["verdict"] == verdict).sum())) for verdict in ("positive", "negative", "negligible")]
    told = [
        name,
        f"{cells['accuracy'][own].mean():.1%}",
        f"{cells['pgf'][own].mean():+.2f}",
        f"{cells['pgf'][own].min():+.2f}",
        f"{off['pgf'].mean():+.3f}",
        measured(analysis, "transferability_pos"),
        measured(analysis, "transferability_neg"),
        f"{' / '.join(counts)} of {len(off)}",
    ]
    return f"| {' | '.join(told)} |"


def scores_of(predictions: pd.DataFrame, label: str, tasks: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Right answers: (targets, items) of the untouched model, (sources, seeds, targets, items) of finetunes."""
    own = predictions[(predictions["model"] == label) & predictions["target"].isin(tasks)]
    base = own[own["kind"] == "base"].pivot(index="target", columns="item", values="correct")
    tuned = own[own["kind"] == "finetune"].pivot(
        index=["source", "seed", "target"], columns="item", values="correct"
    )
    seeds = tuned.index.get_level_values("seed").unique()
    rows = {task: base.columns[base.loc[task].notna()] for task in tasks}
    before = np.array([base.loc[task, rows[task]] for task in tasks], dtype=float)
    after = [[[tuned.loc[(source, seed, t), rows[t]] for t in tasks] for seed in seeds] for source in tasks]
    return before, np.array(after, dtype=float)


def drawn_differences(base: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[str, str]:
    """Differences of the mean PGF (b less a) on the own task and on others, with 95 % intervals over items."""
    random = np.random.default_rng(0)
    n_tasks, n_items = base.shape
    own = np.eye(n_tasks, dtype=bool)
    drawn = []
    for k in range(DRAWS + 1):
        pick = random.integers(n_items, size=base.shape) if k else np.tile(np.arange(n_items), (n_tasks, 1))
        zero_shot = np.take_along_axis(base, pick, 1).mean(1)
        gap = np.maximum(1 - zero_shot, 1 / n_items)
        change = np.take_along_axis(b.mean(1) - a.mean(1), pick[None], 2).mean(2) / gap
        drawn.append((change[own].mean(), change[~own].mean()))
    (own_seen, other_seen), rest = drawn[0], np.array(drawn[1:])
    (own_low, other_low), (own_high, other_high) = np.quantile(rest, [0.025, 0.975], axis=0)
    return (
        f"{own_seen:+.2f} [{own_low:+.2f}, {own_high:+.2f}]",
        f"{other_seen:+.3f} [{other_low:+.3f}, {other_high:+.3f}]",
    )


def agreement_row(name: str, a: tt.Analysis, b: tt.Analysis, differences: tuple[str, str]) -> str:
    row = tt.compare(a, b).agreement.iloc[0]
    told = " | ".join(f"{row[column]:.2f}" for column in AGREEMENT)
    return f"| {name} | {' | '.join(differences)} | {told} |"


def main() -> None:
    folder, reference = Path(sys.argv[1]), sys.argv[2]
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))["study"]
    predictions = pd.read_parquet(folder / "predictions.parquet")
    [model] = study["models"]
    whole = {name: analysis_of(predictions, f"{model} / {name}") for name in study["variants"]}
    seeds = [analysis_of(predictions, f"{model} / {reference}", seed) for seed in study["seeds"][:2]]
    base = predictions[(predictions["kind"] == "base") & (predictions["model"] == f"{model} / {reference}")]
    zero_shot = base.groupby("target", sort=False)["correct"].mean()
    print(f"# Study `{study['name']}` on the embedded model\n")
    print(f"{date.today()}. {len(study['sources'])} sources and targets, {len(study['seeds'])} seeds,")
    print(
        f"{len(whole)} variants; {study['items']['source']} items a source, {study['items']['target']} a target."
    )
    print("A million-parameter stand-in on drawn pictures.\n")
    told = ", ".join(f"{task.removeprefix('toy_')} {share:.0%}" for task, share in zero_shot.items())
    print(f"Zero-shot (shared by all variants): {told}; mean {zero_shot.mean():.1%}.\n")
    print(LEVELS)
    for name, analysis in whole.items():
        print(level_row(name, analysis))
    print(f"\n## Against `{reference}`\n")
    print(AGREEMENTS)
    tasks = study["sources"]
    before, first = scores_of(predictions, f"{model} / {reference}", tasks)
    told = f"seed {study['seeds'][1]} against seed {study['seeds'][0]} of `{reference}`"
    print(agreement_row(told, *seeds, drawn_differences(before, first[:, :1], first[:, 1:2])))
    for name, analysis in whole.items():
        if name != reference:
            second = scores_of(predictions, f"{model} / {name}", tasks)[1]
            print(agreement_row(f"`{name}`", whole[reference], analysis, drawn_differences(before, first, second)))


if __name__ == "__main__":
    main()
