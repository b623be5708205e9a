"""Images of an item as they are stored, decoded each time they are asked for.

A benchmark decoded whole does not fit: the 351 pictures of BLINK's Art_Style take some 150 MB as JPEG and several
GB as pixels. So an item holds files or encoded bytes. What cannot be used is reported with the names of item and
file: by the headers when a study is planned, by the whole image when it is looked at.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from tasktransfer.errors import InputError, raise_faults

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MAX_PIXELS", "MIN_SIDE", "Pictures", "decode_image", "digest_with_pictures", "stored_image"]

MIN_SIDE = 4
MAX_PIXELS = 80_000_000  # Pillow warns of larger ones; BLINK's largest has 8 million

Stored = bytes | Path


@dataclass(frozen=True)
class Pictures(Sequence["Image"]):
    """Stored images that read as a sequence of RGB images; nothing decoded is kept.

    Parameters
    ----------
    stored
        Encoded bytes, or a file, of each image.
    wheres
        For messages: the file and the item of each.
    """

    stored: tuple[Stored, ...]
    wheres: tuple[str, ...]

    def faults(self) -> list[str]:
        """What is wrong with the images by their headers; no pixels are read."""
        messages = []
        for data, where in zip(self.stored, self.wheres, strict=True):
            try:
                _opened(data, where, decode=False)
            except InputError as error:
                messages.append(str(error))
        return messages

    def read(self) -> Iterator[bytes]:
        """The encoded bytes of each image."""
        return (data.read_bytes() if isinstance(data, Path) else data for data in self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    @overload
    def __getitem__(self, place: int) -> Image: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Image]: ...

    def __getitem__(self, place: int | slice) -> Image | Sequence[Image]:
        if isinstance(place, slice):
            return Pictures(self.stored[place], self.wheres[place])
        return decode_image(self.stored[place], self.wheres[place])

    def __iter__(self) -> Iterator[Image]:
        return (decode_image(data, where) for data, where in zip(self.stored, self.wheres, strict=True))


def digest_with_pictures(items: Iterable[tuple[str, Pictures]]) -> str:
    """SHA-256 over the text of each item and the bytes of its images.

    Raises
    ------
    InputError
        Headers of images show that they cannot be used; the first faults are all reported.
    """
    whole = hashlib.sha256()
    faults: list[str] = []
    for text, pictures in items:
        faults += pictures.faults()
        whole.update(text.encode())
        for data in pictures.read():  # a digest each, so that it counts where one image ends
            whole.update(hashlib.sha256(data).digest())
    raise_faults(faults)
    return whole.hexdigest()


def decode_image(data: Stored, where: str) -> Image:
    """Decode one image to RGB, upright where its EXIF data say how.

    Raises
    ------
    InputError
        It cannot be read, is smaller than `MIN_SIDE` on a side, or has more than `MAX_PIXELS` pixels.
    """
    return _opened(data, where, decode=True)


def stored_image(value: object, folder: Path | None, where: str) -> Stored:
    """What a table holds of an image: ``{"bytes", "path"}`` as Hub datasets store it, bytes, or a path.

    Parameters
    ----------
    value
        The cell.
    folder
        Where paths begin.
    where
        For messages.

    Raises
    ------
    InputError
        There is neither, or no such file.
    """
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if not isinstance(value, str) or not value:
        raise InputError(f"{where}: holds no image but {type(value).__name__}; accepted are bytes and a path")
    path = (folder or Path()) / value
    if not path.is_file():
        raise InputError(f"{where}: no such image: {value!r}")
    return path


def _opened(data: Stored, where: str, *, decode: bool) -> Image:
    from PIL import Image, ImageOps

    try:
        with Image.open(data if isinstance(data, Path) else io.BytesIO(data)) as image:
            width, height = image.size
            if not _is_usable(width, height):
                raise InputError(_size_fault(where, width, height))
            return ImageOps.exif_transpose(image).convert("RGB") if decode else image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{where}: the image is too large ({error}); at most {MAX_PIXELS} pixels") from error
    except InputError:
        raise
    # Pillow raises a SyntaxError for a broken PNG, and what its decoders raise for data that are cut
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error) as error:
        raise InputError(f"{where}: not a readable image ({_plain(error)})") from error


def _plain(error: Exception) -> str:
    """Pillow's message; that for bytes names an address in memory, which says nothing."""
    return "no known image format" if "BytesIO" in str(error) else str(error)


def _is_usable(width: int, height: int) -> bool:
    return min(width, height) >= MIN_SIDE and width * height <= MAX_PIXELS


def _size_fault(where: str, width: int, height: int) -> str:
    limits = f"each side at least {MIN_SIDE}, at most {MAX_PIXELS // 10**6} million pixels"
    return f"{where}: the image has {width} x {height} pixels; accepted is {limits}"
