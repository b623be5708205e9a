"""What the embedded model can do: zero-shot, and after a finetune on each task's own training items.

``python -m recipes.toy_model.measure [ITEMS [TASK ...]]`` prints both for every task as a Markdown table.

The finetune is a stronger one than a study's default (`docs/results/self_transfer.py` measures that): LoRA on all
linear layers of the decoder, vision frozen, image features computed once.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch

from recipes.toy_model.features import image_features
from recipes.toy_model.packing import Pool, Question, answer_rows, encode
from recipes.toy_model.words import prompt_text
from tasktransfer.tasks.toyworld import TOY_TASKS
from tasktransfer.tasks.toyworld.draw import draw_scenes

__all__ = ["DEFAULT_FINETUNE", "Finetune", "accuracy", "draw_pool", "finetuned"]

_LINEARS = r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
_VIDEO_ANSWERS = ("1", "2", "3", "4", "5")


@dataclass(frozen=True)
class Finetune:
    """Settings of a finetune.

    Parameters
    ----------
    items
        Training items.
    steps, batch
        Optimiser steps and items a step.
    rate
        Highest learning rate: a warm-up of a tenth of the steps, then a straight line to zero.
    rank, alpha
        Of the adapter.
    """

    items: int = 512
    steps: int = 64
    batch: int = 16
    rate: float = 5e-3
    rank: int = 8
    alpha: int = 16


DEFAULT_FINETUNE = Finetune()


def draw_pool(model: Any, ids: dict[str, int], task: str, split: str, n_items: int, *, seed: int = 0) -> Pool:
    """Items of one task at the default difficulty, with features."""
    drawn = list(islice(draw_scenes(task, split, seed=seed, difficulty=0.5), n_items))
    with torch.no_grad():
        features = image_features(model, np.concatenate([d.pixels for d in drawn]))
    asked = [encode(ids, task, prompt_text(d.scene.question, d.scene.choices), d.scene.answer) for d in drawn]
    n_images = drawn[0].scene.layout.n_images
    return Pool(n_images, features.reshape(n_items, -1, features.shape[-1]), [task] * n_items, asked, [])


def accuracy(model: Any, ids: dict[str, int], pool: Pool, *, batch: int = 64) -> float:
    """Share of items whose right answer has the highest score of all answers to choose from."""
    model.eval()
    n_choices = TOY_TASKS[pool.tasks[0]].n_choices
    letters = torch.tensor([ids[word] for word in ("ABCD"[:n_choices] if n_choices else _VIDEO_ANSWERS)])
    hits = 0
    for start in range(0, len(pool.tasks), batch):
        stop = min(start + batch, len(pool.tasks))
        answers = answer_rows(
            model, ids, pool.n_images, pool.features[start:stop], [[q] for q in pool.full[start:stop]]
        )
        hits += int((letters[answers.scores[:, letters].argmax(-1)] == answers.right).sum())
    return hits / len(pool.tasks)


def finetuned(
    model: Any, ids: dict[str, int], pool: Pool, settings: Finetune = DEFAULT_FINETUNE, *, seed: int = 0
) -> Any:
    """An adapter on the model, trained on the items of a pool; call ``unload()`` to be rid of it."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=_LINEARS, lora_dropout=0.0)
    adapted = get_peft_model(model, config)
    adapted.train()
    parameters = [p for p in adapted.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=settings.rate, weight_decay=0.0)
    rng = np.random.default_rng(seed)
    order = np.concatenate(
        [rng.permutation(settings.items) for _ in range(settings.steps * settings.batch // settings.items + 1)]
    )
    warm = max(1, settings.steps // 10)
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * min((step + 1) / warm, 1 - (step - warm) / (settings.steps - warm + 1))
        chosen = order[step * settings.batch : (step + 1) * settings.batch]
        asked: list[list[Question]] = [[pool.full[i]] for i in chosen]
        loss = answer_rows(adapted, ids, pool.n_images, pool.features[chosen], asked).losses.mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
    return adapted


def measured(
    model: Any, ids: dict[str, int], task: str, n_items: int, settings: Finetune, *, seed: int = 0
) -> str:
    """One row of the table: chance, zero-shot, after the finetune, self-transfer PGF (ceiling 1), CPU seconds."""
    test = draw_pool(model, ids, task, "test", n_items)
    zero_shot = accuracy(model, ids, test)
    train = draw_pool(model, ids, task, "train", settings.items)
    start = time.process_time()
    adapted = finetuned(model, ids, train, settings, seed=seed)
    seconds = time.process_time() - start
    tuned = accuracy(adapted, ids, test)
    adapted.unload()
    pgf = (tuned - zero_shot) / (1 - zero_shot)
    chance = TOY_TASKS[task].chance or 1 / len(_VIDEO_ANSWERS)
    return f"| {task} | {chance:.1%} | {zero_shot:.1%} | {tuned:.1%} | {pgf:+.2f} | {seconds:.1f} |"


def _main(n_items: int, tasks: list[str]) -> None:
    from transformers import Qwen2_5_VLForConditionalGeneration

    from recipes.toy_model.processor import load_processor
    from tasktransfer.models.toy import WEIGHTS

    torch.set_num_threads(1)
    ids = load_processor(WEIGHTS).tokenizer.get_vocab()
    print("| task | chance | zero-shot | finetuned | self-transfer PGF | CPU seconds |\n|---|---|---|---|---|---|")
    for task in tasks:
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(WEIGHTS)
        print(measured(model, ids, task, n_items, DEFAULT_FINETUNE), flush=True)


if __name__ == "__main__":
    _main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, sys.argv[2:] or list(TOY_TASKS))
