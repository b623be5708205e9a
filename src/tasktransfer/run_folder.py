"""What a run's folder tells beyond accuracies: which cells training did not move, what mixtures hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

__all__ = ["RunFacts", "read_run_facts"]


class RunFacts(NamedTuple):
    """Empty where the run did not tell."""

    flagged: Mapping[str, list[tuple[str, str, str]]] = {}  # by flag: model, source and seed of trained cells
    n_trained: int = 0
    made_of: Mapping[str, Mapping[str, float]] = {}  # by mixture: items, of a merge weights, by task


def read_run_facts(folder: Path) -> RunFacts:
    """Read ``trained.csv`` and ``study.json`` of a run, as far as they are there."""
    flagged: dict[str, list[tuple[str, str, str]]] = {}
    n_trained = 0
    if (folder / "trained.csv").is_file():
        table = pd.read_csv(folder / "trained.csv", dtype=str, keep_default_na=False)
        n_trained = len(table)
        for row in table[table["flag"] != ""].itertuples():
            flagged.setdefault(str(row.flag), []).append((str(row.model), str(row.source), str(row.seed)))
    study = {}
    if (folder / "study.json").is_file():
        study = json.loads((folder / "study.json").read_text(encoding="utf-8")).get("study", {})
    made_of = dict(study.get("mixtures") or {})
    for name, merge in (study.get("merges") or {}).items():
        made_of[f"merge-{merge['how']}: {name}"] = merge["of"]
    return RunFacts(flagged, n_trained, made_of)
