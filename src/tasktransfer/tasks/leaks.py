"""Pictures of a training set that are also in an evaluation set.

A picture is known again by two perceptual hashes. Grey, shrunk to 64 x 64, two-dimensional cosine transform; for
each of the 63 lowest frequencies but the mean, one bit: does it lie above their median? The same for the 255
lowest ones. Two pictures are near when at most `DISTANCE` of the 63 bits differ and at most `FINE_DISTANCE` of the
255: the first is fast to search, the second keeps apart what only has the same outline, such as objects on white.
That survives scaling, compression, loss of colour and drawn marks; it does not survive mirroring, turning, or
cropping of more than a few percent. Measured rates stand in docs/training-sets.md.

These few lines stand here, rather than a dependency, because two cases of BLINK's pictures need care: a jigsaw's
black quarter, which would make all jigsaws alike, is filled with the mean of the rest first; and a flat picture,
whose bits would be noise, has a hash of zeros, which is near nothing.

An item of several pictures leaks when any of its pictures is near any evaluation picture.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasktransfer.errors import InputError
from tasktransfer.tasks.item import Item

__all__ = [
    "DISTANCE",
    "FINE_DISTANCE",
    "HashedPictures",
    "Leak",
    "find_leaks",
    "image_hashes",
    "near",
    "read_pictures",
]

DISTANCE = 12  # of 63 bits
FINE_DISTANCE = 56  # of 255 bits
WORDS = 5  # one of 64 bits for the coarse hash, four for the fine one
SIDE, LOW, FINE = 64, 8, 16
_FLAT = 2.0  # standard deviation of brightness, of 255
_BLACK = 8.0
_BLOCK = 2**16  # comparisons at once: what stays in the processor's cache
_SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".webp", ".bmp"}

Hashes = NDArray[np.uint64]


class Leak(NamedTuple):
    """A training item and the evaluation item that it is near to, in bits of the coarse hash."""

    train: str
    test: str
    distance: int


class HashedPictures(NamedTuple):
    """Hashes of pictures and the items they belong to; files that could not be read."""

    names: list[str]
    hashes: Hashes
    unreadable: list[str]


def image_hashes(images: Iterable[Image.Image]) -> Hashes:
    """Hashes of pictures, one row of `WORDS` each: the coarse one, then the fine one; zeros for a flat picture."""
    return np.array([_hash(image) for image in images], np.uint64).reshape(-1, WORDS)


def _hash(image: Image.Image) -> Hashes:
    from scipy.fft import dctn

    factor = min(image.size) // (4 * SIDE)
    if factor > 1 and image.mode in {"RGB", "L"}:  # three times faster, and averaging all the same
        image = image.reduce(factor)
    small = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    small = _without_black_quarter(small)
    if small.std() < _FLAT:
        return np.zeros(WORDS, np.uint64)
    low = dctn(small)
    return np.concatenate([_packed(low[:LOW, :LOW]), _packed(low[:FINE, :FINE])])


def _packed(low: NDArray[np.float64]) -> Hashes:
    values = low.ravel()[1:]  # without the mean
    bits = np.r_[values > np.median(values), False]  # one more bit, to fill whole words
    return np.packbits(bits).view(">u8").astype(np.uint64)


def _without_black_quarter(small: NDArray[np.float64]) -> NDArray[np.float64]:
    half = SIDE // 2  # the first row and column of the quarter may hold some of the rest: shrinking blends them
    if small[half + 1 :, half + 1 :].max() > _BLACK or small[:half].max() <= _BLACK:
        return small
    filled = small.copy()
    rest = np.r_[small[:half].ravel(), small[half:, :half].ravel()]
    filled[half:, half:] = rest.mean()
    return filled


def near(
    train: Hashes, test: Hashes, distance: int = DISTANCE, fine_distance: int = FINE_DISTANCE
) -> NDArray[np.int64]:
    """Pairs of rows that are near in both hashes.

    Parameters
    ----------
    train, test
        Results of `image_hashes`, (pictures, `WORDS`).
    distance
        Differing bits of the coarse hash at most, of 63.
    fine_distance
        Differing bits of the fine hash at most, of 255.

    Returns
    -------
    numpy.ndarray
        Rows of (index in `train`, index in `test`, distance of the coarse hashes), ordered by the first two.

    Notes
    -----
    Every pair of coarse hashes is compared, in blocks; 100,000 with 4,000 take seconds.
    """
    # zeros are flat pictures, which are near nothing
    at_train, at_test = (np.flatnonzero(hashes.any(1)) for hashes in (train, test))
    searched = np.ascontiguousarray(test[at_test, 0])
    pairs = [np.empty((0, 3), np.int64)]
    rows = max(1, _BLOCK // max(1, len(searched)))
    for start in range(0, len(at_train), rows):
        block = at_train[start : start + rows]
        apart = _count_bits(train[block, :1] ^ searched)
        # places in the flattened block: np.nonzero of a matrix takes several times as long
        i, j = np.divmod(np.flatnonzero(apart <= distance), max(1, len(searched)))
        finely = _count_bits(train[block[i], 1:] ^ test[at_test[j], 1:]).sum(1, dtype=np.int64)
        i, j = i[finely <= fine_distance], j[finely <= fine_distance]
        pairs.append(np.stack([block[i], at_test[j], apart[i, j]], 1).astype(np.int64))
    return np.concatenate(pairs)


def _count_bits(values: Hashes) -> NDArray[Any]:
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(values))
    # numpy 1: sums of neighbouring bits, pairs, fours; the product adds up the bytes (Hacker's Delight, 5-1)
    values = values - ((values >> np.uint64(1)) & np.uint64(0x5555555555555555))
    values = (values & np.uint64(0x3333333333333333)) + ((values >> np.uint64(2)) & np.uint64(0x3333333333333333))
    values = (values + (values >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.asarray((values * np.uint64(0x0101010101010101)) >> np.uint64(56))


def find_leaks(
    train: Iterable[Item], test: Iterable[Item], *, distance: int = DISTANCE, fine_distance: int = FINE_DISTANCE
) -> list[Leak]:
    """Training items any picture of which is near any picture of an evaluation item.

    One leak a pair of items, at the smallest distance among their pictures; in the order of `train`, then `test`.

    Parameters
    ----------
    train, test
        Items whose pictures are compared.
    distance
        Differing bits of the coarse hash at most, of 63.
    fine_distance
        Differing bits of the fine hash at most, of 255.
    """
    (train_names, train_hashes), (test_names, test_hashes) = _flattened(train), _flattened(test)
    nearest: dict[tuple[str, str], int] = {}
    for i, j, apart in near(train_hashes, test_hashes, distance, fine_distance):
        pair = train_names[i], test_names[j]
        nearest[pair] = min(int(apart), nearest.get(pair, 64))
    return [Leak(*pair, apart) for pair, apart in nearest.items()]


def _flattened(items: Iterable[Item]) -> tuple[list[str], Hashes]:
    names: list[str] = []
    hashes: list[Hashes] = []
    for item in items:
        names += [item.id] * len(item.images)
        hashes.append(image_hashes(item.images))
    return names, np.concatenate([np.empty((0, WORDS), np.uint64), *hashes])


def read_pictures(folder: Path) -> HashedPictures:
    """Hash every picture in a folder: image files, and image columns of Parquet files as the Hub keeps them.

    A picture in a table is named by the column ``idx`` or ``id`` of its row, else by file and row; a file by its
    path.

    Raises
    ------
    InputError
        The folder is missing, a table is broken, or there is no picture.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; it should hold the evaluation images")
    names: list[str] = []
    hashes: list[Hashes] = []
    unreadable: list[str] = []
    for name, data in _raw(folder):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(io.BytesIO(data)) as image:
                    image.draft("L", (4 * SIDE, 4 * SIDE))  # JPEG: decode no more than is needed
                    hashes.append(_hash(image))
            names.append(name)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            unreadable.append(name)
    if not names:
        raise InputError(
            f"{folder}: holds no readable picture; looked for image files and image columns of *.parquet"
        )
    return HashedPictures(names, np.array(hashes, np.uint64), unreadable)


def _raw(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix.lower() == ".parquet":
            yield from _in_table(path, name)
        elif path.suffix.lower() in _SUFFIXES:
            yield name, path.read_bytes()


def _in_table(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            pictures = [column.name for column in schema if _holds_pictures(column.type)]
            key = next((key for key in ("idx", "id") if key in schema.names), None)
            start = 0
            for batch in file.iter_batches(batch_size=16, columns=pictures + ([key] if key else [])):
                for row in batch.to_pylist():
                    item = str(row[key]) if key else f"{name}, row {start}"
                    start += 1
                    for column in pictures:
                        for data in _bytes_in(row[column]):
                            yield item, data
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def _holds_pictures(kind: Any) -> bool:
    """A struct with ``bytes``, or a list of such."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds_pictures(kind.value_type)
    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _bytes_in(value: Any) -> list[bytes]:
    values = value if isinstance(value, list) else [value]
    return [one["bytes"] for one in values if one is not None and one["bytes"] is not None]
