"""One process at work: it loads models when they are needed and does one job after another.

A job is either items to be encoded or a cell to be finished. Doing a job twice gives the same files.
"""

from __future__ import annotations

import errno
import hashlib
import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasktransfer.errors import OutputError
from tasktransfer.models.shards import full_tensor
from tasktransfer.study.devices import agreed, is_first, together
from tasktransfer.study.loading import Loading
from tasktransfer.study.plan import Cell, Plan, Shard
from tasktransfer.study.store import Store
from tasktransfer.study.train.merging import merged_adapters

if TYPE_CHECKING:
    from tasktransfer.models.vlm import Vlm

__all__ = ["Job", "Outcome", "Workshop"]


class Job(NamedTuple):
    """Something to do, by name."""

    kind: str  # "items", "pixels" (items that keep their pixels) or "cell"
    model: str
    key: str


class Outcome(NamedTuple):
    """How a job ended; `error` is empty where it ended well."""

    job: Job
    error: str = ""
    fatal: bool = False  # nothing else can succeed either


_MIXTURE = 0x6D697874757265
_NO_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}

_Learner = tuple[dict[str, Any], Callable[[Path | None], None]]


class Workshop:
    """Does the jobs of a plan, in this process."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self.plan, self.store = plan, store
        self.cells = {cell.key: cell for cell in plan.unique_cells}
        self.item_sets = {(model, items.key): items for model, items in plan.item_sets}
        self.loading = Loading(plan, store)

    def do(self, job: Job) -> Outcome:
        """Do a job; what goes wrong is recorded and told, not raised."""
        try:
            with one_thread() if self.loading.is_small(job.model) else nullcontext():
                if job.kind == "cell":
                    self.finish(self.cells[job.key])
                else:
                    items = self.item_sets[job.model, job.key]
                    self.loading.prepare(job.model, items, pixels=job.kind == "pixels")
            return Outcome(job)
        except Exception as error:
            try:
                return self._failed(job, error)
            except OSError as full:
                return Outcome(job, _writing_failed(f"{error}; {full}"), fatal=True)

    def _failed(self, job: Job, error: Exception) -> Outcome:
        told = f"{type(error).__name__}: {error}"
        if isinstance(error, OutputError) or (isinstance(error, OSError) and error.errno in _NO_WRITING):
            return Outcome(job, _writing_failed(told), fatal=True)
        if type(error).__name__ == "OutOfMemoryError":
            told += (
                f" (with compute.tokens {self.plan.study.compute.tokens}, halved once). Smaller are fewer tokens, "
                f"compute.activation_checkpointing: true, a smaller max_pixels or max_tiles of the model, qlora"
            )
        if job.kind == "cell":
            trace = traceback.format_exc().splitlines()[-30:]
            self.store.write_error(self.cells[job.key], {"error": told, "trace": "\n".join(trace)})
        return Outcome(job, told)

    def finish(self, cell: Cell) -> None:
        """Train a cell and ask it, where that is not done."""
        if is_first():
            self.store.write_cell_facts(cell)
        if agreed(not self.store.is_trained(cell)):
            self._train(cell)
        missing = agreed(self.store.missing_shards(cell))
        if missing:
            vlm = self.loading.vlm_of(cell)
            with self._adapted(vlm, cell):
                for shard in missing:
                    rows = self._answers(vlm, cell, shard)
                    if is_first():
                        self.store.write_shard(cell, shard, rows)
        self.store.clear_error(cell)

    def _answers(self, vlm: Vlm, cell: Cell, shard: Shard) -> list[dict[str, Any]]:
        from tasktransfer.study.train.evaluate import evaluate

        rows = evaluate(
            vlm,
            self.loading.prompts(cell, shard.items)[: shard.n_items],
            shard.scorer,
            max_new_tokens=self.plan.study.evaluation.max_new_tokens,
            rotations=self.plan.study.evaluation.rotations,
            tokens=self.plan.study.compute.tokens,
        )
        names = {
            "model": cell.model, "kind": cell.kind, "source": cell.source, "seed": cell.seed_text,
            "target": shard.items.task, "scorer": shard.scorer, "label_version": shard.items.label_version,
        }  # fmt: skip
        return [names | row for row in rows]

    def _train(self, cell: Cell) -> None:
        from tasktransfer.study.train.checkpoint import Checkpoint
        from tasktransfer.study.train.finetune import finetune
        from tasktransfer.study.train.training_items import lessons

        assert cell.optimisation is not None
        compute = self.plan.study.compute
        vlm = self.loading.vlm_of(cell)
        content, start, course = cell_seed(cell).spawn(3)
        prompts = lessons(vlm, cell, self.loading, seed=content)
        checkpoint = Checkpoint(self.store.checkpoint_file(cell), compute.checkpoint_every)
        place = self.store.training(cell) if is_first() else nullcontext()
        with place as folder, self._learner(vlm, cell, start) as (weights, save):
            curve = finetune(
                vlm, weights, prompts, cell.optimisation,
                seed=course, tokens=compute.tokens, checkpoint=checkpoint,
            )  # fmt: skip
            save(folder)
            if folder:
                told = "".join(json.dumps(metrics) + "\n" for metrics in curve)
                (folder / "metrics.jsonl").write_text(told, encoding="utf-8")
        together()
        if is_first():
            checkpoint.remove()

    @contextmanager
    def _learner(self, vlm: Vlm, cell: Cell, start: np.random.SeedSequence) -> Iterator[_Learner]:
        """The parameters that learn, by name, and a function that saves them where it is given a folder."""
        from tasktransfer.models.decoder import activation_checkpointing

        assert cell.method is not None
        recomputing = self.plan.study.compute.activation_checkpointing
        saving = activation_checkpointing(vlm) if recomputing else nullcontext()
        learner = self._whole_learner(vlm) if cell.method.kind == "full" else self._lora_learner(vlm, cell, start)
        with learner as found, saving:
            yield found

    @contextmanager
    def _whole_learner(self, vlm: Vlm) -> Iterator[_Learner]:
        from safetensors.torch import save_file

        from tasktransfer.models.decoder import whole_decoder

        with whole_decoder(vlm) as named:

            def save(folder: Path | None) -> None:
                tensors = {name: full_tensor(weight.detach()).cpu() for name, weight in named.items()}
                if folder:
                    (folder / "weights").mkdir()
                    save_file(
                        {n: t.contiguous() for n, t in tensors.items()}, folder / "weights/model.safetensors"
                    )

            yield named, save

    @contextmanager
    def _lora_learner(self, vlm: Vlm, cell: Cell, start: np.random.SeedSequence) -> Iterator[_Learner]:
        import torch

        from tasktransfer.models.lora import lora

        torch.manual_seed(int(start.generate_state(1)[0]))
        method = cell.method
        assert method is not None
        with lora(
            vlm,
            r=method.r,
            alpha=method.alpha,
            dropout=method.dropout,
            layers=method.layers,
            projector=method.projector,
            vision=method.vision,
            name=self._base_name(cell),
        ) as adapted:
            named = {name: weight for name, weight in adapted.named_parameters() if weight.requires_grad}

            def save(folder: Path | None) -> None:
                if folder:
                    adapted.save_pretrained(folder / "adapter", save_embedding_layers=False)

            yield named, save

    def _base_name(self, cell: Cell) -> str:
        """What the adapter says it belongs to: no place on this machine."""
        weights = self.plan.study.models[cell.model].weights
        return Path(weights).name if Path(weights).is_absolute() else weights

    def _adapted(self, vlm: Vlm, cell: Cell) -> Any:
        """The model with the saved weights of a cell, for the time of a block."""
        from tasktransfer.models.decoder import whole_decoder
        from tasktransfer.models.saved_adapters import check_adapter, saved_lora

        if cell.adapter is not None:
            check_adapter(vlm, Path(cell.adapter.place))
            return saved_lora(vlm, Path(cell.adapter.place))
        if cell.merged is not None:
            return merged_adapters(vlm, cell.merged, self.store, seed=cell_seed(cell))
        if cell.method is None:
            return nullcontext()
        folder = self.store.folder(cell)
        if cell.method.kind == "full":
            return whole_decoder(vlm, folder / "weights" / "model.safetensors")
        return saved_lora(vlm, folder / "adapter")


def _writing_failed(told: str) -> str:
    return f"writing failed ({told}); make room, or make the folder writable"


def cell_seed(cell: Cell) -> np.random.SeedSequence:
    """The randomness of a cell: its seed and what it is trained on; not its method, so that variants compare.

    That of mixtures and merges is their seed alone, whatever they are called: they are compared with each other.
    """
    if cell.kind == "mixture":
        return np.random.SeedSequence([cell.seed or 0, _MIXTURE])
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
