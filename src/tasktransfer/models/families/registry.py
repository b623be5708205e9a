"""The families, and what is known of checkpoints. A new family is a file beside this one and a row here."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tasktransfer.errors import InputError, closest
from tasktransfer.models.families import internvl, llava, llava_onevision, qwen2_5_vl, qwen3_vl
from tasktransfer.models.families.family import Checkpoint, Family, Pixels, Size

__all__ = [
    "CHECKPOINTS",
    "FAMILIES",
    "checkpoint",
    "family_named",
    "family_of",
    "image_tokens",
    "real_config",
]

# by the model_type of a checkpoint's config
FAMILIES: dict[str, Family] = {
    "qwen2_5_vl": qwen2_5_vl.FAMILY,
    "qwen3_vl": qwen3_vl.FAMILY,
    "llava": llava.FAMILY,
    "llava_onevision": llava_onevision.FAMILY,
    "internvl": internvl.FAMILY,
}
CHECKPOINTS = MappingProxyType({row.hub_id: row for family in FAMILIES.values() for row in family.checkpoints})


def family_of(folder: Path, name: str | None = None) -> Family:
    """The family of the checkpoint in a folder, or the one that is named.

    Raises
    ------
    InputError
        There is no readable ``config.json``, or its ``model_type`` is none of `FAMILIES`.
    """
    config = folder / "config.json"
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
        model_type = str(content.get("model_type"))
    except FileNotFoundError as error:
        raise InputError(f"{folder}: holds no model (no config.json)") from error
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{config}: not a readable model config ({error})") from error
    if name is not None:
        return family_named(name)
    if model_type in FAMILIES:
        return FAMILIES[model_type]
    hint, known = closest(model_type, FAMILIES), ", ".join(FAMILIES)
    if not any("vision" in key for key in content):
        raise InputError(f"{config}: {model_type!r} is a model without vision; known with vision are {known}")
    raise InputError(f"{config}: model_type {model_type!r}{hint} is not supported; known are {known}")


def family_named(name: str) -> Family:
    """A family by its key in `FAMILIES`, or by the importable name of one's own: ``module:NAME``."""
    if ":" not in name:
        if name not in FAMILIES:
            known = ", ".join(FAMILIES)
            raise InputError(f"family {name!r}{closest(name, FAMILIES)}: known are {known}, or module:NAME")
        return FAMILIES[name]
    try:
        value = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"family {name!r} cannot be imported ({error})") from error
    if not isinstance(value, Family):
        raise InputError(f"family {name!r} is a {type(value).__name__}, not a tasktransfer.models.families.Family")
    return value


def checkpoint(hub_id: str) -> Checkpoint | None:
    """What is known of a Hub id, in whatever case it is written; None where nothing is."""
    return {name.lower(): row for name, row in CHECKPOINTS.items()}.get(hub_id.lower())


def image_tokens(row: Checkpoint, sizes: Sequence[Size], pixels: Pixels | None = None) -> int:
    """Tokens of the pictures of one item, with the marks around each.

    Parameters
    ----------
    row
        A known checkpoint.
    sizes
        Width and height of each picture, pixels.
    pixels
        Limits as given to `load_model`; the checkpoint's own where None.

    Notes
    -----
    The rules are those of the processors in transformers, which are the oracle in the tests.
    """
    count = FAMILIES[row.family].image_tokens if row.family in FAMILIES else None
    if count is None:
        raise InputError(f"family {row.family!r}: how many tokens a picture becomes is not known")
    return count(row, sizes, pixels or Pixels())


def real_config(hub_id: str) -> Any:
    """The transformers config of a known checkpoint at its real size, without a download.

    For models on torch's meta device, which have a shape and no weights, and for random weights at real size.

    Raises
    ------
    InputError
        The checkpoint is not known.
    """
    row = checkpoint(hub_id)
    if row is None:
        hint = closest(hub_id, CHECKPOINTS)
        raise InputError(f"{hub_id!r}{hint}: the shape of this checkpoint is not known; {len(CHECKPOINTS)} are")
    make = FAMILIES[row.family].config
    assert make is not None  # whoever lists a checkpoint knows its config
    return make(row)
