"""Transfers as `tasktransfer analyze` wrote them: no answer is read or counted again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tasktransfer.errors import InputError
from tasktransfer.tables import TRANSFER_COLUMNS, number_column, read_raw, require_columns, text_column

__all__ = ["SavedTransfers", "holds_transfers", "read_transfers"]

_TEXT = ("model", "kind", "source", "target", "verdict", "uncertainty", "flags")


class SavedTransfers(NamedTuple):
    """Tables of an analysis, as far as a recommendation needs them."""

    transfers: pd.DataFrame
    diagnostics: pd.DataFrame | None  # None where the file stands alone
    confidence: float = 0.95  # of its intervals, as the analysis says


def holds_transfers(path: Path) -> bool:
    """Whether a path is a finished analysis or its table of transfers."""
    if path.is_dir():
        return (path / "transfers.csv").is_file() and (path / "summary.json").is_file()
    return path.name == "transfers.csv" and path.is_file()


def read_transfers(path: Path) -> SavedTransfers:
    """Read ``transfers.csv``, and the ``diagnostics.csv`` beside it where both belong to a finished analysis.

    Raises
    ------
    InputError
        A column is missing, or a value is not what its column holds.
    """
    file = path / "transfers.csv" if path.is_dir() else path
    raw = read_raw(file)
    require_columns(raw, TRANSFER_COLUMNS, "a table of transfers")
    columns = {
        name: text_column(raw, name) if name in _TEXT else number_column(raw, name) for name in TRANSFER_COLUMNS
    }
    transfers = pd.DataFrame(columns)
    key = ["model", "kind", "source", "target"]
    if (doubled := transfers.duplicated(key)).any():
        raise InputError(
            f"{raw.at(int(doubled.to_numpy().argmax()))}: this model, kind, source and target come twice"
        )
    diagnostics, summary = file.parent / "diagnostics.csv", file.parent / "summary.json"
    if not diagnostics.is_file() or not summary.is_file():
        return SavedTransfers(transfers, None)
    return SavedTransfers(transfers, _read_diagnostics(diagnostics), _confidence(summary))


def _confidence(summary: Path) -> float:
    """Level of the intervals of a finished analysis; the default where its summary does not say."""
    try:
        return float(json.loads(summary.read_text(encoding="utf-8"))["settings"]["confidence"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.95


def _read_diagnostics(path: Path) -> pd.DataFrame:
    raw = read_raw(path)
    names = ("model", "scope", "source", "target", "check", "message", "flagged")
    require_columns(raw, names, "a table of diagnostics")
    table = pd.DataFrame({name: text_column(raw, name) for name in names})
    return table.assign(flagged=table["flagged"].str.lower() == "true")
