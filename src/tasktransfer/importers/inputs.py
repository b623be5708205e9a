"""Any input the analysis accepts, told apart by its columns, as one accuracies table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from tasktransfer.errors import InputError, SettingsError, quoted
from tasktransfer.importers.counts import UNITS, accuracies_from_counts
from tasktransfer.importers.predictions import accuracies_from_predictions
from tasktransfer.importers.published import PUBLISHED_COLUMNS, accuracies_from_published
from tasktransfer.run_folder import RunFolder
from tasktransfer.tables import ACCURACY_KEY, Accuracies, RawTable, header_hint, read_raw, refuse_conflicts

__all__ = ["read_accuracies", "split_name"]


def read_accuracies(*inputs: str | Path, unit: str | None = None) -> Accuracies:
    """Read inputs of any accepted form; the order of models is the order of the inputs.

    Parameters
    ----------
    *inputs
        Paths, or ``NAME=path`` to name the model of that file. Accepted: the paper's released PGF tables
        (columns seed, ft_task, task, perfection_gap_factor); accuracy or count tables (model, source, seed,
        target, and accuracy or n_correct with n_items; an empty source is the baseline); item-level
        predictions; a folder written by ``tasktransfer analyze`` or a run folder with predictions. Files
        ``.csv``, ``.tsv`` or ``.parquet``.
    unit
        Unit of accuracies: ``fraction``, ``percent``, or None to read it off the values.

    Returns
    -------
    Accuracies
        What `tasktransfer.analyze` takes; its ``table`` has one row per model, kind, source, seed and target.

    Raises
    ------
    InputError
        Anything that cannot be used as given; the message says what and where.
    """
    if unit is not None and unit not in UNITS:
        raise SettingsError(f"unit is {unit!r}; accepted are {' and '.join(UNITS)}")
    if not inputs:
        raise InputError("no input given; name at least one table, NAME=path to name its model")
    parts: list[pd.DataFrame] = []
    notes: list[str] = []
    items: list[pd.DataFrame] = []
    for text in inputs:
        name, path = split_name(text)
        for raw in _raw_tables(path):
            part, sentences, answers = _read_one(raw, name, unit)
            parts.append(part)
            notes.extend(sentences)
            items.extend(answers)
    table = pd.concat(parts, ignore_index=True)
    table = refuse_conflicts(table, ACCURACY_KEY, ["accuracy", "pgf"], "the inputs together")
    table = table.reset_index(drop=True)
    _require_baselines(table)
    return Accuracies(table, (*notes, *_unbased_notes(table)), _joined_items(items) if items else None)


def _joined_items(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Items of all inputs; where only some name clusters, an item has that of another input, else its own name."""
    joined = pd.concat(tables, ignore_index=True)
    if "cluster" not in joined or not joined["cluster"].isna().any():
        return joined
    named = joined[joined["cluster"].notna()].drop_duplicates(["target", "item"])
    of_item = named.set_index(["target", "item"])["cluster"].astype(str)
    keys = pd.MultiIndex.from_frame(joined[["target", "item"]].astype(str))
    own = joined["item"].astype(str).to_numpy(dtype=object)
    clusters = of_item.reindex(keys).to_numpy(dtype=object)
    return joined.assign(cluster=np.where(pd.isna(clusters), own, clusters))


def split_name(text: str | Path) -> tuple[str | None, Path]:
    """Split ``NAME=path``; a path that exists as written is a path, whatever signs it holds."""
    if not str(text):
        raise InputError("an input is the empty text; a path, or NAME=path, is needed")
    if isinstance(text, Path) or Path(text).exists():
        return None, Path(text)
    match = re.fullmatch(r"([^=]+)=(.+)", text, flags=re.DOTALL)
    return (match[1], Path(match[2])) if match else (None, Path(text))


def _raw_tables(path: Path) -> Iterable[RawTable]:
    if not path.is_dir():
        yield read_raw(path)
        return
    shards = RunFolder(path).prediction_files()
    analysis = path / "accuracies.csv"
    if shards:
        tables = [read_raw(shard) for shard in shards]
        frame = pd.concat([table.frame for table in tables], ignore_index=True)
        yield RawTable(frame, str(path), np.arange(1, len(frame) + 1), "row")
    elif analysis.is_file() and (path / "summary.json").is_file():
        yield read_raw(analysis)
    else:
        raise InputError(
            f"{path}: is a folder but not a run: it holds neither predictions (predictions.parquet or "
            f"predictions/*.parquet) nor a finished analysis (accuracies.csv and summary.json)"
        )


def _read_one(
    raw: RawTable, name: str | None, unit: str | None
) -> tuple[pd.DataFrame, list[str], list[pd.DataFrame]]:
    """The accuracies, notes and items of one table."""
    columns = set(raw.frame.columns)
    if {"ft_task", "perfection_gap_factor"} & columns:
        return (*accuracies_from_published(raw, name), [])
    if "item" in columns:
        accuracies, items, notes = accuracies_from_predictions(raw, name)
        return accuracies, notes, [items]
    if {"accuracy", "n_correct"} & columns:
        return accuracies_from_counts(raw, name, unit), [], []
    raise InputError(
        f"{raw.name}: cannot tell what this table is from its columns {quoted(raw.frame.columns, limit=12)}; "
        f"it is missing accuracy, n_correct (with n_items), correct or score (with item) or "
        f"perfection_gap_factor; accepted are {', '.join(PUBLISHED_COLUMNS)} (published PGF), or model, source, "
        f"seed, target with one of the others{header_hint(raw, ['accuracy', 'n_correct', 'item'])}. A table "
        f"with a column for each task is made long first: pandas.melt(table, ['model', 'source', 'seed'], "
        f"var_name='target', value_name='accuracy')"
    )


def _require_baselines(table: pd.DataFrame) -> None:
    with_accuracy = table[table["accuracy"].notna()]
    based = set(with_accuracy.loc[with_accuracy["kind"] == "base", "model"])
    for model in dict.fromkeys(with_accuracy["model"]):
        if model not in based:
            raise InputError(
                f"no baseline for model {quoted([model])}: rows with an empty source hold the accuracies of the "
                f"untouched model, and there are none{_baseline_hint(table, model)}"
            )
    if not (table["kind"] != "base").any():
        raise InputError("only baselines: no row has a source, so there is no transfer to measure")
    runs = table[table["kind"] != "base"]
    if runs["accuracy"].isna().all() and runs["pgf"].isna().all():
        raise InputError("every cell is a hole: no accuracy and no PGF in any row with a source")
    measured = runs[runs["accuracy"].notna()]
    unbased = _without_baseline(table)
    for model, of_model in measured.groupby("model", sort=False):
        if unbased[of_model.index].all():
            base = table[(table["kind"] == "base") & (table["model"] == model)]
            seeds, targets = quoted(base["seed"].unique()), quoted(base["target"].unique())
            raise InputError(
                f"no baseline for any run of model {quoted([model])}: baselines have the seeds {seeds} and the "
                f"targets {targets}, runs the seeds {quoted(of_model['seed'].unique())} and the targets "
                f"{quoted(of_model['target'].unique())}; a baseline with an empty seed serves all seeds"
            )


def _baseline_hint(table: pd.DataFrame, model: str) -> str:
    words = {
        "base",
        "baseline",
        "none",
        "original",
        "pretrained",
        "untouched",
        "vanilla",
        "zero-shot",
        "zero_shot",
    }
    for source in table.loc[table["model"] == model, "source"].unique():
        if source.lower() in words:
            return f" (leave the source empty where it says {source!r})"
    return ""


def _without_baseline(table: pd.DataFrame) -> pd.Series:
    """Whether a run that has an accuracy finds no baseline of its target, of its seed or without one."""
    base = table[(table["kind"] == "base") & table["accuracy"].notna()]
    there = set(zip(base["model"], base["target"], base["seed"], strict=True))
    has_baseline = [
        (row.model, row.target, row.seed) in there or (row.model, row.target, "") in there
        for row in table[["model", "target", "seed"]].itertuples()
    ]
    return (table["kind"] != "base") & table["accuracy"].notna() & ~pd.Series(has_baseline, index=table.index)


def _unbased_notes(table: pd.DataFrame) -> list[str]:
    """One sentence per model with runs that no baseline matches."""
    unbased = table[_without_baseline(table)]
    return [
        f"{model}: {len(rows)} runs have no baseline (targets {quoted(rows['target'].unique())}, seeds "
        f"{quoted(rows['seed'].unique())}) and are left out; a baseline with an empty seed serves all seeds."
        for model, rows in unbased.groupby("model", sort=False)
    ]
