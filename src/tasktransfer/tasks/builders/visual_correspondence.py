"""Visual correspondence from HPatches.

============ ==================================================================================================
source       HPatches, the full image sequences (116: ``v_*`` viewpoint, ``i_*`` illumination)
licence      the images come from several earlier sets; check the terms of the release
layout       ``{v,i}_NAME/1.ppm .. 6.ppm`` and ``H_1_2 .. H_1_6`` (3 x 3, from picture 1 to picture k), in the
             folder itself or in ``hpatches-sequences-release/``
recipe       [2]_: four fifths of the sequences of each kind, chosen by the digest of the name whatever the
             seed, so that the rest can be held out; forward pairs (a, b) with b - a >= 2; the point is carried
             over by H_1b H_1a^-1; REF on a, four circles on b, the wrong ones far from the right one and from
             each other. Points lie where the picture has texture, else no eye could find them again.
differs      BLINK was made from the same 116 sequences: with ``--against``, a sequence with any picture near
             one of BLINK's is left out whole. Sizes of circles and the choice of wrong points are ours.
============ ==================================================================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasktransfer.tasks.builders.draft import Builder, Draft
from tasktransfer.tasks.builders.marking import grey
from tasktransfer.tasks.builders.matching import Match, far_apart, matching_draft
from tasktransfer.tasks.builders.source import Source

__all__ = ["BUILDER", "training_share"]

QUESTION = (
    "REF in the first image marks a place of the scene. The second image shows the same scene from another camera "
    "position or in another light, with four places marked A to D. Which of them is the place that REF marks?"
)
PAIRS = tuple((a, b) for a in range(1, 7) for b in range(a + 2, 7))
ROUNDS = 8  # points tried a pair
APART = 0.12  # of the diagonal, between any two of the four points
EDGE = 0.06  # of each side, kept free of points
_PATCH = 8  # pixels around a point that must have texture
_TEXTURE = 12.0  # standard deviation of brightness there


def training_share(names: list[str]) -> list[str]:
    """Four fifths of the names of each kind, those whose digests come first; no seed enters."""
    chosen: list[str] = []
    for kind in sorted({name.rsplit("/", 1)[-1][:2] for name in names}):
        of_kind = [name for name in names if name.rsplit("/", 1)[-1].startswith(kind)]
        of_kind.sort(key=lambda name: hashlib.sha256(name.rsplit("/", 1)[-1].encode()).digest())
        chosen += of_kind[: max(1, round(0.8 * len(of_kind)))]
    return sorted(chosen)


def carried(matrix: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, 2) under a homography."""
    homogeneous = np.c_[points, np.ones(len(points))] @ matrix.T
    return np.asarray(homogeneous[:, :2] / homogeneous[:, 2:])


def draft(source: Source, rng: np.random.Generator) -> Iterator[Draft]:
    """Pairs of sequences in random order, one point each; then further points of the same pairs."""
    place = "hpatches-sequences-release" if "hpatches-sequences-release" in source.folders() else "."
    sequences = [name for name in source.folders(place) if name.rsplit("/", 1)[-1][:2] in {"v_", "i_"}]
    if not sequences:
        raise source.wrong("has no folder v_* or i_*")
    pairs = [(name, a, b) for name in training_share(sequences) for a, b in PAIRS]
    for turn in range(ROUNDS):
        for index in rng.permutation(len(pairs)):
            name, a, b = pairs[index]
            match = _match(source, rng, name, a, b)
            if match is not None:
                kin = tuple(f"{name}/{k}.ppm" for k in range(1, 7))
                yield matching_draft(source, f"{name}-{a}-{b}-{turn}", QUESTION, match, kin=kin)


def _match(source: Source, rng: np.random.Generator, name: str, a: int, b: int) -> Match | None:
    files = f"{name}/{a}.ppm", f"{name}/{b}.ppm"
    first, second = (source.try_image(file) for file in files)
    if first is None or second is None:
        return None
    matrix = _from_first(source, name, b) @ np.linalg.inv(_from_first(source, name, a))
    seeds = _inner_points(rng, first, 60)
    there = carried(matrix, seeds)
    good = _inside(there, second) & _textured(first, seeds)
    for index in np.flatnonzero(good):
        right = (float(there[index, 0]), float(there[index, 1]))
        others = _inner_points(rng, second, 40)
        others = others[_textured(second, others)]
        wrong = far_apart(rng, right, others, apart=APART * float(np.hypot(*second.size)))
        if wrong is not None:
            return Match(*files, (float(seeds[index, 0]), float(seeds[index, 1])), right, wrong)
    return None


def _from_first(source: Source, name: str, k: int) -> NDArray[np.float64]:
    if k == 1:
        return np.eye(3)
    file = f"{name}/H_1_{k}"
    try:
        matrix = np.array([[float(x) for x in line.split()] for line in source.lines(file)])
    except ValueError as error:
        raise source.wrong(f"{file} is not a matrix ({error})") from error
    if matrix.shape != (3, 3) or abs(np.linalg.det(matrix)) < 1e-12:
        raise source.wrong(f"{file} is not an invertible 3 x 3 matrix")
    return np.asarray(matrix)


def _inner_points(rng: np.random.Generator, image: Image.Image, n: int) -> NDArray[np.float64]:
    return np.asarray((EDGE + (1 - 2 * EDGE) * rng.random((n, 2))) * np.array(image.size))


def _inside(points: NDArray[np.float64], image: Image.Image) -> NDArray[np.bool_]:
    share = points / np.array(image.size)
    return np.asarray(((share > EDGE) & (share < 1 - EDGE)).all(1), bool)


def _textured(image: Image.Image, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    values = grey(image)
    patches = [
        values[max(0, int(y) - _PATCH) : int(y) + _PATCH, max(0, int(x) - _PATCH) : int(x) + _PATCH]
        for x, y in points
    ]
    return np.array([patch.size > 0 and float(patch.std()) >= _TEXTURE for patch in patches])


BUILDER = Builder(
    draft=draft,
    n_choices=4,
    n_images=2,
    source="HPatches, full image sequences",
    licence="mixed; check the terms of the release",
    layout="{v,i}_NAME/1.ppm .. 6.ppm with H_1_2 .. H_1_6, also inside hpatches-sequences-release/",
)
