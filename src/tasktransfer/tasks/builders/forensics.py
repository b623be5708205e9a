"""Forensic detection from real and generated pictures.

============ ==================================================================================================
source       GenImage (several generators, real pictures from ImageNet); or any real pictures with generated ones
             of the same subject, such as COCO photographs and pictures made from their captions
licence      GenImage: non-commercial, ImageNet's terms for the real ones; generators have their own terms
layout       GenImage: ``GENERATOR/train/{nature,ai}/*``. Matched, our own layout: ``real/NAME.*`` and
             ``generated/GENERATOR/NAME.*``: the same NAME, the same subject
recipe       one real picture and three generated ones; matched, the three share the name of the real one and come
             from different generators where there are three; else all come from the folder of one generator.
             Every picture: the middle square at 512 x 512 pixels, saved alike, so that size and file format give
             nothing away; pictures with a side below 256 pixels are left out. Each picture once.
differs      BLINK's real pictures were collected from the web and its four pictures show one subject; GenImage's
             do not. A real photograph was compressed once more than a generated one that was saved without loss:
             a trace of that may remain.
============ ==================================================================================================
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np
from PIL import Image, ImageOps

from tasktransfer.tasks.builders.draft import Builder, Draft, ordinal_draft
from tasktransfer.tasks.builders.source import Source

__all__ = ["BUILDER"]

QUESTION = (
    "One of the four images is a photograph of the real world; the other three were made by image generators. "
    "Which one is the photograph?"
)
SIDE, LEAST = 512, 256


def draft(source: Source, rng: np.random.Generator) -> Iterator[Draft]:
    """Real pictures in random order, each with three generated ones."""
    sets = list(_matched(source, rng) if "real" in source.folders() else _by_generator(source, rng))
    for index in rng.permutation(len(sets)):
        real, generated = sets[index]
        if all(_large_enough(source, name) for name in (real, *generated)):
            yield ordinal_draft(source, real, QUESTION, shown=(), right=real, wrong=generated, prepare=_square)


def _matched(source: Source, rng: np.random.Generator) -> Iterator[tuple[str, tuple[str, ...]]]:
    source.find("generated")
    made: dict[str, list[str]] = defaultdict(list)
    for name in source.images("generated", deep=True):
        made[PurePosixPath(name).stem].append(name)
    for real in source.images("real"):
        twins = made.get(PurePosixPath(real).stem, [])
        if len(twins) >= 3:
            order = [twins[index] for index in rng.permutation(len(twins))]
            yield real, tuple(sorted(order, key=lambda name: _rank(name, order))[:3])


def _rank(name: str, order: list[str]) -> int:
    """How many pictures of the same generator come before: generators take turns."""
    parent = PurePosixPath(name).parent
    return sum(PurePosixPath(other).parent == parent for other in order[: order.index(name)])


def _by_generator(source: Source, rng: np.random.Generator) -> Iterator[tuple[str, tuple[str, ...]]]:
    generators = [name for name in source.folders() if f"{name}/train/nature" in source.folders(f"{name}/train")]
    if not generators:
        raise source.wrong("has neither real/ nor GENERATOR/train/nature")
    for generator in generators:
        real = rng.permutation(source.images(f"{generator}/train/nature"))
        made = rng.permutation(source.images(f"{generator}/train/ai"))
        for k in range(min(len(real), len(made) // 3)):
            yield str(real[k]), tuple(str(name) for name in made[3 * k : 3 * k + 3])


def _large_enough(source: Source, name: str) -> bool:
    image = source.try_image(name)
    return image is not None and min(image.size) >= LEAST


def _square(image: Image.Image) -> Image.Image:
    return ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.LANCZOS)


BUILDER = Builder(
    draft=draft,
    n_choices=4,
    n_images=4,
    source="GenImage, or matched real and generated pictures",
    licence="GenImage: non-commercial, ImageNet's terms; generators have their own",
    layout="GENERATOR/train/{nature,ai}/*, or real/NAME.* with generated/GENERATOR/NAME.*",
)
