"""The adapters that are compared: those of a run, or folders of any trainer, each with what it is of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tasktransfer.errors import InputError, quoted
from tasktransfer.importers.inputs import split_name
from tasktransfer.peft_folder import ADAPTER_CONFIG, Factors, PeftFolder, read_peft_folder
from tasktransfer.run_folder import RunFolder

__all__ = ["Adapter", "elsewhere_trained", "layer_factors", "named_adapters", "read_adapter", "run_adapters"]


@dataclass(frozen=True, eq=False)
class Adapter:
    """One adapter, and what it is of: model, kind, source and seed as in the tables."""

    model: str
    kind: str
    source: str
    seed: str
    peft: PeftFolder

    @property
    def name(self) -> str:
        """Source and seed, as ``NAME=path`` gives them."""
        return f"{self.source}/{self.seed}" if self.seed else self.source

    @cached_property
    def maps(self) -> frozenset[str]:
        """The maps that it adds to."""
        return frozenset(self.peft.maps)


def read_adapter(folder: Path, *, model: str = "", kind: str = "finetune", source: str, seed: str = "") -> Adapter:
    """Check an adapter; its factors are read when they are asked for.

    Parameters
    ----------
    folder
        As PEFT saves it.
    model, kind, source, seed
        What it is of, as in the tables; empty where that is not known.

    Raises
    ------
    InputError
        It is no LoRA adapter that can be compared, or its files are missing or damaged.
    """
    peft = read_peft_folder(folder)
    if "DoRA" in peft.kind:
        raise InputError(
            f"{folder / ADAPTER_CONFIG}: DoRA rescales the weights besides adding B A, so adapters cannot be "
            f"compared by it"
        )
    return Adapter(model, kind, source, seed, peft)


def named_adapters(inputs: Sequence[str]) -> list[Adapter]:
    """Adapters of a run folder, or of folders ``SOURCE=path`` or ``SOURCE/SEED=path``.

    Raises
    ------
    InputError
        A folder holds no adapter, one name is given twice, or there is but one adapter.
    """
    adapters: list[Adapter] = []
    for text in inputs:
        name, path = split_name(text)
        if (path / "cells").is_dir():
            own = run_adapters(path)
            adapters += [replace(adapter, model=name) for adapter in own] if name else own
            continue
        source, _, seed = (name or path.resolve().name).partition("/")
        adapters.append(read_adapter(path, source=source, seed=seed))
    keys = [(adapter.model, adapter.kind, adapter.source, adapter.seed) for adapter in adapters]
    twice = [adapter.name for adapter, key in zip(adapters, keys, strict=True) if keys.count(key) > 1]
    if twice:
        raise InputError(f"{quoted(dict.fromkeys(twice))} is given twice; SOURCE/SEED=path distinguishes seeds")
    if len(adapters) < 2:
        raise InputError("one adapter is like itself; name at least two, SOURCE=path or SOURCE/SEED=path each")
    return adapters


def run_adapters(folder: Path) -> list[Adapter]:
    """The adapters of a run folder, finished cells only, in the order of their names.

    Raises
    ------
    InputError
        There is none, or two of one model, source and seed.
    """
    adapters: dict[tuple[str, ...], Adapter] = {}
    for cell, facts in RunFolder(folder).cells():
        if not (cell / "trained.json").is_file() or not (cell / "adapter").is_dir():
            continue
        key = (facts["model"], facts["kind"], facts["source"], str(facts["seed"]))
        if key in adapters:
            raise InputError(
                f"{folder}: {adapters[key].peft.folder.parent.name} and {cell.name} are two adapters of one "
                f"model, source and seed (of an earlier study?); name the folders to compare, NAME=path"
            )
        model, kind, source, seed = key
        adapters[key] = read_adapter(cell / "adapter", model=model, kind=kind, source=source, seed=seed)
    if not adapters:
        raise InputError(f"{folder}: holds no finished adapter (cells/*/adapter); whole finetunes have none")
    return list(adapters.values())


def elsewhere_trained(folder: Path) -> list[str]:
    """Names of the adapters that a study only asked: they were there before, and are not in its folder."""
    asked = (str(facts["source"]) for _, facts in RunFolder(folder).cells() if facts.get("adapter"))
    return list(dict.fromkeys(asked))


def layer_factors(adapters: Sequence[Adapter]) -> Iterator[tuple[str, list[Factors | None]]]:
    """Layer by layer the factors of all adapters, None where an adapter leaves a layer alone.

    Raises
    ------
    InputError
        A layer has another shape in another adapter, or two adapters share no layer: their bases differ.
    """
    shapes: dict[str, tuple[tuple[int, int], Adapter]] = {}
    for adapter in adapters:
        for layer in adapter.maps:
            shape, other = shapes.setdefault(layer, (adapter.peft.shape(layer), adapter))
            if shape != adapter.peft.shape(layer):
                raise InputError(
                    f"{quoted([adapter.name])} and {quoted([other.name])} belong to different bases: {layer!r} is "
                    f"{_by(adapter.peft.shape(layer))} in one and {_by(shape)} in the other"
                )
        if not set(adapter.maps) & set(adapters[0].maps):
            raise InputError(
                f"{quoted([adapter.name])} and {quoted([adapters[0].name])} share no layer: "
                f"{quoted(sorted(adapter.maps), limit=1)} against {quoted(sorted(adapters[0].maps), limit=1)}"
            )
    for layer in sorted(shapes, key=_natural):
        yield layer, [adapter.peft.factors(layer) if layer in adapter.maps else None for adapter in adapters]


def _by(shape: tuple[int, int]) -> str:
    return f"{shape[1]} x {shape[0]}"


def _natural(name: str) -> list[tuple[int, str]]:
    """Layers 2 before layer 10."""
    return [(int(part) if part.isdigit() else -1, part) for part in re.split(r"(\d+)", name)]
