"""Stage 1: the vision tower learns to put words on cells.

Every merged token is to predict, through the language model's own embedding table, the word of its cell in each
channel of the drawn world, and its column and row. What the tower is not taught here is not looked up later.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from recipes.toy_model.architecture import TOKENS_PER_IMAGE
from recipes.toy_model.curves import Curves
from recipes.toy_model.features import image_features
from tasktransfer.tasks.toyworld import TOY_TASKS
from tasktransfer.tasks.toyworld.draw import Drawn, draw_scenes
from tasktransfer.tasks.toyworld.layout import CHANNELS, GRID

__all__ = ["CELL_WORDS", "cell_targets", "train_tower"]

CELL_WORDS: dict[str, tuple[str, ...]] = {
    **CHANNELS,
    "column": tuple(f"x{i}" for i in range(GRID)),
    "row": tuple(f"y{i}" for i in range(GRID)),
}
_NOTHING_WEIGHT = 0.25  # of cells in which a channel says nothing: most of them
_IMAGES = 48


def cell_targets(drawn: list[Drawn]) -> dict[str, torch.Tensor]:
    """(N pictures, 16) indices of words for every group of `CELL_WORDS`."""
    n = sum(d.scene.layout.n_images for d in drawn)
    told = {
        channel: np.concatenate([d.scene.layout[channel].reshape(-1, TOKENS_PER_IMAGE) for d in drawn])
        for channel in CHANNELS
    }
    cells = np.arange(TOKENS_PER_IMAGE)
    told["column"], told["row"] = np.tile(cells % GRID, (n, 1)), np.tile(cells // GRID, (n, 1))
    return {name: torch.from_numpy(values.astype(np.int64)) for name, values in told.items()}


def _mixed(seed: int) -> Iterator[Drawn]:
    """Pretraining scenes of all tasks in turn."""
    streams = [draw_scenes(task, "pretrain", seed=seed) for task in TOY_TASKS]
    while True:
        for stream in streams:
            yield next(stream)


def _batches(seed: int) -> Iterator[tuple[list[Drawn], NDArray[np.uint8]]]:
    source = _mixed(seed)
    while True:
        drawn: list[Drawn] = []
        while sum(d.scene.layout.n_images for d in drawn) < _IMAGES:
            drawn.append(next(source))
        yield drawn, np.concatenate([d.pixels for d in drawn])


def train_tower(
    model: Any, ids: dict[str, int], curves: Curves, *, steps: int, seed: int, rate: float = 2e-3
) -> None:
    """Train the vision tower and the embedding table.

    Parameters
    ----------
    model
        A Qwen2.5-VL; changed in place.
    ids
        Token of every word.
    curves
        Where the share of right words is written, by group; cells that say something only.
    steps
        Optimiser steps of about 48 pictures; the rate falls along a cosine.
    seed
        Of the scenes.
    rate
        Highest learning rate.
    """
    table = model.model.language_model.embed_tokens.weight
    parameters = [*model.model.visual.parameters(), table]
    optimiser = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.02)
    groups = {name: torch.tensor([ids[word] for word in words]) for name, words in CELL_WORDS.items()}
    weights = {
        name: torch.tensor([_NOTHING_WEIGHT if name in CHANNELS and i == 0 else 1.0 for i in range(len(words))])
        for name, words in CELL_WORDS.items()
    }
    for step, (drawn, pixels) in zip(range(steps), _batches(seed), strict=False):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 50) * (0.5 * (1 + math.cos(math.pi * step / steps)) + 0.01)
        features, targets = image_features(model, pixels), cell_targets(drawn)
        loss = torch.zeros(())
        for name, tokens in groups.items():
            scores, right = (features @ table[tokens].T).flatten(0, 1), targets[name].flatten()
            loss = loss + functional.cross_entropy(scores, right, weight=weights[name])
            kept = right > 0 if name in CHANNELS else right >= 0
            curves.add("tower", name, (scores.argmax(-1) == right)[kept].float().tolist())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        curves.step("tower", step + 1)
