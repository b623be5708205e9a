"""Art style from ArtBench-10.

============ ==================================================================================================
source       ArtBench-10, 256 x 256 ImageFolder with split (5,000 training pictures in each of 10 styles)
licence      the authors name fair use; many pictures are from WikiArt, check before publishing anything
layout       ``train/STYLE/*.jpg``, in the folder itself or in ``artbench-10-imagefolder-split/``
recipe       [2]_: the first picture is a reference, one option has its style, the other another one; the styles
             take turns as the reference's, the other style is drawn. Each picture once.
differs      BLINK shows whole WikiArt pictures about 1,400 pixels high; these are 256 pixels, cut square.
             ArtBench overlaps WikiArt: hold BLINK out with ``--against``.
============ ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tasktransfer.tasks.builders.draft import Builder, Draft, ordinal_draft
from tasktransfer.tasks.builders.source import Source

__all__ = ["BUILDER"]

QUESTION = (
    "Styles of painting, such as impressionism, realism, ukiyo-e or surrealism, differ in brushwork, colour and "
    "drawing. Which of the other two images is painted in the style of the first?"
)


def draft(source: Source, rng: np.random.Generator) -> Iterator[Draft]:
    """The styles take turns until one has no two pictures left or no other has any."""
    top = "artbench-10-imagefolder-split/" if "artbench-10-imagefolder-split" in source.folders() else ""
    styles = source.folders(source.find(f"{top}train"))
    left = {style: [str(name) for name in rng.permutation(source.images(style))] for style in styles}
    if sum(bool(names) for names in left.values()) < 2:
        raise source.wrong("holds fewer than two folders of pictures in train")
    while True:
        made = 0
        for style in rng.permutation(styles):
            others = [other for other in styles if other != style and left[other]]
            if len(left[style]) < 2 or not others:
                continue
            made += 1
            reference, same = left[style].pop(), left[style].pop()
            other = left[others[int(rng.integers(len(others)))]].pop()
            yield ordinal_draft(source, reference, QUESTION, shown=(reference,), right=same, wrong=(other,))
        if not made:
            return


BUILDER = Builder(
    draft=draft,
    n_choices=2,
    n_images=3,
    source="ArtBench-10, training split",
    licence="fair use claimed by its authors; many pictures from WikiArt",
    layout="train/STYLE/*.jpg, also inside artbench-10-imagefolder-split/",
)
