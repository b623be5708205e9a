"""Circles with letters, and boxes, drawn on pictures as BLINK does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["HEIGHT", "RED", "grey", "marked", "marker_radius", "outlined", "scaled"]

HEIGHT = 1024  # pixels: BLINK shows pictures with marked points at this height
RED = (255, 0, 0)
_BOX_COLOURS = ((255, 0, 0), (0, 0, 255))

Point = tuple[float, float]
Box = tuple[float, float, float, float]


def marker_radius(image: Image.Image) -> int:
    """Radius of a circle: 1.5 % of the shorter side, at least 5 pixels."""
    width, height = image.size
    return max(5, round(0.015 * min(int(width), int(height))))


def marked(image: Image.Image, points: Mapping[str, Point]) -> Image.Image:
    """A copy with a red circle around every point and its name beside it; x, y in pixels."""
    copy = image.copy()
    draw = ImageDraw.Draw(copy)
    radius = marker_radius(image)
    font = ImageFont.load_default(size=2.4 * radius)
    for name, place in points.items():
        x, y = (round(value) for value in place)
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), outline=RED, width=max(2, round(radius / 4))
        )
        _write(draw, name, x, y, radius, font, RED)
    return copy


def outlined(image: Image.Image, boxes: Mapping[str, Box]) -> Image.Image:
    """A copy with named boxes (left, top, right, bottom); the first red, the second blue."""
    copy = image.copy()
    draw = ImageDraw.Draw(copy)
    unit = marker_radius(image)
    font = ImageFont.load_default(size=2.4 * unit)
    for (name, (left, top, right, bottom)), colour in zip(boxes.items(), _BOX_COLOURS, strict=True):
        draw.rectangle((left, top, right, bottom), outline=colour, width=max(2, unit // 3))
        _write(draw, name, left, top, unit / 2, font, colour)
    return copy


def _write(
    draw: ImageDraw.ImageDraw,
    name: str,
    x: float,
    y: float,
    gap: float,
    font: ImageFont.FreeTypeFont,
    colour: tuple[int, int, int],
) -> None:
    """Write to the right of a point, or to the left at the picture's end; a white edge keeps it readable."""
    left, top, right, bottom = draw.textbbox((0, 0), name, font=font, stroke_width=2)
    width, height = draw.im.size
    at_x = x + gap + 2 if x + gap + 2 + right - left <= width else x - gap - 2 - (right - left)
    at_y = min(max(0.0, y - (bottom - top) / 2), height - (bottom - top))
    draw.text((at_x - left, at_y - top), name, font=font, fill=colour, stroke_width=2, stroke_fill=(255, 255, 255))


def scaled(image: Image.Image, height: int = HEIGHT) -> tuple[Image.Image, float]:
    """The picture at a height, and by what its coordinates grew."""
    factor = height / image.height
    size = (max(1, round(image.width * factor)), height)
    return image.resize(size, Image.Resampling.LANCZOS), factor


def grey(image: Image.Image) -> NDArray[np.float64]:
    """Brightness in [0, 255], rows first."""
    return np.asarray(image.convert("L"), np.float64)
