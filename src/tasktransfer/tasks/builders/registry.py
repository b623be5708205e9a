"""Which builder makes the training set of which task."""

from __future__ import annotations

from types import MappingProxyType

from tasktransfer.tasks.builders import (
    art_style,
    coco,
    counting,
    depth,
    forensics,
    functional_correspondence,
    multi_view,
    reflectance,
    semantic_correspondence,
    spatial_relation,
    visual_correspondence,
    visual_similarity,
)
from tasktransfer.tasks.builders.draft import Builder

__all__ = ["BUILDERS"]

BUILDERS: MappingProxyType[str, Builder] = MappingProxyType(
    {
        "blink_art_style": art_style.BUILDER,
        "blink_counting": counting.BUILDER,
        "blink_forensic_detection": forensics.BUILDER,
        "blink_functional_correspondence": functional_correspondence.BUILDER,
        "blink_jigsaw": coco.JIGSAW,
        "blink_multi_view_reasoning": multi_view.BUILDER,
        "blink_object_localization": coco.LOCALIZATION,
        "blink_relative_depth": depth.BUILDER,
        "blink_relative_reflectance": reflectance.BUILDER,
        "blink_semantic_correspondence": semantic_correspondence.BUILDER,
        "blink_spatial_relation": spatial_relation.BUILDER,
        "blink_visual_correspondence": visual_correspondence.BUILDER,
        "blink_visual_similarity": visual_similarity.BUILDER,
    }
)
