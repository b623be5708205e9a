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

import hashlib
import re
from collections import Counter
from functools import lru_cache
from types import MappingProxyType

from tasktransfer.tasks.task import Task
from tasktransfer.tasks.toyworld.registry import TOY_TASKS

__all__ = ["BLINK", "BLINK_TASKS", "LABEL_VERSION", "PAPER_TASKS", "find_task", "label_version_of"]

LABEL_VERSION = "blink-val-2024"

# config, the paper's code, level, granularity, items of val and of test, images, human accuracy, answers A B C D
_ROWS = (
    ("Visual_Similarity", "VS", "high", "image", 135, 136, 3, 0.9670, (64, 71)),
    ("Art_Style", "AS", "mid", "image", 117, 117, 3, 0.9530, (55, 62)),
    ("Visual_Correspondence", "VC", "low", "pixel", 172, 172, 2, 0.9942, (51, 33, 44, 44)),
    ("Relative_Depth", "RD", "low", "pixel", 124, 124, 1, 0.9919, (64, 60)),
    ("Relative_Reflectance", "RR", "low", "pixel", 134, 134, 1, 0.9514, (40, 42, 52)),
    ("Spatial_Relation", "SR", "mid", "image", 143, 143, 1, 0.9825, (77, 66)),
    ("Jigsaw", "JG", "mid", "crop", 150, 150, 3, 0.9900, (79, 71)),
    ("Counting", "CN", "high", "image", 120, 120, 1, 0.9375, (31, 28, 31, 30)),
    ("Functional_Correspondence", "FC", "high", "pixel", 130, 130, 2, 0.8077, (28, 21, 43, 38)),
    ("Semantic_Correspondence", "SC", "high", "pixel", 139, 140, 2, 0.9607, (45, 36, 25, 33)),
    ("Multi-view_Reasoning", "MR", "mid", "image", 133, 133, 2, 0.9248, (59, 74)),
    ("Object_Localization", "OL", "high", "crop", 122, 125, 1, 0.9800, (53, 69)),
    ("Forensic_Detection", "FD", "high", "image", 132, 132, 4, 1.0000, (33, 35, 34, 30)),
    ("IQ_Test", "IQ", "high", "image", 150, 150, 1, 0.8000, (30, 40, 40, 40)),
)
# Letters of all answers in the order of the ids, as SHA-256. Equal counts of letters tell one key from another
# except where answers changed places, as those of this task did before 2025-09-03.
_KEY_DIGESTS = {"Relative_Reflectance": "4fb892cf7d48028086ee5b7e9a04ce46f0ae71ed35888278e47b9b783841e25c"}

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
        n_images=n_images,
        n_hidden=n_hidden,
    )
    for name, abbreviation, level, granularity, n_items, n_hidden, n_images, human, counts in _ROWS
)
PAPER_TASKS: tuple[Task, ...] = BLINK[:13]


def _normal(name: str) -> str:
    """Fold the spellings met in harness logs onto one; used for look-up only, never for output."""
    folded = re.sub(r"[-_ ]+", "_", name.lower())
    return folded.removeprefix("blink_").removesuffix("_concat")


# as a study calls them: blink_multi_view_reasoning
BLINK_TASKS = MappingProxyType({f"blink_{_normal(task.name)}": task for task in BLINK})
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


def label_version_of(task: Task, letters: str) -> str:
    """Name the release of the answers that a BLINK task came with.

    Parameters
    ----------
    task
        One of `BLINK`.
    letters
        All answers of the validation split in the order of their ids, ``"ABBA..."``.

    Returns
    -------
    str
        `LABEL_VERSION`, or a name that holds the digest of the letters, so that two keys never bear one name.

    Examples
    --------
    >>> label_version_of(PAPER_TASKS[4], "AB")
    'blink-val-key-38164fbd'
    """
    digest = hashlib.sha256(letters.encode()).hexdigest()
    known = _KEY_DIGESTS.get(task.name, digest)
    same = Counter(letters) == Counter(task.letter_counts) and digest == known
    return LABEL_VERSION if same else f"blink-val-key-{digest[:8]}"
