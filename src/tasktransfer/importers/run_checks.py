"""Whether the runs of an import can be compared: one harness, one answer key, the same items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from tasktransfer.errors import InputError, quoted
from tasktransfer.importers.manifest import ManifestRun
from tasktransfer.tables import ACCURACY_KEY
from tasktransfer.tasks import find_task

__all__ = ["count_notes", "label_notes", "label_versions", "refuse_two_answers", "refuse_two_harnesses"]

_REFLECTANCE = "Relative_Reflectance"


def refuse_two_harnesses(runs: Iterable[ManifestRun]) -> None:
    """Refuse a model that was measured by more than one harness."""
    harness: dict[str, ManifestRun] = {}
    for run in runs:
        first = harness.setdefault(run.model, run)
        if first.harness != run.harness:
            raise InputError(
                f"{run.model} was measured by {first.harness} ({first.path}) and by {run.harness} "
                f"({run.path}); prompts and items differ between harnesses, so a difference between them is "
                f"no transfer: take one harness, or give the model a name for each"
            )


def refuse_two_answers(predictions: pd.DataFrame) -> None:
    """Refuse runs of a model that were scored against different right answers."""
    answers = predictions.groupby(["model", "target", "item"], sort=False)["answer"].nunique()
    differing = answers[answers > 1].reset_index()
    for (model, target), rows in differing.groupby(["model", "target"], sort=False):
        n_items = predictions.loc[predictions["target"] == target, "item"].nunique()
        raise InputError(
            f"{model}: the right answers of {len(rows)} of {n_items} items of {target} differ between runs "
            f"(item {quoted(rows['item'][:1])}): labels of two versions, or items in another order; "
            f"evaluate again with one version, or put {target} under leave_out in the manifest"
        )


def label_versions(predictions: pd.DataFrame) -> pd.Series:
    """The registered label version where all items of a run's target have its letter counts, else empty."""
    versions = {}
    for cell, rows in predictions.groupby(list(ACCURACY_KEY), sort=False):
        task = find_task(cell[-1])
        if task is not None and len(rows) == task.n_items:
            same = rows["answer"].value_counts().to_dict() == dict(task.letter_counts)
            versions[cell] = task.label_version if same else f"not {task.label_version}"
    cells = zip(*(predictions[column] for column in ACCURACY_KEY), strict=True)
    return pd.Series([versions.get(cell, "") for cell in cells], index=predictions.index, dtype=object)


def label_notes(predictions: pd.DataFrame, totals: pd.DataFrame) -> Iterator[str]:
    """What the label versions are, where they are several, are not known, or are not the registered one."""
    versions = predictions.loc[predictions["target"] == _REFLECTANCE, "label_version"].unique()
    if len(versions) > 1:
        yield f"{_REFLECTANCE}: labels of more than one version ({quoted(versions)}); do not compare across them."
    elif (totals["target"] == _REFLECTANCE).any() or "" in versions:
        yield (
            f"{_REFLECTANCE}: its labels were corrected on 2025-09-03, and which version these logs used cannot "
            f"be told from them; make sure it is one."
        )
    other = predictions[
        predictions["label_version"].str.startswith("not ") & (predictions["target"] != _REFLECTANCE)
    ]
    if len(other):
        names = quoted(other["target"].unique(), limit=14)
        yield f"{names}: the right answers are not those of BLINK's validation split as of 2024."


def count_notes(predictions: pd.DataFrame, totals: pd.DataFrame) -> Iterator[str]:
    """Item counts that differ within a model, or from the registry."""
    counted = predictions.groupby(list(ACCURACY_KEY), sort=False).size().rename("n_items").reset_index()
    counts = pd.concat([counted, totals[totals["n_items"].notna()][[*ACCURACY_KEY, "n_items"]]])
    for model, rows in counts.groupby("model", sort=False):
        partial, uneven = [], []
        for target, n_items in rows.groupby("target", sort=False)["n_items"]:
            task = find_task(str(target))
            if n_items.nunique() > 1:
                uneven.append(f"{target} {n_items.min():g} to {n_items.max():g}")
            elif task is not None and n_items.iloc[0] != task.n_items:
                partial.append(f"{target} {n_items.iloc[0]:g} of {task.n_items}")
        if uneven:
            yield (
                f"{model}: runs differ in their number of items ({', '.join(uneven)}); "
                f"tests pair the items that are shared, accuracies are over each run's own."
            )
        if partial:
            yield f"{model}: not all items of BLINK ({', '.join(partial)}): limited runs?"
