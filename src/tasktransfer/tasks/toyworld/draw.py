"""Items of the drawn tasks, from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasktransfer.errors import InputError
from tasktransfer.tasks.item import Item
from tasktransfer.tasks.toyworld import matching, points, scene, video, whole
from tasktransfer.tasks.toyworld.layout import Scene
from tasktransfer.tasks.toyworld.registry import SPLITS, TOY_TASKS, TOY_VIDEO_TASKS
from tasktransfer.tasks.toyworld.render import render

__all__ = ["DRAWERS", "Drawn", "draw_items", "draw_scenes", "split_of"]

Drawer = Callable[[np.random.Generator, int, float], Scene]

DRAWERS: dict[str, Drawer] = {
    f"toy_{drawer.__name__}": drawer
    for drawer in (
        whole.visual_similarity,
        whole.art_style,
        matching.visual_correspondence,
        points.relative_depth,
        points.relative_reflectance,
        scene.spatial_relation,
        whole.jigsaw,
        scene.counting,
        matching.functional_correspondence,
        matching.semantic_correspondence,
        scene.multi_view_reasoning,
        scene.object_localization,
        whole.forensic_detection,
        video.appearance_order,
        video.video_counting,
    )
}
_DEFAULT_DIFFICULTY = 0.5


class Drawn(NamedTuple):
    """A scene and its pixels, uint8, (I, 64, 64, 3)."""

    scene: Scene
    pixels: NDArray[np.uint8]


def split_of(digest: bytes) -> str:
    """The split that a scene belongs to: half of all are for pretraining, a quarter each for training and test."""
    return (SPLITS[0], SPLITS[0], SPLITS[1], SPLITS[2])[digest[0] % 4]


def _answers(task: str, rng: np.random.Generator) -> Iterator[int]:
    """Indices of right answers without end: each occurs once in every block, so that letters are balanced."""
    n = TOY_TASKS[task].n_choices or video.MOST_COUNTED
    while True:
        yield from (int(k) for k in rng.permutation(n))


def draw_scenes(task: str, split: str, *, seed: int = 0, difficulty: float | None = None) -> Iterator[Drawn]:
    """Scenes of a task without end, no two of them the same; see `draw_items`.

    Parameters
    ----------
    task
        A name of `TOY_TASKS`.
    split
        ``"pretrain"``, ``"train"`` or ``"test"``.
    seed
        The same seed gives the same scenes in the same order.
    difficulty
        In [0, 1]; with None every scene has its own, uniform in [0, 1].
    """
    # the place of a task in the table is part of its seed: a new task goes to the end, or items of others change
    place = list(TOY_TASKS).index(task), SPLITS.index(split)
    rng = np.random.default_rng([*place, seed])
    seen: set[bytes] = set()
    for answer in _answers(task, rng):
        hardness = float(rng.random()) if difficulty is None else difficulty
        while True:
            drawn = DRAWERS[task](rng, answer, hardness)
            digest = drawn.digest()
            if split_of(digest) == split and digest not in seen:
                break
        seen.add(digest)
        yield Drawn(drawn, render(drawn.layout, rng, difficulty=hardness))


def draw_items(
    task: str, split: str, n_items: int, *, seed: int = 0, difficulty: float = _DEFAULT_DIFFICULTY
) -> list[Item]:
    """Draw items of a task.

    Parameters
    ----------
    task
        A name of `TOY_TASKS`.
    split
        ``"pretrain"``, ``"train"`` or ``"test"``: a scene belongs to exactly one of them, whatever the seed.
    n_items
        How many; the first ones do not depend on it.
    seed
        Items of different seeds differ; the same seed gives the same items.
    difficulty
        In [0, 1]: noise, clutter and how close the alternatives are.

    Returns
    -------
    list of Item
        Right letters are balanced: equally often within every block of as many items as there are options.

    Raises
    ------
    InputError
        For an unknown task or split.

    Notes
    -----
    About a millisecond an item.

    Examples
    --------
    >>> item = draw_items("toy_relative_depth", "test", 1)[0]
    >>> item.question, item.choices
    ('Two points are marked. Which point is closer to the camera?', ('point A', 'point B'))
    """
    if task not in TOY_TASKS:
        raise InputError(f"{task!r} is no drawn task; there are {', '.join(TOY_TASKS)}")
    if split not in SPLITS:
        raise InputError(f"{split!r} is no split of the drawn tasks; there are {', '.join(SPLITS)}")
    if not 0 <= difficulty <= 1:
        raise InputError(f"difficulty is {difficulty!r}, not between 0 and 1")
    scenes = draw_scenes(task, split, seed=seed, difficulty=difficulty)
    hardness = "" if difficulty == _DEFAULT_DIFFICULTY else f"-d{difficulty:g}"
    return [
        _item(f"{task}-{split}{hardness}-s{seed}-{i:05d}", drawn, is_video=task in TOY_VIDEO_TASKS)
        for i, drawn in zip(range(n_items), scenes, strict=False)
    ]


def _item(name: str, drawn: Drawn, *, is_video: bool) -> Item:
    return Item(
        id=name,
        images=tuple(Image.fromarray(picture) for picture in drawn.pixels),
        question=drawn.scene.question,
        choices=drawn.scene.choices,
        answer=drawn.scene.answer,
        is_video=is_video,
    )
