"""Known checkpoints of the Hub: their shape and their parameters by part, without a download.

With these a study is planned offline (`tasktransfer.models.cost`). Shapes are those of the published configs;
parameters are those of the class at this shape, counted on torch's meta device, and a test counts them again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["CHECKPOINTS", "Checkpoint", "Parts", "Text", "Vision", "checkpoint"]


@dataclass(frozen=True)
class Text:
    """Shape of a language model."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool = False  # embeddings and head are one matrix
    head_size: int = 128


@dataclass(frozen=True)
class Vision:
    """Shape of a vision tower."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    patch: int  # side of a patch, pixels
    merge: int  # patches that become one image token, along each side
    side: int | None = None  # side of the square (or tile) that a picture is brought to; None keeps proportions
    deepstack: tuple[int, ...] = ()


@dataclass(frozen=True)
class Parts:
    """Parameters by part."""

    language: int  # layers, embeddings and head
    projector: int
    vision: int

    @property
    def all(self) -> int:
        """The whole model."""
        return self.language + self.projector + self.vision


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint."""

    hub_id: str
    family: str
    text: Text
    vision: Vision
    parameters: Parts


_QWEN2_5_TOWER = Vision(1280, 3420, 32, 16, patch=14, merge=2)
_QWEN2_5_LARGE_TOWER = replace(_QWEN2_5_TOWER, intermediate=3456)
_QWEN3_TOWER = Vision(1024, 4096, 24, 16, patch=16, merge=2, deepstack=(5, 11, 17))
_QWEN3_LARGE_TOWER = Vision(1152, 4304, 27, 16, patch=16, merge=2, deepstack=(8, 16, 24))
_CLIP = Vision(1024, 4096, 24, 16, patch=14, merge=1, side=336)
_SIGLIP = Vision(1152, 4304, 26, 16, patch=14, merge=1, side=384)
_INTERN_VIT = Vision(1024, 4096, 24, 16, patch=14, merge=2, side=448)


# Hub id, family, language model, vision tower, parameters of language model, projector and vision tower
_ROWS = (
    ("Qwen/Qwen2.5-VL-3B-Instruct", "qwen2_5_vl", Text(2048, 11008, 36, 16, 2, 151936, tied=True), _QWEN2_5_TOWER,
     Parts(3_085_938_688, 36_708_608, 631_975_680)),
    ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2_5_vl", Text(3584, 18944, 28, 28, 4, 152064), _QWEN2_5_TOWER,
     Parts(7_615_616_512, 44_574_464, 631_975_680)),
    ("Qwen/Qwen2.5-VL-32B-Instruct", "qwen2_5_vl", Text(5120, 27648, 64, 40, 8, 152064), _QWEN2_5_LARGE_TOWER,
     Parts(32_763_876_352, 52_440_320, 636_401_664)),
    ("Qwen/Qwen2.5-VL-72B-Instruct", "qwen2_5_vl", Text(8192, 29568, 80, 64, 8, 152064), _QWEN2_5_LARGE_TOWER,
     Parts(72_706_203_648, 68_172_032, 636_401_664)),
    ("Qwen/Qwen3-VL-2B-Instruct", "qwen3_vl", Text(2048, 6144, 28, 16, 8, 151936, tied=True), _QWEN3_TOWER,
     Parts(1_720_574_976, 100_714_496, 306_242_560)),
    ("Qwen/Qwen3-VL-4B-Instruct", "qwen3_vl", Text(2560, 9728, 36, 32, 8, 151936, tied=True), _QWEN3_TOWER,
     Parts(4_022_468_096, 109_105_152, 306_242_560)),
    ("Qwen/Qwen3-VL-8B-Instruct", "qwen3_vl", Text(4096, 12288, 36, 32, 8, 151936), _QWEN3_LARGE_TOWER,
     Parts(8_190_735_360, 160_496_896, 415_891_440)),
    ("Qwen/Qwen3-VL-32B-Instruct", "qwen3_vl", Text(5120, 25600, 64, 64, 8, 151936), _QWEN3_LARGE_TOWER,
     Parts(32_762_123_264, 179_375_360, 415_891_440)),
    ("llava-hf/llava-1.5-7b-hf", "llava", Text(4096, 11008, 32, 32, 32, 32064), _CLIP,
     Parts(6_738_939_904, 20_979_712, 303_507_456)),
    ("llava-hf/llava-1.5-13b-hf", "llava", Text(5120, 13824, 40, 40, 40, 32064), _CLIP,
     Parts(13_016_519_680, 31_467_520, 303_507_456)),
    ("llava-hf/llava-onevision-qwen2-0.5b-ov-hf", "llava_onevision",
     Text(896, 4864, 24, 14, 2, 152000, tied=True, head_size=64), _SIGLIP,
     Parts(494_090_112, 1_837_696, 397_747_744)),
    ("llava-hf/llava-onevision-qwen2-7b-ov-hf", "llava_onevision", Text(3584, 18944, 28, 28, 4, 152128), _SIGLIP,
     Parts(7_616_075_264, 16_984_576, 397_747_744)),
    ("OpenGVLab/InternVL3-1B-hf", "internvl", Text(896, 4864, 24, 14, 2, 151674, head_size=64), _INTERN_VIT,
     Parts(629_697_920, 4_482_816, 304_012_288)),
    ("OpenGVLab/InternVL3-2B-hf", "internvl", Text(1536, 8960, 28, 12, 2, 151674), _INTERN_VIT,
     Parts(1_776_283_136, 8_662_016, 304_012_288)),
    ("OpenGVLab/InternVL3-8B-hf", "internvl", Text(3584, 18944, 28, 28, 4, 151674), _INTERN_VIT,
     Parts(7_612_820_992, 27_540_480, 304_012_288)),
)  # fmt: skip
CHECKPOINTS: dict[str, Checkpoint] = {row[0]: Checkpoint(*row) for row in _ROWS}


def checkpoint(hub_id: str) -> Checkpoint | None:
    """What is known of a Hub id, in whatever case it is written; None where nothing is."""
    return {name.lower(): row for name, row in CHECKPOINTS.items()}.get(hub_id.lower())
