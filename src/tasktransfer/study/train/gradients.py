"""Transfer estimated from gradients at the untouched model, in the directions of LoRA; nothing is trained.

A fresh adapter adds (alpha / r) B A to a map, with A random and B = 0. Nothing depends on A there, and the
gradient of the answer loss L is that with respect to B alone. With g_i that gradient on the items of task i:

=========== ================================================================================================
column      what it says
=========== ================================================================================================
inner       <g_i, g_j>: what one small step of plain descent on i takes off the loss of j [1]_
cosine      the same without the lengths
sign_inner  <sign g_i, g_j>: the same for the first step of Adam, by which adapters are trained here (ours)
first_order inner times the sum of the learning rates, as a share of L_j: at most 1, as PGF is; its order is to
            be read, not its size, since training leaves the range of a first step
linear      the model is replaced by its first-order expansion: the logits of the options of an item move by
            <phi, w>, w is fitted to the items of i by penalised logistic regression, and the share of the
            missing probability of the right option that j gains is its PGF (the manner of [2]_ and [3]_)
=========== ================================================================================================

Of [2]_ and [3]_ are the expansion and the regression on projected gradients; ours are the directions (B alone at
B = 0, several draws of A stacked as one adapter of that many times the rank, so that one pass serves all), the
penalty chosen on the source's own items, and options as the outcome.

Items come from the train split. A task that is source and target gives its first items as source and the next ones
as target, so that self-transfer is not judged on what it was fitted to. No test item is seen.

Shape letters: P parameters of all B, N items, K options, D buckets of the sketch.

References
----------
.. [1] Fifty et al., "Efficiently Identifying Task Groupings for Multi-Task Learning", NeurIPS 2021.
.. [2] Li et al., "Scalable Multitask Learning Using Gradient-based Estimation of Task Affinity", KDD 2024.
.. [3] Li et al., "Efficient Ensemble for Fine-tuning Language Models on Multiple Datasets", ACL 2025.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.models.answering import hidden_states, pad
from tasktransfer.study.item_sets import ItemSet, find_item_sets
from tasktransfer.study.loading import Loading
from tasktransfer.study.plan import Cell, Plan
from tasktransfer.study.store import Store
from tasktransfer.study.train.finetune import answer_loss, learning_rate, portions
from tasktransfer.study.train.linearised import OptionItems, fit_linear, right_probability

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from tasktransfer.models.prompts import Prompt
    from tasktransfer.models.vlm import Vlm
    from tasktransfer.study.spec import Optimisation

__all__ = ["GRADIENT_COLUMNS", "GradientEstimates", "estimate_transfer", "mean_gradient", "option_gradients"]

GRADIENT_COLUMNS = (
    "model",
    "source",
    "target",
    "inner",
    "cosine",
    "sign_inner",
    "first_order",
    "linear",
    "target_loss",
    "source_items",
    "target_items",
)
_BUCKETS = 1024  # an inner product is off by about a 32nd of the two lengths


class GradientEstimates(NamedTuple):
    """Transfer as gradients estimate it."""

    table: pd.DataFrame  # columns `GRADIENT_COLUMNS`; linear is NaN where a task has no options
    passes: dict[tuple[str, str], float]  # (model, "mean" or "options") -> tokens that go once through the model
    notes: tuple[str, ...]  # what was left out


class _Task(NamedTuple):
    """What is known of one role of a task."""

    gradient_P: np.ndarray
    loss: float
    options: OptionItems | None
    n_items: int


def estimate_transfer(
    plan: Plan, store: Store, *, n_items: int = 64, draws: int = 3, seed: int = 0
) -> GradientEstimates:
    """Estimate every source-target cell of a plan without training.

    Parameters
    ----------
    plan, store
        A study and its folder, where encoded items are kept. No cell needs to be finished.
    n_items
        Items of a task in each role; half of the train split where that holds fewer than twice as many.
    draws
        Draws of A.
    seed
        Decides A and the sketch.

    Notes
    -----
    An item costs one pass forward and one backward for its mean gradient and, where all items of its task have
    options, another forward and one more backward for each option, which ``linear`` needs. Memory: two float32
    vectors of P for every task, P = draws times the parameters of all B.
    """
    import pandas as pd

    if n_items < 2 or draws < 1:
        raise SettingsError(
            f"n_items is {n_items} and draws {draws}; accepted are whole numbers from 2 and from 1"
        )
    loading = Loading(plan, store)
    whole: dict[str, Cell] = {}  # of each model and variant one finetune that goes all the way
    for cell in plan.cells:
        if cell.kind == "finetune" and cell.method and cell.optimisation and cell.optimisation.stop == 1:
            whole.setdefault(cell.label, cell)
    if not whole:
        raise InputError("the study trains no source to its end; there is no training to foretell")
    sources = {items.task: items for cell in plan.cells if cell.kind == "finetune" for items in cell.training}
    targets, notes = _target_items(plan, sources, n_items)
    parts, passes = [], {}
    for label, cell in whole.items():
        with _Lens(loading, cell, draws=draws, seed=seed) as lens:
            roles = _look(lens, cell, sources, targets, n_items)
        parts.append(_table(label, *roles, cell.optimisation, draws))
        passes[label, "mean"], passes[label, "options"] = lens.passes
    return GradientEstimates(pd.concat(parts, ignore_index=True), passes, tuple(notes))


def _target_items(
    plan: Plan, sources: Mapping[str, ItemSet], n_items: int
) -> tuple[dict[str, ItemSet], list[str]]:
    """Train items of the targets that are no source."""
    targets, notes = {}, []
    fewer = plan.study.items.model_copy(update={"source": n_items})
    nothing_else: dict[str, Any] = {"targets": (), "mixtures": {}, "merges": {}, "items": fewer}
    for task in plan.study.targets:
        if task in sources:
            continue
        try:
            alone = plan.study.model_copy(update=nothing_else | {"sources": (task,)})
            targets[task] = find_item_sets(alone, here_only=False).sources[task]
        except InputError as error:
            notes.append(f"target {task!r} is left out, since it has no items but those it is tested on: {error}")
    return targets, notes


def _look(
    lens: _Lens, cell: Cell, sources: Mapping[str, ItemSet], targets: Mapping[str, ItemSet], n_items: int
) -> tuple[dict[str, _Task], dict[str, _Task]]:
    """Both roles of every task."""
    as_source, as_target = {}, {}
    asked = set(cell_targets(cell))
    for task, items in sources.items():
        prompts = lens.prompts(items)
        n_each = min(n_items, len(prompts) // 2)
        if n_each < 2:
            raise InputError(f"source {task!r} has {len(prompts)} train items; gradients need at least 4")
        as_source[task] = lens.see(prompts[:n_each])
        if task in asked:
            as_target[task] = lens.see(prompts[n_each : 2 * n_each])
    for task, items in targets.items():
        as_target[task] = lens.see(lens.prompts(items)[:n_items])
    return as_source, as_target


def cell_targets(cell: Cell) -> list[str]:
    """What a cell is asked, in order."""
    return list(dict.fromkeys(shard.items.task for shard in cell.shards))


class _Lens:
    """A model with a fresh adapter, through which tasks are looked at."""

    def __init__(self, loading: Loading, cell: Cell, *, draws: int, seed: int) -> None:
        self.loading, self.cell, self.draws, self.seed = loading, cell, draws, seed
        self.passes = [0.0, 0.0]

    def __enter__(self) -> _Lens:
        import torch

        from tasktransfer.models.lora import lora

        method = self.cell.method
        assert method is not None
        self.vlm = self.loading.vlm_of(self.cell)
        torch.manual_seed(self.seed)
        # draws of A as one adapter: rank and alpha grow together, so the scale alpha / r is the cell's
        self.adapter = lora(
            self.vlm, r=method.r * self.draws, alpha=method.alpha * self.draws, dropout=0.0, layers=method.layers,
            projector=method.projector, vision=method.vision, name="gradients",
        )  # fmt: skip
        self.weights = _only_b(self.adapter.__enter__())
        self.vlm.model.eval()
        n_parameters = sum(weight.numel() for weight in self.weights)
        # a count sketch: every parameter goes into one bucket with a random sign, so the inner product of two
        # sketches is that of the gradients on average
        random = torch.Generator().manual_seed(self.seed)
        self.bucket_P = torch.randint(_BUCKETS, (n_parameters,), generator=random)
        self.sign_P = 2.0 * torch.randint(2, (n_parameters,), generator=random) - 1
        return self

    def __exit__(self, *how: Any) -> None:
        self.adapter.__exit__(*how)

    def prompts(self, items: ItemSet) -> list[Prompt]:
        """Items as the model sees them."""
        return self.loading.prompts(self.cell, items)

    def see(self, prompts: Sequence[Prompt]) -> _Task:
        """One role of a task."""
        tokens = self.loading.plan.study.compute.tokens
        gradient_P, loss = mean_gradient(self.vlm, self.weights, prompts, tokens)
        self.passes[0] += 2.0 * sum(prompt.n_tokens for prompt in prompts)
        options = None
        if all(len(prompt.option_ids_K) > 1 for prompt in prompts):
            options = OptionItems(*zip(*map(self._options, prompts), strict=True))
            self.passes[1] += sum(prompt.n_tokens * (1.0 + len(prompt.option_ids_K)) for prompt in prompts)
        return _Task(gradient_P, loss, options, len(prompts))

    def _options(self, prompt: Prompt) -> tuple[np.ndarray, np.ndarray, int]:
        """Logits of the options, their sketched gradients, and which one is right."""
        import torch

        logits_K, gradients_KP = option_gradients(self.vlm, self.weights, prompt)
        sketch_KD = torch.zeros(len(gradients_KP), _BUCKETS)
        sketch_KD.index_add_(1, self.bucket_P, gradients_KP * self.sign_P)
        right = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(prompt.answer)
        return logits_K.numpy(), (sketch_KD / math.sqrt(self.draws)).numpy(), right


def _only_b(adapted: Any) -> list[Any]:
    """The parameters of all B, which are 0; those of A learn nothing there."""
    for name, weight in adapted.named_parameters():
        weight.requires_grad_("lora_B" in name)
    return [weight for weight in adapted.parameters() if weight.requires_grad]


def mean_gradient(
    vlm: Vlm, weights: Sequence[Any], prompts: Sequence[Prompt], tokens: int = 16384
) -> tuple[np.ndarray, float]:
    """Gradient ``(P,)`` of the mean loss of the answer tokens, and that loss.

    Parameters
    ----------
    vlm
        The model, with an adapter attached.
    weights
        The parameters that have gradients; P counts their entries in this order.
    prompts
        Items and their answers.
    tokens
        At most so many go through the model at once.
    """
    import torch

    n_answers = sum(len(prompt.target_ids_A) for prompt in prompts)
    total = 0.0
    for weight in weights:
        weight.grad = None
    for some in portions(prompts, tokens):
        loss = answer_loss(vlm, some) / n_answers
        loss.backward()
        total += float(loss.detach())
    gradient = torch.cat([weight.grad.detach().float().flatten().cpu() for weight in weights])
    for weight in weights:
        weight.grad = None
    return gradient.numpy(), total


def option_gradients(vlm: Vlm, weights: Sequence[Any], prompt: Prompt) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits ``(K,)`` of an item's options and the gradient ``(K, P)`` of each, less the mean of them.

    Parameters
    ----------
    vlm
        The model, with an adapter attached.
    weights
        The parameters that have gradients; P counts their entries in this order.
    prompt
        An item with options.
    """
    import torch

    states_LH = hidden_states(vlm, pad(vlm, [prompt]))[0]
    logits_K = vlm.head(states_LH[len(prompt.ids_L) - 1])[prompt.option_ids_K.to(vlm.device)].float()
    rows = []
    for k in range(len(logits_K)):
        grads = torch.autograd.grad(logits_K[k], weights, retain_graph=k + 1 < len(logits_K))
        rows.append(torch.cat([grad.float().flatten().cpu() for grad in grads]))
    gradients_KP = torch.stack(rows)
    # what moves all logits alike moves no probability
    return logits_K.detach().cpu(), gradients_KP - gradients_KP.mean(dim=0)


def _table(
    label: str,
    as_source: Mapping[str, _Task],
    as_target: Mapping[str, _Task],
    optimisation: Optimisation | None,
    draws: int,
) -> pd.DataFrame:
    import pandas as pd

    assert optimisation is not None
    reach = sum(learning_rate(step, optimisation) for step in range(optimisation.steps))
    rows = []
    for source, of_source in as_source.items():
        moved = None if of_source.options is None else fit_linear(of_source.options)
        for target, of_target in as_target.items():
            inner = float(of_source.gradient_P @ of_target.gradient_P) / draws
            lengths = np.linalg.norm(of_source.gradient_P) * np.linalg.norm(of_target.gradient_P) / draws
            rows.append(
                {
                    "model": label,
                    "source": source,
                    "target": target,
                    "inner": inner,
                    "cosine": inner / lengths if lengths > 0 else np.nan,
                    "sign_inner": float(np.sign(of_source.gradient_P) @ of_target.gradient_P) / draws,
                    "first_order": min(1.0, reach * inner / of_target.loss) if of_target.loss > 0 else np.nan,
                    "linear": _linear_pgf(of_target.options, moved),
                    "target_loss": of_target.loss,
                    "source_items": of_source.n_items,
                    "target_items": of_target.n_items,
                }
            )
    return pd.DataFrame(rows, columns=list(GRADIENT_COLUMNS))


def _linear_pgf(options: OptionItems | None, moved_D: np.ndarray | None) -> float:
    """Share of the missing probability of the right option that the fitted move gains."""
    if options is None or moved_D is None:
        return float("nan")
    before = right_probability(options, np.zeros_like(moved_D))
    return float((right_probability(options, moved_D) - before) / (1 - before)) if before < 1 else float("nan")
