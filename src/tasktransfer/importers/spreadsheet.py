"""The first sheet of an ``.xlsx`` file as rows of text, by the standard library alone.

An ``.xlsx`` file is a zip of XML. Prediction tables use only its simplest part: one sheet, a header, cells of
text, numbers and truth values; dates and formats are not interpreted.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from tasktransfer.errors import InputError

__all__ = ["read_sheet"]

# a sign that XML cannot hold, such as _x000D_
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def read_sheet(path: Path) -> list[list[str]]:
    """Read the first sheet; missing cells are empty text, rows are as long as the longest.

    Raises
    ------
    InputError
        The file is missing or is no ``.xlsx`` file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sheets = [name for name in archive.namelist() if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", name)]
            # by length first: sheet10 comes after sheet2
            first = min(sheets, key=lambda name: (len(name), name))
            shared: list[str] = []
            if "xl/sharedStrings.xml" in archive.namelist():
                strings = ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))
                shared = [_text(entry) for entry in strings]
            rows = [dict(_cells(row, shared)) for row in _rows(archive.read(first))]
    except (zipfile.BadZipFile, zlib.error, ElementTree.ParseError, ValueError, IndexError, KeyError) as error:
        raise InputError(f"{path}: not a readable .xlsx file ({error}); the file may be incomplete") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    width = max((max(row) + 1 for row in rows if row), default=0)
    return [[row.get(column, "") for column in range(width)] for row in rows]


def _rows(xml: bytes) -> Iterator[ElementTree.Element]:
    return ElementTree.fromstring(xml).iterfind(".//{*}sheetData/{*}row")


def _text(entry: ElementTree.Element) -> str:
    """The text of a string, which may come in runs; phonetic readings are left out."""
    texts = [*entry.findall("{*}t"), *entry.findall("{*}r/{*}t")]
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), "".join(text.text or "" for text in texts))


def _cells(row: ElementTree.Element, shared: list[str]) -> Iterator[tuple[int, str]]:
    position = -1
    for cell in row.findall("{*}c"):
        place = cell.get("r")
        position = _column(place) if place else position + 1
        inline, value, formula = (cell.find(f"{{*}}{name}") for name in ("is", "v", "f"))
        if inline is not None:
            yield position, _text(inline)
        elif value is not None and cell.get("t") == "s":
            yield position, shared[int(value.text or "")]
        elif formula is not None and (value is None or not value.text):
            yield position, f"={formula.text or ''}"  # text that began with "=" when it was written
        elif value is not None:
            yield position, value.text or ""


def _column(place: str) -> int:
    """Position of a column by its letters: A1 is 0, AA1 is 26."""
    position = 0
    for letter in place.rstrip("0123456789"):
        position = position * 26 + ord(letter) - ord("A") + 1
    return position - 1
