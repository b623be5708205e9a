"""The manifest: which log is which run, as a small YAML file that people write and mend.

.. code-block:: yaml

    runs:
      - path: logs/base          # from the folder of the manifest
        harness: lmms_eval
        model: Qwen2.5-VL-7B
        source: ""               # the task finetuned on; empty for the untouched model
      - path: logs/ft_jigsaw_seed0
        harness: lmms_eval
        model: Qwen2.5-VL-7B
        source: Jigsaw
        seed: 0
    leave_out: [IQ_Test]

All values are text as written (``no`` and ``007`` stay that), keys that are not known are refused, and all
faults are reported at once, each with its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tasktransfer.errors import InputError, closest, quoted
from tasktransfer.importers.harnesses import HARNESSES
from tasktransfer.importers.logs import target_name
from tasktransfer.tables import KINDS, Kind
from tasktransfer.yaml_lines import Fault, Place, read_marked, read_yaml_text

__all__ = ["UNKNOWN", "Manifest", "ManifestRun", "read_manifest"]

UNKNOWN = "???"  # stands in a draft for what could not be guessed


def _a_harness(name: str) -> str:
    if name not in HARNESSES:
        raise ValueError(f"is {quoted([name])}{closest(name, HARNESSES)}; accepted are {', '.join(HARNESSES)}")
    return name


class _Run(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[str, Field(min_length=1)]
    harness: Annotated[str, AfterValidator(_a_harness)]
    model: Annotated[str, Field(min_length=1)]
    source: str
    seed: str = ""
    kind: Kind | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _filled_in(cls, value: Any) -> Any:
        if value == UNKNOWN:
            raise ValueError(f"is still {UNKNOWN}; fill it in")
        return value

    @field_validator("path")
    @classmethod
    def _exists(cls, value: str, info: ValidationInfo) -> str:
        place = Path((info.context or {})["folder"], value)
        if not place.exists():
            beside = [str(Path(value).with_name(other.name)) for other in _siblings(place)]
            raise ValueError(f"{value!r} does not exist in the folder of the manifest{closest(value, beside)}")
        return value

    @model_validator(mode="after")
    def _baseline_has_no_source(self) -> _Run:
        if self.kind is not None and (self.kind == "base") == bool(self.source):
            raise ValueError(
                f"kind is {self.kind!r} with source {self.source!r}; "
                f"the baseline, and it alone, has an empty source"
            )
        return self


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    runs: Annotated[list[_Run], Field(min_length=1)]
    leave_out: list[str] = []


class ManifestRun(NamedTuple):
    """One run of a manifest, ready to be read."""

    path: Path
    harness: str
    model: str
    kind: str
    source: str
    seed: str
    line: int  # where the run stands in the manifest

    @property
    def label(self) -> str:
        """The run in words, for messages."""
        of = f", {self.kind}" if self.kind not in ("base", "finetune") else ""
        seed = f", seed {self.seed}" if self.seed else ""
        return f"{self.model}, {self.source or 'baseline'}{of}{seed}"


class Manifest(NamedTuple):
    """All runs to read, and the targets to leave out."""

    runs: tuple[ManifestRun, ...]
    leave_out: frozenset[str]


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest.

    Names of registered tasks (``blink_jigsaw``) become the registered name in `source` and `leave_out`.

    Raises
    ------
    InputError
        The file is missing or no YAML, or anything in it cannot be as it is; all faults with their lines.
    """
    marked = read_marked(read_yaml_text(path, "a manifest"), str(path), as_written=True)
    faults = [(marked.line(fault.place) or 1, _of_the_file(fault)) for fault in marked.faults]
    checked = None
    try:
        checked = _Manifest.model_validate(marked.values, context={"folder": path.parent})
    except ValidationError as error:
        faults.extend((marked.line(tuple(fault["loc"])) or 1, _told(fault)) for fault in error.errors())
    if checked is not None:
        faults.extend(_repeated(checked.runs, marked.lines))
    if faults or checked is None:
        lines = [f"  line {line}: {text}" for line, text in sorted(faults)]
        count = f"{len(faults)} faults" if len(faults) > 1 else "a fault"
        raise InputError("\n".join([f"{path}: {count}", *lines]))
    runs = (_resolved(run, path.parent, marked.lines[("runs", k)]) for k, run in enumerate(checked.runs))
    return Manifest(tuple(runs), frozenset(map(target_name, checked.leave_out)))


def _resolved(run: _Run, folder: Path, line: int) -> ManifestRun:
    source = target_name(run.source) if run.source else ""
    kind = run.kind or ("finetune" if source else KINDS[0])
    return ManifestRun(folder / run.path, run.harness, run.model, kind, source, run.seed, line)


def _of_the_file(fault: Fault) -> str:
    """What is wrong with the YAML itself."""
    twice = fault.message.startswith("stands there twice")
    return f"key {fault.place[-1]!r} stands there twice" if twice else fault.message


def _told(fault: Any) -> str:
    """One fault of pydantic's in our words."""
    place: Place = tuple(fault["loc"])
    name, given = place[-1] if place else "manifest", fault["input"]
    keys = _Run.model_fields if "runs" in place[:1] else _Manifest.model_fields
    if fault["type"] == "extra_forbidden":
        return f"unknown key {name!r}{closest(str(name), keys)}; accepted are {', '.join(keys)}"
    if fault["type"] == "missing":
        empty = " (empty for the untouched model)" if name == "source" else ""
        return f"key {name!r} is missing{empty}"
    if fault["type"] == "literal_error":
        return f"{name} is {quoted([given])}{closest(given, KINDS)}; accepted are {', '.join(KINDS)}"
    if fault["type"] == "value_error":
        return f"{name} {fault['ctx']['error']}" if isinstance(name, str) else str(fault["ctx"]["error"])
    if fault["type"] in ("string_too_short", "too_short"):
        return f"{name} is empty"
    wanted = {"list_type": "a list", "string_type": "a text"}.get(fault["type"], f"a mapping of {', '.join(keys)}")
    return f"{name if isinstance(name, str) else f'entry {name + 1}'}: {wanted} is needed here"


def _repeated(runs: Iterable[_Run], lines: dict[Place, int]) -> Iterator[tuple[int, str]]:
    seen: dict[str, int] = {}
    for position, run in enumerate(runs):
        line = lines[("runs", position)]
        if run.path in seen:
            yield line, f"path {run.path!r} stands also at line {seen[run.path]}"
        seen.setdefault(run.path, line)


def _siblings(place: Path) -> list[Path]:
    try:
        return sorted(place.parent.iterdir())
    except OSError:
        return []
