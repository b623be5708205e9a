"""LoRA adapters as PEFT writes them, from any trainer: two factors a layer, without torch.

A folder holds ``adapter_config.json`` and ``adapter_model.safetensors``. What an adapter adds to a weight is
``scale * B @ A`` with scale alpha / r, or alpha / sqrt(r) for rank-stabilised LoRA; rank and alpha may differ by
layer. Refused is what is not that product alone: DoRA (it rescales the weight as well) and initialisations that
change the base (PiSSA, OLoRA, CorDA, LoftQ).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasktransfer.errors import InputError, quoted
from tasktransfer.peft_folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS

__all__ = ["Adapter", "Factors", "elsewhere_trained", "layer_factors", "read_adapter", "run_adapters"]

Factors = tuple[NDArray[np.float64], NDArray[np.float64]]  # A (rank, in) and scale * B (out, rank)

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_KEY = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_(?:embedding_)?([AB])(?:\.default)?(?:\.weight)?")
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq")


@dataclass(frozen=True)
class Adapter:
    """One adapter: where its factors lie, and what it is.

    Parameters
    ----------
    model, kind, source, seed
        As in the tables.
    file
        Its safetensors file.
    places
        Layer and side, ``A`` or ``B`` -> type, shape and first byte.
    scales
        Layer -> what multiplies ``B @ A``.
    beside
        Other tensors in the file, such as whole modules that were trained too: no part of any update here.
    """

    model: str
    kind: str
    source: str
    seed: str
    file: Path
    places: Mapping[tuple[str, str], tuple[str, tuple[int, ...], int]]
    scales: Mapping[str, float]
    beside: int = 0

    @property
    def name(self) -> str:
        """Source and seed, as ``NAME=path`` gives them."""
        return f"{self.source}/{self.seed}" if self.seed else self.source

    def shape(self, layer: str) -> tuple[int, int]:
        """Columns and rows of the weight that a layer adds to."""
        return int(np.prod(self.places[layer, "A"][1][1:])), self.places[layer, "B"][1][0]

    def factors(self, layer: str) -> Factors:
        """Read the two factors of a layer."""
        a, b = (self._read(layer, side) for side in "AB")
        return a, b * self.scales[layer]

    def _read(self, layer: str, side: str) -> NDArray[np.float64]:
        kind, shape, start = self.places[layer, side]
        stored = np.dtype(_DTYPES[kind])
        with self.file.open("rb") as handle:
            handle.seek(start)
            values = np.frombuffer(handle.read(stored.itemsize * int(np.prod(shape))), stored)
        if kind == "BF16":  # the upper half of a float32
            values = (values.astype("<u4") << 16).view("<f4")
        if not np.isfinite(values).all():
            raise InputError(f"{self.file}: layer {layer!r} holds values that are not finite")
        return values.astype(np.float64).reshape(shape[0], -1)


def read_adapter(folder: Path, *, model: str = "", kind: str = "finetune", source: str, seed: str = "") -> Adapter:
    """Check an adapter; its factors are read when they are asked for.

    Raises
    ------
    InputError
        It is no LoRA adapter that can be compared, or its files are missing or damaged.
    """
    config = _config(folder)
    file = folder / ADAPTER_WEIGHTS
    if not file.is_file():
        pickled = (
            " (pickled weights, adapter_model.bin, are not read)"
            if (folder / "adapter_model.bin").is_file()
            else ""
        )
        raise InputError(f"{folder}: has no {ADAPTER_WEIGHTS}{pickled}")
    places, beside = _places(file)
    layers = dict.fromkeys(layer for layer, _ in places)
    alone = [layer for layer in layers if {(layer, "A"), (layer, "B")} - places.keys()]
    if not layers or alone:
        raise InputError(f"{file}: {f'lacks a factor of {quoted(alone)}' if alone else 'holds no LoRA factors'}")
    for layer in layers:
        a, b = places[layer, "A"][1], places[layer, "B"][1]
        if len(a) < 2 or len(b) < 2 or a[0] != b[1]:
            raise InputError(f"{file}: the factors of {layer!r} do not fit, A {a} and B {b}")
    scales = {layer: _scale(folder / ADAPTER_CONFIG, config, layer, places[layer, "A"][1][0]) for layer in layers}
    return Adapter(model, kind, source, seed, file, places, scales, beside)


def _config(folder: Path) -> dict[str, Any]:
    path = folder / ADAPTER_CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); an adapter is a folder as PEFT saves it") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        given = config.get("peft_type") if isinstance(config, dict) else config
        raise InputError(f"{path}: is not of a LoRA adapter (peft_type {given!r})")
    if config.get("use_dora"):
        raise InputError(
            f"{path}: DoRA rescales the weights besides adding B A, so adapters cannot be compared by it"
        )
    start = str(config.get("init_lora_weights")).lower()
    if start.startswith(_CHANGES_BASE):
        raise InputError(f"{path}: initialisation {start!r} changes the base, so B A is not all that was learned")
    return config


def _scale(path: Path, config: Mapping[str, Any], layer: str, rank: int) -> float:
    """alpha / r, each by layer; the rank is that of the stored factor."""
    alpha = config.get("lora_alpha")
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if re.fullmatch(rf"(?:.*\.)?(?:{pattern})", layer):
            alpha = value
            break
    if not isinstance(alpha, int | float):
        raise InputError(f"{path}: lora_alpha is {alpha!r}; a number is needed")
    return float(alpha / (rank**0.5 if config.get("use_rslora") else rank))


def _places(file: Path) -> tuple[dict[tuple[str, str], tuple[str, tuple[int, ...], int]], int]:
    """Where the factors lie, and how much else there is: eight bytes of length, a header in JSON, the numbers."""
    try:
        with file.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            size = file.stat().st_size
            if length > size - 8:
                raise ValueError("its header is cut off")
            header = json.loads(handle.read(length))
        found = {}
        for key, told in header.items():
            if match := _KEY.fullmatch(key):
                first, last = told["data_offsets"]
                shape = tuple(map(int, told["shape"]))
                if told["dtype"] not in _DTYPES:
                    raise ValueError(f"{key} is of type {told['dtype']}")
                wanted = int(np.prod(shape)) * np.dtype(_DTYPES[told["dtype"]]).itemsize
                if last - first != wanted or 8 + length + last > size:
                    raise ValueError(f"{key} is cut off")
                found[match[1], match[2]] = (told["dtype"], shape, 8 + length + first)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: not a readable safetensors file ({error})") from error
    return found, len(header.keys() - {"__metadata__"}) - len(found)


def run_adapters(folder: Path) -> list[Adapter]:
    """The adapters of a run folder, finished cells only, in the order of their names.

    After an edit of the study earlier cells stay in the folder; ``cells.json`` tells which are of the study now.

    Raises
    ------
    InputError
        There is none, or two of one model, source and seed.
    """
    found: dict[tuple[str, ...], Adapter] = {}
    for cell, facts in _cells(folder):
        if not (cell / "trained.json").is_file() or not (cell / "adapter").is_dir():
            continue
        key = (facts["model"], facts["kind"], facts["source"], str(facts["seed"]))
        if key in found:
            raise InputError(
                f"{folder}: {found[key].file.parent.parent.name} and {cell.name} are two adapters of one "
                f"model, source and seed (of an earlier study?); name the folders to compare, NAME=path"
            )
        model, kind, source, seed = key
        found[key] = read_adapter(cell / "adapter", model=model, kind=kind, source=source, seed=seed)
    if not found:
        raise InputError(f"{folder}: holds no finished adapter (cells/*/adapter); whole finetunes have none")
    return list(found.values())


def elsewhere_trained(folder: Path) -> list[str]:
    """Names of the adapters that a study only asked: they were there before, and are not in its folder."""
    return list(dict.fromkeys(str(facts["source"]) for _, facts in _cells(folder) if facts.get("adapter")))


def _cells(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The cells of the study as it was last run, all there are where ``cells.json`` does not tell."""
    listed = folder / "cells.json"
    try:
        known = set(json.loads(listed.read_text(encoding="utf-8"))) if listed.is_file() else None
        for path in sorted((folder / "cells").glob("*/cell.json")):
            if known is None or path.parent.name in known:
                yield path.parent, json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{folder}: its cells cannot be read ({error})") from error


def layer_factors(adapters: Sequence[Adapter]) -> Iterator[tuple[str, list[Factors | None]]]:
    """Layer by layer the factors of all adapters, None where an adapter leaves a layer alone.

    Raises
    ------
    InputError
        A layer has another shape in another adapter, or two adapters share no layer: their bases differ.
    """
    shapes: dict[str, tuple[tuple[int, int], Adapter]] = {}
    for adapter in adapters:
        for layer in adapter.scales:
            shape, other = shapes.setdefault(layer, (adapter.shape(layer), adapter))
            if shape != adapter.shape(layer):
                raise InputError(
                    f"{quoted([adapter.name])} and {quoted([other.name])} belong to different bases: {layer!r} is "
                    f"{_by(adapter.shape(layer))} in one and {_by(shape)} in the other"
                )
        if not adapter.scales.keys() & adapters[0].scales.keys():
            raise InputError(
                f"{quoted([adapter.name])} and {quoted([adapters[0].name])} share no layer: "
                f"{quoted(sorted(adapter.scales), limit=1)} against {quoted(sorted(adapters[0].scales), limit=1)}"
            )
    for layer in sorted(shapes, key=_natural):
        yield layer, [adapter.factors(layer) if layer in adapter.scales else None for adapter in adapters]


def _by(shape: tuple[int, int]) -> str:
    return f"{shape[1]} x {shape[0]}"


def _natural(name: str) -> list[tuple[int, str]]:
    """Layers 2 before layer 10."""
    return [(int(part) if part.isdigit() else -1, part) for part in re.split(r"(\d+)", name)]
