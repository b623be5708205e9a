"""The rules of a study that types cannot express, over its values as read; each fault with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tasktransfer.errors import closest, quoted
from tasktransfer.models.toy import EMBEDDED
from tasktransfer.peft_folder import ADAPTER_CONFIG
from tasktransfer.study.spec import CONTROLS
from tasktransfer.tasks.open_form import closed_name
from tasktransfer.tasks.open_task import KNOWN_TASKS
from tasktransfer.tasks.own.function import is_function
from tasktransfer.tasks.own.hub_dataset import looks_local
from tasktransfer.tasks.toyworld.registry import TOY_TASKS
from tasktransfer.yaml_lines import Fault, Place

__all__ = ["clashes", "mapping_of", "name_faults"]

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def name_faults(values: dict[str, Any], *, own_targets: bool) -> Iterator[Fault]:
    """What types cannot express: unknown tasks and models, paths that are not there, things named twice."""
    own = mapping_of(values, "tasks") | mapping_of(values, "datasets")
    known = [*KNOWN_TASKS, *map(str, own)]
    lists = ("sources", "targets") if own_targets else ("sources",)
    for key in lists:
        for number, task in enumerate(_list(values, key)):
            if isinstance(task, str) and closed_name(task) not in known:
                yield Fault((key, number), f"unknown task {task!r}{_nearest(task, known)}")
    for key in (*lists, "seeds", "controls", "per_source_controls"):
        yield from _repeats((key,), _list(values, key))
    yield from _repeats(("evaluation", "scorers"), _list(mapping_of(values, "evaluation"), "scorers"))
    for name, place in own.items():
        if name in KNOWN_TASKS:
            yield Fault(("tasks", name), "is the name of a built-in task; choose another")
        if isinstance(place, str) and not is_function(place) and not Path(place).is_dir():
            yield Fault(("tasks", name), f"no such folder: {place}")
        dataset = place.get("dataset") if isinstance(place, dict) else None
        if isinstance(dataset, str) and looks_local(dataset) and not Path(dataset).is_dir():
            sentence = f"no such folder: {dataset}; a dataset on the Hub is named org/name"
            yield Fault(("tasks", name, "dataset"), sentence)
    for name in mapping_of(values, "training"):
        sources = [source for source in _list(values, "sources") if isinstance(source, str)]
        sources += [str(task) for mixture in mapping_of(values, "mixtures").values() for task in _keys(mixture)]
        if name not in {*sources, *map(closed_name, sources)}:
            yield Fault(("training", str(name)), f"is no source of this study{closest(str(name), sources)}")
    for name, choice in mapping_of(values, "models").items():
        weights = choice.get("weights") if isinstance(choice, dict) else None
        if isinstance(weights, str) and (message := _weights_fault(weights)):
            yield Fault(("models", str(name)), message)
    yield from _extension_faults(values)
    yield from _adapter_faults(values)
    yield from _mixture_faults(values, known)


def _mixture_faults(values: dict[str, Any], known: Sequence[str]) -> Iterator[Fault]:
    """Mixtures of tasks that there are not or under names that are taken; merges of what is no adapter."""
    sources, mixtures = _list(values, "sources"), mapping_of(values, "mixtures")
    kinds = {"source": sources, "adapter": mapping_of(values, "adapters"), "control": CONTROLS}
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
    for name, merge in mapping_of(values, "merges").items():
        of = merge.get("of") if isinstance(merge, dict) else None
        if isinstance(of, str) and of not in mixtures:
            yield Fault(("merges", str(name), "of"), f"no mixture {of!r}{closest(of, list(map(str, mixtures)))}")
        for task in _keys(of):
            if task not in there:
                message = f"{task!r} is no source of this study{closest(str(task), there)}; its adapter is needed"
                yield Fault(("merges", str(name), "of"), message)


def _adapter_faults(values: dict[str, Any]) -> Iterator[Fault]:
    """Adapters that are not there, for each model and seed they are asked for."""
    for name, place in mapping_of(values, "adapters").items():
        if name in _list(values, "sources"):
            yield Fault(("adapters", str(name)), "is a source too; an adapter that is there is not trained again")
        if not isinstance(place, str):
            continue
        asked = [
            place.replace("{model}", str(model)).replace("{seed}", str(seed))
            for model in mapping_of(values, "models")
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
        for task, given in mapping_of(values, key).items():
            if task not in known:
                yield Fault((key, str(task)), f"is no {role} of this study{closest(str(task), known)}")
            if isinstance(given, list):
                for number, seed in enumerate(given):
                    if seed in (*_list(values, "seeds"), *given[:number]):
                        yield Fault((key, str(task), number), f"{seed!r} is a seed of this source already")


def clashes(values: dict[str, Any], given: dict[str, Any]) -> Iterator[Fault]:
    """Values that are right one by one and cannot stand together."""
    sources, adapters = _list(values, "sources"), mapping_of(values, "adapters")
    mixtures = mapping_of(values, "mixtures")
    if not sources and not adapters and not mixtures:
        yield Fault(("sources",), "is empty; at least one is needed" if "sources" in given else "is missing")
    if not sources and (adapters or mixtures) and "targets" not in given:
        only = "adapters" if adapters else "mixtures"
        yield Fault(("targets",), f"is missing: there are {only} only, which say no task to be asked")
    for key in ("controls", "per_source_controls"):
        if not sources and _list(values, key):
            yield Fault((key,), "needs sources: a control is trained on their items")
    for name, choice in mapping_of(values, "models").items():
        if not isinstance(choice, dict):
            continue
        if choice.get("attention") == "flash_attention_2" and choice.get("dtype", "float32") == "float32":
            yield Fault(("models", str(name), "attention"), "flash_attention_2 needs dtype: bfloat16")
        least, most = choice.get("min_pixels"), choice.get("max_pixels")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            yield Fault(("models", str(name), "min_pixels"), f"is {least}, above max_pixels {most}")
    yield from _endless_faults(values)
    shared = mapping_of(values, "compute").get("gpus", 1)
    device = mapping_of(values, "compute").get("device")
    if isinstance(device, str) and device.startswith("cuda:") and shared != 1:
        yield Fault(
            ("compute", "device"), f"is {device!r}, one GPU; with compute.gpus {shared} it is cuda or auto"
        )
    methods: dict[Place, Any] = {("method",): values.get("method")}
    for name, variant in mapping_of(values, "variants").items():
        methods["variants", str(name), "method"] = variant.get("method") if isinstance(variant, dict) else None
    for place, method in methods.items():
        if isinstance(method, dict) and method.get("kind") == "qlora" and shared != 1:
            yield Fault((*place, "kind"), "qlora is trained on one GPU; compute.gpus must be 1")
        if isinstance(method, dict) and method.get("kind") == "full":
            if mapping_of(values, "merges"):
                yield Fault((*place, "kind"), "full has no adapters, and merges are of adapters; use lora")
            for part in ("projector", "vision"):
                if method.get(part):
                    yield Fault((*place, part), "full trains the language model alone; use lora for this part")


def mapping_of(values: dict[str, Any], key: str) -> dict[str, Any]:
    """The mapping of a key; an empty one where there is something else."""
    value = values.get(key)
    return value if isinstance(value, dict) else {}


def _endless_faults(values: dict[str, Any]) -> Iterator[Fault]:
    """All items of a target that is drawn without end."""
    if mapping_of(values, "items").get("target", 0) not in ("all", None):
        return
    own = mapping_of(values, "tasks")
    for target in _list(values, "targets"):
        closed = closed_name(target) if isinstance(target, str) else ""
        drawn = is_function(own[closed]) if isinstance(own.get(closed), str) else closed in TOY_TASKS
        if drawn and target not in mapping_of(values, "more_items"):
            message = f"{target!r} is drawn without end; say a number here or in more_items.{target}"
            yield Fault(("items", "target"), message)


def _list(values: dict[str, Any], key: str) -> list[Any]:
    """The list of a key; an empty one where there is something else."""
    value = values.get(key)
    return value if isinstance(value, list) else []


def _keys(given: Any) -> list[Any]:
    """The keys of a mapping; none of anything else."""
    return list(given) if isinstance(given, dict) else []


def _nearest(task: str, known: Sequence[str]) -> str:
    """The closest name; a bare ``jigsaw`` finds ``toy_jigsaw``."""
    ends = [name for name in known if name.endswith(f"_{task.lower()}")]
    return f" (did you mean {ends[0]!r}?)" if ends else closest(task, known)


def _repeats(key: Place, names: list[Any]) -> Iterator[Fault]:
    for number, name in enumerate(names):
        if name in names[:number]:
            yield Fault((*key, number), f"{name!r} stands there twice")


def _weights_fault(weights: str) -> str | None:
    if weights == EMBEDDED or Path(weights).is_dir():
        return None
    if Path(weights).is_absolute():
        return f"no such folder: {weights}"
    if _HUB_ID.fullmatch(weights):
        return None
    hint = closest(weights, [EMBEDDED])
    return f"unknown model {weights!r}{hint}; accepted are 'toy', a folder and a Hub id such as org/name"
