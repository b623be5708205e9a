"""A study with more seeds of some sources, or more items of some targets; `run` keeps every cell that is there."""

from __future__ import annotations

from collections.abc import Mapping

from tasktransfer.study.spec import Study

__all__ = ["extended_study"]


def extended_study(study: Study, more_seeds: Mapping[str, int], more_items: Mapping[str, int]) -> Study:
    """Add so many seeds of each source, and ask so many items of each target altogether.

    New seeds of a source are the whole numbers after its own highest.
    """
    seeds = dict(study.more_seeds)
    for source, count in more_seeds.items():
        own = (*study.seeds, *seeds.get(source, ()))
        seeds[source] = (*seeds.get(source, ()), *range(max(own) + 1, max(own) + 1 + count))
    return study.model_copy(update={"more_seeds": seeds, "more_items": {**study.more_items, **more_items}})
