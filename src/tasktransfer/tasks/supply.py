"""Where the items of a task come from: the drawn world, a folder, or a function of one's own."""

from __future__ import annotations

import hashlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tasktransfer.errors import InputError, closest
from tasktransfer.tasks.files import read_folder_task
from tasktransfer.tasks.item import Item
from tasktransfer.tasks.open_form import NEEDS_OPTIONS, OPEN_SUFFIX, as_open, closed_name
from tasktransfer.tasks.toyworld import TOY_TASKS

__all__ = ["KNOWN_TASKS", "Supply", "open_task"]

KNOWN_TASKS = tuple(TOY_TASKS)
_PROBE = 16
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Supply:
    """A task that items can be drawn from.

    Parameters
    ----------
    name
        As the study calls it.
    label_version
        Which release of the answers it gives; empty where there is but one.
    draw
        ``(split, n_items)`` -> the items, always the same ones.
    digest
        ``(split, n_items)`` -> what identifies those items, whatever place they come from.
    """

    name: str
    label_version: str
    draw: Callable[[str, int], list[Item]]
    digest: Callable[[str, int], str]


def open_task(name: str, place: str | None = None, *, seed: int = 0) -> Supply:
    """Find a task: one of `KNOWN_TASKS`, or what `place` names.

    Parameters
    ----------
    name
        The name used in tables; with the suffix `OPEN_SUFFIX` the task is asked openly, see
        `tasktransfer.tasks.open_form`.
    place
        A folder with ``items.jsonl``, or ``module:function`` with the signature
        ``function(split, n_items, *, seed) -> list[Item]``.
    seed
        Seed of whatever is drawn.

    Raises
    ------
    InputError
        The name is unknown, or the place holds no task.
    """
    if name.endswith(OPEN_SUFFIX):
        return _asked_openly(name, open_task(closed_name(name), place, seed=seed))
    if place is None:
        return _drawn(name, seed)
    if _FUNCTION.fullmatch(place):
        return _own_function(name, place, seed)
    task = read_folder_task(Path(place))
    return Supply(name, "", task.draw, task.digest)


def _asked_openly(name: str, closed: Supply) -> Supply:
    """The same items without their options; the label version is that of the answers, so it stays."""
    if closed.name in NEEDS_OPTIONS:
        raise InputError(f"task {name!r} cannot be asked openly: {NEEDS_OPTIONS[closed.name]}")

    def draw(split: str, n_items: int) -> list[Item]:
        try:
            return [as_open(item) for item in closed.draw(split, n_items)]
        except InputError as error:
            raise InputError(f"task {name!r}: {error}") from error

    def digest(split: str, n_items: int) -> str:
        """That of the items as choices and of what becomes of the first of them."""
        told = [(item.question, item.answer, item.scorer) for item in draw(split, min(n_items, _PROBE))]
        return hashlib.sha256(f"{closed.digest(split, n_items)} {told}".encode()).hexdigest()

    return replace(closed, name=name, draw=draw, digest=digest)


def _drawn(name: str, seed: int) -> Supply:
    if name not in TOY_TASKS:
        raise InputError(f"unknown task {name!r}{closest(name, KNOWN_TASKS)}")

    def draw(split: str, n_items: int) -> list[Item]:
        from tasktransfer.tasks.toyworld import draw_items

        return draw_items(name, split, n_items, seed=seed)

    return _probed(name, TOY_TASKS[name].label_version, draw)


def _own_function(name: str, place: str, seed: int) -> Supply:
    try:
        function = pkgutil.resolve_name(place)
    except (ImportError, AttributeError) as error:
        raise InputError(f"task {name!r}: {place!r} cannot be imported ({error})") from error
    return _probed(name, "", lambda split, n_items: list(function(split, n_items, seed=seed)))


def _probed(name: str, label_version: str, draw: Callable[[str, int], list[Item]]) -> Supply:
    def digest(split: str, n_items: int) -> str:
        """Drawing is a function of the seed: the first items tell a changed one."""
        whole = hashlib.sha256(f"{split} {n_items}\n".encode())
        for item in draw(split, n_items if n_items < _PROBE else _PROBE):
            told = (item.id, item.question, item.choices, item.answer, item.is_video)
            whole.update(repr((*told, item.scorer) if item.scorer else told).encode())
            for image in item.images:
                whole.update(repr((image.size, image.mode)).encode() + image.tobytes())
        return whole.hexdigest()

    return Supply(name, label_version, draw, digest)
