"""Every error a user can cause, each also the standard-library type it refines.

A message says what is wrong, where (file, line, column), what was given and what is accepted.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = ["InputError", "OutputError", "SettingsError", "TaskTransferError", "closest", "quoted", "raise_faults"]

MOST_FAULTS = 8  # in one message


class TaskTransferError(Exception):
    """Base of all errors raised on purpose by this package."""


class InputError(TaskTransferError, ValueError):
    """A table, a file or a folder that cannot be used as given."""


class SettingsError(TaskTransferError, ValueError):
    """An option outside what is accepted."""


class OutputError(TaskTransferError, OSError):
    """A place that cannot be written to."""


def quoted(names: Iterable[object], limit: int = 5, width: int = 60) -> str:
    """Join names for a message: quoted, control characters escaped, long ones and long lists cut.

    Parameters
    ----------
    names
        Of anything; their text is shown.
    limit
        Names shown; the others are counted.
    width
        Characters of a name shown.

    Examples
    --------
    >>> quoted(["Jigsaw", "a\\tb"])
    "'Jigsaw', 'a\\\\tb'"
    >>> quoted(range(9), limit=2)
    "'0', '1' and 7 more"
    """
    all_names = [str(name) for name in names]
    shown = [repr(name if len(name) <= width else name[: width - 1] + "…") for name in all_names[:limit]]
    rest = len(all_names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def closest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest known name, or an empty string."""
    match = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""


def raise_faults(faults: Sequence[str], prefix: str = "") -> None:
    """Raise `InputError` with the first faults, one a line, and the number of the others; nothing without faults.

    >>> raise_faults([])
    """
    if faults:
        more = f"\n... and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
        raise InputError("\n".join(f"{prefix}{fault}" for fault in faults[:MOST_FAULTS]) + more)
