"""Relative reflectance from the Multi-Illumination Dataset with released albedo.

============ ==================================================================================================
source       MIT Multi-Illumination Dataset (MID): scenes under 25 lights; MIDIntrinsics: their albedo
licence      MID CC BY 4.0; the albedo for academic use; check both
layout       ``SCENE/dir_N_mip2.jpg`` (or .png) and ``SCENE/albedo.npy``, ``albedo.png`` or ``albedo.exr``, linear
             values of the same view; in the folder itself, ``train/`` or ``multi_illumination_train_mip2_jpg/``.
             EXR is read only where the package OpenEXR is installed
recipe       [2]_: two points at random; the albedo around each, averaged over a disc and turned to luminance
             (0.2126 R + 0.7152 G + 0.0722 B), is YA and YB; |YA - YB| / max(YA, YB, 1e-8) up to 0.10 is "about the
             same", else the darker one is right. One light of a scene, drawn; hard flashes are left out.
             Ours: the discs must be even in themselves (deviation up to 10 % of the mean) and not black.
differs      BLINK asks about people's judgements of Intrinsic Images in the Wild, where "same" is 39 % of the
             answers; here each answer is a third ([2]_: a quarter is "same").
============ ==================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasktransfer.errors import InputError
from tasktransfer.tasks.builders.draft import Builder, Draft, Rendered
from tasktransfer.tasks.builders.marking import HEIGHT, Point, marked, scaled
from tasktransfer.tasks.builders.source import Source

__all__ = ["BUILDER", "darker_of"]

QUESTION = (
    "Two places on surfaces in the image are circled, A and B. Leave light and shadow aside: which surface has "
    "the darker colour of its own?"
)
CHOICES = ("A is darker", "B is darker", "they are about the same")
SAME = 0.10
ROUNDS = 12  # pairs a scene
_FLASHES = {2, 3, 20, 21, 24}  # lights that hit the scene hard; the albedo was estimated without them
_LIGHT = re.compile(r"dir_(\d+)_mip2\.(jpg|png)")
_ALBEDO = ("albedo.npy", "albedo.png", "albedo.exr")
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
_UNEVEN, _BLACK, _EDGE = 0.10, 0.01, 0.06
_TRIES = 60

Plane = NDArray[np.float64]


def draft(source: Source, rng: np.random.Generator) -> Iterator[Draft]:
    """Scenes in random order, one pair of points each; then further pairs. Same and different take turns."""
    tops = ("multi_illumination_train_mip2_jpg", "train", ".")
    top = next(name for name in tops if (source.root / name).is_dir())
    scenes = [scene for scene in source.folders(top) if any(source.has(f"{scene}/{name}") for name in _ALBEDO)]
    if not scenes:
        raise source.wrong("has no SCENE/albedo.npy, .png or .exr")
    for turn in range(ROUNDS):
        for count, index in enumerate(rng.permutation(len(scenes))):
            scene = scenes[index]
            lights = [name for name in source.images(scene) if _is_shown(name)]
            albedo = _albedo(source, scene)
            if albedo is None or not lights:
                continue
            pair = _pair(rng, albedo, same=(count + turn) % 3 == 2)
            if pair is not None:
                light = lights[int(rng.integers(len(lights)))]
                yield _draft(source, f"{scene}-{turn}", light, pair, albedo.shape)


def _is_shown(name: str) -> bool:
    match = _LIGHT.fullmatch(name.rsplit("/", 1)[-1])
    return match is not None and int(match[1]) not in _FLASHES


def _albedo(source: Source, scene: str) -> Plane | None:
    """Luminance of the albedo, or None where it cannot be read."""
    name = next(f"{scene}/{name}" for name in _ALBEDO if source.has(f"{scene}/{name}"))
    try:
        if name.endswith(".npy"):
            values = np.load(source.root / name, allow_pickle=False)
        elif name.endswith(".png"):
            values = np.asarray(source.image(name), float) / 255
        else:
            values = _exr(source, name)
        return np.asarray(np.asarray(values, float)[..., :3] @ _LUMINANCE)
    except InputError:
        raise
    except Exception as error:  # whatever a reader says of a broken file
        source.unreadable.setdefault(name, str(error) or type(error).__name__)
        return None


def _exr(source: Source, name: str) -> NDArray[Any]:
    try:
        reader = import_module("OpenEXR")
    except ImportError as error:
        raise InputError(
            f"{source.root / name}: reading EXR needs the package OpenEXR (pip install OpenEXR); or save the "
            "linear values beside it as albedo.npy"
        ) from error
    with reader.File(str(source.root / name)) as file:
        channels = file.channels()
        if "RGB" in channels:
            return np.asarray(channels["RGB"].pixels)
        return np.stack([channels[colour].pixels for colour in "RGB"], -1)


def _pair(rng: np.random.Generator, albedo: Plane, *, same: bool) -> tuple[Point, Point, bool] | None:
    """Darker and lighter point and whether they are the same, of the wanted kind."""
    height, width = albedo.shape
    radius = max(2, round(0.01 * min(height, width)))
    for _ in range(_TRIES):
        share = _EDGE + (1 - 2 * _EDGE) * rng.random((2, 2))
        points = [(float(x), float(y)) for x, y in share * (width, height)]
        if np.hypot(points[0][0] - points[1][0], points[0][1] - points[1][1]) < 6 * radius:
            continue
        discs = [_disc(albedo, point, radius) for point in points]
        means = [float(disc.mean()) for disc in discs]
        if any(mean < _BLACK or disc.std() > _UNEVEN * mean for mean, disc in zip(means, discs, strict=True)):
            continue
        darker = darker_of(*means)
        if (darker is None) == same:
            first, second = points if darker in (0, None) else points[::-1]
            return first, second, same
    return None


def darker_of(first: float, second: float) -> int | None:
    """Which luminance is darker, 0 or 1; None where they are about the same.

    >>> darker_of(0.5, 0.46), darker_of(0.5, 0.4), darker_of(0.2, 0.5)
    (None, 1, 0)
    """
    if abs(first - second) / max(first, second, 1e-8) <= SAME:
        return None
    return int(second < first)


def _disc(albedo: Plane, point: Point, radius: int) -> Plane:
    x, y = round(point[0]), round(point[1])
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    inside = rows**2 + columns**2 <= radius**2
    return np.asarray(albedo[y - radius : y + radius + 1, x - radius : x + radius + 1][inside])


def _draft(source: Source, key: str, file: str, pair: tuple[Point, Point, bool], shape: tuple[int, ...]) -> Draft:
    darker, lighter, same = pair

    def render(place: int) -> Rendered:
        image: Image.Image = source.image(file)
        image, _ = scaled(image, HEIGHT)
        grew = image.width / shape[1], image.height / shape[0]
        order = (lighter, darker) if place == 1 else (darker, lighter)
        points = {letter: (x * grew[0], y * grew[1]) for letter, (x, y) in zip("AB", order, strict=True)}
        return Rendered((marked(image, points),), CHOICES)

    return Draft(key, (file,), QUESTION, (2,) if same else (0, 1), render)


BUILDER = Builder(
    draft=draft,
    n_choices=3,
    n_images=1,
    source="Multi-Illumination Dataset with albedo (MIDIntrinsics)",
    licence="MID CC BY 4.0; albedo for academic use; check both",
    layout="SCENE/dir_N_mip2.jpg and SCENE/albedo.npy, .png or .exr, also inside train/",
)
