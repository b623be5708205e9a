"""Evidence made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasktransfer.analysis.diagnostics import DIAGNOSTIC_COLUMNS
from tasktransfer.recommendation.evidence import Evidence
from tasktransfer.stats.shrinkage import Errors
from tasktransfer.tables import TRANSFER_COLUMNS


def transfers_of(
    pgf: np.ndarray,
    *,
    p_value: np.ndarray | float = np.nan,
    sources: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    model: str = "m",
) -> pd.DataFrame:
    """A transfers table of nothing but PGF and p-values."""
    pgf = np.asarray(pgf, dtype=float)
    sources = [f"t{k}" for k in range(pgf.shape[0])] if sources is None else list(sources)
    targets = [f"t{k}" for k in range(pgf.shape[1])] if targets is None else list(targets)
    s, t = (index.ravel() for index in np.indices(pgf.shape))
    rows = pd.DataFrame(
        {
            "model": model,
            "kind": "finetune",
            "source": np.array(sources, dtype=object)[s],
            "target": np.array(targets, dtype=object)[t],
            "pgf": pgf.ravel(),
            "p_value": np.broadcast_to(p_value, pgf.shape).ravel(),
            "n_seeds": (~np.isnan(pgf)).astype(int).ravel(),
        }
    )
    text = dict.fromkeys(("verdict", "uncertainty", "flags"), "")
    holes = {name: np.nan for name in TRANSFER_COLUMNS if name not in rows and name not in text}
    return rows.assign(**text, **holes)[list(TRANSFER_COLUMNS)]


def evidence_of(
    pgf: np.ndarray,
    draws: np.ndarray | None = None,
    *,
    p_value: np.ndarray | float = 0.01,
    load: float = 0.0,
) -> Evidence:
    """Evidence with these draws; without any, the matrix is known exactly."""
    cells = transfers_of(pgf, p_value=p_value)
    sources, targets = list(cells["source"].unique()), list(cells["target"].unique())
    exact = np.repeat(np.asarray(pgf, dtype=np.float32)[None], 50, axis=0)
    nothing = pd.DataFrame(columns=list(DIAGNOSTIC_COLUMNS))
    drawn = exact if draws is None else draws.astype(np.float32)
    return Evidence("m", sources, targets, cells, drawn, _errors(np.shape(pgf), load), nothing)


def _errors(shape: tuple[int, ...], load: float) -> Errors:
    """Errors of size 1, all alike."""
    return Errors(np.full(shape, np.sqrt(1 - load**2)), np.full(shape[1], load))
