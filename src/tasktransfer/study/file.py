"""A study file, checked whole: every fault is reported at once, with its line and the nearest accepted name.

Nothing is computed and nothing is fetched before it is without fault.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tasktransfer.errors import InputError, quoted
from tasktransfer.models.toy import EMBEDDED
from tasktransfer.study.rules import clashes, mapping_of, name_faults
from tasktransfer.study.spec import (
    Compute,
    Evaluation,
    ItemCounts,
    Merge,
    Method,
    ModelChoice,
    Optimisation,
    Study,
    Variant,
    Video,
)
from tasktransfer.tasks.own.function import is_function
from tasktransfer.tasks.own.hub_dataset import HubDataset, looks_local
from tasktransfer.tasks.own.tables import Columns
from tasktransfer.yaml_lines import Fault, Marked, Place, in_words, read_marked, read_yaml_text, set_value

__all__ = ["check_study", "load_study"]

# which keys stand where, for the nearest name
_PARTS: dict[str, type[BaseModel]] = {
    "items": ItemCounts,
    "compute": Compute,
    "method": Method,
    "optimisation": Optimisation,
    "evaluation": Evaluation,
    "video": Video,
    "datasets.*": HubDataset,
    "datasets.*.columns": Columns,
    "models.*": ModelChoice,
    "merges.*": Merge,
    "variants.*": Variant,
    "variants.*.method": Method,
    "variants.*.optimisation": Optimisation,
}

_NAME_FORM = "a name holds no / \\ = and neither begins nor ends with a space"
_COUNTS: dict[str | int, str] = {
    "source": "accepted is a whole number from 1: all sources are trained on so many, so that they compare; "
    "at most what the smallest holds (`all` is for items.target)",
    "target": "accepted is a whole number from 1, or all",
}
_FORMS: dict[str | int, str] = {
    "device": "accepted are auto, cpu, cuda and cuda:0, cuda:1, ...",
    "family": "accepted is an importable module:NAME",
}


def load_study(path: str | Path, *, overrides: Sequence[str] = ()) -> Study:
    """Read and check a study file.

    Parameters
    ----------
    path
        A YAML file. Relative paths in it are relative to its folder.
    overrides
        ``key.key=value`` each, applied before the check.

    Raises
    ------
    InputError
        Anything that is wrong, all of it in one message.
    """
    file = Path(path)
    text = read_yaml_text(file, "a study file")
    return check_study(text, name=str(file), folder=file.parent, overrides=overrides)


def check_study(text: str, *, name: str = "study", folder: Path = Path(), overrides: Sequence[str] = ()) -> Study:
    """Check the text of a study file; see `load_study`.

    Parameters
    ----------
    text
        The file's text, YAML.
    name
        What messages call it.
    folder
        Relative paths in it are relative to this one.
    overrides
        ``key.key=value`` each, applied before the check.

    Raises
    ------
    InputError
        Anything that is wrong, all of it in one message.
    """
    marked = read_marked(text, name)
    if not isinstance(marked.values, dict):
        given = "empty" if marked.values is None else f"a {type(marked.values).__name__}"
        raise InputError(f"{name}: a study is a mapping of keys to values; this is {given}")
    values = copy.deepcopy(marked.values)
    for assignment in overrides:
        set_value(values, assignment)
    filled = _filled(values, folder)
    faults = [*marked.faults, *name_faults(filled, own_targets="targets" in values), *clashes(filled, values)]
    try:
        study = Study.model_validate(filled)
    except ValidationError as error:
        faults += _type_faults(error, values)
    if faults:
        raise InputError(_told(faults, marked, name, overrides))
    return study


def _filled(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Shorthands written out: targets default to the sources, variants to the study, paths to absolute ones."""
    filled = copy.deepcopy(values)
    if "targets" not in filled and "sources" in filled:
        filled["targets"] = filled["sources"]
    models = mapping_of(filled, "models")
    for key, choice in models.items():
        given = {"weights": choice} if isinstance(choice, str) else choice
        if isinstance(given, dict) and isinstance(given.get("weights"), str):
            models[key] = given | {"weights": _absolute(given["weights"], folder)}
    tables = {name: place for name, place in mapping_of(filled, "tasks").items() if isinstance(place, dict)}
    if tables:  # a Hub dataset with its columns
        there = filled.get("datasets", {})
        filled["datasets"] = there | tables if isinstance(there, dict) else there
        filled["tasks"] = {name: place for name, place in filled["tasks"].items() if name not in tables}
    for name, place in mapping_of(filled, "datasets").items():
        if isinstance(place, dict):
            filled["datasets"][name] = _with_absolute_folder(place, folder)
    for part in ("tasks", "data", "training", "adapters"):
        places = mapping_of(filled, part)
        for key, place in places.items():
            if isinstance(place, str) and not (part == "tasks" and is_function(place)):
                places[key] = _resolved(folder, place)
    for key, merge in mapping_of(filled, "merges").items():
        filled["merges"][key] = _with_shares(merge, mapping_of(filled, "mixtures"))
    variants = mapping_of(filled, "variants")
    for key, variant in variants.items():
        if isinstance(variant, dict) or variant is None:
            variants[key] = _merged(filled, variant or {})
    return filled


def _with_absolute_folder(dataset: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A dataset that is a folder, with its absolute path; a name on the Hub, org/name, as it is."""
    name = dataset.get("dataset")
    if isinstance(name, str) and name and (looks_local(name) or Path(_resolved(folder, name)).is_dir()):
        return dataset | {"dataset": _resolved(folder, name)}
    return dataset


def _resolved(folder: Path, text: str) -> str:
    """A path of the file as an absolute one; where there is none (no such user), a path that does not exist."""
    try:
        return str((folder / Path(text).expanduser()).resolve())
    except (RuntimeError, ValueError, OSError):
        return str(folder.absolute() / text.replace("\0", "\\0"))


def _with_shares(merge: Any, mixtures: dict[str, Any]) -> Any:
    """A merge of a mixture with the shares of its items as weights."""
    mixture = mixtures.get(merge["of"]) if isinstance(merge, dict) and isinstance(merge.get("of"), str) else None
    if not isinstance(mixture, dict) or not all(type(count) is int and count > 0 for count in mixture.values()):
        return merge
    return merge | {"of": {task: count / sum(mixture.values()) for task, count in mixture.items()}}


def _merged(study: dict[str, Any], variant: dict[str, Any]) -> dict[str, Any]:
    merged = dict(variant)
    for part in ("method", "optimisation"):
        whole, own = study.get(part, {}), variant.get(part, {})
        if isinstance(whole, dict) and isinstance(own, dict):
            merged[part] = whole | own
    return merged


def _absolute(weights: str, folder: Path) -> str:
    """A folder as an absolute path; ``toy`` and Hub ids as they are."""
    path = _resolved(folder, weights)
    if weights != EMBEDDED and (Path(path).exists() or weights.startswith((".", "/", "~"))):
        return path
    return weights


def _type_faults(error: ValidationError, values: dict[str, Any]) -> Iterator[Fault]:
    """Pydantic's findings in words; those of a variant only where the variant itself says the value."""
    wrong = [detail["loc"] for detail in error.errors()]
    for detail in error.errors():
        place: Place = detail["loc"]
        if detail["type"] == "too_short" and any(p[: len(place)] == place and p != place for p in wrong):
            continue  # it is not empty: what it holds is wrong, and reported
        if place[0] == "datasets" and not _has(values, place[:2]):
            yield Fault(("tasks", *place[1:]), _in_words(detail, place))
            continue
        if place[0] == "variants" and len(place) > 3 and not _has(values, place):
            continue
        if place[0] == "targets" and "targets" not in values:
            continue  # reported at its sources
        if place[0] == "merges" and place[2:] == ("of",) and isinstance(detail["input"], str):
            continue  # reported at its mixture
        yield Fault(place, _in_words(detail, place))


def _has(values: Any, place: Place) -> bool:
    for key in place:
        try:
            values = values[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _in_words(detail: Any, place: Place) -> str:
    kind, given = detail["type"], detail["input"]
    if kind == "string_pattern_mismatch":
        return f"is {quoted([given])}; {_FORMS.get(place[-1], _NAME_FORM)}"
    if place[0] == "items" and kind == "int_type" and given is not None:
        return f"is {quoted([given])}; {_COUNTS.get(place[-1], 'accepted is a whole number from 1')}"
    return in_words(detail, _keys_at(place[:-1]))


def _keys_at(place: Place) -> list[str]:
    """The accepted keys of the mapping at a place."""
    name = ".".join("*" if number == 1 and place[0] in {"models", "variants", "datasets", "merges"} else str(key)
                    for number, key in enumerate(place))  # fmt: skip
    part = _PARTS.get(name, Study if not place else None)
    return list(part.model_fields) if part else []


def _told(faults: Sequence[Fault], marked: Marked, name: str, overrides: Sequence[str]) -> str:
    """One line a fault, in the order of the file; those of values that were set from outside first."""
    lines = {}
    keys = [assignment.partition("=")[0].strip() for assignment in overrides]
    for fault in faults:
        where = ".".join(map(str, fault.place))
        key = next((key for key in keys if f"{where}.".startswith(f"{key}.")), None)
        if key is not None and fault not in marked.faults:
            lines[f"--set {key}: {fault.message if where == key else f'{where}: {fault.message}'}"] = 0
            continue
        line = marked.line(fault.place) or 0
        at = f"{name}:{line}" if line else name
        lines[f"{at}  {where}: {fault.message}"] = line
    ordered = sorted(lines, key=lambda text: lines[text])
    head = [f"{len(ordered)} faults in the study; nothing was computed"] if len(ordered) > 1 else []
    return "\n".join([*head, *ordered])
