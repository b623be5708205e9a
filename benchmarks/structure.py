"""Do the intervals and probabilities of the structure hold? Whole simulated studies with known truth.

    python benchmarks/structure.py [REPLICATES] > benchmarks/structure.md

Each replicate draws 13 x 13 predictions of several seeds (`benchmarks/simulation.py` describes an answer) from a
true PGF matrix, analyzes them as `tasktransfer.analyze` does, and asks of the aggregates how far the value of the
formula and the debiased value lie from the truth, how often the interval holds it, what the level of pure noise
is, and of the probabilities of personas whether things said with probability p are true p of the time.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import date

import numpy as np
import pandas as pd
from scipy import special, stats

from tasktransfer.analysis.ceilings import ceiling_table
from tasktransfer.analysis.certainty import (
    aggregate_certainty,
    draw_matrices,
    noise_sum_of_squares,
    persona_probabilities,
)
from tasktransfer.analysis.decomposition import decompose
from tasktransfer.analysis.personas import PERSONAS, beyond_mean
from tasktransfer.analysis.pgf import matrix, pgf_table, transfers_table
from tasktransfer.analysis.resampling import resample
from tasktransfer.analysis.transferability import aggregate_transfer, without_self

N_TASKS, N_ITEMS = 13, 130
# name: SD of target, source and pair effects (PGF), share of pairs that are not zero
TRUTHS = {
    "no effect": (0.0, 0.0, 0.0, 0.0),
    "a tenth of the pairs": (0.0, 0.0, 0.3, 0.1),
    "pairs only": (0.0, 0.0, 0.15, 1.0),
    "targets": (0.25, 0.03, 0.03, 1.0),
    "all": (0.1, 0.05, 0.1, 1.0),
}
SEEDS = (1, 4)


def true_matrix(name: str, rng: np.random.Generator) -> np.ndarray:
    target_sd, source_sd, pair_sd, real = TRUTHS[name]
    pairs = np.where(rng.random((N_TASKS, N_TASKS)) < real, pair_sd * rng.standard_normal((N_TASKS, N_TASKS)), 0)
    target, source = target_sd * rng.standard_normal(N_TASKS), source_sd * rng.standard_normal(N_TASKS)
    return np.clip(target[None] + source[:, None] + pairs, -0.7, 0.9)


def draw_items(pgf: np.ndarray, n_seeds: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Item-level scores, and the true PGF where accuracies were cut."""
    baseline = rng.uniform(0.3, 0.8, N_TASKS)
    accuracy = np.clip(baseline + pgf * (1 - baseline), 0.02, 0.98)
    seed_sd = 0.15 if n_seeds > 1 else 0.0
    hard = np.sqrt(0.7) * rng.standard_normal((N_TASKS, N_ITEMS))
    names = [f"t{k:02}" for k in range(N_TASKS)]
    runs = [("base", "", "", baseline)]
    for s in range(n_seeds):
        run = special.expit(special.logit(accuracy) + seed_sd * rng.standard_normal(accuracy.shape))
        runs += [("finetune", names[i], str(s), run[i]) for i in range(N_TASKS)]
    scores = np.array(
        [
            hard + np.sqrt(0.3) * rng.standard_normal(hard.shape) < stats.norm.ppf(of_run)[:, None]
            for _, _, _, of_run in runs
        ]
    )
    r, t, k = (index.ravel() for index in np.indices(scores.shape))
    kind, source, seed = (np.array([run[position] for run in runs], dtype=object) for position in range(3))
    items = pd.DataFrame(
        {
            "model": "m",
            "kind": kind[r],
            "source": source[r],
            "seed": seed[r],
            "target": np.array(names, dtype=object)[t],
            "item": k,
            "score": scores.ravel().astype(float),
        }
    ).astype(dict.fromkeys(["model", "kind", "source", "seed", "target", "item"], "category"))
    return items, (accuracy - baseline) / (1 - baseline)


def one_study(name: str, n_seeds: int, replicate: int) -> dict[str, object]:
    rng = np.random.default_rng([replicate, n_seeds, *name.encode()])
    items, truth = draw_items(true_matrix(name, rng), n_seeds, rng)
    key = ["model", "kind", "source", "seed", "target"]
    table = items.groupby(key, observed=True, sort=False)["score"].agg(["mean", "sum", "count"]).reset_index()
    table = table.astype(dict.fromkeys(key, object)).rename(columns={"mean": "accuracy", "sum": "n_correct"})
    table = table.assign(n_items=table["count"].astype(float), pgf=np.nan, top_share=np.nan, n_choices=np.nan)
    pgf = pgf_table(table, ceiling_table(table))
    transfers = transfers_table(pgf, items=items)
    observed = matrix(transfers, "m")
    resampled = resample(transfers, pgf, items, seed=replicate)["m"]
    drawn = draw_matrices(observed, resampled, on="raw", include_self=False, seed=rng)
    assert drawn is not None
    true_frame = pd.DataFrame(truth, index=observed.index, columns=observed.columns)
    found = aggregate_certainty(aggregate_transfer(observed), drawn, confidence=0.95)
    true_aggregates = aggregate_transfer(true_frame)
    means = pd.concat([true_aggregates, true_aggregates.mean().to_frame("").T])
    found["truth"] = [
        means.loc[task, measure] for task, measure in zip(found["task"], found["measure"], strict=True)
    ]
    personas = persona_probabilities(drawn)
    earned = {p: beyond_mean(true_aggregates[c].to_numpy(), sign) for p, (c, sign) in PERSONAS.items()}
    split = decompose(observed).shares["sum_of_squares"]
    interaction = decompose(true_frame).shares.loc["interaction", "sum_of_squares"]
    assert np.isnan(np.diag(without_self(observed))).all()
    return {
        "aggregates": found.assign(study=name, seeds=n_seeds),
        "personas": pd.DataFrame(
            {"said": np.concatenate([personas[p] for p in PERSONAS]), "is": np.concatenate(list(earned.values()))}
        ),
        "split": (name, n_seeds, split["interaction"], noise_sum_of_squares(drawn), interaction),
    }


def report(studies: list[dict[str, object]], n_replicates: int) -> None:
    rows = pd.concat([study["aggregates"] for study in studies])
    rows["hit"] = (rows["low"] - 1e-9 <= rows["truth"]) & (rows["truth"] <= rows["high"] + 1e-9)
    rows["raw_bias"], rows["debiased_bias"] = rows["value"] - rows["truth"], rows["debiased"] - rows["truth"]
    print("# Simulation: aggregates, noise and personas\n")
    print(
        f"{date.today()}, `python benchmarks/structure.py {n_replicates}`: {n_replicates} studies a line, 13 x 13,"
    )
    print(f"{N_ITEMS} items a target, baselines 30 to 80 %. Means over tasks and over the signs.\n")
    print(
        "| truth | seeds | aggregate | truth | bias, formula | bias, debiased | RMSE, formula | RMSE, debiased | ",
        end="",
    )
    print("noise level | interval holds | for the mean over tasks |\n|" + "---|" * 11)
    rows["measure"] = rows["measure"].str.replace("_pos", "").str.replace("_neg", "")
    for column in ("truth", "raw_bias", "debiased_bias", "noise_level"):
        rows[column] *= np.where(rows["value"] < 0, -1, 1)
    for (name, n_seeds, measure), group in rows.groupby(["study", "seeds", "measure"], sort=False):
        single, mean = group[group["task"] != ""], group[group["task"] == ""]
        rmse = [np.sqrt((single[column] ** 2).mean()) for column in ("raw_bias", "debiased_bias")]
        values = [single["truth"].abs().mean(), single["raw_bias"].mean(), single["debiased_bias"].mean(), *rmse]
        values += [single["noise_level"].mean(), single["hit"].mean(), mean["hit"].mean()]
        print(f"| {name} | {n_seeds} | {measure} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    print("\nThe residual of the additive fit (sum of squares): observed, what errors alone would leave, true.\n")
    print("| truth | seeds | observed | noise | observed - noise | true |\n|---|---|---|---|---|---|")
    split = pd.DataFrame(
        [study["split"] for study in studies], columns=["study", "seeds", "seen", "noise", "true"]
    )
    for (name, n_seeds), group in split.groupby(["study", "seeds"], sort=False):
        seen, noise, true = group[["seen", "noise", "true"]].mean()
        print(f"| {name} | {n_seeds} | {seen:.2f} | {noise:.2f} | {seen - noise:.2f} | {true:.2f} |")
    personas = pd.concat([study["personas"] for study in studies])
    personas["bin"] = pd.cut(personas["said"], [-0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0])
    print("\nPersona labels: probability said, and how often it was true.\n\n| said | mean | true | labels |")
    print("|---|---|---|---|")
    for _, group in personas.groupby("bin", observed=True):
        low, high = group["said"].min(), group["said"].max()
        print(
            f"| {low:.2f} to {high:.2f} | {group['said'].mean():.2f} | {group['is'].mean():.2f} | {len(group)} |"
        )


def main() -> None:
    n_replicates = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    jobs = [(name, n_seeds, r) for name in TRUTHS for n_seeds in SEEDS for r in range(n_replicates)]
    with ProcessPoolExecutor(max_workers=2) as pool:
        report(list(pool.map(one_study, *zip(*jobs, strict=True), chunksize=5)), n_replicates)


if __name__ == "__main__":
    main()
