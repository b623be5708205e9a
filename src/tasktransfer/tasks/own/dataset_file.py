"""A file with the keys of a Hub dataset, its faults in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tasktransfer.errors import InputError, quoted
from tasktransfer.tasks.faults import raise_faults
from tasktransfer.tasks.own.hub_dataset import HubDataset
from tasktransfer.tasks.own.tables import Columns
from tasktransfer.yaml_lines import in_words, read_marked, read_yaml_text

__all__ = ["read_dataset_file"]

_KEYS = {(): tuple(HubDataset.model_fields), ("columns",): tuple(Columns.model_fields)}


def read_dataset_file(path: Path) -> HubDataset:
    """Read the dataset that a file describes; a folder in it is relative to the file's, as in a study.

    Raises
    ------
    InputError
        The file cannot be read, or keys are wrong; all are told, one a line.
    """
    marked = read_marked(read_yaml_text(path, "a description of a dataset"), str(path))
    raise_faults([f"{'.'.join(map(str, fault.place))}: {fault.message}" for fault in marked.faults], f"{path}: ")
    values = marked.values
    if not isinstance(values, dict):
        raise InputError(f"{path}: holds no keys; accepted are {quoted(_KEYS[()], limit=9)}")
    try:
        source = HubDataset.model_validate(values)
    except ValidationError as error:
        raise_faults(list(dict.fromkeys(_in_words(error))), f"{path}: ")
        raise
    folder = path.parent / Path(source.dataset).expanduser()
    if folder.is_dir() or source.folder is not None:
        return source.model_copy(update={"dataset": str(folder.resolve())})
    return source


def _in_words(error: ValidationError) -> Iterator[str]:
    for found in error.errors():
        place: tuple[Any, ...] = found["loc"]
        if place[:2] == ("columns", "choices"):  # told once for each type it might have
            yield "columns.choices: should be a column or a list of columns"
            continue
        where = ".".join(str(key) for key in place if key != "[key]")
        yield f"{where}: {in_words(found, _KEYS.get(place[:-1], ()))}"
