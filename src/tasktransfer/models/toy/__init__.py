"""The embedded model: a Qwen2.5-VL of one million parameters that has half learned the drawn world.

Its folder is loaded by the same call as a checkpoint of the Hub::

    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(WEIGHTS)
    processor = load_processor(WEIGHTS)

Importing this package reaches no torch; its modules do.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["EMBEDDED", "WEIGHTS"]

EMBEDDED = "toy"  # what a study calls it
WEIGHTS = Path(__file__).parent / "weights"
