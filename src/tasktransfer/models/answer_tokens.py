"""Where an answer begins, and with which token: found from the chat template, never hand-written.

The same letter is another token after a line break than after a colon (``"B"``, ``" B"``), so options are compared
by the token that each would begin with at this very place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import InputError

if TYPE_CHECKING:
    import torch

    from tasktransfer.models.vlm import Vlm

__all__ = ["answer_text", "option_ids", "target_ids"]


def target_ids(vlm: Vlm, asked: Sequence[dict[str, Any]], answer: str) -> torch.Tensor:
    """Tokens of the answer and of the end of the turn: what is left when the prompt is taken off.

    Parameters
    ----------
    vlm
        The model, whose chat template and tokenizer are used.
    asked
        The conversation up to the answer, as chat templates take it.
    answer
        Its text.

    Returns
    -------
    torch.Tensor
        Token ids ``(A,)``, the end of the turn last.

    Raises
    ------
    InputError
        The text or the tokens of the prompt do not stay as they are when the answer follows.
    """
    import torch

    template, tokenizer = vlm.processor.apply_chat_template, vlm.processor.tokenizer
    turn = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
    prompt_text = template(asked, add_generation_prompt=True, tokenize=False)
    rest_text = answer_text(prompt_text, template([*asked, turn], tokenize=False), tokenizer.eos_token)
    prompt, whole = (tokenizer(text)["input_ids"] for text in (prompt_text, prompt_text + rest_text))
    if whole[: len(prompt)] != prompt or len(whole) == len(prompt):
        raise InputError("the tokens of the prompt do not stay as they are when the answer follows")
    rest = whole[len(prompt) :]
    return torch.tensor(rest[: rest.index(tokenizer.eos_token_id) + 1])


def answer_text(prompt: str, whole: str, end: str) -> str:
    """What follows the prompt in a conversation that goes on with the answer, up to the end of the turn.

    Templates of the Hub open the assistant's turn with other white space when the answer is given than when it is
    asked for (LLaVA-OneVision), or do not close it (LLaVA-1.5). The opening is that of asking, and it is closed.

    Parameters
    ----------
    prompt
        Text of the conversation that asks.
    whole
        Text of the same conversation with the answer in it.
    end
        What closes a turn: the tokenizer's end of sequence.

    Returns
    -------
    str
        The answer and `end`.

    Raises
    ------
    InputError
        `whole` does not begin as `prompt` does, white space aside.
    """
    if whole.startswith(prompt):
        rest = whole[len(prompt) :]
    else:
        place = 0
        for letter in prompt:
            if letter.isspace():
                continue
            while place < len(whole) and whole[place].isspace():
                place += 1
            if whole[place : place + 1] != letter:
                raise InputError("the chat template does not leave the prompt as it is when the answer follows")
            place += 1
        rest = whole[place:].lstrip() if prompt[-1:].isspace() else whole[place:]
    return rest.split(end)[0] + end if end in rest else rest.rstrip() + end


def option_ids(vlm: Vlm, asked: Sequence[dict[str, Any]], letters: str) -> torch.Tensor:
    """First token of each option letter at the place of the answer.

    Parameters
    ----------
    vlm
        The model, whose chat template and tokenizer are used.
    asked
        The conversation up to the answer, as chat templates take it.
    letters
        Those of the options, such as ``ABCD``; may be empty.

    Returns
    -------
    torch.Tensor
        Token ids ``(K,)``.

    Raises
    ------
    InputError
        Two letters begin with the same token, or see `target_ids`.
    """
    import torch

    first = [int(target_ids(vlm, asked, letter)[0]) for letter in letters]
    if len(set(first)) < len(first):
        raise InputError("two option letters begin with the same token: their likelihoods cannot be told apart")
    return torch.tensor(first, dtype=torch.long)
