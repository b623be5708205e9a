"""Encoded items come back from their file as they were."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tasktransfer.errors import InputError
from tasktransfer.study.encoded import read_prompts, write_prompts
from tests.models.tiny import colour_items, make_tiny

torch = pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")


def alike(ours, theirs):
    if isinstance(ours, torch.Tensor):
        return ours.dtype == theirs.dtype and torch.equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(alike(ours[name], theirs[name]) for name in ours)
    if isinstance(ours, tuple):
        return len(ours) == len(theirs) and all(alike(a, b) for a, b in zip(ours, theirs, strict=True))
    if hasattr(ours, "ids_L"):
        return all(alike(getattr(ours, field.name), getattr(theirs, field.name)) for field in fields(ours))
    return ours == theirs


@pytest.mark.parametrize("family", ["qwen3_vl", "llava_onevision"])
@pytest.mark.parametrize("options", [{}, {"keep_pixels": True}, {"rotations": True}])
def test_prompts_come_back_bit_by_bit(tmp_path, family, options):
    from tasktransfer.models.prompts import encode
    from tasktransfer.models.vlm import load_model

    vlm = load_model(make_tiny(tmp_path / "model", family), dtype="bfloat16")
    items = colour_items(5)
    bare = type(items[0])("bare", (), "how many ?", ("1", "2"), "B")
    prompts = encode(vlm, [*items, bare], **options)
    write_prompts(prompts, tmp_path / "items.safetensors")
    found = read_prompts(tmp_path / "items.safetensors")
    assert len(found) == 6
    assert all(alike(a, b) for a, b in zip(found, prompts, strict=True))
    if "rotations" in options:
        assert all(one.features_NDH is prompt.features_NDH for prompt in found for one in prompt.rotated)
    write_prompts(found, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "items.safetensors").read_bytes()


def test_files_of_another_version_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"ids_L": torch.zeros(1)}, tmp_path / "old.safetensors", metadata={"items": "[]"})
    with pytest.raises(InputError, match="of another version; delete the file"):
        read_prompts(tmp_path / "old.safetensors")
    (tmp_path / "torn.safetensors").write_bytes((tmp_path / "old.safetensors").read_bytes()[:20])
    with pytest.raises(InputError, match="cannot be read"):
        read_prompts(tmp_path / "torn.safetensors")
