"""Self-transfer of every drawn task at the default finetune of a study, on many items.

    python docs/results/self_transfer.py FOLDER [ITEMS] > docs/results/PAGE.md

One study a task (the task is its only source and target, two seeds), so that no other cell is computed; all else
is a study's default. A study that is there is not run again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import tasktransfer as tt
from tasktransfer.study.file import check_study
from tasktransfer.tasks.toyworld import TOY_TASKS

STUDY = """
name: self-{task}
models: {{toy: toy}}
sources: [{task}]
seeds: [0, 1]
items: {{source: 256, target: {items}}}
"""


def row(task: str, folder: Path, items: int) -> str:
    """Chance, zero-shot, after the finetune, self-transfer with its interval."""
    tt.run_study(check_study(STUDY.format(task=task, items=items)), folder / task, quiet=True)
    [cell] = tt.analyze(tt.read_accuracies(folder / task)).transfers.query("kind == 'finetune'").itertuples()
    chance = TOY_TASKS[task].chance
    told = f"{cell.pgf:+.2f}" + ("" if np.isnan(cell.low) else f" [{cell.low:+.2f}, {cell.high:+.2f}]")
    shares = [f"{share:.1%}" if share else "" for share in (chance, cell.baseline, cell.accuracy)]
    return f"| {task} | {' | '.join(shares)} | {told} |"


def main() -> None:
    folder, items = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    print("| task | chance | zero-shot | finetuned | self-transfer PGF |\n|---|---|---|---|---|")
    for task in TOY_TASKS:
        print(row(task, folder, items), flush=True)


if __name__ == "__main__":
    main()
