"""Tiny models and items to ask them."""

from __future__ import annotations

import pytest

from tests.models.tiny import colour_items, make_tiny, video_items
from tests.models.tiny_families import TINY


@pytest.fixture(scope="session")
def tiny_folders(tmp_path_factory):
    """Folder of the tiny model of a family, written when first asked for."""
    for needed in ("torch", "peft"):
        pytest.importorskip(needed, reason="the run side needs torch: pip install '.[models]'")
    import torch

    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("models")

    def folder(family):
        path = root / family
        return path if path.is_dir() else make_tiny(path, family)

    return folder


@pytest.fixture(scope="session")
def tiny_folder(tiny_folders):
    return tiny_folders("qwen2_5_vl")


@pytest.fixture(scope="session")
def vlm(tiny_folder):
    from tasktransfer.models.vlm import load_model

    return load_model(tiny_folder)


@pytest.fixture(scope="session")
def prompts(vlm):
    from tasktransfer.models.prompts import encode

    return encode(vlm, colour_items(64))


@pytest.fixture(scope="session", params=list(TINY))
def any_vlm(request, tiny_folders):
    """The tiny model of each family."""
    from tasktransfer.models.vlm import load_model

    return load_model(tiny_folders(request.param))


@pytest.fixture(scope="session")
def items():
    """Of one to three pictures of several shapes, and of four frames."""
    return [*colour_items(12, sizes=(32, 48)), *video_items(2)]
