"""Visual similarity from NIGHTS.

============ ==================================================================================================
source       NIGHTS, the human judgements released with DreamSim; training split
licence      MIT for the release; the pictures are made by a diffusion model
layout       ``data.csv`` with the columns ref_path, left_path, right_path, left_vote, right_vote, votes, split,
             and the pictures it names
recipe       [2]_: triplets of the split ``train`` with at least six votes that all agree (the reading of the
             release itself); the first picture is the reference, right is the one people chose. Each triplet once.
differs      BLINK was made from the same set: hold it out with ``--against``.
============ ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tasktransfer.tasks.builders.draft import Builder, Draft, ordinal_draft
from tasktransfer.tasks.builders.source import Source

__all__ = ["BUILDER"]

QUESTION = "The three images look alike. Which of the other two resembles the first one more?"
COLUMNS = ("ref_path", "left_path", "right_path", "left_vote", "right_vote", "votes", "split")
VOTES = 6


def draft(source: Source, rng: np.random.Generator) -> Iterator[Draft]:
    """Triplets in random order."""
    table = source.find("data.csv")
    rows = source.table(table, COLUMNS)
    for index in rng.permutation(len(rows)):
        row = rows[index]
        try:
            left, right, votes = (float(row[column]) for column in COLUMNS[3:6])
        except ValueError as error:
            raise source.wrong(f"{table}: {row} has a vote that is no number") from error
        if row["split"] == "train" and votes >= VOTES and left != right:
            chosen, other = row["left_path"], row["right_path"]
            if right > left:
                chosen, other = other, chosen
            reference = row["ref_path"]
            yield ordinal_draft(source, reference, QUESTION, shown=(reference,), right=chosen, wrong=(other,))


BUILDER = Builder(
    draft=draft,
    n_choices=2,
    n_images=3,
    source="NIGHTS, training split",
    licence="MIT (release); pictures made by a diffusion model",
    layout="data.csv (ref_path, left_path, right_path, left_vote, right_vote, votes, split) and its pictures",
)
