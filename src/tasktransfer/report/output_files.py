"""A folder that is written whole or not at all.

Everything is made in a temporary folder beside the target and moved in by rename; ``summary.json`` goes last,
so a folder that has one is complete. What brings none is put beside what is there.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasktransfer.errors import OutputError

__all__ = ["MARKER", "output_folder", "write_json"]

MARKER = "summary.json"


def write_json(value: Any, path: Path) -> None:
    """Write strict JSON: NaN and infinities become null."""
    path.write_text(json.dumps(_strict(value), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@contextmanager
def output_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder whose content replaces that of `folder` once the block has ended well.

    Raises
    ------
    OutputError
        The place cannot be written, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; the output needs a folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
    try:
        yield made
        _move_in(made, folder)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _move_in(made: Path, folder: Path) -> None:
    if (made / MARKER).is_file() and (folder / MARKER).is_file():  # one whole takes the place of another
        (folder / MARKER).unlink()
        shutil.rmtree(folder / "figures", ignore_errors=True)
    for path in sorted(made.rglob("*"), key=lambda p: (p.name == MARKER, p)):
        place = folder / path.relative_to(made)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        else:
            path.replace(place)
