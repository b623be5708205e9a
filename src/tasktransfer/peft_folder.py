"""The folder of a LoRA adapter as PEFT writes it, from any trainer, without torch.

It holds ``adapter_config.json`` and ``adapter_model.safetensors``. What an adapter adds to a map is

    scale * B @ A        scale = alpha / r, or alpha / sqrt(r) for rank-stabilised LoRA

where rank and alpha may differ by map. One policy for whoever reads it, comparing adapters or applying them:
accepted is what PEFT applies as that product, and DoRA, which rescales the map besides and is named as such.
Refused are initialisations that change the base (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) and settings that add
something else. What else was trained (whole modules, biases, files beside) is listed in `PeftFolder.beside`; the
caller reports or refuses it.

Adapters that were trained before transformers 4.52 carry the module names of that time and are renamed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasktransfer.errors import InputError, quoted

__all__ = [
    "ADAPTER_CONFIG",
    "ADAPTER_WEIGHTS",
    "Factors",
    "PeftFolder",
    "Stored",
    "names_now",
    "read_peft_folder",
]

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
Factors = tuple[NDArray[np.float64], NDArray[np.float64]]  # A (rank, in) and scale * B (out, rank)

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_KEY = re.compile(
    r"(?:base_model\.model\.)?(?P<map>.+)"
    r"\.(?P<part>lora_(?:embedding_)?[AB]|lora_magnitude_vector)(?:\.default)?(?:\.weight)?"
)
_LEAVING_THE_BASE = {"true", "false", "none", "gaussian", "orthogonal", "eva"}  # initialisations
# under these the update is not B A alone (peft 0.21); another method of LoRA comes as use_... or ..._config
_ADDING_MORE = (
    "alora_invocation_tokens", "layer_replication", "lora_bias", "target_parameters", "trainable_token_indices",
)  # fmt: skip
_IDLE = {
    "use_rslora", "use_dora", "megatron_config", "runtime_config",
    # with an initialisation, which is looked at by itself
    "loftq_config", "eva_config", "corda_config", "lora_ga_config",
}  # fmt: skip
_FILES_BESIDE = ("non_lora_*", "mm_projector.*")  # what trainers of Qwen-VL and LLaVA keep apart
# module names of older transformers -> of now, tried in order
_RENAMINGS = (
    (r"^language_model\.model\.", "model.language_model."),
    (r"^language_model\.lm_head", "lm_head"),
    (r"^model\.(?=layers\.)", "model.language_model."),
    (r"^(?=visual\.|vision_tower\.|multi_modal_projector\.)", "model."),
)
_TOWER, _OLD_TOWER = "vision_tower.", "vision_tower.vision_model."


class Stored(NamedTuple):
    """Where a tensor lies in the file."""

    name: str  # as stored
    dtype: str
    shape: tuple[int, ...]
    start: int  # first byte


@dataclass(frozen=True)
class PeftFolder:
    """A checked adapter; its numbers are read when they are asked for."""

    folder: Path
    config: Mapping[str, Any]
    tensors: Mapping[tuple[str, str], Stored]  # (map, part) -> place; maps by their names of now, parts as PEFT's
    beside: tuple[str, ...]  # what else was trained, by name: no part of any update here

    @property
    def file(self) -> Path:
        """Its weights."""
        return self.folder / ADAPTER_WEIGHTS

    @property
    def kind(self) -> str:
        """``LoRA``, ``DoRA``, ``rsLoRA`` or ``rsDoRA``."""
        stabilised, decomposed = self.config.get("use_rslora"), self.config.get("use_dora")
        return f"{'rs' if stabilised else ''}{'DoRA' if decomposed else 'LoRA'}"

    @property
    def maps(self) -> list[str]:
        """Names of the maps that it adds to, in the order of the file."""
        return list(dict.fromkeys(name for name, _ in self.tensors))

    def place(self, name: str, side: str) -> Stored:
        """Where the factor ``A`` or ``B`` of a map lies."""
        plain = self.tensors.get((name, f"lora_{side}"))
        return plain or self.tensors[name, f"lora_embedding_{side}"]

    def rank(self, name: str) -> int:
        """Rank of the update of a map: that of the stored factor."""
        return self.place(name, "A").shape[0]

    def shape(self, name: str) -> tuple[int, int]:
        """Columns and rows of the weight that is added to."""
        return int(np.prod(self.place(name, "A").shape[1:])), self.place(name, "B").shape[0]

    def alpha(self, name: str) -> float:
        """Alpha of a map: that of the first pattern that fits it, else the adapter's."""
        for pattern, value in (self.config.get("alpha_pattern") or {}).items():
            if self.fits(pattern, name):
                return float(value)
        return float(self.config["lora_alpha"])

    def scale(self, name: str) -> float:
        """What multiplies ``B @ A``."""
        rank = self.rank(name)
        return self.alpha(name) / (rank**0.5 if self.config.get("use_rslora") else rank)

    def fits(self, pattern: str, name: str) -> bool:
        """Whether a pattern of the config means a map, by its name of now or by that in the file."""
        stored = _KEY.fullmatch(self.place(name, "A").name)
        # as PEFT does: the whole name, or its end after a dot
        spellings = (name, stored["map"] if stored else name)
        return any(re.fullmatch(rf"(?:.*\.)?(?:{pattern})", spelt) for spelt in spellings)

    def factors(self, name: str) -> Factors:
        """The two factors of a map, the second with its scale."""
        a, b = (self._read(name, side) for side in "AB")
        return a, b * self.scale(name)

    def _read(self, name: str, side: str) -> NDArray[np.float64]:
        _, kind, shape, start = self.place(name, side)
        stored = np.dtype(_DTYPES[kind])
        with self.file.open("rb") as handle:
            handle.seek(start)
            values = np.frombuffer(handle.read(stored.itemsize * int(np.prod(shape))), stored)
        if kind == "BF16":  # the upper half of a float32
            values = (values.astype("<u4") << 16).view("<f4")
        if not np.isfinite(values).all():
            raise InputError(f"{self.file}: layer {name!r} holds values that are not finite")
        return values.astype(np.float64).reshape(shape[0], -1)


def read_peft_folder(folder: Path) -> PeftFolder:
    """Read an adapter and check it against the policy above.

    Raises
    ------
    InputError
        It is no LoRA adapter, it changes more than it adds, or its files are missing or damaged.
    """
    config = _config(folder)
    file = folder / ADAPTER_WEIGHTS
    if not file.is_file():
        pickled = (folder / "adapter_model.bin").is_file()
        hint = " (pickled weights, adapter_model.bin, are not read)" if pickled else ""
        raise InputError(f"{folder}: has no {ADAPTER_WEIGHTS}{hint}")
    tensors, others = _tensors(file)
    peft = PeftFolder(folder, config, tensors, tuple(_beside(folder, config, others)))
    alone = [name for name in peft.maps if not _has_both(tensors, name)]
    if alone or not peft.maps:
        raise InputError(f"{file}: {f'lacks a factor of {quoted(alone)}' if alone else 'holds no LoRA factors'}")
    for name in peft.maps:
        a, b = peft.place(name, "A").shape, peft.place(name, "B").shape
        if len(a) < 2 or len(b) < 2 or a[0] != b[1]:
            raise InputError(f"{file}: the factors of {name!r} do not fit, A {a} and B {b}")
    for pattern in config.get("alpha_pattern") or {}:
        if not any(peft.fits(pattern, name) for name in peft.maps):
            raise InputError(f"{folder}: its alpha_pattern names {pattern!r}, and it wraps no such map")
    return peft


def _has_both(tensors: Mapping[tuple[str, str], Stored], name: str) -> bool:
    return any(
        (name, f"{kind}A") in tensors and (name, f"{kind}B") in tensors for kind in ("lora_", "lora_embedding_")
    )


def _config(folder: Path) -> dict[str, Any]:
    path = folder / ADAPTER_CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: is not there; an adapter is a folder as PEFT saves it") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); an adapter is a folder as PEFT saves it") from error
    kind = config.get("peft_type") if isinstance(config, dict) else config
    if kind != "LORA":
        raise InputError(f"{path}: is not of a LoRA adapter (peft_type {kind!r})")
    start = str(config.get("init_lora_weights", True)).lower()
    if start not in _LEAVING_THE_BASE:
        raise InputError(
            f"{path}: initialisation {start!r} changes the base too, so B A is not all that was learned; accepted "
            f"are {', '.join(sorted(_LEAVING_THE_BASE))}"
        )
    more = [key for key in config if config[key] and (key in _ADDING_MORE or _is_method(key))]
    if more:
        raise InputError(f"{path}: {quoted(more)} makes more of an adapter than B A, which is not supported")
    # to Python a bool is an int
    if isinstance(alpha := config.get("lora_alpha"), bool) or not isinstance(alpha, int | float):
        raise InputError(f"{path}: lora_alpha is {alpha!r}; a number is needed")
    return dict(config)


def _is_method(key: str) -> bool:
    """Whether a setting is PEFT's form of a switch that makes another method of LoRA."""
    return (key.startswith("use_") or key.endswith("_config")) and key not in _IDLE


def _beside(folder: Path, config: Mapping[str, Any], others: list[str]) -> Iterator[str]:
    """What was trained apart from the low-rank factors: other tensors, or what the config says of them; files."""
    yield from others
    if not others and (modules := config.get("modules_to_save")):
        yield f"modules_to_save={modules}"
    if not others and (bias := config.get("bias", "none")) != "none":
        yield f"bias={bias!r}"
    for pattern in _FILES_BESIDE:
        yield from sorted(path.name for path in folder.glob(pattern))


def _tensors(file: Path) -> tuple[dict[tuple[str, str], Stored], list[str]]:
    """Where the factors lie, and what else there is. The file: eight bytes of length, a JSON header, numbers."""
    try:
        with file.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            size = file.stat().st_size
            if length > size - 8:
                raise ValueError("its header is cut off")
            header = json.loads(handle.read(length))
        tensors = {}
        others = []
        for key, facts in header.items():
            if match := _KEY.fullmatch(key):
                first, last = facts["data_offsets"]
                shape = tuple(map(int, facts["shape"]))
                if facts["dtype"] not in _DTYPES:
                    raise ValueError(f"{key} is of type {facts['dtype']}")
                wanted = int(np.prod(shape)) * np.dtype(_DTYPES[facts["dtype"]]).itemsize
                if last - first != wanted or 8 + length + last > size:
                    raise ValueError(f"{key} is cut off")
                tensors[_name_now(match["map"]), match["part"]] = Stored(
                    key, facts["dtype"], shape, 8 + length + first
                )
            elif key != "__metadata__":
                others.append(key)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: not a readable safetensors file ({error})") from error
    return tensors, others


def _name_now(name: str) -> str:
    """The name of a map in transformers of now, whichever the trainer had."""
    for pattern, replacement in _RENAMINGS:
        renamed = re.sub(pattern, replacement, name, count=1)
        if renamed != name:
            return renamed
    return name


def names_now(name: str) -> Iterator[str]:
    """The names that a map may have in a model that is at hand: towers keep a level more in some families."""
    yield name
    yield name.replace(_OLD_TOWER, _TOWER, 1)
    yield name.replace(_TOWER, _OLD_TOWER, 1)
