"""Many faults of one file in one message."""

from __future__ import annotations

from collections.abc import Sequence

from tasktransfer.errors import InputError

__all__ = ["raise_faults"]

_TOLD = 8


def raise_faults(faults: Sequence[str], prefix: str = "") -> None:
    """Raise `InputError` with the first faults, one a line, and the number of the others; nothing without faults.

    >>> raise_faults([])
    """
    if faults:
        more = f"\n... and {len(faults) - _TOLD} more" if len(faults) > _TOLD else ""
        raise InputError("\n".join(f"{prefix}{fault}" for fault in faults[:_TOLD]) + more)
