"""A folder that holds a public data set as it is published.

Everything a builder reads goes through here, so that unreadable files are counted, sizes are bounded, and what was
read has a digest. Paths are relative to the folder and written with ``/`` on every system.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from tasktransfer.errors import InputError, quoted

__all__ = ["IMAGE_SUFFIXES", "LARGEST", "Source", "UnreadableImageError"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".webp", ".bmp", ".thumb")
LARGEST = 100_000_000  # pixels: a larger picture is a mistake or an attack
SMALLEST = 16  # pixels a side: nothing can be asked about less


class UnreadableImageError(Exception):
    """A picture of the source cannot be used; it has been counted."""


class Source:
    """Reads a source folder and remembers what was read.

    Parameters
    ----------
    root
        The folder.
    what
        Name of the data set, for messages.
    layout
        One line that says which files are looked for.

    Raises
    ------
    InputError
        `root` is not a folder.
    """

    def __init__(self, root: Path, what: str, layout: str) -> None:
        self.root, self.what, self.layout = root, what, layout
        self.unreadable: dict[str, str] = {}
        self.annotations: dict[str, str] = {}
        if not root.is_dir():
            raise InputError(f"{root}: no such folder; it should hold {what} ({layout})")

    def find(self, *names: str) -> str:
        """The first of these files or folders that is there.

        Raises
        ------
        InputError
            None is; says what was looked for, where.
        """
        for name in names:
            if (self.root / name).exists():
                return name
        there = sorted(path.name for path in self.root.iterdir() if not path.name.startswith("."))
        looked = " or ".join(repr(name) for name in names)
        held = quoted(there) if there else "nothing"
        raise self.wrong(f"has no {looked}; it holds {held}")

    def wrong(self, fault: str) -> InputError:
        """The error for a folder that is not this data set."""
        return InputError(f"{self.root}: {fault}. Expected {self.what}: {self.layout}")

    def folders(self, name: str = ".") -> list[str]:
        """Sub-folders by name."""
        place = self.root / name
        paths = [path for path in place.iterdir() if path.is_dir()] if place.is_dir() else []
        return sorted(self._relative(path) for path in paths if not path.name.startswith("."))

    def images(self, name: str = ".", *, deep: bool = False) -> list[str]:
        """Image files of a folder by name."""
        paths = (self.root / name).rglob("*") if deep else (self.root / name).glob("*")
        return sorted(self._relative(path) for path in paths if path.suffix.lower() in IMAGE_SUFFIXES)

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return (self.root / name).is_file()

    def json(self, name: str) -> Any:
        """A JSON file."""
        try:
            return json.loads(self._annotation(name))
        except ValueError as error:
            raise InputError(f"{self.root / name}: not JSON ({error})") from error

    def json_lines(self, name: str) -> Iterator[dict[str, Any]]:
        """The objects of a file with one JSON object a line."""
        # JSON text may hold U+2028, which `splitlines` takes for the end of a line
        for number, line in enumerate(self._annotation(name).split("\n"), start=1):
            if line.strip():
                try:
                    yield dict(json.loads(line))
                except (ValueError, TypeError) as error:
                    raise InputError(f"{self.root / name}, line {number}: not a JSON object ({error})") from error

    def lines(self, name: str) -> list[str]:
        """The lines of a text file that are not empty."""
        return [line.strip() for line in self._annotation(name).splitlines() if line.strip()]

    def table(self, name: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
        """The rows of a CSV file with a header.

        Raises
        ------
        InputError
            A column is missing.
        """
        reader = csv.DictReader(
            io.StringIO(self._annotation(name), newline="")
        )  # quoted fields may hold line breaks
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            held = quoted(reader.fieldnames or ())
            raise InputError(f"{self.root / name}: has no column {quoted(missing)}; its columns are {held}")
        return [row for row in reader if None not in row.values()]

    def note(self, name: str) -> None:
        """Count a file among the annotations, for the digest."""
        self.annotations[name] = hashlib.sha256((self.root / name).read_bytes()).hexdigest()

    def image(self, name: str) -> Image.Image:
        """A picture as RGB, without what the file says besides its pixels.

        Raises
        ------
        UnreadableImageError
            Missing, broken, or of an impossible size; it has been counted.
        """
        if name in self.unreadable:
            raise UnreadableImageError(name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # odd metadata; size is checked here
                with Image.open(self.root / name) as file:
                    width, height = file.size
                    if width * height > LARGEST or min(width, height) < SMALLEST:
                        raise OSError(f"{width} x {height} pixels")
                    image = file.convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            self.unreadable[name] = str(error) or type(error).__name__
            raise UnreadableImageError(name) from error
        image.info = {}  # Pillow would write some of it again when it saves, such as comments
        return image

    def try_image(self, name: str) -> Image.Image | None:
        """A picture, or None where it cannot be used."""
        try:
            return self.image(name)
        except UnreadableImageError:
            return None

    def image_digest(self, name: str) -> str:
        """SHA-256 of a file."""
        return hashlib.sha256((self.root / name).read_bytes()).hexdigest()

    def _annotation(self, name: str) -> str:
        try:
            data = (self.root / name).read_bytes()
            self.annotations[name] = hashlib.sha256(data).hexdigest()
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.root / name}: not UTF-8 text (byte {error.start})") from error
        except OSError as error:
            raise InputError(f"{self.root / name}: cannot be read ({error.strerror})") from error

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()
