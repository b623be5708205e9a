"""Similarity of adapters as files: tables, and a matrix and a figure a model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tasktransfer.analysis.summary import versions
from tasktransfer.errors import InputError
from tasktransfer.files import MARKER, output_folder, slug, write_json
from tasktransfer.similarity.measure import Similarity
from tasktransfer.tables import write_csv

__all__ = ["save_similarity"]


def save_similarity(found: Sequence[Similarity], folder: Path) -> None:
    """Write the tables, a matrix and a figure a model, and ``summary.json`` last."""
    from tasktransfer.drawing.style import save_figure
    from tasktransfer.similarity.figure import draw_similarity

    if (folder / "cells").is_dir():
        raise InputError(f"{os.fspath(folder)}: is a run folder; choose another --out, such as a folder within it")
    with output_folder(folder) as made:
        for name in ("adapters", "pairs", "layers"):
            parts = [getattr(one, name).assign(model=one.model) for one in found]
            table = pd.concat(parts, ignore_index=True)
            write_csv(table[["model", *table.columns.drop("model")]], made / f"{name}.csv")
        (made / "figures").mkdir()
        for position, one in enumerate(found, start=1):
            name = f"similarity_{position}_{slug(one.model or 'adapters')}"
            write_csv(one.matrix.rename_axis("source").reset_index(), made / f"{name}.csv")
            write_csv(one.matrix.rename_axis("source").reset_index(), made / "figures" / f"{name}.csv")
            save_figure(draw_similarity(one.matrix, one.layers, one.transfer), made / "figures" / name)
        told: list[dict[str, Any]] = [
            {"model": one.model, **one.contrast, "agreement": {on: a._asdict() for on, a in one.agreement.items()}}
            for one in found
        ]
        write_json(made / MARKER, {"models": told, "versions": versions()})
