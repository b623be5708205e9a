"""Rebuild the embedded model from nothing: ``python -m recipes.toy_model.build WORK [OUT]``.

Everything is drawn from seeds: words, scenes, weights. The stages are kept in WORK; a stage that is there is not
done again, so that an interrupted build goes on where it stopped. 34 minutes on one core.
"""

from __future__ import annotations

import shutil
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from recipes.toy_model.architecture import new_model
from recipes.toy_model.curves import Curves
from recipes.toy_model.language import Course, aim_of, build_pools, train_language
from recipes.toy_model.measure import accuracy, draw_pool
from recipes.toy_model.processor import save_processor
from recipes.toy_model.tower import train_tower
from recipes.toy_model.words import new_tokenizer, vocabulary
from tasktransfer.models.toy import WEIGHTS
from tasktransfer.tasks.toyworld import TOY_TASKS
from tasktransfer.tasks.toyworld.draw import draw_scenes

__all__ = ["COURSES", "build"]

TOWER_STEPS = 900
POOL_ITEMS = 2400  # a task
SEED = 0
COURSES = (
    Course("probes", steps=6000),
    Course("tasks", steps=12000, share=0.45, seed=4),
    Course("settle", steps=400, rate=4e-4, share=0.40, known=0.5, check=12, falling=True, seed=5),
)
_AIM = 0.45
_CHECK_ITEMS = 96  # a task
_BAND = (0.12, 0.85)  # a task is half learned from this above chance to this


def build(work: Path, out: Path) -> None:
    """Make the embedded model.

    Parameters
    ----------
    work
        Folder of the stages and of ``curves.csv``.
    out
        Folder of the finished model: weights, configuration, tokenizer, chat template, image settings.
    """
    torch.set_num_threads(1)
    work.mkdir(parents=True, exist_ok=True)
    tokenizer = new_tokenizer(vocabulary(_texts()))
    ids: dict[str, int] = tokenizer.get_vocab()
    curves = Curves(work / "curves.csv")
    model = new_model(len(ids), seed=SEED)
    if _missing(work / "tower"):
        train_tower(model, ids, curves, steps=TOWER_STEPS, seed=1)
        _keep(model, work / "tower")
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(work / "tower")
    pools = None
    for course in COURSES:
        if _missing(work / course.stage):
            pools = pools or build_pools(model, ids, POOL_ITEMS, seed=6)
            choice = _Choice(model, ids, work / course.stage) if course.falling else None
            train_language(model.train(), ids, pools, curves, course, check=choice)
            if choice is None:
                _keep(model, work / course.stage)
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(work / course.stage)
    model.save_pretrained(out)
    save_processor(tokenizer, out)


class _Choice:
    """Keeps that state of the model in which most tasks are half learned, on fresh pretraining items.

    How far a task's own question is trusted swings to and fro while it is held back, so the last state is no
    better than the others.
    """

    def __init__(self, model: Any, ids: dict[str, int], folder: Path) -> None:
        self.model, self.ids, self.folder = model, ids, folder
        self.pools = {task: draw_pool(model, ids, task, "pretrain", _CHECK_ITEMS, seed=99) for task in TOY_TASKS}
        self.best = (-1, 0.0)

    def __call__(self) -> dict[str, float]:
        shares = {task: accuracy(self.model, self.ids, pool) for task, pool in self.pools.items()}
        self.model.train()
        half = sum(TOY_TASKS[task].chance + _BAND[0] <= share <= _BAND[1] for task, share in shares.items())
        off = sum(abs(share - aim_of(task, _AIM)) for task, share in shares.items())
        if (half, -off) > self.best:
            self.best = (half, -off)
            shutil.rmtree(self.folder, ignore_errors=True)
            _keep(self.model, self.folder)
        print(f"{half} half learned:", *(f"{TOY_TASKS[task].abbreviation} {s:.2f}" for task, s in shares.items()))
        return shares


def _texts() -> list[str]:
    """All that is asked and answered in some hundred scenes of every task: every word occurs there."""
    told = []
    for task in TOY_TASKS:
        for scene, _ in islice(draw_scenes(task, "pretrain", seed=SEED), 400):
            told += [scene.question, *scene.choices, *(text for probe in scene.probes for text in probe)]
    return told


def _missing(folder: Path) -> bool:
    return not (folder / "model.safetensors").exists()


def _keep(model: Any, folder: Path) -> None:
    """Save under another name first: a folder that is there is a finished stage."""
    draft = folder.with_name(folder.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    model.save_pretrained(draft)
    draft.rename(folder)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else WEIGHTS)
