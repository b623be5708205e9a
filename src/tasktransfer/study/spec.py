"""A study as a value: what is trained, on what, how often, and what it is tested on.

Where it runs and where it writes are not part of it. A file is checked whole: every fault is told at once, with
its line and the nearest accepted name, before anything is computed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasktransfer.errors import InputError, closest, quoted
from tasktransfer.study.marks import Fault, Marked, Place, read_marked, set_value
from tasktransfer.tasks.open_form import closed_name
from tasktransfer.tasks.supply import KNOWN_TASKS

__all__ = [
    "CONTROLS",
    "Evaluation",
    "ItemCounts",
    "Method",
    "ModelChoice",
    "Optimisation",
    "Study",
    "Variant",
    "check_study",
    "load_study",
]

CONTROLS = ("format-only", "shuffled", "no-image")
EMBEDDED = "toy"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\s/\\=]([^/\\=\x00-\x1f]*[^\s/\\=])?$")]
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
Control = Literal["format-only", "shuffled", "no-image"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


class ModelChoice(_Part):
    """``toy``, a folder or a Hub id, and how it is loaded."""

    weights: str = Field(min_length=1)
    revision: str | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"


class Method(_Part):
    """What is trained: a LoRA adapter on the language model, or all of the language model."""

    kind: Literal["lora", "full"] = "lora"
    r: int = Field(default=8, ge=1, strict=True)
    alpha: float = Field(default=16, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    layers: Literal["attention", "attention+mlp"] = "attention+mlp"


class Optimisation(_Part):
    """AdamW on the answer tokens; the rate rises over the share `warmup` of the steps, then follows `schedule`.

    With `stop` below 1 training ends after that share of the steps, on the schedule of all of them.
    """

    lr: float = Field(default=1e-3, gt=0)
    steps: int = Field(default=60, ge=1, strict=True)
    batch: int = Field(default=16, ge=1, strict=True)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    schedule: Literal["cosine", "constant"] = "cosine"
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, gt=0)
    stop: float = Field(default=1.0, gt=0, le=1)


class ItemCounts(_Part):
    """Items trained on per source, and asked per target."""

    source: int = Field(default=256, ge=1, strict=True)
    target: int = Field(default=64, ge=1, strict=True)


class Evaluation(_Part):
    """How answers are had. Items without options are always generated, on all items."""

    scorers: tuple[Literal["likelihood", "generation"], ...] = Field(default=("likelihood",), min_length=1)
    generation_items: int | None = Field(default=None, ge=1, strict=True)
    max_new_tokens: int = Field(default=8, ge=1, strict=True)


class Variant(_Part):
    """The study's method and optimisation with some values changed."""

    method: Method = Method()
    optimisation: Optimisation = Optimisation()


class Study(_Part):
    """The whole of a study file; see `load_study`."""

    name: Name
    models: dict[Name, ModelChoice] = Field(min_length=1)
    sources: tuple[Name, ...] = Field(min_length=1)
    targets: tuple[Name, ...] = Field(min_length=1)
    seeds: tuple[Seed, ...] = Field(min_length=1)
    tasks: dict[Name, str] = {}
    items: ItemCounts = ItemCounts()
    data_seed: Seed = 0
    controls: tuple[Control, ...] = ()
    per_source_controls: tuple[Control, ...] = ()
    method: Method = Method()
    optimisation: Optimisation = Optimisation()
    variants: dict[Name, Variant] = {}
    evaluation: Evaluation = Evaluation()


# which keys stand where, for the nearest name
_PARTS: dict[str, type[_Part]] = {
    "items": ItemCounts,
    "method": Method,
    "optimisation": Optimisation,
    "evaluation": Evaluation,
    "models.*": ModelChoice,
    "variants.*": Variant,
    "variants.*.method": Method,
    "variants.*.optimisation": Optimisation,
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
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); a study file is needed") from error
    return check_study(text, name=str(file), folder=file.parent, overrides=overrides)


def check_study(text: str, *, name: str = "study", folder: Path = Path(), overrides: Sequence[str] = ()) -> Study:
    """Check the text of a study file; see `load_study`."""
    marked = read_marked(text, name)
    if not isinstance(marked.values, dict):
        given = "empty" if marked.values is None else f"a {type(marked.values).__name__}"
        raise InputError(f"{name}: a study is a mapping of keys to values; this is {given}")
    values = copy.deepcopy(marked.values)
    for assignment in overrides:
        set_value(values, assignment)
    filled = _filled(values, folder)
    faults = [*marked.faults, *_name_faults(filled, own_targets="targets" in values)]
    try:
        study = Study.model_validate(filled)
    except ValidationError as error:
        faults += _type_faults(error, values)
    if faults:
        raise InputError(_told(faults, marked, name))
    return study


def _filled(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Shorthands written out: targets default to the sources, variants to the study, paths to absolute ones."""
    filled = copy.deepcopy(values)
    if "targets" not in filled and "sources" in filled:
        filled["targets"] = filled["sources"]
    models = _mapping(filled, "models")
    for key, choice in models.items():
        given = {"weights": choice} if isinstance(choice, str) else choice
        if isinstance(given, dict) and isinstance(given.get("weights"), str):
            models[key] = given | {"weights": _absolute(given["weights"], folder)}
    tasks = _mapping(filled, "tasks")
    for key, place in tasks.items():
        if isinstance(place, str) and not _FUNCTION.fullmatch(place):
            tasks[key] = str((folder / Path(place).expanduser()).resolve())
    variants = _mapping(filled, "variants")
    for key, variant in variants.items():
        if isinstance(variant, dict) or variant is None:
            variants[key] = _merged(filled, variant or {})
    return filled


def _mapping(values: dict[str, Any], key: str) -> dict[str, Any]:
    """The mapping of a key; an empty one where there is something else."""
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _merged(study: dict[str, Any], variant: dict[str, Any]) -> dict[str, Any]:
    merged = dict(variant)
    for part in ("method", "optimisation"):
        whole, own = study.get(part, {}), variant.get(part, {})
        if isinstance(whole, dict) and isinstance(own, dict):
            merged[part] = whole | own
    return merged


def _absolute(weights: str, folder: Path) -> str:
    """A folder as an absolute path; ``toy`` and Hub ids as they are."""
    path = folder / Path(weights).expanduser()
    if weights != EMBEDDED and (path.exists() or weights.startswith((".", "/", "~"))):
        return str(path.resolve())
    return weights


def _name_faults(values: dict[str, Any], *, own_targets: bool) -> Iterator[Fault]:
    """What types cannot tell: unknown tasks and models, paths that are not there, things named twice."""
    own = _mapping(values, "tasks")
    known = [*KNOWN_TASKS, *map(str, own)]
    for key in ("sources", "targets") if own_targets else ("sources",):
        names = values.get(key)
        for number, task in enumerate(names if isinstance(names, list) else []):
            if isinstance(task, str) and closed_name(task) not in known:
                yield Fault((key, number), f"unknown task {task!r}{_nearest(task, known)}")
    for key in ("sources", *(["targets"] if own_targets else []), "seeds", "controls", "per_source_controls"):
        names = values.get(key)
        yield from _repeats(key, names if isinstance(names, list) else [])
    for name, place in own.items():
        if name in KNOWN_TASKS:
            yield Fault(("tasks", name), "is the name of a built-in task; choose another")
        if isinstance(place, str) and not _FUNCTION.fullmatch(place) and not Path(place).is_dir():
            yield Fault(("tasks", name), f"no such folder: {place}")
    for name, choice in _mapping(values, "models").items():
        weights = choice.get("weights") if isinstance(choice, dict) else None
        if isinstance(weights, str) and (message := _weights_fault(weights)):
            yield Fault(("models", str(name)), message)


def _nearest(task: str, known: Sequence[str]) -> str:
    """The closest name; a bare ``jigsaw`` finds ``toy_jigsaw``."""
    ends = [name for name in known if name.endswith(f"_{task.lower()}")]
    return f" (did you mean {ends[0]!r}?)" if ends else closest(task, known)


def _repeats(key: str, names: list[Any]) -> Iterator[Fault]:
    for number, name in enumerate(names):
        if name in names[:number]:
            yield Fault((key, number), f"{name!r} stands there twice")


def _weights_fault(weights: str) -> str | None:
    if weights == EMBEDDED or Path(weights).is_dir():
        return None
    if Path(weights).is_absolute():
        return f"no such folder: {weights}"
    if _HUB_ID.fullmatch(weights):
        return None
    hint = closest(weights, [EMBEDDED])
    return f"unknown model {weights!r}{hint}; accepted are 'toy', a folder and a Hub id such as org/name"


def _type_faults(error: ValidationError, values: dict[str, Any]) -> Iterator[Fault]:
    """Pydantic's findings in words; those of a variant only where the variant itself says the value."""
    for found in error.errors():
        place: Place = found["loc"]
        if place[0] == "variants" and len(place) > 3 and not _has(values, place):
            continue
        if place == ("targets",) and "targets" not in values:
            continue
        yield Fault(place, _in_words(found, place))


def _has(values: Any, place: Place) -> bool:
    for key in place:
        try:
            values = values[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _in_words(found: Any, place: Place) -> str:
    kind, given = found["type"], found["input"]
    if kind == "extra_forbidden":
        return f"unknown key{closest(str(place[-1]), _keys_at(place[:-1]))}"
    if kind == "missing":
        return "is missing"
    if kind == "too_short":
        return "is empty; at least one is needed"
    if kind == "literal_error" and isinstance(given, str):
        accepted = found["ctx"]["expected"]
        hint = closest(given, re.findall(r"'([^']+)'", accepted))
        return f"is {given!r}{hint}; accepted is {accepted}"
    if kind == "string_pattern_mismatch":
        return f"is {quoted([given])}; a name holds no / \\ = and neither begins nor ends with a space"
    message = found["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return f"is {quoted([given])}; it {message}" if message.startswith("should") else message


def _keys_at(place: Place) -> list[str]:
    """The accepted keys of the mapping at a place."""
    name = ".".join("*" if number == 1 and place[0] in {"models", "variants"} else str(key)
                    for number, key in enumerate(place))  # fmt: skip
    part = _PARTS.get(name, Study if not place else None)
    return list(part.model_fields) if part else []


def _told(faults: Sequence[Fault], marked: Marked, name: str) -> str:
    """One line a fault, in the order of the file."""
    lines = {}
    for fault in faults:
        line = marked.line(fault.place) or 0
        where = ".".join(map(str, fault.place))
        at = f"{name}:{line}" if line else name
        lines[f"{at}  {where}: {fault.message}"] = line
    ordered = sorted(lines, key=lambda text: lines[text])
    head = [f"{len(ordered)} faults in the study; nothing was computed"] if len(ordered) > 1 else []
    return "\n".join([*head, *ordered])


def study_text(study: Study) -> str:
    """A study as YAML, for one that was made in Python."""
    return str(yaml.safe_dump(study.model_dump(mode="json", exclude_defaults=True), sort_keys=False))
