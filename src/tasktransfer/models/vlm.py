"""A vision-language model, loaded by its family: in evaluation mode, every weight frozen."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import InputError, SettingsError, TaskTransferError
from tasktransfer.models.families import Family, Pixels, family_of
from tasktransfer.models.toy import EMBEDDED, WEIGHTS

if TYPE_CHECKING:
    import torch

__all__ = ["Vlm", "cached_weights", "load_model", "locate_weights", "weights_digest"]

DTYPES = ("float32", "bfloat16")
# what decides an answer, beside the code: weights, shapes, words, pixels, prompt
_DECISIVE = (
    "*.safetensors",
    "config.json",
    "tokenizer*.json",
    "preprocessor_config.json",
    "processor_config.json",
    "chat_template.*",
)


@dataclass(frozen=True)
class Vlm:
    """A loaded model."""

    model: Any
    processor: Any
    family: Family
    quantised: bool = False  # the language model's linear maps are in 4 bits

    @property
    def decoder(self) -> Any:
        """The language model: embeddings in, last hidden states out."""
        return self.model.get_decoder()

    @property
    def head(self) -> Any:
        """Hidden states to logits."""
        return self.model.get_output_embeddings()

    @property
    def image_tokens(self) -> tuple[int, ...]:
        """The placeholders that stand for one image feature: of a picture, and of a video that is taken as one."""
        config = self.model.config
        return (config.image_token_id, *([config.video_token_id] if self.family.video else []))

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        device: torch.device = self.head.weight.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """In what it computes; of a 4-bit model, what its weights are brought to for that."""
        dtype: torch.dtype = self.head.weight.dtype
        return dtype

    @property
    def n_depths(self) -> int:
        """Vectors of one image feature: 1, and one more for each that DeepStack adds."""
        if self.family.deep_arguments is None:
            return 1
        return 1 + len(self.model.config.vision_config.deepstack_visual_indexes)


def cached_weights(name: str, revision: str | None = None) -> Path | None:
    """The folder of a model that is on this machine; None for a Hub id that is not in the local cache."""
    if name == EMBEDDED or Path(name).is_dir():
        return locate_weights(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    index = folder / "model.safetensors.index.json"
    if index.is_file():  # a download that was cut off leaves a folder with some of its shards
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        return folder if all((folder / shard).is_file() for shard in shards) else None
    return folder if any(folder.glob("*.safetensors")) else None


def locate_weights(name: str, revision: str | None = None) -> Path:
    """The folder of a model: ``toy`` is the embedded one, a folder is itself, anything else a Hub id.

    Only a Hub id reaches the network, and only where its files are not in the local cache.
    """
    if name == EMBEDDED:
        return WEIGHTS
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[*_DECISIVE, "*.json"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"model {name!r} is no folder, and could not be had from the Hub ({reason})") from error


def weights_digest(folder: Path) -> str:
    """SHA-256 over every file that decides an answer; names count, the place does not."""
    files = sorted({path for pattern in _DECISIVE for path in folder.glob(pattern)})
    if not any(path.suffix == ".safetensors" for path in files):
        raise InputError(f"{folder}: holds no weights (no .safetensors file; pickled weights are not read)")
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as handle:
            whole.update(f"{path.name} {hashlib.file_digest(handle, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def load_model(
    folder: Path,
    *,
    dtype: str = "float32",
    device: str = "cpu",
    attention: str = "sdpa",
    pixels: Pixels | None = None,
    quantised: bool = False,
    family: str | None = None,
) -> Vlm:
    """Load a checkpoint of any known family, the embedded model and a Hub checkpoint alike.

    Parameters
    ----------
    folder
        Weights, config, tokenizer, chat template and image settings, as `save_pretrained` writes them.
    dtype
        ``float32`` or ``bfloat16``.
    device
        Where it goes, as torch names it.
    attention
        Implementation of attention, as transformers names it.
    pixels
        Limits on what is seen of a picture; only settings that the family has.
    quantised
        The language model in 4-bit NF4 (bitsandbytes); vision tower, projector and head stay in `dtype`.
    family
        A key of `FAMILIES` or an importable ``module:NAME``; by default what the config says.

    Raises
    ------
    InputError
        The folder holds no model of a known family, or files that cannot be read, or not all weights.
    SettingsError
        A setting that this family does not have, or that cannot be met here.
    """
    import transformers
    from safetensors import SafetensorError

    # where it is installed it warns of kernels that are missing, also when nothing is in 4 bits
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    architecture = family_of(folder, family)
    _check_settings(folder, architecture, dtype, pixels)
    loader = getattr(transformers, architecture.model_class)
    transformers.utils.logging.disable_progress_bar()
    try:
        model, info = loader.from_pretrained(
            folder,
            attn_implementation=attention,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **_placing(architecture, dtype, device, quantised),
        )
        processor = architecture.load_processor(folder)
    except TaskTransferError:
        raise
    except (OSError, ValueError, ImportError, KeyError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder}: the model cannot be loaded ({_first_line(error)})") from error
    missing = sorted(info["missing_keys"])  # which transformers fills at random, with a warning
    if missing:
        raise InputError(f"{folder}: {len(missing)} weights are missing, such as {missing[0]}")
    if pixels is not None and architecture.limit_pixels is not None:
        architecture.limit_pixels(processor, model.config, pixels)
    model.requires_grad_(False)
    if not quantised:
        model = model.to(device)
    for module in model.modules() if quantised else ():
        if hasattr(module, "support_avx512bf16_for_cpu"):  # packed for inference, weights pass no gradient on
            module.support_avx512bf16_for_cpu = False
    return Vlm(model.eval(), processor, architecture, quantised)


def _check_settings(folder: Path, family: Family, dtype: str, pixels: Pixels | None) -> None:
    if dtype not in DTYPES:
        raise SettingsError(f"dtype {dtype!r}: accepted are {', '.join(DTYPES)}")
    given = {name: value for name, value in (pixels or Pixels())._asdict().items() if value is not None}
    for name, value in given.items():
        if name not in family.pixel_settings:
            known = f"only {' and '.join(family.pixel_settings)}" if family.pixel_settings else "no such setting"
            raise SettingsError(f"{folder}: pixels: {name} is not a setting of this family, which has {known}")
        if value < 1:
            raise SettingsError(f"{folder}: pixels: {name} is {value}; at least 1 is needed")


def _placing(family: Family, dtype: str, device: str, quantised: bool) -> dict[str, Any]:
    """Number format and place, as ``from_pretrained`` takes them."""
    import torch

    number = getattr(torch, dtype)
    if not quantised:
        return {"dtype": number}
    from importlib.util import find_spec

    if find_spec("bitsandbytes") is None:
        raise SettingsError("4-bit weights need bitsandbytes: pip install 'tasktransfer[qlora]'")
    from transformers import BitsAndBytesConfig

    settings = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=number,
        llm_int8_skip_modules=[family.vision, *family.projector, "lm_head"],
    )
    return {"dtype": number, "quantization_config": settings, "device_map": {"": device}}


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
