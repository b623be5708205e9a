"""Does `plan --next` keep its word? Seeds of a finished grid are taken away, proposed, and put back.

    python docs/results/spending_check.py RUN_FOLDER

Two seeds of each source are kept; a budget of cells is proposed from them, at most two more a source; what is then
decided is counted, and beside it what as many seeds given to sources at random decide.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import tasktransfer as tt
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.selection.spending import propose
from tasktransfer.tables import Accuracies

BUDGETS, DRAWS = (4, 8), 10


def with_seeds(whole: Accuracies, seeds: dict[str, list[str]]) -> pd.DataFrame:
    """Verdicts of the finetunes between tasks, with these seeds of each source."""

    def kept(rows: pd.DataFrame) -> pd.DataFrame:
        wanted = pd.MultiIndex.from_tuples([(source, seed) for source, own in seeds.items() for seed in own])
        pairs = pd.MultiIndex.from_arrays([rows["source"].astype(str), rows["seed"].astype(str)])
        return rows[(rows["kind"] == "base").to_numpy() | pairs.isin(wanted)]

    pgf = tt.pgf_table(kept(whole.table), tt.ceiling_table(whole.table, "perfect"))
    transfers = tt.transfers_table(pgf, items=kept(whole.items))
    return transfers[transfers["source"] != transfers["target"]]


def main(folder: Path) -> None:
    whole = read_accuracies(folder)
    rows = whole.table[whole.table["kind"] == "finetune"]
    sources, seeds = sorted(rows["source"].unique()), sorted(rows["seed"].unique())
    first, others = seeds[:2], seeds[2:]
    before = with_seeds(whole, dict.fromkeys(sources, first))
    random = np.random.default_rng(0)

    def decided(more: dict[str, int]) -> int:
        after = with_seeds(whole, {source: [*first, *others[: more.get(source, 0)]] for source in sources})
        both = before.merge(after, on=["source", "target"], suffixes=("", "_after"))
        return int(((both["verdict"] == "undecided") & (both["verdict_after"] != "undecided")).sum())

    print("| budget | open with two seeds | expected | decided | decided by random seeds |\n|---|---|---|---|---|")
    for budget in BUDGETS:
        proposal = propose(before, budget=budget, sources=sources)
        more = {source: min(count, len(others)) for source, count in proposal.more_seeds.items()}
        by_chance = []
        for _ in range(DRAWS):
            drawn = random.permutation(np.repeat(sources, len(others)))[: sum(more.values())]
            by_chance.append(
                decided(
                    {
                        str(name): int(count)
                        for name, count in zip(*np.unique(drawn, return_counts=True), strict=True)
                    }
                )
            )
        print(
            f"| {sum(more.values())} | {proposal.undecided} | {proposal.expected:.1f} | {decided(more)} "
            f"| {np.mean(by_chance):.1f} ({min(by_chance)} to {max(by_chance)}) |"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
