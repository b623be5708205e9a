"""From a study to its plan: what it names is looked up, and what is not on this machine is named.

A digest of the weights and adapters goes into every cell, and settings that a model's family does not have are
refused before anything is fetched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from tasktransfer.errors import InputError, closest
from tasktransfer.files import file_digest
from tasktransfer.models.families import FAMILIES, Family, family_named, family_of
from tasktransfer.models.families.registry import CHECKPOINTS, checkpoint
from tasktransfer.peft_folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from tasktransfer.study.plan import Plan, adapter_places, make_plan
from tasktransfer.study.spec import ModelChoice, Study

__all__ = ["plan_study", "taken_from_hub"]

# as a study calls them -> as a family does
_BUDGET = {"min_pixels": "least", "max_pixels": "most", "max_tiles": "tiles"}


def plan_study(study: Study, *, here_only: bool = False) -> Plan:
    """The cells of a study. Reads the weights once to know them.

    Parameters
    ----------
    study
        The study.
    here_only
        Fetch nothing. What is not on this machine is named in `Plan.missing`, with what gets it, and the digests
        of what depends on it are no real ones.
    """
    from tasktransfer.models.vlm import cached_weights, locate_weights, weights_digest

    digests, missing = {}, []
    places = {name: cached_weights(choice.weights, choice.revision) for name, choice in study.models.items()}
    _require_settings(study, places)
    for name, choice in study.models.items():
        place = places[name]
        if place is None and here_only:
            missing.append(_missing_weights(name, choice))
            digests[name] = f"{choice.weights}@{choice.revision}"
        else:
            digests[name] = weights_digest(place or locate_weights(choice.weights, choice.revision))
    adapters = {place: _adapter_digest(Path(place)) for place in adapter_places(study).values()}
    planned = make_plan(study, digests, adapters, here_only=here_only)
    return replace(planned, missing=(*missing, *planned.missing), fetched=(*missing, *planned.fetched))


def _adapter_digest(folder: Path) -> str:
    """What identifies a PEFT adapter: its weights and how they are added."""
    whole = hashlib.sha256()
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        try:
            whole.update(bytes.fromhex(file_digest(folder / name)))
        except OSError as error:
            raise InputError(
                f"{folder / name}: cannot be read ({error.strerror}); an adapter is a PEFT folder with "
                f"{ADAPTER_CONFIG} and {ADAPTER_WEIGHTS} (pickled weights are not read)"
            ) from error
    return whole.hexdigest()


def taken_from_hub(study: Study) -> list[str]:
    """The tasks whose name is taken as one on the Hub, in one sentence: a folder may have been meant."""
    datasets = {name: source.dataset for name, source in study.datasets.items() if source.folder is None}
    if not datasets:
        return []
    names = ", ".join(f"{name} ({dataset})" for name, dataset in datasets.items())
    return [f"taken as Hub datasets, since there is no such folder: {names}"]


def _require_settings(study: Study, places: Mapping[str, Path | None]) -> None:
    """Refuse settings that a model's family does not have; a family that is not known yet is asked when it loads.

    Parameters
    ----------
    study
        The study.
    places
        Folder of each model; None where its weights are not on this machine.

    Raises
    ------
    InputError
        All of them at once.
    """
    faults = [
        fault
        for name, choice in study.models.items()
        for fault in _faults(name, choice, _family(choice, places[name]))
    ]
    if faults:
        raise InputError("\n".join(faults))


def _family(choice: ModelChoice, place: Path | None) -> Family | None:
    if choice.family:
        return family_named(choice.family)
    if place is not None:
        return family_of(place)
    row = checkpoint(choice.weights)
    return FAMILIES[row.family] if row else None


def _faults(name: str, choice: ModelChoice, family: Family | None) -> Iterator[str]:
    if family is None:
        return
    accepted = [key for key, word in _BUDGET.items() if word in family.pixel_settings]
    hint = f"accepted are {' and '.join(accepted)}" if accepted else "it has none of this kind"
    for key in _BUDGET:
        if getattr(choice, key) is not None and key not in accepted:
            yield f"models.{name}.{key}: is not a setting of {family.model_class}; {hint}"
    if choice.frame_seconds is not None and family.video is None:
        yield f"models.{name}.frame_seconds: {family.model_class} takes the frames of a video as images only"


def _missing_weights(name: str, choice: ModelChoice) -> str:
    """That the weights of a model are not here, what gets them, and whether anything is known of them."""
    revision = f" --revision {choice.revision}" if choice.revision else ""
    known = ""
    if checkpoint(choice.weights) is None and not choice.family:
        known = (
            f" (an id that nothing is known of{closest(choice.weights, CHECKPOINTS)}: no estimate, and whether "
        )
        known += "its family is supported is seen when it is here)"
    return f"the weights of {name}: hf download {choice.weights}{revision}{known}"
