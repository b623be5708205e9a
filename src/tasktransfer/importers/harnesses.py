"""The harnesses whose logs are read. A new one is a file beside this one and a row here.

A folder is a run of the first harness that finds one in it.
"""

from __future__ import annotations

from types import MappingProxyType

from tasktransfer.importers import evalscope, inspect_ai, lmms_eval, vlmevalkit

__all__ = ["HARNESSES"]

HARNESSES = MappingProxyType(
    {row.name: row for row in (lmms_eval.HARNESS, evalscope.HARNESS, vlmevalkit.HARNESS, inspect_ai.HARNESS)}
)
