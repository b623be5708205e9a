"""The folder of a study: what is finished, and how it becomes so.

::

    study.yaml              as given          study.json         as understood, paths absolute
    predictions.parquet     all answers       trained.csv        does each cell say something?
    environment.json        versions          run.log            what happened
    cells.json              the cells that predictions.parquet holds, those of the study as it was last run
    items/MODEL/*.safetensors                 items as the model sees them, made once
    cells/CELL/             cell.json, adapter/ (plain PEFT) or weights/, metrics.jsonl, trained.json;
                            checkpoint.safetensors while it is being trained
    cells/CELL/answers/     one parquet a target and scorer, each with a .json of its size and digest

Whatever is written gets a temporary name and is renamed; a record of sizes and digests comes last and is what
"finished" means. A file that is missing, or of another size or content than recorded, is not finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from tasktransfer import run_folder
from tasktransfer.errors import InputError, quoted
from tasktransfer.files import PARTIAL, file_digest, refusing_to_write, slug, write_json, write_text, written_whole
from tasktransfer.study.item_sets import ItemSet
from tasktransfer.study.plan import Cell, Plan, Shard, adapter_places, make_plan
from tasktransfer.study.spec import Study

__all__ = ["PREDICTIONS", "Store"]

PREDICTIONS = pa.schema(
    [
        ("model", pa.string()),
        ("kind", pa.string()),
        ("source", pa.string()),
        ("seed", pa.string()),
        ("target", pa.string()),
        ("item", pa.string()),
        ("scorer", pa.string()),
        ("answer", pa.string()),
        ("predicted", pa.string()),  # letter, number or text; null where the reply could not be read
        ("correct", pa.bool_()),
        ("score", pa.float64()),  # in [0, 1]; the relative accuracy of a number
        ("option_loglikelihoods", pa.list_(pa.float64())),  # of A, B, ...; null for generation
        ("reply", pa.string()),  # as generated; null for likelihood
        ("parse_ok", pa.bool_()),
        ("label_version", pa.string()),
    ]
)
_OTHER_VERSION = "it is of another version, or damaged: `tasktransfer run STUDY.yaml --out DIR` writes it anew"
_RECORD = "trained.json"
_ERROR = "error.json"


class Store:
    """Reads and writes one folder. Nothing here trains or asks a model.

    With `still` nothing is written in its lifetime, here or elsewhere: the digest of each file is taken once.
    """

    def __init__(self, root: Path, *, still: bool = False) -> None:
        self.root = root
        self._fingerprint = lru_cache(maxsize=None)(_fingerprint) if still else _fingerprint

    def folder(self, cell: Cell) -> Path:
        """Where everything of a cell lies."""
        return self.root / "cells" / cell.key

    def items_file(self, model: str, sees: str, items: ItemSet, *, pixels: bool = False) -> Path:
        """Where items lie as a model sees them.

        Parameters
        ----------
        model
            Its name in the study.
        sees
            `Plan.sees` of it.
        items
            Which items.
        pixels
            The file with prepared images, not the one with their features.
        """
        ending = ".pixels.safetensors" if pixels else ".safetensors"
        return self.root / "items" / f"{slug(model)}-{sees}" / f"{items.key}{ending}"

    def checkpoint_file(self, cell: Cell) -> Path:
        """Where what is done of a finetune is saved."""
        return self.folder(cell) / "checkpoint.safetensors"

    # the study itself

    def read_study(self) -> Study:
        """The study that was last run here; no item is looked at.

        Raises
        ------
        InputError
            The folder holds no study, or one whose record is damaged.
        """
        return self._told()[0]

    def read_plan(self) -> Plan:
        """The plan of the study that was last run here; the digests of all its items are taken anew.

        Raises
        ------
        InputError
            As `read_study`, or tasks cannot be opened.
        """
        study, weights, adapters = self._told()
        return make_plan(study, weights, adapters)

    def _told(self) -> tuple[Study, dict[str, str], dict[str, str]]:
        """The study, and the digests of its models and adapters."""
        path = self.root / run_folder.STUDY
        record = _json(path)
        if record is None:
            raise InputError(
                f"{self.root}: is not the folder of a study (no readable study.json); "
                f"`tasktransfer run STUDY.yaml --out DIR` makes one"
            )
        try:
            study = Study.model_validate(record["study"])
            weights, adapters = record["model_digests"], record.get("adapter_digests", {})
            lost = [*(study.models.keys() - weights), *({*adapter_places(study).values()} - {*adapters})]
        except (ValidationError, KeyError, TypeError) as error:
            raise InputError(f"{path}: {_first_fault(error)}; {_OTHER_VERSION}") from error
        if lost:
            raise InputError(f"{path}: has no digest of {quoted(lost)}; {_OTHER_VERSION}")
        return study, weights, adapters

    def changed_keys(self, plan: Plan) -> list[str]:
        """The keys of the study that differ from the one last run here; empty where there was none."""
        record = _json(self.root / run_folder.STUDY)
        if record is None:
            return []
        old = record.get("study")
        before: dict[str, Any] = old if isinstance(old, dict) else {}
        return sorted(_changed(before | {"compute": None}, _dump(plan.study) | {"compute": None}))

    def write_study(self, plan: Plan, text: str, overrides: Sequence[str] = ()) -> bool:
        """Keep a study as it was given and as it was understood.

        Parameters
        ----------
        plan
            Its plan, whose digests of models and adapters are kept with it.
        text
            The file as given.
        overrides
            ``key.key=value`` each, as they were applied.

        Returns
        -------
        bool
            Whether another text was there, which is kept in ``earlier/``.
        """
        verbatim = self.root / "study.yaml"
        old = verbatim.read_bytes() if verbatim.is_file() else text.encode()
        if old != text.encode():
            kept = self.root / "earlier" / f"study-{hashlib.sha256(old).hexdigest()[:8]}.yaml"
            kept.parent.mkdir(exist_ok=True)
            write_text(kept, old.decode("utf-8", "replace"))
        write_text(verbatim, text)
        record = {
            "study": _dump(plan.study),
            "model_digests": dict(plan.model_digests),
            "adapter_digests": {cell.adapter.place: cell.adapter.digest for cell in plan.cells if cell.adapter},
            "set": list(overrides),
        }
        write_json(self.root / run_folder.STUDY, record)
        return old != text.encode()

    def sweep(self) -> None:
        """Take away what a killed run left half-written."""
        for path in list(self.root.rglob(PARTIAL)):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    # what is there

    def is_trained(self, cell: Cell) -> bool:
        """Whether the weights of a cell are there and as recorded."""
        return cell.method is None or self._as_recorded(self.folder(cell), _RECORD)

    def has_shard(self, cell: Cell, shard: Shard) -> bool:
        """Whether the answers of a cell to a target are there and as recorded."""
        return self._as_recorded(self.folder(cell) / "answers", f"{shard.key}.json")

    def missing_shards(self, cell: Cell) -> list[Shard]:
        """What is still to be asked."""
        return [shard for shard in cell.shards if not self.has_shard(cell, shard)]

    def is_done(self, cell: Cell) -> bool:
        """Whether nothing is left to do."""
        return self.is_trained(cell) and not self.missing_shards(cell)

    def damage(self, cell: Cell) -> list[str]:
        """One sentence for each thing that was finished and is not as recorded any more."""
        folder = self.folder(cell)
        records = [folder / _RECORD, *sorted((folder / "answers").glob("*.json"))]
        return [
            f"{record.parent / name}: {why}; it is made again"
            for record in records
            if record.is_file()
            for name, why in self._differences(record)
        ]

    def error(self, cell: Cell) -> dict[str, Any] | None:
        """What went wrong when the cell was last tried, or None."""
        return _json(self.folder(cell) / _ERROR)

    def read_shard(self, cell: Cell, shard: Shard) -> pa.Table:
        """The answers of a cell to a target."""
        return pq.read_table(self.folder(cell) / "answers" / f"{shard.key}.parquet", schema=PREDICTIONS)

    def read_metrics(self, cell: Cell) -> list[dict[str, float]]:
        """The loss curve of a cell; empty for the untouched model."""
        path = self.folder(cell) / "metrics.jsonl"
        return (
            [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
        )

    def _as_recorded(self, folder: Path, record: str) -> bool:
        path = folder / record
        return path.is_file() and not list(self._differences(path))

    def _differences(self, record: Path) -> Iterator[tuple[str, str]]:
        """Each file of a record that is not as recorded, and why."""
        content = _json(record)
        if not content or not isinstance(content.get("files"), dict):
            yield record.name, "the record itself cannot be read"
            return
        for name, wanted in content["files"].items():
            path = record.parent / name
            try:
                size = path.stat().st_size  # the size first: a digest reads the whole file
                if size != wanted["size"]:
                    yield name, f"has {size} bytes instead of {wanted['size']}"
                elif self._fingerprint(path) != wanted:
                    yield name, "has other content than was written"
            except FileNotFoundError:
                yield name, "is gone"

    # writing

    @contextmanager
    def training(self, cell: Cell) -> Iterator[Path]:
        """A new folder to write a cell's weights to; recorded as finished when the block ends well."""
        final = self.folder(cell)
        final.mkdir(parents=True, exist_ok=True)
        partial = final / f".partial-{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            with refusing_to_write(final):
                yield partial
                names = sorted(path.relative_to(partial) for path in partial.rglob("*") if path.is_file())
                # the record goes first and comes last: killed in between, the cell counts as not trained
                (final / _RECORD).unlink(missing_ok=True)
                for entry in sorted(partial.iterdir()):
                    _replace(entry, final / entry.name)
                self._record(final, _RECORD, [final / name for name in names])
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def write_shard(self, cell: Cell, shard: Shard, rows: list[dict[str, Any]]) -> None:
        """Write and record the answers of a cell to a target.

        Parameters
        ----------
        cell, shard
            Whose answers, and to which target by which scorer.
        rows
            One an item, with the columns of `PREDICTIONS`.
        """
        folder = self.folder(cell) / "answers"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{shard.key}.parquet"
        (folder / f"{shard.key}.json").unlink(missing_ok=True)
        write_table(pa.Table.from_pylist(rows, schema=PREDICTIONS), path)
        self._record(folder, f"{shard.key}.json", [path])

    def _record(self, folder: Path, name: str, paths: list[Path]) -> None:
        files = {str(path.relative_to(folder).as_posix()): _fingerprint(path) for path in paths}
        write_json(folder / name, {"files": files}, sort_keys=True)

    def write_cell_facts(self, cell: Cell) -> None:
        """Say in plain words what a cell is."""
        facts = {
            "model": cell.label if cell.kind != "base" else cell.model, "kind": cell.kind,
            "source": cell.source, "seed": cell.seed,
            "control": cell.control, "n_items": cell.n_items, "digest": cell.digest,
            "sources": [items.task for items in cell.training],
            "items_of_each": list(cell.counts),
            "merged": cell.merged.weight_of if cell.merged else None,
            "adapter": cell.adapter.digest if cell.adapter else None,
            "method": cell.method.model_dump() if cell.method else None,
            "optimisation": cell.optimisation.model_dump() if cell.optimisation else None,
        }  # fmt: skip
        self.folder(cell).mkdir(parents=True, exist_ok=True)
        write_json(self.folder(cell) / "cell.json", facts)

    def write_error(self, cell: Cell, error: dict[str, str]) -> None:
        """Record that a cell failed."""
        self.folder(cell).mkdir(parents=True, exist_ok=True)
        write_json(self.folder(cell) / _ERROR, error)

    def clear_error(self, cell: Cell) -> None:
        """Forget an earlier failure."""
        (self.folder(cell) / _ERROR).unlink(missing_ok=True)

    def write_predictions(self, plan: Plan) -> pa.Table:
        """Join the finished shards of a plan, in its order, into ``predictions.parquet``; name the cells.

        Where items of some target share a scene or an image a last column ``cluster`` says which; the items of
        other targets are their own.
        """
        tests = {shard.items.task: shard.items for cell in plan.cells for shard in cell.shards}
        of_task = {task: plan.supplies[task].clusters(items.split, items.n_items) for task, items in tests.items()}
        parts = []
        for cell in plan.cells:
            for shard in cell.shards:
                if self.has_shard(cell, shard):
                    part = self.read_shard(cell, shard)
                    for column, name in (("model", cell.label), ("source", cell.source)):  # a shared cell has both
                        place = part.schema.get_field_index(column)
                        part = part.set_column(place, column, pa.array([name] * len(part), pa.string()))
                    if any(of_task.values()):
                        own, shared = part["item"].to_pylist(), of_task[shard.items.task]
                        clusters = pa.array([shared.get(item, item) for item in own], pa.string())
                        part = part.append_column("cluster", clusters)
                    parts.append(part)
        table = pa.concat_tables(parts) if parts else PREDICTIONS.empty_table()
        write_table(table.combine_chunks(), self.root / run_folder.PREDICTIONS)
        write_json(self.root / run_folder.CELLS, [cell.key for cell in plan.unique_cells])
        return table


def _first_fault(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"{error} is missing or no mapping" if isinstance(error, KeyError) else str(error)
    detail = error.errors()[0]
    return f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"


def _dump(study: Study) -> dict[str, Any]:
    return study.model_dump(mode="json")


def _changed(old: Any, new: Any, place: str = "") -> Iterator[str]:
    if not isinstance(old, dict) or not isinstance(new, dict):
        if old != new:
            yield place
        return
    for key in {**old, **new}:
        yield from _changed(old.get(key), new.get(key), f"{place}.{key}".strip("."))


def _fingerprint(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": file_digest(path)}


def _json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _replace(source: Path, destination: Path) -> None:
    if destination.is_dir():  # no folder is renamed onto one that holds something
        shutil.rmtree(destination)
    source.replace(destination)


def write_table(table: pa.Table, path: Path) -> None:
    """Write a parquet file whole."""
    with written_whole(path) as partial:
        pq.write_table(table, partial, compression="zstd")
