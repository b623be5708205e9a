"""From a layout to pixels. Shapes: I pictures, R and C cells, Y and X pixels within a cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasktransfer.tasks.toyworld.glyphs import GLYPHS, N_JITTER, STYLE_TEXTURES, depth_texture
from tasktransfer.tasks.toyworld.layout import CELL, SIDE, Layout, word_index

__all__ = ["MARK_COLOURS", "render"]

# colours of the marked points A, B, C, D and REF, and of the boxes A and B: used for nothing else
MARK_COLOURS = np.array([[255, 0, 255], [0, 255, 255], [160, 255, 0], [255, 255, 255], [0, 0, 0]], np.float32)
_INKS = np.array(
    [[128, 128, 128], [220, 40, 40], [40, 170, 60], [50, 80, 220], [230, 210, 50], [140, 60, 170], [240, 140, 40]],
    np.float32,
)
_ALBEDO = np.array([0.0, 60, 90, 135, 200], np.float32)
_HOLE = np.array([25, 25, 25], np.float32)
_MARK = 7  # pixels
_DEPTHS = np.array([depth_texture(phase) for phase in range(8)])
# drawn once: fresh noise for each picture would nearly double the time of an item
_NOISE = np.random.default_rng(20).standard_normal((64, SIDE, SIDE, 3), dtype=np.float32)
_ramp = np.linspace(-1, 1, SIDE, dtype=np.float32)

Pixels = NDArray[np.float32]


def render(layout: Layout, rng: np.random.Generator, *, difficulty: float = 0.5) -> NDArray[np.uint8]:
    """Draw the pictures of one item.

    Parameters
    ----------
    layout
        What they show.
    rng
        Jitter, light and noise.
    difficulty
        In [0, 1]: noise of 3 to 15 grey levels, and stronger light.

    Returns
    -------
    numpy.ndarray
        uint8, (I, 64, 64, 3).

    Notes
    -----
    0.2 to 0.5 ms an item.
    """
    n = layout.n_images
    images = (
        np.repeat(rng.uniform(150, 190, (n, 1, 1, 1)).astype(np.float32), SIDE, 1).repeat(SIDE, 2).repeat(3, 3)
    )
    _draw_ground(images, layout, rng, difficulty)
    _draw_shapes(images, layout, rng)
    _draw_styles(images, layout)
    _draw_edits(images, layout, rng)
    gain = rng.uniform(0.92, 1.08, (n, 1, 1, 1)).astype(np.float32)
    images *= gain
    for i in layout.relit:
        images[i] *= rng.uniform(0.75 - 0.2 * difficulty, 1.0, 3).astype(np.float32)
    # after the light, which would change their colours
    _draw_boxes(images, layout, rng)
    _draw_marks(images, layout, rng)
    images += (3 + 12 * difficulty) * _NOISE[rng.integers(len(_NOISE), size=n)]
    np.clip(images, 0, 255, out=images)
    return images.astype(np.uint8)


def _whole(cells_IRCYX: Pixels) -> Pixels:
    """Cells put together to (I, 64, 64, 1)."""
    n = cells_IRCYX.shape[0]
    return cells_IRCYX.transpose(0, 1, 3, 2, 4).reshape(n, SIDE, SIDE, 1)


def _draw_ground(images: Pixels, layout: Layout, rng: np.random.Generator, difficulty: float) -> None:
    if layout["depth"].any():
        images += 40 * _whole(_DEPTHS[rng.integers(8)][layout["depth"]])
    albedo = layout["albedo"]
    if albedo.any():
        turn = rng.uniform(0, 2 * np.pi)
        slope = 0.15 + 0.25 * difficulty
        shade = 1 + slope * (np.cos(turn) * _ramp[None] + np.sin(turn) * _ramp[:, None]) / 1.3
        values = np.repeat(np.repeat(_ALBEDO[albedo], CELL, 1), CELL, 2)[..., None]
        images[:] = np.where(values > 0, values * shade[None, :, :, None].astype(np.float32), images)


def _draw_shapes(images: Pixels, layout: Layout, rng: np.random.Generator) -> None:
    shape = layout["shape"]
    if not shape.any():
        return
    jitter = rng.integers(N_JITTER, size=shape.shape)
    mask = _whole(GLYPHS[shape, layout.looks, jitter])
    inks = _INKS[layout["colour"]] + rng.uniform(-18, 18, (*shape.shape, 3)).astype(np.float32)
    inks[shape == word_index("shape", "hole")] = _HOLE
    images += mask * (np.repeat(np.repeat(inks, CELL, 1), CELL, 2) - images)


def _draw_styles(images: Pixels, layout: Layout) -> None:
    if layout["style"].any():
        images += 38 * _whole(STYLE_TEXTURES[layout["style"]])


def _draw_edits(images: Pixels, layout: Layout, rng: np.random.Generator) -> None:
    """Speckle of saturated colour: what an edited cell looks like."""
    for i, row, column in np.argwhere(layout["edit"]):
        y, x = row * CELL, column * CELL
        images[i, y : y + CELL, x : x + CELL] += 75 * rng.choice([-1, 1], (CELL, CELL, 3))


def _draw_boxes(images: Pixels, layout: Layout, rng: np.random.Generator) -> None:
    """Outlines, two pixels wide, of different size so that two boxes with a common edge are both seen."""
    inset = rng.permutation(2) * 3
    for k, channel in enumerate(("box_a", "box_b")):
        for i in np.flatnonzero(layout[channel].any((1, 2))):
            rows, columns = np.nonzero(layout[channel][i])
            top, left = rows.min() * CELL + inset[k], columns.min() * CELL + inset[k]
            bottom, right = (rows.max() + 1) * CELL - inset[k], (columns.max() + 1) * CELL - inset[k]
            for y, x in ((top, left), (bottom - 2, left)):
                images[i, y : y + 2, x:right] = MARK_COLOURS[k]
            for y, x in ((top, left), (top, right - 2)):
                images[i, y:bottom, x : x + 2] = MARK_COLOURS[k]


def _draw_marks(images: Pixels, layout: Layout, rng: np.random.Generator) -> None:
    """Solid squares in a corner of their cell, so that most of what is marked stays visible."""
    mark = layout["mark"]
    for i, row, column in np.argwhere(mark):
        dy, dx = rng.integers(0, 3, 2) + (CELL - _MARK - 2) * rng.integers(0, 2, 2)
        y, x = row * CELL + dy, column * CELL + dx
        images[i, y : y + _MARK, x : x + _MARK] = MARK_COLOURS[mark[i, row, column] - 1]
