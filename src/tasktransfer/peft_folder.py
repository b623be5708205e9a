"""The two files of an adapter folder, as PEFT names them."""

from __future__ import annotations

__all__ = ["ADAPTER_CONFIG", "ADAPTER_WEIGHTS"]

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
