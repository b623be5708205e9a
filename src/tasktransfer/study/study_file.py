"""A study file, checked whole: every fault is told at once, with its line and the nearest accepted name.

Nothing is computed and nothing is fetched before it is without fault.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from tasktransfer.adapter_folder import ADAPTER_CONFIG
from tasktransfer.errors import InputError, closest, quoted
from tasktransfer.models.toy import EMBEDDED
from tasktransfer.study.marks import Fault, Marked, Place, read_marked, set_value
from tasktransfer.study.spec import (
    CONTROLS,
    FUNCTION,
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
from tasktransfer.tasks.hub_dataset import HubDataset
from tasktransfer.tasks.open_form import closed_name
from tasktransfer.tasks.supply import KNOWN_TASKS
from tasktransfer.tasks.table_items import Columns

__all__ = ["check_study", "load_study"]

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FUNCTION = re.compile(FUNCTION)

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
    faults = [*marked.faults, *_name_faults(filled, own_targets="targets" in values), *_clashes(filled, values)]
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
    tables = {name: place for name, place in _mapping(filled, "tasks").items() if isinstance(place, dict)}
    if tables:  # a Hub dataset with its columns
        filled["datasets"] = {name: _with_absolute_folder(place, folder) for name, place in tables.items()}
        filled["tasks"] = {name: place for name, place in filled["tasks"].items() if name not in tables}
    for part in ("tasks", "data", "training", "adapters"):
        places = _mapping(filled, part)
        for key, place in places.items():
            if isinstance(place, str) and not (part == "tasks" and _FUNCTION.fullmatch(place)):
                places[key] = str((folder / Path(place).expanduser()).resolve())
    for key, merge in _mapping(filled, "merges").items():
        filled["merges"][key] = _with_shares(merge, _mapping(filled, "mixtures"))
    variants = _mapping(filled, "variants")
    for key, variant in variants.items():
        if isinstance(variant, dict) or variant is None:
            variants[key] = _merged(filled, variant or {})
    return filled


def _mapping(values: dict[str, Any], key: str) -> dict[str, Any]:
    """The mapping of a key; an empty one where there is something else."""
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _with_absolute_folder(dataset: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A dataset that is a folder, with its absolute path; a name on the Hub as it is."""
    name = dataset.get("dataset")
    if isinstance(name, str) and (name.startswith((".", "/", "~")) or (folder / name).is_dir()):
        return dataset | {"dataset": str((folder / Path(name).expanduser()).resolve())}
    return dataset


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
    path = folder / Path(weights).expanduser()
    if weights != EMBEDDED and (path.exists() or weights.startswith((".", "/", "~"))):
        return str(path.resolve())
    return weights


def _name_faults(values: dict[str, Any], *, own_targets: bool) -> Iterator[Fault]:
    """What types cannot tell: unknown tasks and models, paths that are not there, things named twice."""
    own = _mapping(values, "tasks") | _mapping(values, "datasets")
    known = [*KNOWN_TASKS, *map(str, own)]
    lists = ("sources", "targets") if own_targets else ("sources",)
    for key in lists:
        for number, task in enumerate(_list(values, key)):
            if isinstance(task, str) and closed_name(task) not in known:
                yield Fault((key, number), f"unknown task {task!r}{_nearest(task, known)}")
    for key in (*lists, "seeds", "controls", "per_source_controls"):
        yield from _repeats(key, _list(values, key))
    for name, place in own.items():
        if name in KNOWN_TASKS:
            yield Fault(("tasks", name), "is the name of a built-in task; choose another")
        if isinstance(place, str) and not _FUNCTION.fullmatch(place) and not Path(place).is_dir():
            yield Fault(("tasks", name), f"no such folder: {place}")
    for name in _mapping(values, "training"):
        sources = [source for source in _list(values, "sources") if isinstance(source, str)]
        sources += [str(task) for mixture in _mapping(values, "mixtures").values() for task in _keys(mixture)]
        if name not in {*sources, *map(closed_name, sources)}:
            yield Fault(("training", str(name)), f"is no source of this study{closest(str(name), sources)}")
    for name, choice in _mapping(values, "models").items():
        weights = choice.get("weights") if isinstance(choice, dict) else None
        if isinstance(weights, str) and (message := _weights_fault(weights)):
            yield Fault(("models", str(name)), message)
    yield from _extension_faults(values)
    yield from _adapter_faults(values)
    yield from _mixture_faults(values, known)


def _mixture_faults(values: dict[str, Any], known: Sequence[str]) -> Iterator[Fault]:
    """Mixtures of tasks that there are not or under names that are taken; merges of what is no adapter."""
    sources, mixtures = _list(values, "sources"), _mapping(values, "mixtures")
    kinds = {"source": sources, "adapter": _mapping(values, "adapters"), "control": CONTROLS}
    for name, parts in mixtures.items():
        for kind, taken in kinds.items():
            if name in taken:
                yield Fault(("mixtures", str(name)), f"is the name of a {kind} too; choose another")
        if str(name).startswith((*(f"{control}: " for control in CONTROLS), "merge-")):
            yield Fault(("mixtures", str(name)), "begins like the name of a control or merge; choose another")
        for task in _keys(parts):
            if isinstance(task, str) and closed_name(task) not in known:
                yield Fault(("mixtures", str(name), task), f"unknown task {task!r}{_nearest(task, known)}")
    there = [*map(str, sources), *map(str, kinds["adapter"])]
    for name, merge in _mapping(values, "merges").items():
        of = merge.get("of") if isinstance(merge, dict) else None
        if isinstance(of, str) and of not in mixtures:
            yield Fault(("merges", str(name), "of"), f"no mixture {of!r}{closest(of, list(map(str, mixtures)))}")
        for task in _keys(of):
            if task not in there:
                told = f"{task!r} is no source of this study{closest(str(task), there)}; its adapter is needed"
                yield Fault(("merges", str(name), "of"), told)


def _adapter_faults(values: dict[str, Any]) -> Iterator[Fault]:
    """Adapters that are not there, for each model and seed they are asked for."""
    for name, place in _mapping(values, "adapters").items():
        if name in _list(values, "sources"):
            yield Fault(("adapters", str(name)), "is a source too; an adapter that is there is not trained again")
        if not isinstance(place, str):
            continue
        asked = [
            place.replace("{model}", str(model)).replace("{seed}", str(seed))
            for model in _mapping(values, "models")
            for seed in _list(values, "seeds")
        ]
        missing = [folder for folder in dict.fromkeys(asked) if not (Path(folder) / ADAPTER_CONFIG).is_file()]
        if missing:
            where = quoted(missing, 2, 200)
            yield Fault(("adapters", str(name)), f"no PEFT adapter ({ADAPTER_CONFIG}) in {where}")


def _extension_faults(values: dict[str, Any]) -> Iterator[Fault]:
    """Seeds and items of single tasks: of tasks that are there, and no seed twice."""
    for key, role in (("more_seeds", "source"), ("more_items", "target")):
        known = [task for task in _list(values, f"{role}s") if isinstance(task, str)]
        for task, given in _mapping(values, key).items():
            if task not in known:
                yield Fault((key, str(task)), f"is no {role} of this study{closest(str(task), known)}")
            if isinstance(given, list):
                for number, seed in enumerate(given):
                    if seed in (*_list(values, "seeds"), *given[:number]):
                        yield Fault((key, str(task), number), f"{seed!r} is a seed of this source already")


def _clashes(values: dict[str, Any], given: dict[str, Any]) -> Iterator[Fault]:
    """Values that are right one by one and cannot stand together."""
    sources, adapters = _list(values, "sources"), _mapping(values, "adapters")
    mixtures = _mapping(values, "mixtures")
    if not sources and not adapters and not mixtures:
        yield Fault(("sources",), "is empty; at least one is needed" if "sources" in given else "is missing")
    if not sources and (adapters or mixtures) and "targets" not in given:
        only = "adapters" if adapters else "mixtures"
        yield Fault(("targets",), f"is missing: there are {only} only, which say no task to be asked")
    for key in ("controls", "per_source_controls"):
        if not sources and _list(values, key):
            yield Fault((key,), "needs sources: a control is trained on their items")
    for name, choice in _mapping(values, "models").items():
        if not isinstance(choice, dict):
            continue
        if choice.get("attention") == "flash_attention_2" and choice.get("dtype", "float32") == "float32":
            yield Fault(("models", str(name), "attention"), "flash_attention_2 needs dtype: bfloat16")
        least, most = choice.get("min_pixels"), choice.get("max_pixels")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            yield Fault(("models", str(name), "min_pixels"), f"is {least}, above max_pixels {most}")
    shared = _mapping(values, "compute").get("gpus", 1)
    methods: dict[Place, Any] = {("method",): values.get("method")}
    for name, variant in _mapping(values, "variants").items():
        methods["variants", str(name), "method"] = variant.get("method") if isinstance(variant, dict) else None
    for place, method in methods.items():
        if isinstance(method, dict) and method.get("kind") == "qlora" and shared != 1:
            yield Fault((*place, "kind"), "qlora is trained on one GPU; compute.gpus must be 1")
        if isinstance(method, dict) and method.get("kind") == "full":
            if _mapping(values, "merges"):
                yield Fault((*place, "kind"), "full has no adapters, and merges are of adapters; use lora")
            for part in ("projector", "vision"):
                if method.get(part):
                    yield Fault((*place, part), "full trains the language model alone; use lora for this part")


def _list(values: dict[str, Any], key: str) -> list[Any]:
    """The list of a key; an empty one where there is something else."""
    found = values.get(key)
    return found if isinstance(found, list) else []


def _keys(given: Any) -> list[Any]:
    """The keys of a mapping; none of anything else."""
    return list(given) if isinstance(given, dict) else []


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
        if place[0] == "datasets" and "datasets" not in values:
            yield Fault(("tasks", *place[1:]), _in_words(found, place))
            continue
        if place[0] == "variants" and len(place) > 3 and not _has(values, place):
            continue
        if place == ("targets",) and "targets" not in values:
            continue  # told by its sources
        if place[0] == "merges" and place[2:] == ("of",) and isinstance(found["input"], str):
            continue  # told by its mixture
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
        return f"is {quoted([given])}; {_FORMS.get(place[-1], _NAME_FORM)}"
    message = found["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return f"is {quoted([given])}; it {message}" if message.startswith("should") else message


def _keys_at(place: Place) -> list[str]:
    """The accepted keys of the mapping at a place."""
    name = ".".join("*" if number == 1 and place[0] in {"models", "variants", "datasets", "merges"} else str(key)
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
