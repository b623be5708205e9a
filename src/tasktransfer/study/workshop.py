"""One process at work: it loads each model once and does one job after another.

A job is either items to be encoded or a cell to be finished. Doing a job twice gives the same files.
"""

from __future__ import annotations

import hashlib
import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasktransfer.errors import InputError
from tasktransfer.study.plan import Cell, ItemSet, Plan
from tasktransfer.study.store import Store

if TYPE_CHECKING:
    from tasktransfer.models.prompts import Prompt
    from tasktransfer.models.vlm import Vlm

__all__ = ["Job", "Outcome", "Workshop"]


class Job(NamedTuple):
    """Something to do, by name."""

    kind: str  # "items" or "cell"
    model: str
    key: str


class Outcome(NamedTuple):
    """How a job ended; `error` is empty where it ended well."""

    job: Job
    error: str = ""
    fatal: bool = False  # nothing else can succeed either


class Workshop:
    """Does the jobs of a plan, in this process."""

    def __init__(self, plan: Plan, store: Store, *, batch: int = 64) -> None:
        self.plan, self.store, self.batch = plan, store, batch
        self.cells = {cell.key: cell for cell in plan.unique_cells}
        self.item_sets = {(model, items.key): items for model, items in plan.item_sets}
        self._models: dict[str, Vlm] = {}
        self._prompts = lru_cache(maxsize=64)(self._read_prompts)

    def do(self, job: Job) -> Outcome:
        """Do a job; what goes wrong is recorded and told, not raised."""
        try:
            with one_thread():
                if job.kind == "items":
                    self.prepare(job.model, self.item_sets[job.model, job.key])
                else:
                    self.finish(self.cells[job.key])
            return Outcome(job)
        except Exception as error:
            try:
                return self._failed(job, error)
            except OSError as full:
                return Outcome(job, f"{error}; {full}", fatal=True)

    def _failed(self, job: Job, error: Exception) -> Outcome:
        told = f"{type(error).__name__}: {error}"
        if isinstance(error, OSError):  # all that is read here is checked elsewhere: this is about writing
            return Outcome(job, told, fatal=True)
        if job.kind == "cell":
            trace = traceback.format_exc().splitlines()[-30:]
            self.store.write_error(self.cells[job.key], {"error": told, "trace": "\n".join(trace)})
        return Outcome(job, told)

    def model(self, name: str) -> Vlm:
        """A model of the study, loaded when first asked for."""
        if name not in self._models:
            from tasktransfer.models.vlm import load_model, locate_weights

            choice = self.plan.study.models[name]
            folder = locate_weights(choice.weights, choice.revision)
            self._models[name] = load_model(folder, dtype=choice.dtype)
        return self._models[name]

    def prepare(self, model: str, items: ItemSet) -> None:
        """Encode items, where that is not done."""
        from tasktransfer.models.prompts import encode
        from tasktransfer.study.encoded import write_prompts

        path = self._items_file(model, items)
        if not path.is_file():
            write_prompts(encode(self.model(model), self._draw(items)), path)

    def finish(self, cell: Cell) -> None:
        """Train a cell and ask it, where that is not done."""
        self.store.write_cell_facts(cell)
        if not self.store.is_trained(cell):
            self._train(cell)
        missing = self.store.missing_shards(cell)
        if missing:
            vlm = self.model(cell.model)
            with self._adapted(vlm, cell):
                for shard in missing:
                    self.store.write_shard(cell, shard, self._answers(vlm, cell, shard))
        self.store.clear_error(cell)

    def _answers(self, vlm: Vlm, cell: Cell, shard: Any) -> list[dict[str, Any]]:
        from tasktransfer.study.evaluate import evaluate

        prompts = self._prompts(cell.model, shard.items)[: shard.n_items]
        new_tokens = self.plan.study.evaluation.max_new_tokens
        rows = evaluate(vlm, prompts, shard.scorer, max_new_tokens=new_tokens, tokens=256 * self.batch)
        names = {
            "model": cell.model, "kind": cell.kind, "source": cell.source, "seed": cell.seed_text,
            "target": shard.items.task, "scorer": shard.scorer, "label_version": shard.items.label_version,
        }  # fmt: skip
        return [names | row for row in rows]

    def _train(self, cell: Cell) -> None:
        from tasktransfer.study.finetune import finetune
        from tasktransfer.study.lessons import lessons

        assert cell.optimisation is not None
        vlm = self.model(cell.model)
        content, start, course = cell_seed(cell).spawn(3)
        prompts = lessons(
            vlm, cell, lambda items: self._prompts(cell.model, items), self._draw, seed=content
        )  # fmt: skip
        with self.store.training(cell) as folder, (folder / "metrics.jsonl").open("w", encoding="utf-8") as curve:

            def note(metrics: dict[str, float]) -> None:
                curve.write(json.dumps(metrics) + "\n")

            with self._learner(vlm, cell, start) as (weights, save):
                finetune(vlm, weights, prompts, cell.optimisation, seed=course, note=note)
                save(folder)

    @contextmanager
    def _learner(
        self, vlm: Vlm, cell: Cell, start: np.random.SeedSequence
    ) -> Iterator[tuple[list[Any], Callable[[Path], None]]]:
        """The parameters that learn, and a function that saves them."""
        import torch
        from safetensors.torch import save_file

        from tasktransfer.models.adapters import lora
        from tasktransfer.models.decoder import whole_decoder

        method = cell.method
        assert method is not None
        if method.kind == "full":
            with whole_decoder(vlm) as named:

                def save_all(folder: Path) -> None:
                    (folder / "weights").mkdir()
                    save_file(
                        {n: w.detach().contiguous() for n, w in named.items()},
                        folder / "weights/model.safetensors",
                    )

                yield list(named.values()), save_all
            return
        torch.manual_seed(int(start.generate_state(1)[0]))
        with lora(
            vlm,
            r=method.r,
            alpha=method.alpha,
            dropout=method.dropout,
            layers=method.layers,
            name=self._base_name(cell),
        ) as adapted:
            weights = [weight for weight in adapted.parameters() if weight.requires_grad]
            yield weights, lambda folder: adapted.save_pretrained(folder / "adapter", save_embedding_layers=False)

    def _base_name(self, cell: Cell) -> str:
        """What the adapter says it belongs to: no place on this machine."""
        weights = self.plan.study.models[cell.model].weights
        return Path(weights).name if Path(weights).is_absolute() else weights

    def _adapted(self, vlm: Vlm, cell: Cell) -> Any:
        """The model with the saved weights of a cell, for the time of a block."""
        from tasktransfer.models.adapters import saved_lora
        from tasktransfer.models.decoder import whole_decoder

        if cell.method is None:
            return nullcontext()
        folder = self.store.folder(cell)
        if cell.method.kind == "full":
            return whole_decoder(vlm, folder / "weights" / "model.safetensors")
        return saved_lora(vlm, folder / "adapter")

    def _items_file(self, model: str, items: ItemSet) -> Path:
        return self.store.items_file(model, self.plan.model_digests[model], items)

    def _read_prompts(self, model: str, items: ItemSet) -> list[Prompt]:
        from tasktransfer.study.encoded import read_prompts

        path = self._items_file(model, items)
        self.prepare(model, items)
        try:
            return read_prompts(path)
        except InputError:  # damaged since: made again, as anything else would be
            path.unlink()
            self.prepare(model, items)
            return read_prompts(path)

    def _draw(self, items: ItemSet) -> list[Any]:
        return self.plan.supplies[items.task].draw(items.split, items.n_items)


def cell_seed(cell: Cell) -> np.random.SeedSequence:
    """The randomness of a cell: its seed and what it is trained on; not its method, so that variants compare."""
    name = hashlib.sha256(f"{cell.control} {cell.source}".encode()).digest()
    return np.random.SeedSequence([cell.seed or 0, int.from_bytes(name[:8], "little")])


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: small models are slower on more, and sums come out in one order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
