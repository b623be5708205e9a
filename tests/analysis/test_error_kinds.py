"""What the intervals and probabilities of every table speak of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasktransfer.analysis.analyze import analyze
from tasktransfer.analysis.error_kinds import joined_kinds
from tasktransfer.analysis.settings import Settings
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.tables import Accuracies
from tests.studies import accuracies_of, random_counts

COUNTED, BARE = "seeds, and items at an assumed discordance of 0.15", "seeds only, these items"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Four tasks with a control; of the target t0 the numbers of items are not known."""
    frame = random_counts(4, 3, seed=4)
    like = frame[frame["source"] == "t1"].assign(source="shuffled", kind="control")
    kinds = np.where(frame["source"] == "", "base", "finetune")
    table = accuracies_of(
        pd.concat([frame.assign(kind=kinds), like], ignore_index=True), tmp_path_factory.mktemp("mixed")
    )
    bare = table["target"] == "t0"
    return table.assign(n_items=table["n_items"].mask(bare), n_correct=table["n_correct"].mask(bare))


def test_rows_speak_of_the_cells_they_stand_on(mixed):
    analysis = analyze(mixed)
    both = f"{BARE}; {COUNTED}"
    told = analysis.aggregates.set_index(["measure", "task"])["uncertainty"]
    assert told["malleability_pos", "t0"] == BARE
    assert told["malleability_neg", "t2"] == COUNTED
    assert told["transferability_pos", "t0"] == COUNTED  # its own column is the diagonal, which is not counted
    assert told["transferability_pos", "t1"] == both
    assert told["malleability_pos", ""] == both
    cells = analysis.transfers.set_index(["kind", "source", "target"])["uncertainty"]
    for edge in analysis.edges.itertuples():
        assert edge.uncertainty == cells["finetune", edge.source, edge.target]
    for clique in analysis.cliques.itertuples():
        assert clique.uncertainty == (both if "t0" in clique.tasks.split(";") else COUNTED)
    for row in analysis.controls.itertuples():
        assert row.uncertainty == cells["control", row.control, row.target]
    columns = analysis.control_columns.set_index("target")["uncertainty"]
    assert (columns["t0"], columns["t3"], columns[""]) == (BARE, COUNTED, both)
    assert set(analysis.tasks["uncertainty"]) == {both}
    assert set(analysis.scale["uncertainty"]) == {both}


def test_self_transfer_and_the_interaction_bring_their_cells(mixed):
    counted = analyze(mixed, Settings(include_self=True)).aggregates.set_index(["measure", "task"])["uncertainty"]
    assert counted["transferability_pos", "t0"] == f"{BARE}; {COUNTED}"
    left = analyze(mixed, Settings(on="interaction"))
    assert set(left.aggregates["uncertainty"]) == {f"{BARE}; {COUNTED}"}
    assert set(left.edges["uncertainty"]) == {f"{BARE}; {COUNTED}"}


def test_items_are_named(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        ("m", source, seed, target, f"i{k}", int(rng.random() < 0.6))
        for source, seeds in (("", "0"), ("a", "012"), ("b", "0"))
        for seed in seeds
        for target in "ab"
        for k in range(40)
    ]
    frame = pd.DataFrame(rows, columns=["model", "source", "seed", "target", "item", "correct"])
    frame.loc[frame["source"] == "", "seed"] = ""
    analysis = analyze(_read(frame, tmp_path))
    told = analysis.aggregates.set_index(["measure", "task"])["uncertainty"]
    assert told["transferability_pos", "a"] == "items and seeds"
    assert told["transferability_pos", "b"] == "items, this adapter"
    assert told["transferability_pos", ""] == "items and seeds; items, this adapter"


def _read(frame: pd.DataFrame, folder) -> Accuracies:
    frame.to_csv(folder / "p.csv", index=False)
    return read_accuracies(folder / "p.csv")


def test_joined_kinds_stay_single():
    assert joined_kinds(["b; a", "", "a"]) == "a; b"
