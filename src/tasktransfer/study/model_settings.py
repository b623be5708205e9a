"""Whether the settings of a study's models are ones that their families have, told before anything is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tasktransfer.errors import InputError, closest
from tasktransfer.models.families import FAMILIES, Family, family_named, family_of
from tasktransfer.models.families.checkpoints import CHECKPOINTS, checkpoint
from tasktransfer.study.spec import ModelChoice, Study

__all__ = ["missing_weights", "require_settings"]

# as a study calls them -> as a family does
_BUDGET = {"min_pixels": "least", "max_pixels": "most", "max_tiles": "tiles"}


def require_settings(study: Study, places: Mapping[str, Path | None]) -> None:
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
    told = f"accepted are {' and '.join(accepted)}" if accepted else "it has none of this kind"
    for key in _BUDGET:
        if getattr(choice, key) is not None and key not in accepted:
            yield f"models.{name}.{key}: is not a setting of {family.model_class}; {told}"
    if choice.frame_seconds is not None and family.video is None:
        yield f"models.{name}.frame_seconds: {family.model_class} takes the frames of a video as images only"


def missing_weights(name: str, choice: ModelChoice) -> str:
    """That the weights of a model are not here, what gets them, and whether anything is known of them."""
    revision = f" --revision {choice.revision}" if choice.revision else ""
    known = ""
    if checkpoint(choice.weights) is None and not choice.family:
        known = (
            f" (an id that nothing is known of{closest(choice.weights, CHECKPOINTS)}: no estimate, and whether "
        )
        known += "its family is supported is seen when it is here)"
    return f"the weights of {name}: hf download {choice.weights}{revision}{known}"
