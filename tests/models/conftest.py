"""A tiny model and items to ask it."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")
pytest.importorskip("peft", reason="the run side needs peft: pip install '.[models]'")

from tasktransfer.models.prompts import Prompt, encode
from tasktransfer.models.vlm import Vlm, load_model
from tests.models.tiny import colour_items, make_tiny


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    return make_tiny(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def vlm(tiny_folder) -> Vlm:
    return load_model(tiny_folder)


@pytest.fixture(scope="session")
def prompts(vlm) -> list[Prompt]:
    return encode(vlm, colour_items(64))
