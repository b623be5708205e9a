"""Multi-view reasoning from videos around an object with camera poses.

============ ==================================================================================================
source       WildRGB-D (videos once around an object, poses by SLAM)
licence      MIT in the repository of the release; check the terms of the videos
layout       ``CATEGORY/scenes/SCENE/rgb/*.png`` and ``cam_poses.txt`` with a line a frame: its number, then the 16
             entries of the camera-to-world matrix by rows (OpenCV axes: x right, y down, z forward)
recipe       ours: two frames between which the camera has turned 20 to 90 degrees around the point where the
             optical axes meet. Seen from above, clockwise is "left", the side to which a camera facing the object
             then moves; the displacement in the first camera's own x axis must agree, else the pair is left
             out. Turning a pair round turns its answer round, so the order of the frames is drawn.
             One pair a scene, then further ones.
             Up is the direction across the cameras' x axes: they are taken to be held level.
differs      BLINK's frames are said to be the first and the last of a video; angles there are not known to us.
============ ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tasktransfer.tasks.builders.draft import Builder, Draft, Rendered
from tasktransfer.tasks.builders.source import Source

__all__ = ["BUILDER", "turn"]

QUESTION = (
    "The two images are frames of a video of a scene in which nothing moves but the camera; the first was taken "
    "earlier. The camera goes around the object either clockwise, that is to its left, or counter-clockwise, to "
    "its right. In which direction does it move from the first image to the second?"
)
CHOICES = ("left", "right")
ANGLES = (20.0, 90.0)  # degrees
ROUNDS = 4  # pairs tried a scene
_TRIES = 40

Matrix = NDArray[np.float64]


def draft(source: Source, rng: np.random.Generator) -> Iterator[Draft]:
    """Scenes in random order, one pair of frames each; then further pairs."""
    scenes = [scene for category in source.folders() for scene in source.folders(f"{category}/scenes")]
    scenes = [scene for scene in scenes if source.has(f"{scene}/cam_poses.txt")]
    if not scenes:
        raise source.wrong("has no CATEGORY/scenes/SCENE/cam_poses.txt")
    used: set[tuple[str, ...]] = set()
    for _ in range(ROUNDS):
        for index in rng.permutation(len(scenes)):
            pair = _pair(source, scenes[index], rng)
            if pair is not None and pair not in used:
                used.add(pair)
                yield _draft(source, *pair)


def _pair(source: Source, scene: str, rng: np.random.Generator) -> tuple[str, str] | None:
    """Two frames, the camera moving to its left from one to the other."""
    poses = _poses(source, scene)
    if len(poses) < 2:
        return None
    frames = sorted(poses)
    matrices = np.array([poses[frame] for frame in frames])
    for _ in range(_TRIES):
        i, j = rng.choice(len(frames), 2, replace=False)
        angle = turn(matrices, int(i), int(j))
        if ANGLES[0] <= abs(angle) <= ANGLES[1] and _agrees(matrices, int(i), int(j), angle):
            return (frames[i], frames[j]) if angle < 0 else (frames[j], frames[i])
    return None


def turn(matrices: Matrix, i: int, j: int) -> float:
    """Angle from one camera to another around the object, seen from above.

    Parameters
    ----------
    matrices
        Camera to world, of all frames of the scene, (F, 4, 4); axes x right, y down, z forward.
    i, j
        Positions of the two frames.

    Returns
    -------
    float
        Degrees in [-180, 180], positive counter-clockwise; 0 where there is no above.
    """
    up = _up(matrices)
    if up is None:
        return 0.0
    centre = _meeting_point(matrices)
    flat = [arm - (arm @ up) * up for arm in (matrices[[i, j], :3, 3] - centre)]
    cross, dot = float(np.cross(flat[0], flat[1]) @ up), float(flat[0] @ flat[1])
    return float(np.degrees(np.arctan2(cross, dot)))


def _up(matrices: Matrix) -> Matrix | None:
    """The direction across all the cameras' x axes, which are level; None where there is no above."""
    above = -matrices[:, :3, 1].mean(0)
    if np.linalg.norm(above) < 0.1:  # cameras stand on their heads as often as not
        return None
    _, sizes, directions = np.linalg.svd(matrices[:, :3, 0])
    if sizes[1] < 0.1 * sizes[0]:  # all look the same way: level axes and tilted ones look alike
        return np.asarray(above / np.linalg.norm(above))
    return np.asarray(directions[-1] * np.sign(directions[-1] @ above))


def _meeting_point(matrices: Matrix) -> Matrix:
    """The point nearest to all optical axes."""
    axes, places = matrices[:, :3, 2], matrices[:, :3, 3]
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    # I - d d^T leaves what lies across the axis d: least squares of that solve the sum over all axes; lstsq, as
    # parallel axes make it singular
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    total = np.linalg.lstsq(across.sum(0), (across @ places[:, :, None]).sum(0)[:, 0], rcond=None)
    return np.asarray(total[0])


def _agrees(matrices: Matrix, i: int, j: int, angle: float) -> bool:
    """Whether the first camera sees the second one on the side that the angle says."""
    sideways = float((matrices[j, :3, 3] - matrices[i, :3, 3]) @ matrices[i, :3, 0])
    return sideways * angle > 0  # counter-clockwise is to the right


def _poses(source: Source, scene: str) -> dict[str, Matrix]:
    """Picture -> camera-to-world matrix, for the frames that are there."""
    poses = {}
    table = f"{scene}/cam_poses.txt"
    there = {name.rsplit("/", 1)[-1].rsplit(".", 1)[0]: name for name in source.images(f"{scene}/rgb")}
    numbers = {int(stem): name for stem, name in there.items() if stem.isdigit()}
    for number, line in enumerate(source.lines(table), start=1):
        try:
            frame, *entries = line.split()
            matrix = np.array([float(entry) for entry in entries]).reshape(4, 4)
            name = numbers.get(int(frame))
        except ValueError as error:
            raise source.wrong(f"{table}, line {number} is not a frame and 16 numbers") from error
        if name is not None and np.isfinite(matrix).all():
            poses[name] = matrix
    return poses


def _draft(source: Source, before: str, after: str) -> Draft:
    def render(place: int) -> Rendered:
        order = (before, after) if place == 0 else (after, before)
        return Rendered(tuple(source.image(name) for name in order), CHOICES)

    return Draft(f"{before}+{after}", (before, after), QUESTION, (0, 1), render)


BUILDER = Builder(
    draft=draft,
    n_choices=2,
    n_images=2,
    source="WildRGB-D",
    licence="MIT in the repository of the release; check the terms of the videos",
    layout="CATEGORY/scenes/SCENE/rgb/*.png and cam_poses.txt",
)
