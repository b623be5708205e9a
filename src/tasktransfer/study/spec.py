"""A study as a value: what is trained, on what, how often, and what it is tested on.

Where it writes is no part of it, and where it runs (`Compute`) decides no result: it is in no digest.
`tasktransfer.study.file` reads one from a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from tasktransfer.tasks.benchmarks.registry import BENCHMARKS
from tasktransfer.tasks.open_form import closed_name
from tasktransfer.tasks.own.function import FUNCTION
from tasktransfer.tasks.own.hub_dataset import HubDataset

__all__ = [
    "CONTROLS",
    "Compute",
    "Evaluation",
    "ItemCounts",
    "Merge",
    "Method",
    "ModelChoice",
    "Optimisation",
    "Study",
    "Variant",
    "Video",
    "study_text",
]

Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\s/\\=]([^/\\=\x00-\x1f]*[^\s/\\=])?$")]
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
Count = Annotated[int, Field(ge=1, strict=True)]
Weight = Annotated[float, Field(gt=0)]
Control = Literal["format-only", "shuffled", "no-image"]
CONTROLS: tuple[str, ...] = get_args(Control)


def _all(given: object) -> object:
    """``all`` in a file is None."""
    return None if given == "all" else given


def _a_benchmark(name: str) -> str:
    """One of the rows, refused as pydantic refuses what is none of a literal's."""
    if name not in BENCHMARKS:
        expected = {"expected": " or ".join(map(repr, BENCHMARKS))}
        raise PydanticCustomError("literal_error", "Input should be {expected}", expected)
    return name


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


class ModelChoice(_Part):
    """``toy``, a folder or a Hub id, and how it sees and computes.

    The budget is in pixels of one image (Qwen) or in tiles of one image (InternVL, LLaVA-OneVision). With
    `frame_seconds` the frames of a video go in as a video, so many seconds apart (Qwen); as images otherwise.
    """

    weights: str = Field(min_length=1)
    revision: str | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    min_pixels: int | None = Field(default=None, ge=1, strict=True)
    max_pixels: int | None = Field(default=None, ge=1, strict=True)
    max_tiles: int | None = Field(default=None, ge=1, strict=True)
    frame_seconds: float | None = Field(default=None, gt=0)
    family: str | None = Field(default=None, pattern=f"^{FUNCTION}$")

    @property
    def public_name(self) -> str:
        """What an adapter says it belongs to: no place on this machine."""
        return Path(self.weights).name if Path(self.weights).is_absolute() else self.weights


class Method(_Part):
    """What is trained.

    ``lora`` is an adapter on the language model, by choice also on the projector and the vision tower; ``qlora``
    the same on a language model kept in 4 bits; ``full`` all of the language model.
    """

    kind: Literal["lora", "qlora", "full"] = "lora"
    r: int = Field(default=8, ge=1, strict=True)
    alpha: float = Field(default=16, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    layers: Literal["attention", "attention+mlp"] = "attention+mlp"
    projector: bool = False
    vision: bool = False

    @property
    def changes_vision(self) -> bool:
        """Whether what the model makes of an image depends on what is trained."""
        return self.projector or self.vision


class Optimisation(_Part):
    """AdamW on the answer tokens; the rate rises over the share `warmup` of the steps, then follows `schedule`.

    With `stop` below 1 training ends after that share of the steps, on the schedule of all of them.
    """

    lr: float = Field(default=1e-3, gt=0)
    steps: int = Field(default=60, ge=1, strict=True)
    batch: int = Field(default=16, ge=1, strict=True)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    schedule: Literal["cosine", "constant"] = "cosine"
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, gt=0)
    stop: float = Field(default=1.0, gt=0, le=1)


class ItemCounts(_Part):
    """Items trained on per source, and asked per target: of a benchmark at most so many, None for all."""

    source: int = Field(default=256, ge=1, strict=True)
    target: Annotated[Annotated[int, Field(ge=1, strict=True)] | None, BeforeValidator(_all)] = 64


class Evaluation(_Part):
    """How answers are obtained. Items without options are always generated, on all items.

    With `rotations` the likelihood of an option is the mean over all cyclic orders of the options.
    """

    scorers: tuple[Literal["likelihood", "generation"], ...] = Field(default=("likelihood",), min_length=1)
    generation_items: int | None = Field(default=None, ge=1, strict=True)
    max_new_tokens: int = Field(default=8, ge=1, strict=True)
    rotations: bool = False


class Compute(_Part):
    """Where and in what portions it is computed; decides no result beyond rounding.

    `tokens` go through the model at once; `checkpoint_every` steps a long finetune is saved.
    """

    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    gpus: int = Field(default=1, ge=1, strict=True)
    tokens: int = Field(default=16384, ge=1, strict=True)
    activation_checkpointing: bool = False
    checkpoint_every: int = Field(default=200, ge=1, strict=True)
    keep_features: bool = True


class Video(_Part):
    """How videos are seen: so many frames of each; numbers scored by the strict relative accuracy or not."""

    frames: int = Field(default=32, ge=1, strict=True)
    strict: bool = False


class Merge(_Part):
    """Adapters of sources, put together without training, each with a weight.

    ``cat`` is exactly the weighted sum of what the adapters add. ``linear`` sums their two factors instead, which
    adds products of one adapter's with another's; ``ties`` and ``dare`` prune each factor to the share `density`
    before that. In a file `of` may name a mixture: the weights are the shares of its items.
    """

    of: dict[Name, Weight] = Field(min_length=1)
    how: Literal["linear", "cat", "ties", "dare_linear", "dare_ties"] = "linear"
    density: float = Field(default=0.5, gt=0, le=1)


class Variant(_Part):
    """The study's method and optimisation with some values changed."""

    method: Method = Method()
    optimisation: Optimisation = Optimisation()


class Study(_Part):
    """The whole of a study file; see `tasktransfer.load_study`.

    Parameters
    ----------
    tasks
        Tasks of one's own: a folder, or ``module:function``.
    datasets
        Tasks of one's own that are Hub datasets, or folders of tables; in a file they stand among `tasks`.
    data
        Local copies of benchmarks; they come from the Hub otherwise.
    training
        Folders of the items that a benchmark's task is trained on.
    more_seeds
        Further seeds of single sources, as `tasktransfer plan --next` proposes them.
    more_items
        Items asked of single targets, instead of `items.target`.
    adapters
        Sources that are trained already: a PEFT folder, ``{model}`` and ``{seed}`` in it are filled in.
    mixtures
        Sources of several tasks: so many items of each.
    merges
        Adapters of sources, put together and asked without training.
    """

    name: Name
    models: dict[Name, ModelChoice] = Field(min_length=1)
    sources: tuple[Name, ...] = ()
    adapters: dict[Name, str] = {}
    targets: tuple[Name, ...] = Field(min_length=1)
    seeds: tuple[Seed, ...] = Field(min_length=1)
    more_seeds: dict[Name, tuple[Seed, ...]] = {}
    more_items: dict[Name, Annotated[int, Field(ge=1, strict=True)]] = {}
    tasks: dict[Name, str] = {}
    datasets: dict[Name, HubDataset] = {}
    data: dict[Annotated[str, AfterValidator(_a_benchmark)], str] = {}
    training: dict[Name, str] = {}
    items: ItemCounts = ItemCounts()
    data_seed: Seed = 0
    controls: tuple[Control, ...] = ()
    per_source_controls: tuple[Control, ...] = ()
    mixtures: dict[Name, Annotated[dict[Name, Count], Field(min_length=1)]] = {}
    merges: dict[Name, Merge] = {}
    method: Method = Method()
    optimisation: Optimisation = Optimisation()
    variants: dict[Name, Variant] = {}
    evaluation: Evaluation = Evaluation()
    video: Video = Video()
    compute: Compute = Compute()

    def place_of(self, task: str) -> str | HubDataset | None:
        """Where a task of one's own is; None for a built-in one."""
        return self.tasks.get(closed_name(task)) or self.datasets.get(closed_name(task))


def study_text(study: Study) -> str:
    """A study as YAML, for one that was made in Python."""
    values = study.model_dump(mode="json", exclude_defaults=True)
    if study.variants:  # whole: what a variant leaves out is taken from the study
        values["variants"] = {name: variant.model_dump(mode="json") for name, variant in study.variants.items()}
    return str(yaml.safe_dump(values, sort_keys=False))
