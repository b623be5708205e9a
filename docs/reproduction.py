"""Write docs/reproduction.md: the paper's claims against its own released tables.

    python docs/reproduction.py FOLDER_OF_RELEASED_TABLES > docs/reproduction.md

Every number and every verdict below is computed; nothing is typed in but the claims.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

import tasktransfer as tt
from tasktransfer.analysis.personas import PERSONAS
from tasktransfer.drawing.labels import label_of
from tasktransfer.tasks import PAPER_TASKS

SIZES = ("3B", "7B", "32B")
REPRODUCES, PARTLY, NOT = "reproduces", "partly", "does not reproduce"


class Claim(NamedTuple):
    number: int
    claim: str
    verdict: str
    convention: str
    evidence: str


class Published:
    """The default analysis, the one with the diagonal, and aggregates of every seed by itself."""

    def __init__(self, folder: Path) -> None:
        inputs = [f"{size}={next(folder.glob(f'*-{size}-instruct.csv'))}" for size in SIZES]
        self.table = tt.read_accuracies(*inputs).table
        self.excluded = tt.analyze(self.table)
        self.included = tt.analyze(self.table, tt.Settings(include_self=True))
        self.by_seed = pd.concat(
            [self._one_seed(seed) for seed in dict.fromkeys(self.table["seed"])], ignore_index=True
        )

    def _one_seed(self, seed: str) -> pd.DataFrame:
        return tt.analyze(self.table[self.table["seed"] == seed]).tasks.assign(seed=seed)

    def mean(self, measure: str, *, include_self: bool = False) -> list[float]:
        tasks = (self.included if include_self else self.excluded).tasks
        return [float(tasks.loc[tasks["model"] == size, measure].mean()) for size in SIZES]

    def persona(self, persona: str, *, include_self: bool = False) -> list[str]:
        analysis = self.included if include_self else self.excluded
        return [label_of(task) for task in analysis.summary["personas_in_every_model"][persona]]

    def p_beyond_mean(self, task: str, measure: str, sign: int) -> list[float]:
        """One-sided one-sample t over seeds: the task's aggregate against the model's grand mean."""
        values = []
        for size in SIZES:
            rows = self.by_seed[self.by_seed["model"] == size]
            own = rows.loc[rows["task"].map(label_of) == task, measure].to_numpy() * sign
            values.append(float(stats.ttest_1samp(own, rows[measure].mean() * sign, alternative="greater").pvalue))
        return values

    def groups(self, by: str, measure: str, *, include_self: bool) -> dict[str, dict[str, float]]:
        taxonomy = (self.included if include_self else self.excluded).taxonomy
        rows = taxonomy[taxonomy["by"] == by]
        return {size: dict(rows.loc[rows["model"] == size, ["group", measure]].to_numpy()) for size in SIZES}


def listed(values: list[float], form: str = ".4f") -> str:
    return " / ".join(format(value, form) for value in values)


def named(labels: list[str]) -> str:
    return ", ".join(labels) if labels else "none"


def persona_claim(
    study: Published, number: int, persona: str, measure: str, sign: int, expected: list[str], text: str
) -> Claim:
    found, with_self = study.persona(persona), study.persona(persona, include_self=True)
    p_values = "; ".join(f"{task} p = {listed(study.p_beyond_mean(task, measure, sign), '.3g')}" for task in found)
    verdict = REPRODUCES if sorted(found) == sorted(expected) else NOT
    convention = "diagonal excluded" + ("" if with_self == found else f"; included gives {named(with_self)}")
    return Claim(
        number, text, verdict, convention, f"{named(found)} in every model. {p_values} (one-sided, 4 seeds)"
    )


def clique_claim(study: Published, number: int, size: str, sign: str, expected: int, text: str) -> Claim:
    largest = study.excluded.summary["models"][size]["largest_clique"][sign]
    first = ", ".join(label_of(task) for task in largest["cliques"][0])
    verdict = REPRODUCES if largest["size"] == expected and len(largest["cliques"]) == 1 else NOT
    chance = largest["against_chance"]
    evidence = (
        f"one of size {largest['size']}: {first}; but cliques as large come by chance with p = "
        f"{chance['within_target']['p_value']:.2f} when sources are permuted within each target, and p = "
        f"{chance['additive']['p_value']:.2f} when the residuals of target + source are"
    )
    return Claim(number, text, verdict, "PGF > 0 (or < 0) both ways", evidence)


def small_cliques(study: Published) -> Claim:
    sizes, told = [], []
    for size in ("3B", "7B"):
        for sign, found in study.excluded.summary["models"][size]["largest_clique"].items():
            p_values = " and ".join(f"{chance['p_value']:.2f}" for chance in found["against_chance"].values())
            told.append(
                f"{size} {sign}: {len(found['cliques'])} of size {found['size']} (by chance: p = {p_values})"
            )
            sizes.append(found["size"])
    verdict = REPRODUCES if set(sizes) == {3, 4} else NOT
    return Claim(7, "Cliques of 3 to 4 at 3B and 7B", verdict, "as above", "; ".join(told))


def clique_significance() -> Claim:
    told, mechanical = [], True
    for size in (3, 4, 9):
        n_pairs = size * (size - 1)
        told.append(f"size {size}: p = 2^-{n_pairs} = {2.0**-n_pairs:.2g}")
        if n_pairs <= 50:  # beyond that the exact p-value is lost in double precision
            exact = stats.wilcoxon(np.arange(1, n_pairs + 1), alternative="greater", method="exact").pvalue
            mechanical &= bool(np.isclose(exact, 2.0**-n_pairs, atol=0))
    why = "a pooled Wilcoxon over pair means chosen to share a sign restates the size"
    verdict = "mechanical" if mechanical else NOT
    return Claim(8, "Clique significance grows with scale", verdict, why, "; ".join(told))


def grows(study: Published, number: int, measure: str, text: str) -> Claim:
    means, with_self = study.mean(measure), study.mean(measure, include_self=True)
    trend = study.excluded.scale
    p_values = trend.loc[trend["measure"] == measure, "p_value"].dropna().tolist()
    rising = means == sorted(means) and with_self == sorted(with_self)
    verdict = REPRODUCES if rising and max(p_values) < 0.05 else "order only" if rising else NOT
    evidence = (
        f"{listed(means)} (with the diagonal {listed(with_self)}); paired Wilcoxon over tasks, two-sided: "
        f"3B to 7B p = {p_values[0]:.2g}, 7B to 32B p = {p_values[1]:.2g}"
    )
    return Claim(number, text, verdict, "both", evidence)


def negative_trend(study: Published) -> Claim:
    means = study.mean("transferability_neg")
    signed = [study.excluded.summary["models"][size]["mean_pgf"] for size in SIZES]
    monotone = means in (sorted(means), sorted(means, reverse=True))
    verdict = REPRODUCES if not monotone and min(means) == means[1] and signed[1] < 0 else NOT
    evidence = f"Δ⁻ {listed(means)}; mean off-diagonal PGF {listed(signed, '+.3f')}"
    return Claim(11, "Negative transfer follows no trend, 7B is odd", verdict, "both", evidence)


def group_claim(
    study: Published, number: int, by: str, measure: str, holds: Callable[[dict[str, float]], bool], text: str
) -> Claim:
    told, verdicts = [], []
    for include_self in (False, True):
        groups = study.groups(by, measure, include_self=include_self)
        right = [size for size in SIZES if holds(groups[size])]
        verdicts.append(right)
        values = "; ".join(
            f"{size} " + " ".join(f"{group} {value:.4f}" for group, value in groups[size].items())
            for size in SIZES
        )
        told.append(f"{'included' if include_self else 'excluded'}: {values}")
    without, with_self = verdicts
    everywhere = [len(right) == len(SIZES) for right in verdicts]
    verdict = REPRODUCES if all(everywhere) else PARTLY if without or with_self else NOT
    convention = f"holds at {named(without)} without the diagonal, at {named(with_self)} with it"
    return Claim(number, text, verdict, convention, "<br>".join(told))


def highest(*names: str) -> Callable[[dict[str, float]], bool]:
    """Every named group stands above every other."""
    return lambda groups: min(groups[n] for n in names) > max(v for n, v in groups.items() if n not in names)


def teaser(study: Published) -> Claim:
    counts = study.excluded.summary["models"]["32B"]["edges"]
    verdict = REPRODUCES if (counts["positive"], counts["negative"]) == (23, 10) else NOT
    edges = study.excluded.edges
    helping = edges[(edges["model"] == "32B") & (edges["sign"] == "positive")]
    ends = ", ".join(f"{label_of(task)} ({n})" for task, n in helping["target"].value_counts().items())
    return Claim(
        16,
        "Teaser graph (32B): 23 positive and 10 negative edges",
        verdict,
        "top 20 % of each sign, rank floor(0.2 n), ties kept",
        f"{counts['positive']} + {counts['negative']} edges; the positive ones end in {ends}",
    )


def video_roles(study: Published) -> Claim:
    told, right = [], 0
    for persona, task in (("donor", "RR"), ("pirate", "FD")):
        sizes = [
            size
            for size in SIZES
            if task in map(label_of, study.excluded.summary["models"][size]["personas"][persona])
        ]
        right += len(sizes) == len(SIZES)
        told.append(f"{task} is {persona} on image tasks at {named(sizes)}")
    verdict = REPRODUCES if right == 2 else PARTLY
    return Claim(17, "Video: RR donor and FD pirate, as on images", verdict, "image data only", "; ".join(told))


def claims(study: Published) -> list[Claim]:
    level, grain = "level", "granularity"
    return [
        persona_claim(study, 1, "donor", "transferability_pos", 1, ["SC"], "Donor is SC at all sizes"),
        persona_claim(study, 2, "pirate", "transferability_neg", -1, ["FC"], "Pirate is FC"),
        persona_claim(study, 3, "sponge", "malleability_pos", 1, ["VS", "RD", "RR"], "Sponges are VS, RD, RR"),
        persona_claim(study, 4, "sieve", "malleability_neg", -1, ["FD"], "Sieve is FD (3B, 32B)"),
        clique_claim(study, 5, "32B", "positive", 9, "A positive clique of 9 at 32B"),
        clique_claim(study, 6, "32B", "negative", 4, "A negative clique of 4 at 32B"),
        small_cliques(study),
        clique_significance(),
        grows(study, 9, "transferability_pos", "Positive transferability grows with size"),
        grows(study, 10, "malleability_pos", "Positive malleability grows with size"),
        negative_trend(study),
        group_claim(study, 12, level, "transferability_pos", highest("low"), "Low-level tasks transfer best"),
        group_claim(study, 13, level, "malleability_pos", highest("low"), "Low-level tasks are most malleable"),
        group_claim(
            study,
            14,
            grain,
            "transferability_pos",
            highest("image", "pixel"),
            "Image and pixel transfer better than crop",
        ),
        group_claim(
            study,
            15,
            grain,
            "malleability_pos",
            highest("image", "pixel"),
            "Image and pixel are more malleable than crop",
        ),
        teaser(study),
        video_roles(study),
    ]


INTRODUCTION = """\
# What of the paper reproduces from its released tables

"Understanding Task Transfer in Vision-Language Models" (arXiv 2511.18787) released the PGF of every seed for
Qwen2.5-VL 3B, 7B and 32B, and no code. This page holds its claims to those numbers. It is written by a command
(`make reproduction PUBLISHED=FOLDER`); verdicts follow from the numbers beside them. Nothing was trained for it.

All {n_values:,} released values come back bit for bit from whole answer counts, with ceiling 1 and no epsilon, so
accuracies and baselines are known too.

How to read it. Tasks: {tasks}. Δ⁺ and Δ⁻ are transferability of either sign, “diagonal” is self-transfer.
*reproduces*: the numbers give what is claimed, under the convention named (“both”: with and without the diagonal);
*partly*: at some sizes or under one convention; *order only*: the means are in that order, but not every step is
beyond chance; *mechanical*: true of any data chosen that way. A verdict is on the claim as made; the p-values
beside it (of a persona: one-sided one-sample t over 4 seeds, the task's aggregate against the mean over tasks) may
not support it at every size.

| # | claim | verdict | convention | numbers |
|---|---|---|---|---|
"""

OUTSIDE = """\

Not checkable, because nothing was released for them: the video study, data selection (their Figure 8), the step
ablation, LoRA weight similarity, LLaVA.

## What explains it

"""


SURVIVES = """\

## What survives the errors

Items were not released, so their error is assumed: as if 15 % of the answers changed from baseline to finetune.
Probabilities are of what the errors leave open (`docs/outputs.md`); “undecided” is not “no effect”.

"""


def explanations(study: Published) -> str:
    shares = study.excluded.decomposition.set_index(["model", "component"])["share"]
    lines = [
        "The target alone explains "
        + ", ".join(f"{shares[size, 'target']:.1%} ({size})" for size in SIZES)
        + " of the off-diagonal variation, the source "
        + ", ".join(f"{shares[size, 'source']:.1%}" for size in SIZES)
        + ", their interaction "
        + ", ".join(f"{shares[size, 'interaction']:.1%}" for size in SIZES)
        + ". Pairwise claims (graph, cliques) rest on the interaction."
    ]
    findings = tt.find_findings(study.excluded)
    sections = ("certainty", "diagnostics", "ceilings")
    wanted = [f for f in findings if f.title.endswith("decided") or f.section in sections]
    lines += [f"{f.title}. {f.text} {f.explanation}" for f in wanted]
    for name in ("human", "best-observed"):
        held = study.excluded.summary["ceiling_sensitivity"][name]["personas_in_every_model"]
        kept = "; ".join(f"{persona} {named([label_of(t) for t in tasks])}" for persona, tasks in held.items())
        lines.append(f"Labels that hold in every model under the ceiling `{name}`: {kept}.")
    return "".join(f"- {line}\n" for line in lines)


def survivors(study: Published) -> str:
    """What of graph, cliques, personas and ranks stands against the errors."""
    analysis = study.excluded
    rows = ["| | " + " | ".join(SIZES) + " |", "|---|" + "---|" * len(SIZES)]
    off = analysis.transfers[analysis.transfers["source"] != analysis.transfers["target"]]

    def row(name: str, of_size: Callable[[str], str]) -> None:
        rows.append(f"| {name} | " + " | ".join(of_size(size) for size in SIZES) + " |")

    def verdicts(size: str) -> str:
        counts = off.loc[off["model"] == size, "verdict"].value_counts()
        return f"{counts.get('positive', 0)} up, {counts.get('negative', 0)} down, {counts['undecided']} undecided"

    def by_target(size: str) -> str:
        here = off[(off["model"] == size) & (off["q_by_target"] < 0.05)]
        return f"{len(here)} in {here['target'].nunique()} targets"

    def edges(size: str) -> str:
        here = analysis.edges[analysis.edges["model"] == size]
        return f"{(here['probability'] >= 0.95).sum()} of {len(here)}"

    def clique(size: str) -> str:
        largest = analysis.summary["models"][size]["largest_clique"]["positive"]
        p_values = [chance["p_value"] for chance in largest["against_chance"].values()]
        return f"{largest['size']}: {largest['probability']:.2f}; p {min(p_values):.2f}, {max(p_values):.2f}"

    def personas(size: str) -> str:
        tasks = analysis.tasks[analysis.tasks["model"] == size]
        sure = {p: tasks.loc[tasks[f"p_{p}"] >= 0.95, "task"] for p in PERSONAS}
        return "; ".join(f"{p} {named([label_of(t) for t in held])}" for p, held in sure.items() if len(held))

    def ranks(size: str) -> str:
        tasks = analysis.tasks[analysis.tasks["model"] == size].sort_values("rank")
        first = tasks.iloc[0]
        return f"{label_of(first['task'])}: {first['rank_low']:.0f} to {first['rank_high']:.0f}"

    row("transfers with a sign, of 156 (false discovery rate 5 %)", verdicts)
    row("the same in selected families, one a target", by_target)
    row("edges with a probability of .95 or more", edges)
    row("largest positive clique: probability; p against two nulls", clique)
    row("persona labels with a probability of .95 or more", personas)
    row("first donor: 95 % interval of its rank among 13", ranks)
    return SURVIVES + "\n".join(rows) + "\n"


def main() -> None:
    study = Published(Path(sys.argv[1]))
    n_values = int((study.table["kind"] == "finetune").sum())
    tasks = ", ".join(f"{task.abbreviation} {task.name.replace('_', ' ')}" for task in PAPER_TASKS)
    out = [INTRODUCTION.format(n_values=n_values, tasks=tasks)]
    out += [
        f"| {c.number} | {c.claim} | **{c.verdict}** | {c.convention} | {c.evidence} |\n" for c in claims(study)
    ]
    out += [OUTSIDE, explanations(study), survivors(study)]
    sys.stdout.write("".join(out))


if __name__ == "__main__":
    main()
