"""Asking a model: the likelihood of each option in one forward pass, or a written answer.

Batching and padding must not change an answer. Padding is masked and every item keeps its own positions, so
what is left of it is rounding: some 1e-6 in a log-likelihood in float32, some 1e-2 in bfloat16. Where the best two
candidates are closer than a `margin` well above that the item is asked again alone and unpadded, and that answer
counts: near ties are then decided by the same numbers whatever batch they came in.

Shape letters: B items, L tokens, P position axes, N image features, D depths, H hidden size, K options,
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from tasktransfer.errors import InputError
from tasktransfer.models.budget import token_batches
from tasktransfer.models.prompts import image_features, image_places

if TYPE_CHECKING:
    import torch

    from tasktransfer.models.prompts import Prompt
    from tasktransfer.models.vlm import Vlm

__all__ = ["MARGINS", "Batch", "generate", "hidden_states", "margin", "option_likelihoods", "pad"]

MARGINS = {"float32": 1e-3, "bfloat16": 0.25}
TOKENS = 16384

Answer = TypeVar("Answer")


class Batch(NamedTuple):
    """Prompts of several lengths as one block."""

    embeds_BLH: torch.Tensor
    mask_BL: torch.Tensor
    positions_PBL: torch.Tensor
    start_B: torch.Tensor  # where each prompt begins
    deep: dict[str, Any]  # what else the decoder is given: image features beyond the first depth


def margin(vlm: Vlm) -> float:
    """Log-likelihoods closer than this are a near tie."""
    return MARGINS[str(vlm.dtype).removeprefix("torch.")]


def pad(vlm: Vlm, prompts: Sequence[Prompt], *, side: str = "right", with_target: bool = False) -> Batch:
    """Stack prompts, with their answers behind them where asked, padded on one side.

    Parameters
    ----------
    vlm
        The model, which embeds the tokens and computes image features that are not kept.
    prompts
        B of them, each as long as it is.
    side
        Where padding goes: ``right`` or ``left``.
    with_target
        Put the tokens of its answer behind each prompt.

    Raises
    ------
    InputError
        There are not as many image features as places for them.
    """
    import torch

    rows = [_tokens(prompt, with_target) for prompt in prompts]
    length = max(len(ids) for ids, _ in rows)
    axes = rows[0][1].shape[0]
    ids_BL = torch.zeros(len(rows), length, dtype=torch.long)
    mask_BL = torch.zeros(len(rows), length, dtype=torch.long)
    positions_PBL = torch.zeros(axes, len(rows), length, dtype=torch.long)
    starts = [length - len(ids) if side == "left" else 0 for ids, _ in rows]
    for row, ((ids, positions), start) in enumerate(zip(rows, starts, strict=True)):
        here = slice(start, start + len(ids))
        ids_BL[row, here], mask_BL[row, here], positions_PBL[:, row, here] = ids, 1, positions
    visual_BL = image_places(vlm, ids_BL) & (mask_BL == 1)
    features_NDH = _features(vlm, prompts)
    if len(features_NDH) != int(visual_BL.sum()):
        names = ", ".join(repr(prompt.item) for prompt in prompts[:3])
        raise InputError(f"items {names}: {len(features_NDH)} image features for {int(visual_BL.sum())} places")
    ids_BL, mask_BL, visual_BL = (block.to(vlm.device) for block in (ids_BL, mask_BL, visual_BL))
    embeds_BLH = vlm.model.get_input_embeddings()(ids_BL)
    embeds_BLH = embeds_BLH.masked_scatter(visual_BL[..., None], features_NDH[:, 0])
    deep: dict[str, Any] = {}
    if vlm.family.deep_arguments is not None:
        deep = dict(zip(vlm.family.deep_arguments, (visual_BL, list(features_NDH[:, 1:].unbind(1))), strict=True))
    return Batch(embeds_BLH, mask_BL, positions_PBL.to(vlm.device), torch.tensor(starts), deep)


def _tokens(prompt: Prompt, with_target: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and positions; those of the answer go on from the last of the prompt, on every axis."""
    import torch

    if not with_target:
        return prompt.ids_L, prompt.positions_PL
    count = torch.arange(1, len(prompt.target_ids_A) + 1)
    after = (prompt.positions_PL.max() + count).expand(prompt.positions_PL.shape[0], -1)
    return torch.cat([prompt.ids_L, prompt.target_ids_A]), torch.cat([prompt.positions_PL, after], dim=1)


def _features(vlm: Vlm, prompts: Sequence[Prompt]) -> torch.Tensor:
    """``(N, D, H)`` of all prompts: those that are kept, or computed now, with gradient where that is on."""
    import torch

    parts = [
        image_features(vlm, prompt.pixels or {}) if prompt.features_NDH is None else prompt.features_NDH
        for prompt in prompts
    ]
    return torch.cat([part.to(vlm.device, vlm.dtype) for part in parts])


def hidden_states(vlm: Vlm, batch: Batch) -> torch.Tensor:
    """Run the language model; the last hidden states ``(B, L, H)``."""
    return _run(vlm, batch.embeds_BLH, batch.mask_BL, batch.positions_PBL, use_cache=False, **batch.deep)


def _run(
    vlm: Vlm, embeds_BLH: torch.Tensor, mask_BL: torch.Tensor, positions_PBL: torch.Tensor, **more: Any
) -> torch.Tensor:
    plain = positions_PBL.shape[0] == 1  # one axis is written without it
    states_BLH: torch.Tensor = vlm.decoder(
        inputs_embeds=embeds_BLH,
        attention_mask=mask_BL,
        position_ids=positions_PBL[0] if plain else positions_PBL,
        **more,
    ).last_hidden_state
    return states_BLH


def option_likelihoods(
    vlm: Vlm, prompts: Sequence[Prompt], *, tokens: int = TOKENS, side: str = "right", rotations: bool = False
) -> list[np.ndarray]:
    """Log-likelihood of each option letter at the place of the answer, one array ``(K,)`` per prompt.

    Parameters
    ----------
    vlm
        The model, with or without an adapter.
    prompts
        What is asked.
    tokens
        Budget of a batch, padding included; changes no answer.
    side
        Where padding goes; changes no answer.
    rotations
        The mean over all cyclic orders of the options, each option followed to the place it stands at. A liking of
        the model for a letter, whatever it is, then adds the same to every option.
    """
    if not rotations:
        return _option_rounds(vlm, [[prompt] for prompt in prompts], tokens, side)
    lacking = [prompt.item for prompt in prompts if len(prompt.rotated) < len(prompt.option_ids_K) - 1]
    if lacking:
        raise InputError(f"item {lacking[0]!r} was not encoded with its rotations")
    return _option_rounds(vlm, [[prompt, *prompt.rotated] for prompt in prompts], tokens, side)


def _option_rounds(vlm: Vlm, groups: Sequence[Sequence[Prompt]], tokens: int, side: str) -> list[np.ndarray]:
    """Mean log-likelihoods over the prompts of a group, of which number r has its options moved on by r."""
    flat = [prompt for group in groups for prompt in group]
    asked = iter(_in_batches(flat, tokens, 0, lambda some: _option_batch(vlm, some, side)))
    means = []
    for group in groups:
        answers = [next(asked) for _ in group]
        logp_K = _followed([logp_K for logp_K, _ in answers])
        best = np.sort(logp_K)[-2:]
        if len(best) == 2 and best[1] - best[0] < margin(vlm) and not all(alone for _, alone in answers):
            logp_K = _followed([_option_batch(vlm, [prompt], side)[0] for prompt in group])
        means.append(logp_K)
    return means


def _followed(rounds: Sequence[np.ndarray]) -> np.ndarray:
    """The mean over rotations; option k of the item stands at letter k + r of rotation r."""
    turned = [np.roll(logp_K, -step) for step, logp_K in enumerate(rounds)]
    return turned[0] if len(turned) == 1 else np.mean(turned, axis=0, dtype=np.float64).astype(turned[0].dtype)


def _in_batches(
    prompts: Sequence[Prompt], tokens: int, more: int, ask: Callable[[Sequence[Prompt]], Sequence[Answer]]
) -> list[tuple[Answer, bool]]:
    """Ask in batches within a budget; each answer in the order of the prompts, and whether it was asked alone."""
    by_number: dict[int, tuple[Answer, bool]] = {}
    for numbers in token_batches([prompt.n_tokens + more for prompt in prompts], tokens):
        answers = ask([prompts[number] for number in numbers])
        alone = len(numbers) == 1
        by_number |= {number: (answer, alone) for number, answer in zip(numbers, answers, strict=True)}
    return [by_number[number] for number in range(len(prompts))]


def _option_batch(vlm: Vlm, prompts: Sequence[Prompt], side: str) -> list[np.ndarray]:
    import torch

    with torch.no_grad():
        padded = pad(vlm, prompts, side=side)
        states_BH = _states_at(hidden_states(vlm, padded), _last_places(prompts, padded))
        logits_BV = vlm.head(states_BH).float()
        if vlm.dtype == torch.float32:
            logp_BV = torch.log_softmax(logits_BV, dim=-1)
            return [logp_BV[row, prompt.option_ids_K].cpu().numpy() for row, prompt in enumerate(prompts)]
        # logits rounded to 8 bits would often tie: those of the options are computed from the states in float32
        logps = []
        for prompt, state_H, total in zip(prompts, states_BH, logits_BV.logsumexp(-1), strict=True):
            rows_KH = vlm.head.weight[prompt.option_ids_K.to(vlm.device)].float()
            logps.append((rows_KH @ state_H.float() - total).cpu().numpy())
        return logps


def _last_places(prompts: Sequence[Prompt], padded: Batch) -> torch.Tensor:
    import torch

    return padded.start_B + torch.tensor([prompt.n_tokens - 1 for prompt in prompts])


def _states_at(states_BLH: torch.Tensor, places_B: torch.Tensor) -> torch.Tensor:
    import torch

    return states_BLH[torch.arange(len(places_B)), places_B]


def generate(
    vlm: Vlm, prompts: Sequence[Prompt], *, max_new_tokens: int = 8, tokens: int = TOKENS, side: str = "left"
) -> list[str]:
    """Write an answer to each prompt, greedily, until the end of the turn or `max_new_tokens`.

    Parameters
    ----------
    vlm
        The model, with or without an adapter.
    prompts
        What is asked.
    max_new_tokens
        Length of an answer at most, from 1.
    tokens
        Budget of a batch, padding and new tokens included; changes no answer.
    side
        Where padding goes, ``left`` or ``right``; changes no answer.

    Returns
    -------
    list of str
        A text a prompt, without special tokens.
    """
    asked = _in_batches(prompts, tokens, max_new_tokens, lambda some: _write(vlm, some, max_new_tokens, side))
    return [
        text if alone or gap >= margin(vlm) else _write(vlm, [prompt], max_new_tokens, side)[0][0]
        for prompt, ((text, gap), alone) in zip(prompts, asked, strict=True)
    ]


def _write(vlm: Vlm, prompts: Sequence[Prompt], max_new_tokens: int, side: str) -> list[tuple[str, float]]:
    """Text and smallest margin between the best two tokens, per prompt."""
    import torch
    from transformers import DynamicCache

    tokenizer = vlm.processor.tokenizer
    with torch.no_grad():
        padded = pad(vlm, prompts, side=side)
        embeds_BLH, mask_BL, positions_PBL = padded.embeds_BLH, padded.mask_BL, padded.positions_PBL
        # M-RoPE: a new token stands one behind the furthest position of any axis, not at the number of tokens
        places_B, next_B = _last_places(prompts, padded), positions_PBL.amax(dim=(0, 2)) + 1
        cache, tokens, deep = DynamicCache(config=vlm.decoder.config), [], padded.deep
        margin_B = torch.full((len(prompts),), np.inf, device=vlm.device)
        running_B = torch.ones(len(prompts), dtype=torch.bool, device=vlm.device)
        for _ in range(max_new_tokens):
            states_BLH = _run(
                vlm, embeds_BLH, mask_BL, positions_PBL, past_key_values=cache, use_cache=True, **deep
            )
            logits_BV = vlm.head(_states_at(states_BLH, places_B)).float()
            best = torch.log_softmax(logits_BV, dim=-1).topk(2)
            gap_B = best.values[:, 0] - best.values[:, 1]
            margin_B = torch.where(running_B, torch.minimum(margin_B, gap_B), margin_B)
            token_B = torch.where(running_B, best.indices[:, 0], tokenizer.eos_token_id)
            tokens.append(token_B)
            running_B = running_B & (token_B != tokenizer.eos_token_id)
            if not running_B.any():
                break
            # features of further depths belong to places of images: the cache holds what they did
            embeds_BLH, deep = vlm.model.get_input_embeddings()(token_B[:, None]), {}
            mask_BL = torch.cat([mask_BL, torch.ones_like(mask_BL[:, :1])], dim=1)
            positions_PBL = next_B[None, :, None].expand(positions_PBL.shape[0], -1, 1)
            next_B, places_B = next_B + 1, torch.zeros_like(places_B)
        written = torch.stack(tokens, dim=1).cpu()
    texts = tokenizer.batch_decode(written, skip_special_tokens=True)
    return list(zip(texts, margin_B.tolist(), strict=True))
