"""What lies in the folder of a run, as far as it is there, without torch: both wings read it here.

The run side writes these files (`tasktransfer.study.store`), which says what each holds; nothing is checked
against weights or answers here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tasktransfer.errors import InputError

__all__ = ["CELLS", "CHECKS", "PREDICTIONS", "STUDY", "RunFacts", "RunFolder"]

STUDY = "study.json"  # the study as understood
PREDICTIONS = "predictions.parquet"  # all answers
CELLS = "cells.json"  # the cells that these are of
CHECKS = "trained.csv"  # does each cell say something?
_CHECK_COLUMNS = ["model", "kind", "source", "seed", "flag"]


class RunFacts(NamedTuple):
    """What a run says beyond accuracies; empty where it does not."""

    flagged: Mapping[str, list[tuple[str, str, str]]] = {}  # by flag: model, source and seed of trained cells
    n_trained: int = 0
    made_of: Mapping[str, Mapping[str, float]] = {}  # by mixture: items, of a merge weights, by task


class RunFolder:
    """A folder that `run` wrote to, or may have.

    Parameters
    ----------
    root
        The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def is_run(self) -> bool:
        """Whether a study was run here."""
        return (self.root / STUDY).is_file()

    def study(self) -> dict[str, Any]:
        """The study as it was last run, as plain values; empty where none can be read."""
        try:
            values = json.loads((self.root / STUDY).read_text(encoding="utf-8"))["study"]
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return values if isinstance(values, dict) else {}

    def train_items(self) -> int | None:
        """Items that each source was trained on."""
        try:
            return int(self.study()["items"]["source"])
        except (KeyError, TypeError, ValueError):
            return None

    def checks(self) -> pd.DataFrame:
        """Whether training moved each cell: columns model, kind, source, seed, flag and others, all text."""
        if not (self.root / CHECKS).is_file():
            return pd.DataFrame(columns=_CHECK_COLUMNS, dtype=object)
        return pd.read_csv(self.root / CHECKS, dtype=str, keep_default_na=False)

    def facts(self) -> RunFacts:
        """What findings and page say beside accuracies."""
        checks, study = self.checks(), self.study()
        flagged: dict[str, list[tuple[str, str, str]]] = {}
        for row in checks[checks["flag"] != ""].itertuples():
            flagged.setdefault(str(row.flag), []).append((str(row.model), str(row.source), str(row.seed)))
        made_of = dict(study.get("mixtures") or {})
        for name, merge in (study.get("merges") or {}).items():
            made_of[f"merge-{merge['how']}: {name}"] = merge["of"]
        return RunFacts(flagged, len(checks), made_of)

    def cells(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Folder and facts of each cell of the study as it was last run; of all cells where none are listed.

        Raises
        ------
        InputError
            A list or a cell cannot be read.
        """
        listed = self.root / CELLS
        try:
            known = set(json.loads(listed.read_text(encoding="utf-8"))) if listed.is_file() else None
            for path in sorted((self.root / "cells").glob("*/cell.json")):
                if known is None or path.parent.name in known:
                    yield path.parent, json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{self.root}: its cells cannot be read ({error})") from error

    def prediction_files(self) -> list[Path]:
        """The tables of answers, in the order of their names; empty where there is none."""
        single, parts = self.root / PREDICTIONS, self.root / "predictions"
        if single.is_file():
            return [single]
        return sorted(parts.rglob("*.parquet")) if parts.is_dir() else []
