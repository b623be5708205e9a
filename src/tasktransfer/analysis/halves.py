"""The items of a target in two halves: one to choose by, the other to judge.

What asks test items shares their luck, and that of the untouched model's answers, with whatever is measured on the
same items; compared with the other half it does not. Items are halved by the order of SHA-256 of ``target, a zero
byte, cluster``: the first half, rounded up, chooses. Items of one cluster (an image, a scene) go together, by the
name of the cluster, so that none has its likeness in the other half; an item alone is a cluster of its own name.
The halves are balanced in items, not in clusters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import pandas as pd

__all__ = ["choosing_half", "choosing_items"]


def choosing_items(target: str, cluster_of: Iterable[str] | Mapping[str, str]) -> set[str]:
    """The half of a target's items that choices are made from.

    Parameters
    ----------
    target
        The task.
    cluster_of
        Its items; or the cluster of each.

    Examples
    --------
    >>> sorted(choosing_items("t", ["a", "b", "c", "d"])) == sorted(choosing_items("t", ["d", "c", "b", "a"]))
    True
    """
    clusters = cluster_of if isinstance(cluster_of, Mapping) else {item: item for item in cluster_of}
    members: dict[str, set[str]] = {}
    for item, cluster in clusters.items():
        members.setdefault(cluster, set()).add(item)
    chosen: set[str] = set()
    for cluster in sorted(members, key=lambda name: hashlib.sha256(f"{target}\0{name}".encode()).digest()):
        if 2 * len(chosen) >= len(clusters):
            break
        chosen |= members[cluster]
    return chosen


def choosing_half(answers: pd.DataFrame) -> set[tuple[str, str]]:
    """The items of every target that choices are made from, as (target, item).

    Parameters
    ----------
    answers
        Columns target and item, and ``cluster`` where items belong together (empty or null for an item alone).
    """
    own = answers["item"].astype(str)
    named = answers["cluster"].astype(object) if "cluster" in answers else own
    rows = pd.DataFrame({"target": answers["target"].astype(str), "item": own, "cluster": named})
    rows = rows.drop_duplicates(["target", "item"])
    rows["cluster"] = (
        rows["cluster"].where(rows["cluster"].notna() & (rows["cluster"] != ""), rows["item"]).astype(str)
    )
    return {
        (target, item)
        for target, of_target in rows.groupby("target", sort=False)
        for item in choosing_items(target, dict(zip(of_target["item"], of_target["cluster"], strict=True)))
    }
