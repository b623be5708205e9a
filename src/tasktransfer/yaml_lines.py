"""YAML as plain values with the line of every key, values set from outside, and faults of types in words.

Every YAML file that a person writes is read here: study, manifest of logs, description of a dataset.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tasktransfer.errors import InputError, closest, quoted

__all__ = ["Fault", "Marked", "Place", "in_words", "read_marked", "read_yaml_text", "set_value"]

Place = tuple[str | int, ...]


class Fault(NamedTuple):
    """One thing that is wrong, and where."""

    place: Place
    message: str


class Marked(NamedTuple):
    """The values of a file, the line of each, and what is wrong with the file itself."""

    values: Any
    lines: dict[Place, int]
    faults: list[Fault]

    def line(self, place: Place) -> int | None:
        """The line of a place, or of the nearest thing around it that the file has."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place)


def read_yaml_text(path: Path, what: str) -> str:
    """The text of a file that a person wrote; `what` is needed there.

    Raises
    ------
    InputError
        It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); {what} is needed") from error


def read_marked(text: str, name: str, *, as_written: bool = False) -> Marked:
    """Read YAML, noting lines and keys that stand twice.

    Parameters
    ----------
    text
        The content of the file.
    name
        The file, for messages.
    as_written
        Keep every value as the text that stands there (``no`` and ``007`` stay that, null is empty) and call
        aliases a fault.

    Raises
    ------
    InputError
        It is not YAML, or an alias stands within what it names.
    """
    lines: dict[Place, int] = {}
    faults: list[Fault] = []
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            # YAML allows an alias of what is around it; whoever walks the values would never end
            if (within := _within_itself(node, ())) is not None:
                raise InputError(f"{name}:{within + 1}  an alias stands within what it names; write it out")
            _walk(node, (), lines, faults)
        if as_written:
            values = {} if node is None else _texts(node, (), faults, set())
        else:
            values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        raise InputError(f"{name}{line}  not YAML: {error.problem or error.context}") from error
    except InputError:
        raise
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{name}  not YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise InputError(f"{name}  its values stand too deep in each other") from error
    return Marked(values, lines, faults)


def _texts(node: yaml.Node, place: Place, faults: list[Fault], seen: set[int]) -> Any:
    """Every scalar as the text that stands there."""
    if isinstance(node, yaml.ScalarNode):
        return "" if node.tag == "tag:yaml.org,2002:null" else node.value
    if id(node) in seen:
        faults.append(Fault(place, "anchors and aliases are not used here; write the entry out"))
        return {}
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return [_texts(below, (*place, number), faults, seen) for number, below in enumerate(node.value)]
    return {str(key.value): _texts(below, (*place, str(key.value)), faults, seen) for key, below in node.value}


def _within_itself(node: yaml.Node, around: tuple[yaml.Node, ...]) -> int | None:
    """The line, from 0, of a node that an alias within it names."""
    if any(node is other for other in around):
        return int(node.start_mark.line)
    inner = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
    below = inner if isinstance(node, yaml.CollectionNode) else []
    return next((line for part in below if (line := _within_itself(part, (*around, node))) is not None), None)


def _walk(node: yaml.Node, place: Place, lines: dict[Place, int], faults: list[Fault]) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*place, str(key.value))
            if here in lines:
                faults.append(Fault(here, f"stands there twice, first in line {lines[here]}"))
            lines[here] = key.start_mark.line + 1
            _walk(value, here, lines, faults)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            _walk(value, (*place, number), lines, faults)


def set_value(values: Any, assignment: str) -> None:
    """Apply ``a.b=value`` to nested mappings in place; the value is YAML.

    >>> values = {"method": {"r": 8}}
    >>> set_value(values, "method.r=16"); set_value(values, "seeds=[0, 1]"); values
    {'method': {'r': 16}, 'seeds': [0, 1]}

    Raises
    ------
    InputError
        There is no ``=``, the value is not YAML, or the way leads through something that is no mapping.
    """
    path, equals, text = assignment.partition("=")
    keys: Sequence[str] = path.strip().split(".")
    if not equals or not all(keys):
        raise InputError(f"--set {assignment}: accepted is key.key=value")
    try:
        value = read_marked(text, "").values
    except InputError as error:
        fault = str(error).partition("  ")[2]  # without name and line
        raise InputError(f"--set {assignment}: {fault.replace('not YAML', 'the value is not YAML', 1)}") from error
    inner = values
    for key in keys[:-1]:
        if isinstance(inner, dict) and inner.get(key) is None:
            inner[key] = {}
        inner = inner[key] if isinstance(inner, dict) else None
    if not isinstance(inner, dict):
        raise InputError(f"--set {assignment}: {'.'.join(keys[:-1]) or 'the study'} is no mapping")
    inner[keys[-1]] = value


def in_words(found: Any, keys: Sequence[str] = ()) -> str:
    """One finding of pydantic's as words that follow the name of its place.

    Parameters
    ----------
    found
        An entry of ``ValidationError.errors()``.
    keys
        The keys that are accepted where it stands.
    """
    kind, given = found["type"], found["input"]
    if kind == "extra_forbidden":
        name = str(found["loc"][-1])
        return f"unknown key{closest(name, keys) or (f'; accepted are {quoted(keys, limit=20)}' if keys else '')}"
    if kind == "missing":
        return "is missing"
    if kind == "too_short":
        return "is empty; at least one is needed"
    if kind == "literal_error" and isinstance(given, str):
        accepted = found["ctx"]["expected"]
        hint = closest(given, re.findall(r"'([^']+)'", accepted))
        return f"is {given!r}{hint}; accepted is {accepted}"
    message = str(found["msg"]).removeprefix("Input ").removeprefix("Value error, ")
    return f"is {quoted([given])}; it {message}" if message.startswith("should") else message
