"""Write the dated page of `studies/toy-choices-and-open.yaml`: is transfer the same when the same items are asked
as choices and openly?

    tasktransfer run studies/toy-choices-and-open.yaml --out DIR
    python docs/results/choices_and_open.py DIR > docs/results/DATE-choices-and-open.md

Every number is computed from the run.
"""

from __future__ import annotations

import json
import sys
import textwrap
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

import tasktransfer as tt
from tasktransfer.drawing.labels import label_of
from tasktransfer.tasks.open_form import OPEN_SUFFIX, closed_name

DRAWS = 9999


def cells_of(analysis: tt.Analysis) -> pd.DataFrame:
    """Finetunes with the task and form of their source and target."""
    cells = analysis.transfers[analysis.transfers["kind"] == "finetune"].copy()
    for column in ("source", "target"):
        cells[f"{column}_task"] = cells[column].map(closed_name)
        cells[f"{column}_form"] = np.where(cells[column].str.endswith(OPEN_SUFFIX), "open", "choices")
    return cells


def gain(cell: pd.Series) -> str:
    """A gain in points with the 90 % interval behind the verdict `negligible`."""
    return f"{100 * cell['gain']:+.1f} [{100 * cell['gain_low']:+.1f}, {100 * cell['gain_high']:+.1f}]"


def own_table(cells: pd.DataFrame) -> str:
    """Each task trained in one form and asked in the other."""
    lines = [
        "| task | trained | asked as choices: baseline | gain | asked openly: baseline | gain |",
        "|---|---|---|---|---|---|",
    ]
    for task in dict.fromkeys(cells["target_task"]):
        of_task = cells[(cells["source_task"] == task) & (cells["target_task"] == task)]
        for form in ("choices", "open"):
            by_form = of_task[of_task["source_form"] == form].set_index("target_form")
            told = [
                f"{by_form.loc[asked, 'baseline']:.1%} | {gain(by_form.loc[asked])}"
                for asked in ("choices", "open")
            ]
            lines.append(f"| {task} | {form} | {' | '.join(told)} |")
    return "\n".join(lines)


def pairs_of(cells: pd.DataFrame) -> pd.DataFrame:
    """One row a source and target task, its transfer in both forms; sources of the task itself are left out."""
    others = cells[cells["source_task"] != cells["target_task"]]
    keep = ["pgf", "gain", "verdict", "gain_low", "gain_high"]
    return others.pivot_table(index=["source", "target_task"], columns="target_form", values=keep, aggfunc="first")


def spearman_within(x: pd.Series, y: pd.Series) -> tuple[float, float, list[str]]:
    """Mean over target tasks of the rank correlation over sources; p by permuting sources within each target.

    Targets that do not change at all in one form have none and are told.
    """
    groups = {task: (x.xs(task, level=1), y.xs(task, level=1)) for task in x.index.unique(level=1)}
    constant = [task for task, (a, b) in groups.items() if np.ptp(a) < 1e-9 or np.ptp(b) < 1e-9]
    ranks = [(stats.rankdata(a), stats.rankdata(b)) for task, (a, b) in groups.items() if task not in constant]
    random = np.random.default_rng(0)

    def mean(shuffled: bool) -> float:
        return float(np.mean([np.corrcoef(random.permutation(a) if shuffled else a, b)[0, 1] for a, b in ranks]))

    if not ranks:
        return np.nan, np.nan, constant
    seen = mean(shuffled=False)
    as_large = sum(abs(mean(shuffled=True)) >= abs(seen) - 1e-12 for _ in range(DRAWS))
    return seen, (1 + as_large) / (1 + DRAWS), constant


def in_letters(pairs: pd.DataFrame) -> np.ndarray:
    """Whether a source teaches option letters."""
    return np.array([not (s.endswith(OPEN_SUFFIX) or s == "toy_video_counting") for s, _ in pairs.index])


def agreement_table(pairs: pd.DataFrame) -> str:
    lines = ["| | cells | rank correlation, all cells | within targets | p | mean by choices | mean openly |"]
    lines.append("|---|---|---|---|---|---|---|")
    told = {"all sources": pairs, "sources that answer in letters": pairs[in_letters(pairs)]}
    for target in pairs.index.unique(level=1):
        told[f"target {target}"] = pairs.xs(target, level=1, drop_level=False)
    left_out: dict[str, None] = {}
    for name, rows in told.items():
        for value in ("pgf", "gain") if not name.startswith("target") else ("gain",):
            x, y = (rows[value][form].astype(float) for form in ("choices", "open"))
            within, p_value, constant = spearman_within(x, y)
            left_out |= dict.fromkeys(constant)
            over_all = np.nan if np.ptp(x) < 1e-9 or np.ptp(y) < 1e-9 else stats.spearmanr(x, y).statistic
            lines.append(
                f"| {name}, {value} | {len(rows)} | {number(over_all)} | {number(within)} | "
                f"{number(p_value, '.4f')} | {x.mean():+.3f} | {y.mean():+.3f} |"
            )
    if left_out:
        lines.append(
            f"\nWithout a correlation, since no source changes it at all in one form: {', '.join(left_out)}."
        )
    return "\n".join(lines)


def number(value: float, form: str = "+.2f") -> str:
    return "–" if np.isnan(value) else f"{value:{form}}"


def in_short(cells: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """The answers to the page's questions, as counts."""
    tasks = list(dict.fromkeys(cells["target_task"]))
    own = cells[cells["source_task"] == cells["target_task"]].set_index(["source_form", "target_form"])
    shown = {key: int((rows["gain_low"] > 0).sum()) for key, rows in own.groupby(level=[0, 1])}
    x, y = (pairs["gain"][form].astype(float) for form in ("choices", "open"))
    within, p_value, constant = spearman_within(x, y)
    decided = {form: pairs["verdict"][form].isin(["positive", "negative"]) for form in ("choices", "open")}
    both = decided["choices"] & decided["open"]
    same = both & (pairs["verdict"]["choices"] == pairs["verdict"]["open"])
    told = [
        f"Of {len(tasks)} tasks trained and asked in the same form, {shown['choices', 'choices']} rise as choices "
        f"and {shown['open', 'open']} openly (90 % interval above 0). Trained as choices and asked openly "
        f"{shown['choices', 'open']} rise; trained openly and asked as choices {shown['open', 'choices']}.",
        f"Over sources of other tasks the gains in the two forms have a rank correlation within targets of "
        f"{number(within)} (p = {number(p_value, '.3f')}, {len(tasks) - len(constant)} targets).",
        f"{int(decided['choices'].sum())} of {len(pairs)} cells are decided by choices, "
        f"{int(decided['open'].sum())} openly, {int(both.sum())} in both; of these {int(same.sum())} in the same "
        f"direction.",
    ]
    return "\n".join(textwrap.fill(line, 115, initial_indent="- ", subsequent_indent="  ") for line in told)


def verdict_table(pairs: pd.DataFrame) -> str:
    counts = pd.crosstab(pairs["verdict"]["choices"], pairs["verdict"]["open"])
    lines = [
        f"| by choices, down; openly, across | {' | '.join(counts.columns)} |",
        "|---" * (1 + counts.shape[1]) + "|",
    ]
    return "\n".join(
        [
            *lines,
            *(
                f"| {name} | {' | '.join(map(str, row))} |"
                for name, row in zip(counts.index, counts.to_numpy(), strict=True)
            ),
        ]
    )


def form_table(predictions: pd.DataFrame) -> str:
    """What is written to open questions: words of the task, option letters, or else."""
    openly = predictions[predictions["target"].str.endswith(OPEN_SUFFIX)].copy()
    told = openly["reply"].str.strip()
    words = openly.groupby("target")["answer"].unique()
    openly["letter"] = told.str.fullmatch(r"\(?[A-D]\)?")
    openly["word"] = [reply in words[target] for reply, target in zip(told, openly["target"], strict=True)]
    openly["trained"] = [
        "untouched" if not source
        else "the task itself, openly" if source == target
        else "the task itself, as choices" if source == closed_name(target)
        else "another task, openly" if source.endswith(OPEN_SUFFIX) or source == "toy_video_counting"
        else "another task, in letters"
        for source, target in zip(openly["source"], openly["target"], strict=True)
    ]  # fmt: skip
    often = openly.groupby(["trained", "target"])["reply"].agg(
        lambda replies: ", ".join(f"{text!r}" for text in replies.value_counts().index[:3])
    )
    shares = openly.groupby(["trained", "target"])[["word", "letter", "score"]].mean().reset_index()
    lines = [
        "| trained on | target | words of the task | option letters | right | most often |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.trained} | {r.target} | {r.word:.0%} | {r.letter:.0%} | {r.score:.1%} | "
        f"{often[r.trained, r.target]} |"
        for r in shares.itertuples()
    ]
    return "\n".join(lines)


def scorer_table(predictions: pd.DataFrame) -> str:
    """Choices by likelihood against choices that are written."""
    closed = predictions[~predictions["target"].str.endswith(OPEN_SUFFIX)]
    means = closed.groupby(["target", "source", "scorer"])["score"].mean().unstack()
    lines = [
        "| target | untouched: likelihood | written | rank correlation over sources | largest difference |",
        "|---|---|---|---|---|",
    ]
    for target, rows in means.groupby(level=0):
        base, rest = rows.loc[(target, "")], rows.drop(index=(target, ""))
        same = np.allclose(rest["likelihood"], rest["generation"])
        rho = 1.0 if same else stats.spearmanr(rest["likelihood"], rest["generation"]).statistic
        apart = (rest["likelihood"] - rest["generation"]).abs().max()
        lines.append(
            f"| {target} "
            f"| {base['likelihood']:.1%} | {base['generation']:.1%} | {rho:+.2f} | {100 * apart:.1f} points |"
        )
    return "\n".join(lines)


def every_cell(pairs: pd.DataFrame) -> str:
    lines = [
        "| source | target | gain by choices | gain openly | PGF by choices | openly |",
        "|---|---|---|---|---|---|",
    ]
    for (source, task), row in pairs.iterrows():
        both = [gain(row.xs(form, level=1)) for form in ("choices", "open")]
        pgf = [f"{row['pgf'][form]:+.2f}" for form in ("choices", "open")]
        lines.append(f"| {label_of(source)} | {label_of(task)} | {' | '.join(both)} | {' | '.join(pgf)} |")
    return "\n".join(lines)


def paragraph(text: str) -> str:
    return textwrap.fill(text, 115, break_on_hyphens=False) + "\n"


def main() -> None:
    folder = Path(sys.argv[1])
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))["study"]
    predictions = pd.read_parquet(folder / "predictions.parquet")
    cells = cells_of(tt.analyze(tt.read_accuracies(folder)))
    pairs = pairs_of(cells)
    items, tasks = study["items"], len(pairs.index.unique(level=1))
    print("# The same items asked as choices and openly, on the embedded model\n")
    print(
        paragraph(
            f"{date.today()}. Study `{study['name']}`: {len(study['sources'])} sources, {tasks} target tasks in "
            f"both forms, {len(study['seeds'])} seeds, {items['source']} items a source, {items['target']} a "
            "target. Asked as choices, the likeliest option letter counts; asked openly, the options are gone and "
            "what is written is scored (`number` for counts, `text` for words). A million-parameter stand-in on "
            "drawn pictures: it shows that the measurement works, not what large models do. Which of these "
            "questions it met without options in its pretraining is seen from the probes in `tasks/toyworld/`. By "
            "`docs/results/choices_and_open.py`, from `tasktransfer run studies/toy-choices-and-open.yaml`."
        )
    )
    print(in_short(cells, pairs))
    print("\n## Does what is learned in one form show in the other?\n")
    print("Gains in points of accuracy over the seeds, with their 90 % intervals.\n")
    print(own_table(cells))
    print("\n## Does transfer from other tasks agree between the forms?\n")
    print(
        paragraph(
            "A cell is a source and a target task; sources of the target's own task, in either form, are left "
            "out. The p-value is of the correlation within targets: sources permuted within each, "
            f"{DRAWS:,} times."
        )
    )
    print(agreement_table(pairs))
    print("\nVerdicts of the same cells:\n")
    print(verdict_table(pairs))
    print("\n## What is written to an open question?\n")
    print(form_table(predictions))
    print("\n## Choices by likelihood against choices that are written\n")
    print(scorer_table(predictions))
    print("\n## Every cell\n")
    print(every_cell(pairs))


if __name__ == "__main__":
    main()
