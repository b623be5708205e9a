"""How many items go through a model at once: as many as fit a budget of tokens, padding included.

Between tasks the cost of an item varies by more than an order of magnitude, so batches are filled by length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["halved_once", "token_batches"]

Result = TypeVar("Result")


def token_batches(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Numbers into `lengths`, shortest first, in batches whose padded size stays within `tokens`.

    A length above the budget is a batch of its own.

    >>> token_batches([5, 2, 9, 2], 10)
    [[1, 3], [0], [2]]
    """
    batches: list[list[int]] = []
    for number in sorted(range(len(lengths)), key=lambda number: lengths[number]):
        if batches and (len(batches[-1]) + 1) * lengths[number] <= tokens:
            batches[-1].append(number)
        else:
            batches.append([number])
    return batches


def halved_once(attempt: Callable[[int], Result], tokens: int, *, say: Callable[[str], object]) -> Result:
    """Run `attempt` with a budget of tokens; where memory runs out, once more with half of it.

    Parameters
    ----------
    attempt
        Does all of the work with the budget it is given; it is called anew from the beginning.
    tokens
        The budget.
    say
        Called with a sentence where memory ran out.
    """
    import torch

    try:
        return attempt(tokens)
    except torch.OutOfMemoryError as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "out of memory"
    # outside of the handler, which would keep alive the frames, and in them the tensors, that failed
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    say(f"memory ran out with batches of {tokens} tokens ({reason}); trying {tokens // 2}")
    return attempt(tokens // 2)
