"""What all figures share: the look, the words on them, and files that come out the same byte for byte."""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from html import escape
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tasktransfer.drawing.labels import label_of, printable
from tasktransfer.errors import InputError
from tasktransfer.files import refusing_to_write
from tasktransfer.tasks import find_task

__all__ = ["COLUMN", "PAGE", "in_style", "inch_grid", "save_figure", "svg_of"]

COLUMN, PAGE = 3.4, 7.0  # inches: one column and the whole width of a two-column page
POINTS = 72.0
PNG_DPI = 200

# Okabe and Ito; blue and vermilion are kept for the sign, so levels use the others
SIGN_COLOURS = {"positive": "#0072B2", "negative": "#D55E00"}
SIGN_LINES: dict[str, Any] = {"positive": "-", "negative": (0, (2.6, 1.1))}
LEVEL_COLOURS = {"low": "#CC79A7", "mid": "#D9B000", "high": "#009E73", "": "#B0B0B0"}
LEVEL_LINES: dict[str, Any] = {"low": (0, (4, 1.2)), "mid": (0, (1, 1)), "high": "-", "": "-"}
GRANULARITY_MARKERS = {"pixel": "o", "crop": "D", "image": "s", "": "h"}
INK, FAINT = "#222222", "#9A9A9A"
CONTROL = "#7A1F8A"  # what a control reaches, in whichever figure

DIVERGING: Colormap = LinearSegmentedColormap.from_list(
    "vermilion-white-blue", ["#8F3200", "#D55E00", "#F3B48A", "#FAFAFA", "#8FC1E3", "#0072B2", "#003E66"]
)
SEQUENTIAL: Colormap = LinearSegmentedColormap.from_list(
    "white-purple", ["#FCFCFC", "#D9C3DC", "#A06BA8", "#4C1D5B"]
)
_MODELS: Colormap = LinearSegmentedColormap.from_list(
    "straw-teal-navy", ["#F6EBBE", "#A9CDB6", "#6399AD", "#3E5C8C"]
)

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine draws the same
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "axes.linewidth": 0.5,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,  # a task may be called "$\\frac{"
    "text.usetex": False,
    "pdf.fonttype": 42,  # journals refuse type 3 fonts
    "savefig.dpi": PNG_DPI,
}

_SCREEN_INCH = 128  # pixels of a screen for an inch of paper

_P = ParamSpec("_P")
_R = TypeVar("_R")


@contextmanager
def style() -> Iterator[None]:
    """The look of all figures, whatever the caller's own settings are, which come back afterwards."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def in_style(draw: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a function draw in `style`."""

    @wraps(draw)
    def styled(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with style():
            return draw(*args, **kwargs)

    return styled


def something_of(numbers: pd.DataFrame, why: str) -> pd.DataFrame:
    """The numbers of a figure, or `InputError` saying why there are none."""
    if numbers.empty:
        raise InputError(f"nothing to draw: {why}")
    return numbers


def save_figure(figure: Figure, stem: Path) -> None:
    """Write ``stem.pdf`` and ``stem.png`` without dates or versions, the same bytes each time.

    Raises
    ------
    OutputError
        The folder cannot be written to.
    """
    with style(), warnings.catch_warnings():
        # a name may hold signs our one font lacks; a box in the figure is no reason to fail
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        nobody = {"Creator": None, "Producer": None, "CreationDate": None}
        with refusing_to_write(stem):
            figure.savefig(f"{stem}.pdf", format="pdf", metadata=nobody)
            figure.savefig(f"{stem}.png", format="png", dpi=PNG_DPI, metadata={"Software": None})


def svg_of(figure: Figure, name: str, label: str) -> str:
    """A figure as an element of an HTML page, the same bytes each time.

    Parameters
    ----------
    figure
        What is drawn.
    name
        Distinguishes its ids from those of other figures on the page.
    label
        What it shows, for who cannot see it.
    """
    text = io.StringIO()
    with style(), warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        # text stays text: read aloud, searched, and a tenth of the size of outlines
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    body = text.getvalue()
    body = re.sub(r"<metadata>.*?</metadata>", "", body[body.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", body)
    # matplotlib styles `*`, which on a page would be every element of it
    body = re.sub(r"<defs>\s*<style[^>]*>[^<]*</style>\s*</defs>", "", body, count=1)
    inches = figure.get_size_inches()[0]
    # drawn for paper: larger on a screen that has the room, never so small that it cannot be read
    wide = f"width: {_SCREEN_INCH * inches:.0f}px; min-width: {96 * inches:.0f}px"
    spoken = escape(label, quote=True)
    head = f'<svg role="img" aria-label="{spoken}" style="{wide}" stroke-linejoin="round" stroke-linecap="butt" '
    return body.replace("<svg ", head, 1)


def task_label(task: str, width: int = 28) -> str:
    """Display label of a task on one line: its registered abbreviation, else its name."""
    return label_of(task, width)


def model_label(model: str, width: int = 24) -> str:
    """A model's name for display; matplotlib would drop a legend entry that starts with an underscore."""
    shown = printable(model, width)
    return " " + shown if shown.startswith("_") else shown


def model_labels(models: Sequence[str], width: int = 24) -> dict[str, str]:
    """Names of models for display; what all share is dropped where a name would not fit.

    >>> model_labels(["Qwen2.5-VL-3B-Instruct", "Qwen2.5-VL-7B-Instruct"], 10)
    {'Qwen2.5-VL-3B-Instruct': '3B', 'Qwen2.5-VL-7B-Instruct': '7B'}
    """
    names = list(models)
    if len(names) > 1 and max(map(len, names)) > width:
        # whole words only: of 3B and 32B the 3 is not shared
        start, end = _shared_words(names), _shared_words([name[::-1] for name in names])
        if all(start + end < len(name) for name in names):
            names = [name[start : len(name) - end] for name in names]
    return {model: model_label(name, width) for model, name in zip(models, names, strict=True)}


def _shared_words(names: Sequence[str]) -> int:
    """Length of the beginning that all names share, up to its last sign that is no letter or digit."""
    shared = 0
    for position, signs in enumerate(zip(*names, strict=False), start=1):
        if len(set(signs)) > 1:
            break
        shared = shared if signs[0].isalnum() else position
    return shared


def panel_title(axes: Axes, position: int, panels: int, text: str, **kwargs: Any) -> None:
    """Title a panel ``(a) text``; a panel that stands alone needs no letter."""
    letter = chr(ord("a") + position) if panels <= 26 else str(position + 1)
    axes.set_title(f"({letter}) {text}" if panels > 1 else text, **kwargs)


def text_points(text: str, size: float) -> float:
    """Width of a text in points, by rule of thumb: asking a renderer would need a first drawing."""
    ems = 0.0
    for sign in text:
        if sign in " iljI.,:;'|!":
            ems += 0.33
        elif unicodedata.east_asian_width(sign) in "WF":
            ems += 1.05
        else:
            ems += 0.72 if sign.isupper() else 0.63
    return size * ems


def widest_points(texts: Sequence[str], size: float) -> float:
    """Width in points of the widest of some texts."""
    return max((text_points(text, size) for text in texts), default=0.0)


def inch_grid(
    shape: tuple[int, int],
    panel: tuple[float, float],
    *,
    left: float = 0.5,
    right: float = 0.1,
    top: float = 0.3,
    bottom: float = 0.4,
    gaps: tuple[float, float] = (0.5, 0.5),
) -> tuple[Figure, list[list[Axes]]]:
    """A figure of equal panels with every distance in inches.

    Known distances need no layout pass, which would cost more than the drawing.

    Parameters
    ----------
    shape
        Rows and columns of panels.
    panel
        Width and height of each.
    left, right, top, bottom
        Margins.
    gaps
        Horizontal and vertical distance of neighbours.
    """
    rows, columns = shape
    width = left + right + columns * panel[0] + (columns - 1) * gaps[0]
    height = top + bottom + rows * panel[1] + (rows - 1) * gaps[1]
    figure = Figure(figsize=(width, height))
    grid = []
    for row in range(rows):
        y = height - top - (row + 1) * panel[1] - row * gaps[1]
        line = []
        for column in range(columns):
            x = left + column * (panel[0] + gaps[0])
            line.append(axes_at(figure, (x, y, *panel)))
        grid.append(line)
    return figure, grid


def axes_at(figure: Figure, box: tuple[float, float, float, float]) -> Axes:
    """Axes at left, bottom, width, height in inches."""
    width, height = figure.get_size_inches()
    return figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))


def legend_shape(handles: Sequence[Any], width: float) -> tuple[int, float]:
    """Columns a legend can have in a figure of so many inches, and its height in inches."""
    texts = [str(handle.get_label()) for handle in handles]
    size = float(_STYLE["legend.fontsize"])
    for rows in range(1, len(texts)):
        columns = -(-len(texts) // rows)
        widths = [widest_points(texts[i : i + rows], size) + 3.6 * size for i in range(0, len(texts), rows)]
        if sum(widths) <= width * POINTS:
            return columns, 0.15 * rows + 0.1
    return 1, 0.15 * len(texts) + 0.1


def axes_points(axes: Axes) -> tuple[float, float]:
    """Width and height of axes in points."""
    box = axes.get_window_extent()
    return box.width / axes.figure.dpi * POINTS, box.height / axes.figure.dpi * POINTS


def bottom_legend(figure: Figure, handles: Sequence[Any]) -> None:
    """A legend centred at the foot of the figure; `legend_shape` says how high it is."""
    columns, _ = legend_shape(handles, float(figure.get_size_inches()[0]))
    figure.legend(
        handles=list(handles),
        labels=[str(handle.get_label()) for handle in handles],
        loc="lower center",
        bbox_to_anchor=(0.5, 0.06 / float(figure.get_size_inches()[1])),
        ncols=columns,
        borderaxespad=0,
    )


def model_colours(models: Sequence[str], *, lines: bool = False) -> dict[str, Any]:
    """Colours of models from light to dark in their order, which grey print keeps apart as well.

    The lightest shades would be lost in `lines` on white, and where there is but one model.
    """
    first = 0.7 if len(models) == 1 else 0.38 if lines else 0.0
    shades = _MODELS(np.linspace(first, 1, len(models)))
    return {model: tuple(shade) for model, shade in zip(models, shades, strict=True)}


def level_of(task: str) -> str:
    """Registered level, empty if there is none."""
    facts = find_task(task)
    return facts.level if facts else ""


def granularity_of(task: str) -> str:
    """Registered granularity, empty if there is none."""
    facts = find_task(task)
    return facts.granularity if facts else ""


def task_keys(tasks: Sequence[str]) -> list[Line2D]:
    """Legend entries for the levels and granularities that occur."""
    marker: dict[str, Any] = {"linestyle": "", "markersize": 5.5, "markeredgewidth": 0.5, "markeredgecolor": INK}
    levels = {level_of(task) for task in tasks}
    entries = [
        Line2D([], [], marker="o", color=colour, label=f"{level} level" if level else "level not known", **marker)
        for level, colour in LEVEL_COLOURS.items()
        if level in levels
    ]
    granularities = {granularity_of(task) for task in tasks} - {""}
    entries += [
        Line2D([], [], marker=shape, color="white", label=name, **marker)
        for name, shape in GRANULARITY_MARKERS.items()
        if name in granularities
    ]
    return entries


def every_other(count: int, pitch: float, least: float = 6.5) -> int:
    """Step at which labels `pitch` points apart must be thinned to be `least` points apart."""
    return max(1, int(np.ceil(least / max(pitch, 1e-6)))) if count > 1 else 1
