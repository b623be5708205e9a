"""Adapter folders as PEFT writes them, from arrays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def write_adapter(folder: Path, factors: dict[str, tuple[np.ndarray, np.ndarray]], **config) -> Path:
    """Write factors A (rank, in) and B (out, rank) by layer; float32, laid out by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    header, parts, place = {}, [], 0
    for layer, pair in factors.items():
        for side, values in zip("AB", pair, strict=True):
            data = np.asarray(values, "<f4").tobytes()
            header[f"base_model.model.{layer}.lora_{side}.weight"] = {
                "dtype": "F32", "shape": list(np.shape(values)), "data_offsets": [place, place + len(data)],
            }  # fmt: skip
            parts.append(data)
            place += len(data)
    told = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    (folder / "adapter_model.safetensors").write_bytes(len(told).to_bytes(8, "little") + told + b"".join(parts))
    rank = next((len(a) for a, _ in factors.values()), 1)
    whole = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "use_rslora": False, "use_dora": False} | config
    (folder / "adapter_config.json").write_text(json.dumps(whole))
    return folder


def random_factors(random, *, layers=("l.0.q", "l.0.up", "l.1.q"), rank=2, shapes=((5, 4), (3, 6), (5, 4))):
    """Factors of some layers, each with its shape (out, in)."""
    return {
        layer: (random.normal(size=(rank, columns)), random.normal(size=(rows, rank)))
        for layer, (rows, columns) in zip(layers, shapes, strict=False)
    }
