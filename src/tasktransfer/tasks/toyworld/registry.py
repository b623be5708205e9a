"""The drawn tasks as one table, and the families that they were planned in.

Level and granularity are those of the twin in `tasktransfer.tasks.benchmarks.blink`. The families say which tasks
share a skill *by design*; they were written down before any transfer between these tasks was measured, so that a
measured matrix can be judged against them.
"""

from __future__ import annotations

from types import MappingProxyType

from tasktransfer.tasks.task import Task

__all__ = ["FAMILIES", "FAMILY_OF", "SPLITS", "TOY_TASKS", "TOY_VIDEO_TASKS"]

SPLITS = ("pretrain", "train", "test")
LABEL_VERSION = "toyworld-2"

# name, abbreviation, level, granularity, options (0: a number)
_ROWS = (
    ("toy_visual_similarity", "tVS", "high", "image", 2),
    ("toy_art_style", "tAS", "mid", "image", 2),
    ("toy_visual_correspondence", "tVC", "low", "pixel", 4),
    ("toy_relative_depth", "tRD", "low", "pixel", 2),
    ("toy_relative_reflectance", "tRR", "low", "pixel", 3),
    ("toy_spatial_relation", "tSR", "mid", "image", 2),
    ("toy_jigsaw", "tJG", "mid", "crop", 2),
    ("toy_counting", "tCN", "high", "image", 4),
    ("toy_functional_correspondence", "tFC", "high", "pixel", 4),
    ("toy_semantic_correspondence", "tSC", "high", "pixel", 4),
    ("toy_multi_view_reasoning", "tMR", "mid", "image", 2),
    ("toy_object_localization", "tOL", "high", "crop", 2),
    ("toy_forensic_detection", "tFD", "high", "image", 4),
    ("toy_appearance_order", "tAO", "high", "image", 2),
    ("toy_video_counting", "tVN", "high", "image", 0),
)

TOY_TASKS: MappingProxyType[str, Task] = MappingProxyType(
    {
        name: Task(
            name=name,
            abbreviation=abbreviation,
            level=level,
            granularity=granularity,
            n_items=None,
            n_choices=n_choices or None,
            human=None,
            label_version=LABEL_VERSION,
        )
        for name, abbreviation, level, granularity, n_choices in _ROWS
    }
)
TOY_VIDEO_TASKS = ("toy_appearance_order", "toy_video_counting")

# which skill the tasks of a family share, and which tasks they are
FAMILIES: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "points": ("toy_relative_depth", "toy_relative_reflectance"),
        "matching": (
            "toy_visual_correspondence",
            "toy_semantic_correspondence",
            "toy_functional_correspondence",
        ),
        "whole": ("toy_jigsaw", "toy_art_style", "toy_visual_similarity", "toy_forensic_detection"),
        "scene": (
            "toy_counting",
            "toy_object_localization",
            "toy_spatial_relation",
            "toy_multi_view_reasoning",
            "toy_appearance_order",
            "toy_video_counting",
        ),
    }
)
FAMILY_OF: MappingProxyType[str, str] = MappingProxyType(
    {task: family for family, tasks in FAMILIES.items() for task in tasks}
)
