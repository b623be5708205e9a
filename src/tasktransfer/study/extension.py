"""A study with more seeds of some sources, or more items of some targets; `run` keeps every cell that is there."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from tasktransfer.study.spec import Study

__all__ = ["extended_study", "extended_text"]


def extended_study(study: Study, more_seeds: Mapping[str, int], more_items: Mapping[str, int]) -> Study:
    """Add so many seeds of each source, and ask so many items of each target altogether.

    New seeds are the whole numbers after the highest of any source, so that a seed means the same everywhere.
    """
    seeds = dict(study.more_seeds)
    for source, count in more_seeds.items():
        own = (*study.seeds, *seeds.get(source, ()))
        seeds[source] = (*seeds.get(source, ()), *range(max(own) + 1, max(own) + 1 + count))
    return study.model_copy(update={"more_seeds": seeds, "more_items": {**study.more_items, **more_items}})


def extended_text(study: Study) -> str:
    """The study as YAML. Variants are written in full: what one leaves out is taken from the study."""
    values = study.model_dump(mode="json", exclude_defaults=True)
    if study.variants:
        values["variants"] = {name: variant.model_dump(mode="json") for name, variant in study.variants.items()}
    return str(yaml.safe_dump(values, sort_keys=False))
