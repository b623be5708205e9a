"""Many questions about the same pictures in one sequence.

Each question sees the pictures and itself only, and its positions go on from the pictures as if it stood there
alone: what the model computes for a packed question is what it computes for the question by itself. Without this
the skills come ten times later or not at all.

Shapes: `B` rows (items), `L` positions, `P` positions of the pictures at the beginning of every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from recipes.toy_model.architecture import PATCH, SIDE, TOKENS_PER_IMAGE
from recipes.toy_model.words import ASSISTANT, END, IMAGE, USER, VISION_END, VISION_START, split_words
from tasktransfer.tasks.toyworld.layout import ORDINALS

__all__ = ["Answers", "Pool", "Question", "answer_rows", "encode", "prefix_words"]

_END_WEIGHT = 0.1


class Question(NamedTuple):
    """Tokens from the first word to the end-of-turn token; the answer is the last but one."""

    name: str
    tokens: tuple[int, ...]


@dataclass
class Pool:
    """Items with equally many pictures: their features, (N, I * 16, width), and the questions about them."""

    n_images: int
    features: torch.Tensor
    tasks: list[str]
    full: list[Question]
    probes: list[list[Question]]


class Answers(NamedTuple):
    """Scores of the answer's position of every question, (Q, words); the right tokens; and the loss of each."""

    scores: torch.Tensor
    right: torch.Tensor
    losses: torch.Tensor


def encode(ids: dict[str, int], name: str, text: str, answer: str) -> Question:
    """A question as tokens."""
    words = [*split_words(text), ASSISTANT, answer, END]
    return Question(name, tuple(ids[word] for word in words))


def prefix_words(n_images: int) -> list[str]:
    """What stands before the question: the user's mark and the pictures with their ordinals."""
    told = [USER]
    for ordinal in ORDINALS[:n_images]:
        told += [ordinal, VISION_START, *[IMAGE] * TOKENS_PER_IMAGE, VISION_END]
    return told


def answer_rows(
    model: Any, ids: dict[str, int], n_images: int, features: torch.Tensor, questions: list[list[Question]]
) -> Answers:
    """Run the language model over packed rows.

    Parameters
    ----------
    model
        A Qwen2.5-VL, with or without an adapter.
    ids
        Token of every word.
    n_images
        Pictures of every row.
    features
        (B, I * 16, width).
    questions
        Of each row; one at least.

    Returns
    -------
    Answers
        In the order of the rows and of the questions within them; the loss includes a tenth of the end token's.
    """
    prefix = torch.tensor([ids[word] for word in prefix_words(n_images)])
    n, rows = len(prefix), len(questions)
    length = n + max(sum(len(q.tokens) for q in row) for row in questions)
    tokens = torch.full((rows, length), ids[END])
    part = torch.full((rows, length), -2)
    offset = torch.zeros((rows, length), dtype=torch.long)
    tokens[:, :n], part[:, :n] = prefix, -1
    where: list[tuple[int, int]] = []
    for row, asked in enumerate(questions):
        at = n
        for k, question in enumerate(asked):
            end = at + len(question.tokens)
            tokens[row, at:end] = torch.tensor(question.tokens)
            part[row, at:end], offset[row, at:end] = k, torch.arange(end - at)
            where.append((row, end - 2))
            at = end
    hidden = _run(model, tokens, part, _positions(model, tokens, n, n_images, offset), features, ids[IMAGE])
    row_of, at_of = torch.tensor(where).T
    scores = model.get_output_embeddings()(hidden[row_of, at_of - 1])
    ends = model.get_output_embeddings()(hidden[row_of, at_of])
    right = tokens[row_of, at_of]
    losses = functional.cross_entropy(scores, right, reduction="none")
    losses = losses + _END_WEIGHT * functional.cross_entropy(
        ends, torch.full_like(right, ids[END]), reduction="none"
    )
    return Answers(scores, right, losses)


def _decoder(model: Any) -> Any:
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    return plain.model


def _positions(model: Any, tokens: torch.Tensor, n: int, n_images: int, offset: torch.Tensor) -> torch.Tensor:
    """(3, B, L): the model's own positions of the pictures, then every question from the first position after."""
    inner = _decoder(model)
    grid = torch.tensor([[1, SIDE // PATCH, SIDE // PATCH]] * n_images)
    first = tokens[:1, : n + 1]
    kinds = (first == inner.config.image_token_id).int()
    told, _ = inner.get_rope_index(
        first, mm_token_type_ids=kinds, image_grid_thw=grid, attention_mask=torch.ones_like(first)
    )
    inner.rope_deltas = None
    ahead = told[:, :, :n].expand(-1, len(tokens), -1)
    return torch.cat([ahead, (told[0, 0, n] + offset[:, n:]).expand(3, -1, -1)], -1)


def _run(
    model: Any,
    tokens: torch.Tensor,
    part: torch.Tensor,
    positions: torch.Tensor,
    features: torch.Tensor,
    image: int,
) -> torch.Tensor:
    """Last hidden states, (B, L, width)."""
    language = _decoder(model).language_model
    at = torch.arange(tokens.shape[1])
    same = (part[:, None, :] == -1) | (part[:, None, :] == part[:, :, None])
    seen = (at[None, :] <= at[:, None]) & same
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[:, None]
    embedded = language.embed_tokens(tokens)
    slots = (tokens == image)[..., None].expand_as(embedded)
    embedded = embedded.masked_scatter(slots, features.to(embedded.dtype))
    told: torch.Tensor = language(
        inputs_embeds=embedded, attention_mask=mask, position_ids=positions, use_cache=False
    ).last_hidden_state
    return told
