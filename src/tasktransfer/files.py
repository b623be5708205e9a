"""Files and folders that are written whole or not at all, and the names and digests that they bear.

Whatever is written gets a temporary name beside its place, ``.NAME.partial-PROCESS``, and is renamed once it is
complete, so that nothing half-written is ever read as done.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tasktransfer.errors import OutputError

__all__ = [
    "MARKER",
    "PARTIAL",
    "digest_of",
    "file_digest",
    "new_folder",
    "output_folder",
    "refusing_to_write",
    "slug",
    "write_json",
    "write_text",
    "written_whole",
]

MARKER = "summary.json"  # of a finished analysis: it goes last, so a folder that has one is complete
PARTIAL = ".*partial-*"  # what a killed process leaves behind


@contextmanager
def refusing_to_write(place: Path) -> Iterator[None]:
    """Make whatever the system refuses within the block an `OutputError` that names the place."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{place}: cannot be written ({error.strerror or error})") from error
    except Exception as error:
        if type(error).__name__ == "SafetensorError":  # by name: no module here needs its library
            raise OutputError(f"{place}: cannot be written ({error})") from error
        raise


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path; what the block writes there takes the place of `path` once it has ended well.

    Raises
    ------
    OutputError
        The place cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with refusing_to_write(path):
            yield partial
            partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text whole; a lone surrogate, as names of files may hold, is written out as its escape."""
    with written_whole(path) as partial:
        partial.write_bytes(text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: Any, *, sort_keys: bool = False) -> None:
    """Write strict JSON whole: NaN and infinities become null.

    Parameters
    ----------
    path
        File to write.
    value
        Dicts, lists, tuples and plain values, nested at will; keys become text.
    sort_keys
        Write keys in the order of their names, not in that of the dicts.

    Raises
    ------
    OutputError
        The place cannot be written.
    """
    write_text(path, json.dumps(_strict(value), indent=1, ensure_ascii=False, sort_keys=sort_keys) + "\n")


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the place `out` by rename once the block has ended well.

    Raises
    ------
    OutputError
        It is there already, or cannot be written.
    """
    if out.exists():
        raise OutputError(f"{out}: is there already; name another folder or remove it")
    with refusing_to_write(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".partial-{out.name}-", dir=out.parent))
        try:
            yield made
            made.chmod(0o755)  # mkdtemp lets nobody but its owner in
            made.rename(out)
        finally:
            shutil.rmtree(made, ignore_errors=True)


@contextmanager
def output_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder whose content replaces that of `folder` once the block has ended well.

    `MARKER` is moved last. What brings none is put beside what is there.

    Raises
    ------
    OutputError
        The place cannot be written, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; the output needs a folder")
    with refusing_to_write(folder):
        folder.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
        try:
            yield made
            _move_in(made, folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def _move_in(made: Path, folder: Path) -> None:
    if (made / MARKER).is_file() and (folder / MARKER).is_file():  # one whole takes the place of another
        (folder / MARKER).unlink()  # first: a mix that a killed process leaves must not pass for finished
        shutil.rmtree(folder / "figures", ignore_errors=True)
    for path in sorted(made.rglob("*"), key=lambda p: (p.name == MARKER, p)):
        place = folder / path.relative_to(made)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        else:
            path.replace(place)


def slug(name: str) -> str:
    """A name as part of a file name; not unique by itself.

    >>> slug("format-only / Relative Depth"), slug("../Qwen/Qwen2.5-VL 7B"), slug("///")
    ('format-only_Relative_Depth', 'Qwen_Qwen2.5-VL_7B', 'x')
    """
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("_.-")[:48] or "x"


def digest_of(*facts: Any) -> str:
    """Twelve hexadecimal digits of anything that JSON can say."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
