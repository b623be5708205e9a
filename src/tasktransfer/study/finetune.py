"""One finetune, written to be read: the reference for every faster way.

The loss is the mean cross-entropy of the answer tokens and of the end of the turn; all before them is masked.
Batches go through a shuffled order of the items, shuffled anew each time round. Weights, order and dropout come
from the seed alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasktransfer.models.answering import hidden_states, pad

if TYPE_CHECKING:
    import torch

    from tasktransfer.models.prompts import Prompt
    from tasktransfer.models.vlm import Vlm
    from tasktransfer.study.spec import Optimisation

__all__ = ["finetune", "item_batches", "learning_rate"]


def finetune(
    vlm: Vlm,
    weights: Sequence[Any],
    prompts: Sequence[Prompt],
    optimisation: Optimisation,
    *,
    seed: np.random.SeedSequence,
    note: Callable[[dict[str, float]], object] = dict,
) -> None:
    """Train `weights`, which are part of the model, on prompts and their answers.

    Parameters
    ----------
    vlm
        The model, with an adapter attached or its language model unfrozen.
    weights
        The parameters that learn.
    prompts
        What is learned.
    optimisation
        Rate, steps, batch and schedule.
    seed
        Decides the order of the items and the dropout.
    note
        Called after each step with step, loss, lr and the norm of the gradient.
    """
    import torch

    order, noise = seed.spawn(2)
    torch.manual_seed(int(noise.generate_state(1)[0]))
    optimizer = torch.optim.AdamW(weights, lr=optimisation.lr, weight_decay=optimisation.weight_decay)
    batches = item_batches(len(prompts), optimisation.batch, np.random.default_rng(order))
    vlm.model.train()
    for step in range(math.ceil(optimisation.steps * optimisation.stop)):
        rate = learning_rate(step, optimisation)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = answer_loss(vlm, [prompts[number] for number in next(batches)])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(weights, optimisation.clip)
        optimizer.step()
        note({"step": step + 1, "loss": loss.item(), "lr": rate, "gradient": norm.item()})
    vlm.model.eval()


def answer_loss(vlm: Vlm, prompts: Sequence[Prompt]) -> torch.Tensor:
    """Mean cross-entropy of the answer tokens, given everything before each."""
    import torch

    batch = pad(vlm, prompts, with_target=True)
    states_BLH = hidden_states(vlm, batch)
    rows: list[int] = []
    places: list[int] = []
    wanted: list[torch.Tensor] = []
    for row, prompt in enumerate(prompts):
        before = len(prompt.ids_L) - 1  # the place that foretells the first token of the answer
        rows += [row] * len(prompt.target_ids_A)
        places += range(before, before + len(prompt.target_ids_A))
        wanted.append(prompt.target_ids_A)
    logits = vlm.head(states_BLH[rows, places]).float()
    return torch.nn.functional.cross_entropy(logits, torch.cat(wanted).to(logits.device))


def learning_rate(step: int, optimisation: Optimisation) -> float:
    """The rate of a step, counted from 0."""
    warm = math.ceil(optimisation.warmup * optimisation.steps)
    if step < warm:
        return optimisation.lr * (step + 1) / warm
    if optimisation.schedule == "constant":
        return optimisation.lr
    done = (step - warm) / max(1, optimisation.steps - warm)
    return optimisation.lr * 0.5 * (1 + math.cos(math.pi * done))


def item_batches(n_items: int, batch: int, random: np.random.Generator) -> Any:
    """Endless batches of item numbers: each round goes through all items once, in a new order.

    >>> batches = item_batches(3, 2, np.random.default_rng(0))
    >>> sorted([*next(batches), *next(batches), *next(batches)])
    [0, 0, 1, 1, 2, 2]
    """
    waiting: list[int] = []
    while True:
        while len(waiting) < batch:
            waiting += random.permutation(n_items).tolist()
        yield waiting[:batch]
        waiting = waiting[batch:]
