"""The BLINK tasks as one table.

Split sizes, answer counts and human accuracies are those of the validation split as released with the
benchmark [1]_ (2024 answer key; the labels of Relative_Reflectance were corrected on 2025-09-03, so its
letter counts hold for the old key only). Level and granularity are BLINK's own. The paper [2]_ uses the
first thirteen; IQ_Test is left out there.

References
----------
.. [1] Fu et al., "BLINK: Multimodal Large Language Models Can See but Not Perceive", ECCV 2024.
.. [2] Sachdeva et al., "Understanding Task Transfer in Vision-Language Models", arXiv 2511.18787.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType

from tasktransfer.tasks.task import Task
from tasktransfer.tasks.toyworld.registry import TOY_TASKS

__all__ = ["BLINK", "PAPER_TASKS", "find_task"]

LABEL_VERSION = "blink-val-2024"

# name, abbreviation, level, granularity, items, human accuracy, answers A B C D
_ROWS = (
    ("Visual_Similarity", "VS", "high", "image", 135, 0.9670, (64, 71)),
    ("Art_Style", "AS", "mid", "image", 117, 0.9530, (55, 62)),
    ("Visual_Correspondence", "VC", "low", "pixel", 172, 0.9942, (51, 33, 44, 44)),
    ("Relative_Depth", "RD", "low", "pixel", 124, 0.9919, (64, 60)),
    ("Relative_Reflectance", "RR", "low", "pixel", 134, 0.9514, (40, 42, 52)),
    ("Spatial_Relation", "SR", "mid", "image", 143, 0.9825, (77, 66)),
    ("Jigsaw", "JG", "mid", "crop", 150, 0.9900, (79, 71)),
    ("Counting", "CN", "high", "image", 120, 0.9375, (31, 28, 31, 30)),
    ("Functional_Correspondence", "FC", "high", "pixel", 130, 0.8077, (28, 21, 43, 38)),
    ("Semantic_Correspondence", "SC", "high", "pixel", 139, 0.9607, (45, 36, 25, 33)),
    ("Multi-view_Reasoning", "MR", "mid", "image", 133, 0.9248, (59, 74)),
    ("Object_Localization", "OL", "high", "crop", 122, 0.9800, (53, 69)),
    ("Forensic_Detection", "FD", "high", "image", 132, 1.0000, (33, 35, 34, 30)),
    ("IQ_Test", "IQ", "high", "image", 150, 0.8000, (30, 40, 40, 40)),
)

BLINK: tuple[Task, ...] = tuple(
    Task(
        name=name,
        abbreviation=abbreviation,
        level=level,
        granularity=granularity,
        n_items=n_items,
        n_choices=len(counts),
        human=human,
        letter_counts=MappingProxyType(dict(zip("ABCD", counts, strict=False))),
        label_version=LABEL_VERSION,
    )
    for name, abbreviation, level, granularity, n_items, human, counts in _ROWS
)
PAPER_TASKS: tuple[Task, ...] = BLINK[:13]


def _normal(name: str) -> str:
    """Fold the spellings met in harness logs onto one; used for look-up only, never for output."""
    folded = re.sub(r"[-_ ]+", "_", name.lower())
    return folded.removeprefix("blink_").removesuffix("_concat")


_BY_NAME = {_normal(task.name): task for task in (*BLINK, *TOY_TASKS.values())}


@lru_cache(maxsize=4096)
def find_task(name: str) -> Task | None:
    """Look a name up among BLINK's and the drawn tasks, tolerant of case, spaces, dashes and a ``blink_`` prefix.

    Returns None for a task that is not registered.

    >>> find_task("blink_multi_view_reasoning").abbreviation
    'MR'
    >>> find_task("my own task") is None
    True
    """
    return _BY_NAME.get(_normal(name))
