"""What identifies items with their pictures stays what it is: finished studies are found by it."""

from __future__ import annotations

import json

import pytest

from tasktransfer.errors import InputError
from tasktransfer.tasks.own.folder import read_folder_task
from tasktransfer.tasks.own.tables import Columns, read_table

pytest.importorskip("PIL.Image", reason="images need Pillow")

ROWS = [
    {
        "id": f"i{n}",
        "images": ["a.ppm", "b.ppm"][: n + 1],
        "question": "Which?",
        "choices": ["x", "y"],
        "answer": "B",
    }
    for n in range(2)
]


@pytest.fixture
def folder(tmp_path):
    for name, shade in (("a", 9), ("b", 200)):
        (tmp_path / f"{name}.ppm").write_bytes(b"P6 4 4 255\n" + bytes([shade] * 48))
    text = "".join(json.dumps(row | {"split": "test"}) + "\n" for row in ROWS)
    (tmp_path / "items.jsonl").write_text(text)
    return tmp_path


def table(folder):
    columns = Columns(question="question", answer="answer", choices="choices", id="id", images=("images",))
    return read_table([folder / "items.jsonl"], columns)


def test_digests_of_folders_and_tables_have_not_moved(folder):
    assert (
        read_folder_task(folder).digest("test", 2)
        == "ebe60314467e536bfdf05670ba076fcdfac20e21c2f47a42b7668bfa8105b46b"
    )
    assert table(folder).digest(2) == "036f869d897b7c853102e4f67861a1c7dd2185762625ac1da3eac0d35a1b8421"


def test_a_column_says_what_items_share_and_moves_no_digest(folder):
    text = "".join(json.dumps(row | {"scene": 7}) + "\n" for row in ROWS)
    (folder / "items.jsonl").write_text(text)
    columns = Columns(
        question="question", answer="answer", choices="choices", id="id", images=("images",), cluster="scene"
    )
    found = read_table([folder / "items.jsonl"], columns)
    assert [item.cluster for item in found.draw(2)] == ["7", "7"]
    assert found.digest(2) == table(folder).digest(2)
    (folder / "items.jsonl").write_text(text.replace("7", "null"))
    with pytest.raises(InputError, match="'scene' is empty"):
        read_table([folder / "items.jsonl"], columns)


def test_pictures_that_cannot_be_used_are_all_told(folder):
    for name in ("a", "b"):
        (folder / f"{name}.ppm").write_bytes(b"P6 2 2 255\n" + bytes(12))
    for digest in (lambda: read_folder_task(folder).digest("test", 2), lambda: table(folder).digest(2)):
        with pytest.raises(InputError) as caught:
            digest()
        assert len(str(caught.value).splitlines()) == 3
