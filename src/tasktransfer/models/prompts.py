"""An item as a model sees it: tokens, positions, image features, and where the answer begins.

The images come first, then the question, then one line per option ``(A) text``; the answer is the bare letter
or number. The wording around it is the processor's chat template. Everything here depends on the model and the
item alone, not on any adapter, so it is computed once and shared by all cells.

Shape letters: L tokens, P position axes (3 or 1), N image features, H hidden size, K options, A answer tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import InputError
from tasktransfer.tasks.item import Item
from tasktransfer.tasks.scoring import accepted_answers

if TYPE_CHECKING:
    import torch

    from tasktransfer.models.vlm import Vlm

__all__ = ["Prompt", "answered", "blanked", "encode", "question_text"]

GREY = (128, 128, 128)


@dataclass(frozen=True)
class Prompt:
    """One item, ready for the language model."""

    item: str
    answer: str
    ids_L: torch.Tensor
    positions_PL: torch.Tensor
    features_NH: torch.Tensor
    option_ids_K: torch.Tensor  # first token of each option letter; empty without options
    target_ids_A: torch.Tensor  # the answer and the end of the turn
    scorer: str = ""  # how an answer without options is marked


def question_text(item: Item) -> str:
    """The question with one line per option.

    >>> print(question_text(Item("1", (), "Which is nearer?", ("red", "blue"), "A")))
    Which is nearer?
    (A) red
    (B) blue
    """
    options = [f"({letter}) {text}" for letter, text in zip(item.letters, item.choices, strict=True)]
    return "\n".join([item.question, *options])


def blanked(item: Item) -> Item:
    """The same item with every image grey."""
    from PIL import Image

    return replace(item, images=tuple(Image.new("RGB", image.size, GREY) for image in item.images))


def encode(vlm: Vlm, items: Iterable[Item]) -> list[Prompt]:
    """Encode items, one by one, so that no item depends on its neighbours.

    Raises
    ------
    InputError
        The template does not leave the prompt as a prefix of prompt and answer, or two option letters begin
        with the same token.
    """
    return [_encode(vlm, item) for item in items]


def _encode(vlm: Vlm, item: Item) -> Prompt:
    import torch

    asked = _conversation(item)
    text = vlm.processor.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    batch = vlm.processor(text=[text], images=list(item.images) or None, return_tensors="pt")
    ids_L, types_L = batch["input_ids"][0], batch["mm_token_type_ids"][0]
    grids = batch.get("image_grid_thw")
    with torch.inference_mode():
        positions_PL = vlm.family.positions(vlm.model, ids_L, types_L, grids)
        features_NH = _features(vlm, batch)
    if len(features_NH) != int((ids_L == vlm.image_token).sum()):
        raise InputError(f"item {item.id!r}: {len(features_NH)} image features for another number of places")
    return Prompt(
        item=item.id,
        answer=item.answer,
        ids_L=ids_L,
        positions_PL=positions_PL.clone(),
        features_NH=features_NH.clone(),
        option_ids_K=_option_ids(vlm, asked, item.letters),
        target_ids_A=_target_ids(vlm, asked, _taught(item, item.answer)),
        scorer=item.scorer,
    )


def answered(vlm: Vlm, prompt: Prompt, item: Item, answer: str) -> Prompt:
    """The same prompt with another answer to be learned."""
    taught = _taught(item, answer)
    return replace(prompt, answer=answer, target_ids_A=_target_ids(vlm, _conversation(item), taught))


def _taught(item: Item, answer: str) -> str:
    """What is learned to be written: the first of several accepted answers."""
    return answer if item.choices else accepted_answers(answer, item.scorer)[0]


def _conversation(item: Item) -> list[dict[str, Any]]:
    content = [{"type": "image"}] * len(item.images) + [{"type": "text", "text": question_text(item)}]
    return [{"role": "user", "content": content}]


def _features(vlm: Vlm, batch: Any) -> torch.Tensor:
    import torch

    if "pixel_values" not in batch:
        return torch.empty(0, vlm.decoder.config.hidden_size)
    pixels, grids = batch["pixel_values"].to(vlm.device), batch["image_grid_thw"].to(vlm.device)
    return torch.cat(list(vlm.model.get_image_features(pixels, grids).pooler_output)).cpu()


def _target_ids(vlm: Vlm, asked: Sequence[dict[str, Any]], answer: str) -> torch.Tensor:
    """Tokens of the answer and of the end of the turn: what is left when the prompt is taken off."""
    import torch

    template, tokenizer = vlm.processor.apply_chat_template, vlm.processor.tokenizer
    turn = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
    prompt = tokenizer(template(asked, add_generation_prompt=True, tokenize=False))["input_ids"]
    whole = tokenizer(template([*asked, turn], tokenize=False))["input_ids"]
    if whole[: len(prompt)] != prompt or len(whole) == len(prompt):
        raise InputError("the chat template does not leave the prompt as it is when the answer follows")
    rest = whole[len(prompt) :]
    if tokenizer.eos_token_id in rest:
        rest = rest[: rest.index(tokenizer.eos_token_id) + 1]
    return torch.tensor(rest)


def _option_ids(vlm: Vlm, asked: Sequence[dict[str, Any]], letters: str) -> torch.Tensor:
    import torch

    first = [int(_target_ids(vlm, asked, letter)[0]) for letter in letters]
    if len(set(first)) < len(first):
        raise InputError("two option letters begin with the same token: their likelihoods cannot be told apart")
    return torch.tensor(first, dtype=torch.long)
