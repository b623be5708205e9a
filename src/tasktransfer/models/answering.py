"""Asking a model: the likelihood of each option in one forward pass, or a written answer.

Batching and padding must not change an answer. Padding is masked and every item keeps its own positions, so
what is left of it is rounding, some 1e-6 in a log-likelihood. Where the best two candidates are closer than
`MARGIN` the item is asked again alone and unpadded, and that answer counts: near ties are then decided by the
same numbers whatever batch they came in.

Shape letters: B items, L tokens, P position axes, H hidden size, K options, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import torch

    from tasktransfer.models.prompts import Prompt
    from tasktransfer.models.vlm import Vlm

__all__ = ["MARGIN", "Batch", "generate", "hidden_states", "option_likelihoods", "pad"]

MARGIN = 1e-3


class Batch(NamedTuple):
    """Prompts of several lengths as one block."""

    embeds_BLH: torch.Tensor
    mask_BL: torch.Tensor
    positions_PBL: torch.Tensor
    start_B: torch.Tensor  # where each prompt begins


def pad(vlm: Vlm, prompts: Sequence[Prompt], *, side: str = "right", with_target: bool = False) -> Batch:
    """Stack prompts, with their answers behind them where asked, padded on one side."""
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
    ids_BL, mask_BL = ids_BL.to(vlm.device), mask_BL.to(vlm.device)
    embeds_BLH = vlm.model.get_input_embeddings()(ids_BL)
    features = torch.cat([prompt.features_NH for prompt in prompts]).to(embeds_BLH)
    places = ((ids_BL == vlm.image_token) & (mask_BL == 1))[..., None]
    embeds_BLH = embeds_BLH.masked_scatter(places, features)
    return Batch(embeds_BLH, mask_BL, positions_PBL.to(vlm.device), torch.tensor(starts))


def _tokens(prompt: Prompt, with_target: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and positions; those of the answer go on from the last of the prompt, on every axis."""
    import torch

    if not with_target:
        return prompt.ids_L, prompt.positions_PL
    count = torch.arange(1, len(prompt.target_ids_A) + 1)
    after = (prompt.positions_PL.max() + count).expand(prompt.positions_PL.shape[0], -1)
    return torch.cat([prompt.ids_L, prompt.target_ids_A]), torch.cat([prompt.positions_PL, after], dim=1)


def hidden_states(vlm: Vlm, batch: Batch) -> torch.Tensor:
    """Run the language model; the last hidden states ``(B, L, H)``."""
    states_BLH: torch.Tensor = vlm.decoder(
        inputs_embeds=batch.embeds_BLH,
        attention_mask=batch.mask_BL,
        position_ids=batch.positions_PBL,
        use_cache=False,
    ).last_hidden_state
    return states_BLH


def option_likelihoods(
    vlm: Vlm, prompts: Sequence[Prompt], *, batch: int = 64, side: str = "right"
) -> list[np.ndarray]:
    """Log-likelihood of each option letter at the place of the answer, one array ``(K,)`` per prompt."""
    found: list[np.ndarray] = []
    for start in range(0, len(prompts), batch):
        some = prompts[start : start + batch]
        for prompt, logp_K in zip(some, _option_batch(vlm, some, side), strict=True):
            best = np.sort(logp_K)[-2:]
            close = len(some) > 1 and len(best) == 2 and best[1] - best[0] < MARGIN
            found.append(_option_batch(vlm, [prompt], side)[0] if close else logp_K)
    return found


def _option_batch(vlm: Vlm, prompts: Sequence[Prompt], side: str) -> list[np.ndarray]:
    import torch

    with torch.inference_mode():
        padded = pad(vlm, prompts, side=side)
        states_BLH = hidden_states(vlm, padded)
        logp_BV = _next_token(vlm, states_BLH, _last_places(prompts, padded))
        return [logp_BV[row, prompt.option_ids_K].cpu().numpy() for row, prompt in enumerate(prompts)]


def _last_places(prompts: Sequence[Prompt], padded: Batch) -> torch.Tensor:
    import torch

    return padded.start_B + torch.tensor([len(prompt.ids_L) - 1 for prompt in prompts])


def _next_token(vlm: Vlm, states_BLH: torch.Tensor, places_B: torch.Tensor) -> torch.Tensor:
    """Log-probabilities ``(B, V)`` of the token after the given places, in float32."""
    import torch

    rows_B = torch.arange(len(places_B))
    return torch.log_softmax(vlm.head(states_BLH[rows_B, places_B]).float(), dim=-1)


def generate(
    vlm: Vlm, prompts: Sequence[Prompt], *, max_new_tokens: int = 8, batch: int = 64, side: str = "left"
) -> list[str]:
    """Write an answer to each prompt, greedily, until the end of the turn or `max_new_tokens`."""
    found: list[str] = []
    for start in range(0, len(prompts), batch):
        some = prompts[start : start + batch]
        for prompt, (text, margin) in zip(some, _write(vlm, some, max_new_tokens, side), strict=True):
            close = len(some) > 1 and margin < MARGIN
            found.append(_write(vlm, [prompt], max_new_tokens, side)[0][0] if close else text)
    return found


def _write(vlm: Vlm, prompts: Sequence[Prompt], max_new_tokens: int, side: str) -> list[tuple[str, float]]:
    """Text and smallest margin between the best two tokens, per prompt."""
    import torch
    from transformers import DynamicCache

    tokenizer = vlm.processor.tokenizer
    with torch.inference_mode():
        padded = pad(vlm, prompts, side=side)
        embeds_BLH, mask_BL, positions_PBL = padded.embeds_BLH, padded.mask_BL, padded.positions_PBL
        places_B, next_B = _last_places(prompts, padded), positions_PBL.amax(dim=(0, 2)) + 1
        cache, tokens = DynamicCache(config=vlm.decoder.config), []
        margin_B = torch.full((len(prompts),), np.inf, device=vlm.device)
        running_B = torch.ones(len(prompts), dtype=torch.bool, device=vlm.device)
        for _ in range(max_new_tokens):
            states_BLH = vlm.decoder(
                inputs_embeds=embeds_BLH,
                attention_mask=mask_BL,
                position_ids=positions_PBL,
                past_key_values=cache,
                use_cache=True,
            ).last_hidden_state
            best = _next_token(vlm, states_BLH, places_B).topk(2)
            gap_B = best.values[:, 0] - best.values[:, 1]
            margin_B = torch.where(running_B, torch.minimum(margin_B, gap_B), margin_B)
            token_B = torch.where(running_B, best.indices[:, 0], tokenizer.eos_token_id)
            tokens.append(token_B)
            running_B = running_B & (token_B != tokenizer.eos_token_id)
            if not running_B.any():
                break
            embeds_BLH = vlm.model.get_input_embeddings()(token_B[:, None])
            mask_BL = torch.cat([mask_BL, torch.ones_like(mask_BL[:, :1])], dim=1)
            positions_PBL = next_B[None, :, None].expand(positions_PBL.shape[0], -1, 1)
            next_B, places_B = next_B + 1, torch.zeros_like(places_B)
        written = torch.stack(tokens, dim=1).cpu()
    texts = tokenizer.batch_decode(written, skip_special_tokens=True)
    return list(zip(texts, margin_B.tolist(), strict=True))
