"""One finetune, written to be read: the reference for every faster way.

The loss is the mean cross-entropy of the answer tokens and of the end of the turn; all before them is masked.
Batches go through a shuffled order of the items, shuffled anew each time round. Weights, order and dropout come
from the seed alone. A batch that holds more tokens than go through the model at once is taken in portions whose
gradients are added: the same step up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasktransfer.errors import InputError
from tasktransfer.models.answering import hidden_states, pad
from tasktransfer.study.devices import add_gradients, added, gradient_norm, rank, world

if TYPE_CHECKING:
    import torch

    from tasktransfer.models.prompts import Prompt
    from tasktransfer.models.vlm import Vlm
    from tasktransfer.study.spec import Optimisation
    from tasktransfer.study.train.checkpoint import Checkpoint

__all__ = ["finetune", "item_batches", "learning_rate", "portions"]

Metrics = dict[str, float]


def finetune(
    vlm: Vlm,
    weights: Mapping[str, Any],
    prompts: Sequence[Prompt],
    optimisation: Optimisation,
    *,
    seed: np.random.SeedSequence,
    tokens: int = 16384,
    checkpoint: Checkpoint | None = None,
) -> list[Metrics]:
    """Train `weights`, which are part of the model, on prompts and their answers.

    Parameters
    ----------
    vlm
        The model, with an adapter attached or its language model unfrozen.
    weights
        The parameters that learn, by name. Those in bfloat16 are kept in float32 beside it, where the optimiser
        works: steps smaller than bfloat16 resolves would be lost.
    prompts
        What is learned.
    optimisation
        Rate, steps, batch and schedule.
    seed
        Decides the order of the items and the dropout.
    tokens
        At most so many go through the model at once; halved once where the memory does not suffice.
    checkpoint
        Where to go on from, and where to save what is done so far.

    Returns
    -------
    list of dict
        For each step: step, loss, lr and the norm of the gradient; tokens where they had to be halved.

    Raises
    ------
    InputError
        There is no prompt, as where a control keeps only what could be read and that is nothing.
    """
    import torch

    if not prompts:
        raise InputError("there is no item to train on")
    order, noise = seed.spawn(2)
    torch.manual_seed(int(noise.generate_state(1)[0]))
    learner = _Learner(weights, optimisation)
    batches = item_batches(len(prompts), optimisation.batch, np.random.default_rng(order))
    curve: list[Metrics] = checkpoint.restore(learner.masters, learner.optimizer) if checkpoint else []
    learner.publish()
    halved: Metrics = {}
    for _ in curve:
        next(batches)
    vlm.model.train()
    for step in range(len(curve), math.ceil(optimisation.steps * optimisation.stop)):
        batch = [prompts[number] for number in next(batches)]
        rate = learning_rate(step, optimisation)
        try:
            loss: float | None = _gradients(vlm, learner, batch, tokens)
        except torch.OutOfMemoryError:
            if halved or world() > 1:  # of several processes one cannot begin anew: the others are further on
                raise
            loss = None
        if loss is None:  # outside of the handler, which would keep alive the frames and tensors that failed
            learner.forget()
            tokens = max(1, min(tokens, _padded_tokens(batch)) // 2)
            torch.cuda.empty_cache()
            loss = _gradients(vlm, learner, batch, tokens)
            halved = {"tokens": tokens}
        curve.append({"step": step + 1, "loss": loss, "lr": rate, "gradient": learner.step(rate), **halved})
        if checkpoint and checkpoint.is_due(step + 1):
            checkpoint.save(learner.masters, learner.optimizer, curve)
    vlm.model.eval()
    return curve


class _Learner:
    """The parameters in float32 and their optimiser."""

    def __init__(self, weights: Mapping[str, Any], optimisation: Optimisation) -> None:
        import torch

        if not weights:
            raise InputError("nothing of the model learns")
        self.weights = list(weights.values())
        self.masters = {
            name: weight if weight.dtype == torch.float32 else weight.detach().float().requires_grad_()
            for name, weight in weights.items()
        }
        self.copies = [
            (weight, master)
            for weight, master in zip(self.weights, self.masters.values(), strict=True)
            if master is not weight
        ]
        parameters = list(self.masters.values())
        self.clip = optimisation.clip
        # shares and whole weights do not mix in one call
        self.foreach = None if world() == 1 else False
        self.optimizer = torch.optim.AdamW(
            parameters, lr=optimisation.lr, weight_decay=optimisation.weight_decay, foreach=self.foreach
        )

    def gather(self) -> None:
        """Add the gradients of a portion to those of the batch, in float32."""
        for weight, master in self.copies:
            if weight.grad is not None:
                master.grad = weight.grad.float() if master.grad is None else master.grad + weight.grad
                weight.grad = None

    def forget(self) -> None:
        """Drop all gradients."""
        self.optimizer.zero_grad(set_to_none=True)
        for weight in self.weights:
            weight.grad = None

    def step(self, rate: float) -> float:
        """One step of the optimiser; the norm of the gradient before it was clipped."""
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = rate
        masters = list(self.masters.values())
        add_gradients(masters)
        norm = gradient_norm(masters)
        torch.nn.utils.clip_grads_with_norm_(masters, self.clip, norm, foreach=self.foreach)
        self.optimizer.step()
        self.publish()
        self.forget()
        return float(norm)

    def publish(self) -> None:
        """Round the float32 parameters to those of the model."""
        import torch

        with torch.no_grad():
            for weight, master in self.copies:
                weight.copy_(master)


def _gradients(vlm: Vlm, learner: _Learner, batch: Sequence[Prompt], tokens: int) -> float:
    """Gradients of a batch, portion by portion; its loss."""
    import torch

    n_answers = sum(len(prompt.target_ids_A) for prompt in batch)
    total = torch.zeros((), device=vlm.device)
    for some, weight in _own_portions(batch, tokens):
        loss = answer_loss(vlm, some) * (weight / n_answers)
        loss.backward()
        learner.gather()
        total += loss.detach()
    return added(total)


def _own_portions(batch: Sequence[Prompt], tokens: int) -> Iterator[tuple[list[Prompt], float]]:
    """What this process takes of a batch; where others take more portions, it repeats one that counts nothing."""
    shares = [list(portions(batch[number :: world()], tokens)) for number in range(world())]
    own = shares[rank()]
    yield from ((some, 1.0) for some in own)
    for _ in range(max(map(len, shares)) - len(own)):
        yield [batch[0]], 0.0


def answer_loss(vlm: Vlm, prompts: Sequence[Prompt]) -> torch.Tensor:
    """Cross-entropy of the answer tokens, given everything before each; summed."""
    import torch

    batch = pad(vlm, prompts, with_target=True)
    states_BLH = hidden_states(vlm, batch)
    rows: list[int] = []
    places: list[int] = []
    wanted: list[torch.Tensor] = []
    for row, prompt in enumerate(prompts):
        before = len(prompt.ids_L) - 1  # the state here predicts the first token of the answer
        rows += [row] * len(prompt.target_ids_A)
        places += range(before, before + len(prompt.target_ids_A))
        wanted.append(prompt.target_ids_A)
    # the head at answers only: at every other place it would make a vocabulary of logits for nothing
    logits = vlm.head(states_BLH[rows, places]).float()
    return torch.nn.functional.cross_entropy(logits, torch.cat(wanted).to(logits.device), reduction="sum")


def portions(batch: Sequence[Prompt], tokens: int) -> Iterator[list[Prompt]]:
    """Divide a batch, in its order, into portions of at most `tokens` when padded; an item alone may have more."""
    some: list[Prompt] = []
    for prompt in batch:
        if some and _padded_tokens([*some, prompt]) > tokens:
            yield some
            some = []
        some.append(prompt)
    if some:
        yield some


def _padded_tokens(prompts: Sequence[Prompt]) -> int:
    return len(prompts) * max(len(prompt.ids_L) + len(prompt.target_ids_A) for prompt in prompts)


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

    Parameters
    ----------
    n_items
        How many items there are, from 1.
    batch
        Items of a batch; one may span two rounds and hold an item twice.
    random
        Decides the orders.

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
