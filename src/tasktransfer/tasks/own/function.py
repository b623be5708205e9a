"""Functions of one's own, named ``module:function``."""

from __future__ import annotations

import pkgutil
import re
from typing import Any

from tasktransfer.errors import InputError

__all__ = ["FUNCTION", "find_function", "is_function"]

FUNCTION = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"


def is_function(text: str) -> bool:
    """Whether a text has the form of a function's name.

    >>> is_function("lab.tasks:depth"), is_function("./lab")
    (True, False)
    """
    return re.fullmatch(FUNCTION, text) is not None


def find_function(name: str, told: str) -> Any:
    """Import what a name says; `told` begins the message where that cannot be.

    Raises
    ------
    InputError
        There is no such module, or nothing of that name in it.
    """
    try:
        return pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"{told} cannot be imported ({error})") from error
