"""A tiny model and items to ask it."""

from __future__ import annotations

import pytest

from tests.models.tiny import colour_items, make_tiny


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    for needed in ("torch", "peft"):
        pytest.importorskip(needed, reason="the run side needs torch: pip install '.[models]'")
    import torch

    torch.set_num_threads(1)
    return make_tiny(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def vlm(tiny_folder):
    from tasktransfer.models.vlm import load_model

    return load_model(tiny_folder)


@pytest.fixture(scope="session")
def prompts(vlm):
    from tasktransfer.models.prompts import encode

    return encode(vlm, colour_items(64))
