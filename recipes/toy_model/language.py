"""Stage 2: the language model learns short probes; stage 3: it is half-taught the tasks in their own words.

In both the tower is frozen and its features are computed once. A task's own question is always asked, but in
stage 3 only trained on while its running accuracy is below the task's aim; well above it, the answers trained on
are random. No task is learned to the end: the model is to know the skills and be of two minds about the tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.toy_model.curves import Curves
from recipes.toy_model.features import image_features
from recipes.toy_model.packing import Pool, Question, answer_rows, encode
from recipes.toy_model.words import prompt_text
from tasktransfer.tasks.toyworld import TOY_TASKS
from tasktransfer.tasks.toyworld.draw import draw_scenes

__all__ = ["Course", "aim_of", "build_pools", "train_language"]

_PROBES = 9  # a row
_REFRESH = 50  # steps
_MARGIN = 0.08
_CATCH_UP = 4  # how much more a task's own question counts that is at chance


def aim_of(task: str, share: float) -> float:
    """The running accuracy at which training on a task's own question stops."""
    chance = TOY_TASKS[task].chance or 0.2
    return chance + share * (1 - chance)


def build_pools(model: Any, ids: dict[str, int], n_items: int, *, seed: int) -> list[Pool]:
    """Draw pretraining items of every task and compute their features; one pool for each number of pictures."""
    parts: dict[int, list[Pool]] = {}
    for task in TOY_TASKS:
        drawn = list(islice(draw_scenes(task, "pretrain", seed=seed), n_items))
        n_images = drawn[0].scene.layout.n_images
        with torch.no_grad():
            features = image_features(model, np.concatenate([d.pixels for d in drawn]))
        full = [encode(ids, task, prompt_text(d.scene.question, d.scene.choices), d.scene.answer) for d in drawn]
        probes = [
            [encode(ids, f"{task}:{_kind(text)}", text, answer) for text, answer in d.scene.probes] for d in drawn
        ]
        shaped = features.reshape(n_items, -1, features.shape[-1]).half()
        parts.setdefault(n_images, []).append(Pool(n_images, shaped, [task] * n_items, full, probes))
    return [_joined(n_images, pools) for n_images, pools in sorted(parts.items())]


def _kind(probe: str) -> str:
    """Name of a probe for the curves: its first word, and whether it names the word to be found."""
    words = probe.split()
    named = words[0] in ("same", "match") and words[-1] not in ("REF", "first")
    listed = "_listed" if "(A)" in words else ""
    return f"{words[0]}_named" if named else words[0] + listed


def _joined(n_images: int, pools: list[Pool]) -> Pool:
    return Pool(
        n_images,
        torch.cat([pool.features for pool in pools]),
        [task for pool in pools for task in pool.tasks],
        [question for pool in pools for question in pool.full],
        [probes for pool in pools for probes in pool.probes],
    )


@dataclass(frozen=True)
class Course:
    """Settings of one stage.

    Parameters
    ----------
    stage
        Name for the curves.
    steps
        Optimiser steps: a warm-up of 50, then a constant rate.
    rate
        Learning rate.
    rows
        Items a step.
    share
        Hold the tasks' own questions at this share of the way from chance to perfect; None: never train on them.
    window
        Answers by which a task is judged to be below or above its aim.
    known
        Odds of asking what is known; of what is not, they are one more.
    check
        Steps between looks at the model, if it is looked at.
    falling
        Let the rate fall to a tenth over the whole stage.
    seed
        Of the choice of rows.
    """

    stage: str
    steps: int
    rate: float = 1e-3
    rows: int = 8
    share: float | None = None
    window: int = 60
    known: float = 0.15
    check: int = 100
    falling: bool = False
    seed: int = 3


def train_language(
    model: Any,
    ids: dict[str, int],
    pools: list[Pool],
    curves: Curves,
    course: Course,
    *,
    check: Callable[[], dict[str, float]] | None = None,
) -> None:
    """Train the language model on packed questions, in place; the tower stays as it is.

    `check` is called every `course.check` steps and tells the accuracy of every task; by it, instead of by running
    shares, the tasks are then held back.
    """
    model.model.visual.requires_grad_(False)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=course.rate, betas=(0.9, 0.98), weight_decay=0.05)
    rng = np.random.default_rng(course.seed)
    needs: list[_Need] = []
    measured: dict[str, float] = check() if check else {}
    for step in range(course.steps):
        for group in optimiser.param_groups:
            fall = 1 - 0.9 * step / course.steps if course.falling else 1
            group["lr"] = course.rate * min(1, (step + 1) / 50) * fall
        if step % _REFRESH == 0:
            needs = [_needs(pool, curves, course) for pool in pools]
        pool, need = _choose(pools, needs, rng)
        chosen = rng.choice(len(pool.tasks), course.rows, replace=False, p=need.items)
        asked = [_questions(pool, int(i), need.probes, rng) for i in chosen]
        shares = {task: curves.accuracy(course.stage, task, last=course.window) for task in TOY_TASKS} | measured
        posed = [[_posed(q, ids, shares.get(q.name), course, rng) for q in row] for row in asked]
        rows = [[question for question, _ in row] for row in posed]
        answers = answer_rows(model, ids, pool.n_images, pool.features[chosen], rows)
        weights = torch.tensor([weight for row in posed for _, weight in row])
        loss = (answers.losses * weights).sum() / weights.sum().clamp_min(1)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        for question, told in zip(
            (q for row in asked for q in row), answers.scores.argmax(-1).tolist(), strict=True
        ):
            curves.add(course.stage, question.name, [float(told == question.tokens[-2])])
        curves.step(course.stage, step + 1)
        if check and (step + 1) % course.check == 0:
            measured = check()


class _Need(NamedTuple):
    """How much is still to be learned: in all, by item (sums to 1) and by name of a probe."""

    total: float
    items: NDArray[np.float64]
    probes: dict[str, float]


def _needs(pool: Pool, curves: Curves, course: Course) -> _Need:
    """What is known is asked less often, but is kept in the mix."""
    names = {question.name for probes in pool.probes for question in probes}
    needs = {name: course.known + 1 - (curves.accuracy(course.stage, name, last=100) or 0) for name in names}
    by_task = {
        task: float(np.mean([need for name, need in needs.items() if name.split(":")[0] == task]))
        for task in set(pool.tasks)
    }
    items = np.array([by_task[task] for task in pool.tasks])
    return _Need(float(sum(by_task.values())), items / items.sum(), needs)


def _choose(pools: list[Pool], needs: list[_Need], rng: np.random.Generator) -> tuple[Pool, _Need]:
    totals = np.array([need.total for need in needs])
    k = int(rng.choice(len(pools), p=totals / totals.sum()))
    return pools[k], needs[k]


def _questions(pool: Pool, index: int, needs: dict[str, float], rng: np.random.Generator) -> list[Question]:
    """The task's own question and a few probes."""
    probes = pool.probes[index]
    odds = np.array([needs[question.name] for question in probes])
    picked = rng.choice(len(probes), min(_PROBES, len(probes)), replace=False, p=odds / odds.sum())
    return [pool.full[index], *(probes[k] for k in picked)]


def _posed(
    question: Question, ids: dict[str, int], seen: float | None, course: Course, rng: np.random.Generator
) -> tuple[Question, float]:
    """The question as it is trained on, and its weight.

    A task's own question counts while the task is below its aim, the more the farther. Well above it, the answer
    is a random one: the model unlearns to trust the wording, not the skill, which the probes keep.
    """
    if question.name not in TOY_TASKS:
        return question, 1.0
    if course.share is None:
        return question, 0.0
    aim = aim_of(question.name, course.share)
    if seen is None or seen < aim:
        behind = 0.0 if seen is None else min(1.0, (aim - seen) / (aim - aim_of(question.name, 0)))
        return question, 1.0 + _CATCH_UP * behind
    if seen < aim + _MARGIN:
        return question, 0.0
    n_choices = TOY_TASKS[question.name].n_choices
    answer = ids[str(rng.choice(list("ABCD"[:n_choices] if n_choices else "12345")))]
    excess = (seen - aim) / (1 - aim)
    return Question(question.name, (*question.tokens[:-2], answer, question.tokens[-1])), 1.0 + _CATCH_UP * excess
