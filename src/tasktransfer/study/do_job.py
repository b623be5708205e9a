"""One job done: items encoded, or a cell trained where it is to be, and asked.

Every engine calls `do_job`, in whatever process; doing a job twice gives the same files. What goes wrong is an
outcome and is recorded beside the cell, so that one bad cell stops no other.
"""

from __future__ import annotations

import errno
import hashlib
import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from tasktransfer.errors import OutputError
from tasktransfer.study.devices import agreed, is_first, together
from tasktransfer.study.jobs import Job, Outcome
from tasktransfer.study.loading import Loading
from tasktransfer.study.plan import Cell, Shard
from tasktransfer.study.train.weights import adapted, learning

if TYPE_CHECKING:
    from tasktransfer.models.vlm import Vlm

__all__ = ["do_job"]

_MIXTURE = 0x6D697874757265  # "mixture", where a cell's own name would be
# the folder takes no more writing: every other job would end alike
_NO_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


def do_job(job: Job, loading: Loading) -> Outcome:
    """Do a job; what goes wrong is recorded and reported, not raised.

    Parameters
    ----------
    job
        Of the plan that `loading` has.
    loading
        The models and items of the plan, as far as this process has met them.
    """
    try:
        with _one_thread() if loading.is_small(job.model) else nullcontext():
            if job.kind == "cell":
                _finish(loading.plan.cell(job.key), loading)
            else:
                loading.prepare(job.model, loading.plan.items(job.model, job.key), pixels=job.kind == "pixels")
        return Outcome(job)
    except Exception as error:
        try:
            return _failed(job, error, loading)
        except OSError as full:
            return Outcome(job, _writing_failed(f"{error}; {full}"), fatal=True)


def _finish(cell: Cell, loading: Loading) -> None:
    """Train a cell and ask it, as far as that is not done."""
    store = loading.store
    if is_first():
        store.write_cell_facts(cell)
    if agreed(not store.is_trained(cell)):
        _train(cell, loading)
    if missing := agreed(store.missing_shards(cell)):
        vlm = loading.vlm_of(cell)
        with adapted(vlm, cell, store, seed=_seed_of(cell)):
            for shard in missing:
                rows = _answers(vlm, cell, shard, loading)
                if is_first():
                    store.write_shard(cell, shard, rows)
    store.clear_error(cell)


def _train(cell: Cell, loading: Loading) -> None:
    from tasktransfer.study.train.checkpoint import Checkpoint
    from tasktransfer.study.train.finetune import finetune
    from tasktransfer.study.train.training_items import training_prompts

    assert cell.method is not None
    assert cell.optimisation is not None
    store, compute = loading.store, loading.plan.study.compute
    vlm = loading.vlm_of(cell)
    # children are known by their number: a further one goes behind these, or every result changes
    content, start, course = _seed_of(cell).spawn(3)
    prompts = training_prompts(vlm, cell, loading, seed=content)
    checkpoint = Checkpoint(store.checkpoint_file(cell), compute.checkpoint_every)
    with (
        store.training(cell) if is_first() else nullcontext() as folder,
        learning(
            vlm, cell.method, seed=start, of=loading.plan.study.models[cell.model].public_name,
            recomputing=compute.activation_checkpointing,
        ) as (weights, save),
    ):  # fmt: skip
        curve = finetune(
            vlm, weights, prompts, cell.optimisation,
            seed=course, tokens=compute.tokens, checkpoint=checkpoint,
        )  # fmt: skip
        save(folder)
        if folder:
            lines = "".join(json.dumps(metrics) + "\n" for metrics in curve)
            (folder / "metrics.jsonl").write_text(lines, encoding="utf-8")
    together()
    if is_first():
        checkpoint.remove()


def _answers(vlm: Vlm, cell: Cell, shard: Shard, loading: Loading) -> list[dict[str, Any]]:
    from tasktransfer.study.train.evaluate import evaluate

    study = loading.plan.study
    rows = evaluate(
        vlm,
        loading.prompts(cell, shard.items)[: shard.n_items],
        shard.scorer,
        max_new_tokens=study.evaluation.max_new_tokens,
        rotations=study.evaluation.rotations,
        tokens=study.compute.tokens,
    )
    names = {
        "model": cell.model, "kind": cell.kind, "source": cell.source, "seed": cell.seed_text,
        "target": shard.items.task, "scorer": shard.scorer, "label_version": shard.items.label_version,
    }  # fmt: skip
    return [names | row for row in rows]


def _seed_of(cell: Cell) -> np.random.SeedSequence:
    """The randomness of a cell: its seed and what it is trained on; not its method, so that variants compare.

    That of mixtures and merges is their seed alone, whatever they are called: they are compared with each other.
    """
    if cell.kind == "mixture":
        return np.random.SeedSequence([cell.seed or 0, _MIXTURE])
    name = hashlib.sha256(f"{cell.control} {cell.source}".encode()).digest()
    return np.random.SeedSequence([cell.seed or 0, int.from_bytes(name[:8], "little")])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: small models are slower on more, and sums come out in one order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _failed(job: Job, error: Exception, loading: Loading) -> Outcome:
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, OutputError) or (isinstance(error, OSError) and error.errno in _NO_WRITING):
        return Outcome(job, _writing_failed(message), fatal=True)
    if type(error).__name__ == "OutOfMemoryError":  # by name: torch is loaded inside functions only
        message += (
            f" (with compute.tokens {loading.plan.study.compute.tokens}, halved once). Smaller are fewer tokens, "
            f"compute.activation_checkpointing: true, a smaller max_pixels or max_tiles of the model, qlora"
        )
    if job.kind == "cell":
        trace = traceback.format_exc().splitlines()[-30:]
        loading.store.write_error(loading.plan.cell(job.key), {"error": message, "trace": "\n".join(trace)})
    return Outcome(job, message)


def _writing_failed(reason: str) -> str:
    return f"writing failed ({reason}); make room, or make the folder writable"
