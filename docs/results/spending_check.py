"""Does `plan --next` keep its word? What a finished grid has is taken away, proposed, and put back.

    python docs/results/spending_check.py RUN_FOLDER

Seeds: two of the four of each source are kept, each two once, and a budget of cells is proposed, of which at most
two more of a source can be given. Items: one half of those of each target, several halves, and a budget of items
is proposed. Counted are the questions that were open and are not any more, and those that were not and are; beside
them what as many seeds or targets taken at random do. Where the best source of a target changes, a ranking's
questions are others: some are then counted on both sides.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import tasktransfer as tt
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.planning.measure_next import Proposal, open_questions, propose

CELLS, TARGETS, HALVES, DRAWS = (4, 8), (3, 6), 4, 4


class State(NamedTuple):
    """What is known at one time."""

    transfers: pd.DataFrame
    items: pd.DataFrame


class Grid:
    """A finished grid of one model, and parts of it."""

    def __init__(self, folder: Path) -> None:
        items = read_accuracies(folder).items
        assert items is not None
        items = items[items["kind"].isin(["base", "finetune"])]
        self.items = items.astype({name: str for name in items if name != "score"})
        finetuned = self.items[self.items["kind"] == "finetune"]
        self.sources, self.seeds = sorted(finetuned["source"].unique()), sorted(finetuned["seed"].unique())
        self.names = {
            target: np.array(sorted(rows["item"].unique())) for target, rows in self.items.groupby("target")
        }

    def part(self, seeds: dict[str, Sequence[str]], items: dict[str, Sequence[str]]) -> State:
        """With these seeds of each source and these items of each target."""
        runs = {("", "")} | {(source, seed) for source, own in seeds.items() for seed in own}
        pairs = {(target, item) for target, own in items.items() for item in own}
        kept = pd.MultiIndex.from_frame(self.items[["source", "seed"]]).isin(runs)
        kept &= pd.MultiIndex.from_frame(self.items[["target", "item"]]).isin(pairs)
        rows = self.items[kept]
        cells = rows.groupby(["model", "kind", "source", "seed", "target"], sort=False)["score"]
        table = cells.agg(n_items="count", accuracy="mean").reset_index()
        table = table.assign(n_correct=np.nan, pgf=np.nan).astype({"n_items": float})
        pgf = tt.pgf_table(table, tt.ceiling_table(table, "perfect"))
        transfers = tt.transfers_table(pgf, items=rows)
        return State(transfers[transfers["source"] != transfers["target"]], rows)


def change(before: State, after: State, decide: str) -> tuple[int, int]:
    """Questions open before and not after, and the other way round."""
    first, second = (set(open_questions(state.transfers, items=state.items, decide=decide)) for state in
                     (before, after))  # fmt: skip
    return len(first - second), len(second - first)


def of_seeds(grid: Grid, budget: int, decide: str) -> Iterator[tuple[Proposal, tuple[int, int], np.ndarray]]:
    """Proposal, what it did, and what seeds at random did."""
    random = np.random.default_rng(0)
    for first in combinations(grid.seeds, 2):
        others = [seed for seed in grid.seeds if seed not in first]

        def with_more(more: dict[str, int], first=first, others=others) -> State:
            seeds = {source: [*first, *others[: more.get(source, 0)]] for source in grid.sources}
            return grid.part(seeds, grid.names)

        before = with_more({})
        found = propose(before.transfers, budget=budget, sources=grid.sources, items=before.items, decide=decide)
        more = {source: min(count, len(others)) for source, count in found.more_seeds.items()}
        chance = []
        for _ in range(DRAWS):
            drawn = random.permutation(np.repeat(grid.sources, len(others)))[: sum(more.values())]
            names, counts = np.unique(drawn, return_counts=True)
            by_chance = {str(name): int(count) for name, count in zip(names, counts, strict=True)}
            chance.append(change(before, with_more(by_chance), decide))
        yield found, change(before, with_more(more), decide), np.mean(chance, axis=0)


def of_items(grid: Grid, n_targets: int, decide: str) -> Iterator[tuple[Proposal, tuple[int, int], np.ndarray]]:
    """The same of items: a budget that asks so many targets all they have."""
    asked = 1 + len(grid.sources) * len(grid.seeds)
    seeds = dict.fromkeys(grid.sources, grid.seeds)
    available = {target: len(names) for target, names in grid.names.items()}
    budget = n_targets * max(available.values()) * asked
    random = np.random.default_rng(0)
    for _ in range(HALVES):
        order = {target: random.permutation(names) for target, names in grid.names.items()}

        def with_more(more: dict[str, int], order=order) -> State:
            sizes = {target: more.get(target, count // 2) for target, count in available.items()}
            return grid.part(seeds, {target: names[: sizes[target]] for target, names in order.items()})

        before = with_more({})
        found = propose(
            before.transfers, budget=budget, unit="items", sources=grid.sources, models_asked=asked,
            available=available, items=before.items, decide=decide,
        )  # fmt: skip
        chance = []
        for _ in range(DRAWS):
            drawn = random.permutation(list(available))[:n_targets]
            chance.append(change(before, with_more({str(name): available[name] for name in drawn}), decide))
        yield found, change(before, with_more(found.more_items), decide), np.mean(chance, axis=0)


def main(folder: Path) -> None:
    grid = Grid(folder)
    print("| question | budget | open | expected | closed | opened | at random: closed | opened |")
    print("|---" * 8 + "|")
    ways: list[tuple[Callable[..., Iterator], tuple[int, ...], str]] = [
        (of_seeds, CELLS, "{} cells"),
        (of_items, TARGETS, "items of {} targets"),
    ]
    for decide in ("verdicts", "ranking"):
        for way, budgets, told in ways:
            for budget in budgets:
                found = list(way(grid, budget, decide))
                told_of = np.array([(proposal.undecided, proposal.expected) for proposal, _, _ in found])
                done = np.array([done for _, done, _ in found])
                chance = np.array([by_chance for _, _, by_chance in found])
                of_proposal = f"{done[:, 0].mean():.1f} ({done[:, 0].min()} to {done[:, 0].max()})"
                now, expected = told_of.mean(axis=0)
                by_chance, opened_by_chance = chance.mean(axis=0)
                print(
                    f"| {decide} | {told.format(budget)} | {now:.0f} | {expected:.1f} | "
                    f"{of_proposal} | {done[:, 1].mean():.1f} | {by_chance:.1f} | {opened_by_chance:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
