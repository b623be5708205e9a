"""Names of files: readable, with what is lost told by a digest."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

__all__ = ["digest_of", "slug"]


def slug(name: str) -> str:
    """A name as part of a file name; what is lost by it is in the digest.

    >>> slug("format-only / Relative Depth")
    'format-only_Relative_Depth'
    """
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("_.-")[:48] or "x"


def digest_of(*facts: Any) -> str:
    """Twelve hexadecimal digits of anything that JSON can say."""
    told = json.dumps(facts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(told.encode()).hexdigest()[:12]
