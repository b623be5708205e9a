"""The studies behind ``tasktransfer demo``; `studies/toy-demo.yaml` and `studies/toy-quick.yaml` are the same."""

from __future__ import annotations

from tasktransfer.models.toy import EMBEDDED
from tasktransfer.study.spec import ItemCounts, ModelChoice, Study

__all__ = ["demo_study"]

_TWINS = (
    "toy_visual_similarity",
    "toy_art_style",
    "toy_visual_correspondence",
    "toy_relative_depth",
    "toy_relative_reflectance",
    "toy_spatial_relation",
    "toy_jigsaw",
    "toy_counting",
    "toy_functional_correspondence",
    "toy_semantic_correspondence",
    "toy_multi_view_reasoning",
    "toy_object_localization",
    "toy_forensic_detection",
)
_QUICK = (
    "toy_relative_depth",
    "toy_relative_reflectance",
    "toy_visual_correspondence",
    "toy_semantic_correspondence",
)


def demo_study(*, quick: bool = False) -> Study:
    """Thirty adapters of the embedded model on the drawn twins of the paper's tasks; `quick` is five on four."""
    tasks = _QUICK if quick else _TWINS
    return Study(
        name="toy-quick" if quick else "toy-demo",
        models={EMBEDDED: ModelChoice(weights=EMBEDDED)},
        sources=tasks,
        targets=tasks,
        seeds=(0,) if quick else (0, 1),
        controls=("format-only",) if quick else ("format-only", "no-image"),
        items=ItemCounts(source=256, target=64),
    )
