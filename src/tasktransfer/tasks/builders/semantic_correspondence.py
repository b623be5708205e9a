"""Semantic correspondence from SPair-71k.

============ ==================================================================================================
source       SPair-71k, training pairs
licence      built on PASCAL 3D+ and PASCAL VOC 2012 (Flickr images); for research, check both
layout       ``PairAnnotation/trn/*.json`` with category, src_imname, trg_imname, src_kps, trg_kps, kps_ids;
             ``JPEGImages/CATEGORY/NAME.jpg``; in the folder itself or in ``SPair-71k/``
recipe       [2]_: pairs with at least four keypoints seen in both pictures; one of them is REF, the right
             point is the same keypoint of the other picture, the wrong ones are other keypoints of it. Points
             nearer to each other than 6 % of the diagonal are not used together: their circles would overlap.
differs      BLINK was made from the test pairs; one item a pair here, pictures recur in several pairs.
============ ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from tasktransfer.tasks.builders.draft import Builder, Draft
from tasktransfer.tasks.builders.matching import APART, Match, far_apart, matching_draft
from tasktransfer.tasks.builders.source import Source

__all__ = ["BUILDER"]

QUESTION = (
    "Two things of the same kind have parts that answer to each other: the left ear of one dog to the left ear of "
    "another. REF marks a part of the object in the first image; A to D mark parts of the object in the second. "
    "Which of them answers to REF?"
)
_NEEDED = ("category", "src_imname", "trg_imname", "src_kps", "trg_kps", "trg_imsize")


def draft(source: Source, rng: np.random.Generator) -> Iterator[Draft]:
    """Pairs in random order, one item each."""
    top = "SPair-71k/" if "SPair-71k" in source.folders() else ""
    place = source.find(f"{top}PairAnnotation/trn")
    source.find(f"{top}JPEGImages")
    names = sorted(path.name for path in (source.root / place).glob("*.json"))
    if not names:
        raise source.wrong(f"has no *.json in {place}")
    for index in rng.permutation(len(names)):
        name = names[index]
        pair = source.json(f"{place}/{name}")
        missing = [key for key in _NEEDED if key not in pair]
        if missing:
            raise source.wrong(f"{place}/{name} has no {missing[0]!r}")
        match = _match(rng, pair, f"{top}JPEGImages/{pair['category']}")
        if match is not None:
            yield matching_draft(source, PurePosixPath(name).stem, QUESTION, match)


def _match(rng: np.random.Generator, pair: dict[str, Any], folder: str) -> Match | None:
    here, there = np.array(pair["src_kps"], float), np.array(pair["trg_kps"], float)
    if len(here) < 4 or here.shape != there.shape:
        return None
    apart = APART * float(np.hypot(*pair["trg_imsize"][:2]))
    for k in rng.permutation(len(here)):
        right = (float(there[k, 0]), float(there[k, 1]))
        wrong = far_apart(rng, right, np.delete(there, k, 0), apart=apart)
        if wrong is not None:
            files = f"{folder}/{pair['src_imname']}", f"{folder}/{pair['trg_imname']}"
            return Match(*files, (float(here[k, 0]), float(here[k, 1])), right, wrong)
    return None


BUILDER = Builder(
    draft=draft,
    n_choices=4,
    n_images=2,
    source="SPair-71k, training pairs",
    licence="PASCAL VOC 2012 and PASCAL 3D+ (Flickr images), for research",
    layout="PairAnnotation/trn/*.json and JPEGImages/CATEGORY/*.jpg, also inside SPair-71k/",
)
