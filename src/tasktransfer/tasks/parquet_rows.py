"""Rows of a parquet file, a few at a time; a file that cannot be read is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import InputError
from tasktransfer.tasks.hub_files import first_line

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet

__all__ = ["columns_of", "is_image", "read_rows"]

_BATCH = 32


def columns_of(path: Path) -> pa.Schema:
    """The columns of a file and what they hold.

    Raises
    ------
    InputError
        It is no readable parquet file.
    """
    with _opened(path) as file:
        return file.schema_arrow


def is_image(kind: pa.DataType) -> bool:
    """Whether a column holds images as Hub datasets store them: bytes and path."""
    import pyarrow as pa

    return bool(pa.types.is_struct(kind)) and {"bytes", "path"} <= {part.name for part in kind}


def read_rows(path: Path, columns: Sequence[str], n_rows: int | None = None) -> Iterator[dict[str, Any]]:
    """The first rows of some columns; what follows them is not read.

    Parameters
    ----------
    path
        A parquet file.
    columns
        Names of columns, also of parts of a struct: ``image_1.path``.
    n_rows
        Rows at most; all when None.

    Raises
    ------
    InputError
        The file is damaged.
    """
    import pyarrow as pa

    taken = 0
    with _opened(path) as file:
        try:
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns)):
                for row in batch.to_pylist():
                    if n_rows is not None and taken >= n_rows:
                        return
                    taken += 1
                    yield row
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: damaged after row {taken} ({first_line(error)})") from error


def _opened(path: Path) -> pyarrow.parquet.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path}: not a readable parquet file, cut short perhaps ({first_line(error)}); delete it and get it "
            f"again"
        ) from error
