"""A task of one's own: a folder of images and items.jsonl."""

from __future__ import annotations

import json
import shutil

import pytest

from tasktransfer.errors import InputError
from tasktransfer.tasks.open_task import open_task
from tasktransfer.tasks.own.folder import read_folder_task

Image = pytest.importorskip("PIL.Image", reason="images need Pillow")

GOOD = {"id": "1", "images": ["a.png"], "question": "Which?", "choices": ["x", "y"], "answer": "B"}

OPEN = {"id": "1", "images": ["a.png"], "question": "How many?", "answer": "3"}


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "a.png")
    return tmp_path


def write(folder, *rows):
    (folder / "items.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return folder


def test_items_come_in_the_order_of_the_file(folder):
    rows = [GOOD | {"id": f"i{n}", "split": "test" if n % 3 else "train"} for n in range(9)]
    task = read_folder_task(write(folder, *rows))
    assert [item.id for item in task.draw("test", 4)] == ["i1", "i2", "i4", "i5"]
    item = task.draw("train", 1)[0]
    assert (item.letters, item.answer, item.images[0].size) == ("AB", "B", (8, 8))


def test_without_splits_a_quarter_is_the_test_whatever_the_order(folder):
    rows = [GOOD | {"id": f"i{n}"} for n in range(12)]
    first = read_folder_task(write(folder, *rows))
    second = read_folder_task(write(folder, *reversed(rows)))
    test = {item.id for item in first.draw("test", 3)}
    assert test == {item.id for item in second.draw("test", 3)}
    assert not test & {item.id for item in first.draw("train", 9)}
    with pytest.raises(InputError, match="has 3 items of split 'test', 4 are asked for"):
        first.draw("test", 4)


def test_identity_is_the_content_of_the_items_asked_for(folder, tmp_path_factory):
    rows = [GOOD | {"id": f"i{n}", "split": ("train", "test")[n % 2]} for n in range(8)]
    task = open_task("mine", str(write(folder, *rows)))
    moved = shutil.copytree(folder, tmp_path_factory.mktemp("moved") / "there")
    assert open_task("mine", str(moved)).digest("test", 2) == task.digest("test", 2)
    assert task.digest("test", 2) != task.digest("test", 3)
    write(moved, *rows[:-1], rows[-1] | {"answer": "A"})
    again = open_task("mine", str(moved))
    assert again.digest("train", 4) == task.digest("train", 4)
    assert again.digest("test", 4) != task.digest("test", 4)


def test_an_item_names_its_scorer(folder):
    rows = [OPEN | {"id": f"i{n}", "split": "test", "scorer": "number:0.1"} for n in range(2)]
    task = read_folder_task(write(folder, *rows))
    assert [item.scorer for item in task.draw("test", 2)] == ["number:0.1"] * 2
    scored = task.digest("test", 2)
    plain = read_folder_task(write(folder, *(OPEN | {"id": row["id"], "split": "test"} for row in rows)))
    assert plain.digest("test", 2) != scored
    assert plain.draw("test", 1)[0].scorer == ""


def test_what_items_share_is_known_and_moves_no_digest(folder):
    rows = [GOOD | {"id": f"i{n}", "split": "test"} for n in range(3)]
    plain = open_task("mine", str(write(folder, *rows)))
    assert plain.clusters("test", 3) == {}
    shared = [row | {"cluster": room} for row, room in zip(rows, ("a", "a", "b"), strict=True)]
    task = open_task("mine", str(write(folder, *shared)))
    assert task.clusters("test", 3) == {"i0": "a", "i1": "a", "i2": "b"}
    assert task.digest("test", 3) == plain.digest("test", 3)


def test_a_folder_asked_openly(folder):
    write(folder, *(GOOD | {"id": f"i{n}", "choices": ["red", "blue"], "split": "test"} for n in range(3)))
    task = open_task("mine (open)", str(folder))
    assert [(item.answer, item.choices, item.scorer) for item in task.draw("test", 2)] == [
        ("blue", (), "text")
    ] * 2
    write(folder, GOOD | {"choices": ["point A", "point B"], "split": "test"})
    with pytest.raises(InputError, match=r"task 'mine \(open\)': item '1' cannot be asked openly"):
        open_task("mine (open)", str(folder)).digest("test", 1)


FAULTS = {
    "not JSON": ("{", "line 1: not JSON"),
    "not an object": ("[1]", "line 1: not a JSON object"),
    "unknown key": (GOOD | {"anser": "B"}, "unknown key 'anser' (did you mean 'answer'?)"),
    "no question": ({k: v for k, v in GOOD.items() if k != "question"}, "'question' must be a text"),
    "no such image": (GOOD | {"images": ["b.png"]}, "no such image: 'b.png'"),
    "images as text": (GOOD | {"images": "a.png"}, "'images' must be a list of texts"),
    "answer beyond the choices": (GOOD | {"answer": "C"}, "'answer' is 'C'; with 2 choices it is one of 'A', 'B'"),
    "answer as option text": (GOOD | {"answer": "x"}, "'answer' is 'x'"),
    "unknown scorer": (OPEN | {"scorer": "numbr"}, "line 1: 'scorer': unknown scorer 'numbr' (did you mean"),
    "scorer as number": (OPEN | {"scorer": 3}, "'scorer' must be a text, not 3"),
    "no number": (OPEN | {"answer": "red", "scorer": "mra"}, "'answer': 'red' is no number, as scorer"),
    "option that is no number": (GOOD | {"scorer": "number"}, "'choices': 'x' is no number"),
    "video as text": (GOOD | {"is_video": "false"}, "'is_video' is 'false'; accepted are true and false"),
    "more choices than letters": (
        GOOD | {"choices": [f"c{n}" for n in range(30)]},
        "has 30 choices; at most 26 have a letter",
    ),
    "cluster without name": (GOOD | {"cluster": ""}, "'cluster' must be a text that is not empty"),
    "cluster as number": (GOOD | {"cluster": 3}, "'cluster' must be a text"),
    "unknown split": (GOOD | {"split": "val"}, "'split' is 'val'; accepted are train and test"),
}  # fmt: skip


@pytest.mark.parametrize(("row", "told"), FAULTS.values(), ids=FAULTS)
def test_a_wrong_line_is_refused(folder, row, told):
    (folder / "items.jsonl").write_text(row if isinstance(row, str) else json.dumps(row))
    with pytest.raises(InputError) as caught:
        read_folder_task(folder)
    assert told in str(caught.value)


def test_other_line_signs_and_a_mark_of_order_are_no_fault(folder):
    rows = [GOOD | {"id": f"i{n}", "question": "Which\u2028one?\x85", "split": "test"} for n in range(2)]
    text = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "items.jsonl").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert [item.question for item in read_folder_task(folder).draw("test", 2)] == ["Which\u2028one?\x85"] * 2


def test_wrong_files_are_refused(folder):
    with pytest.raises(InputError, match=r"a task is a folder with items.jsonl"):
        read_folder_task(folder)
    with pytest.raises(InputError, match="holds no items"):
        read_folder_task(write(folder))
    with pytest.raises(InputError, match="id '1' stands there twice"):
        read_folder_task(write(folder, GOOD, GOOD))
    with pytest.raises(InputError, match="some items name a split and some do not"):
        read_folder_task(write(folder, GOOD, GOOD | {"id": "2", "split": "test"}))
    with pytest.raises(InputError, match="some items name a cluster and some do not"):
        read_folder_task(write(folder, GOOD, GOOD | {"id": "2", "cluster": "room"}))
    (folder / "a.png").write_text("no image")
    with pytest.raises(InputError, match="not a readable image"):
        read_folder_task(write(folder, *(GOOD | {"id": str(n)} for n in range(4)))).digest("test", 1)


def own_task(split, n_items, *, seed):
    from tasktransfer.tasks.item import Item

    return [Item(f"{split}{seed}-{n}", (), "Which?", ("x", "y"), "A") for n in range(n_items)]


def test_a_function_is_a_task():
    task = open_task("mine", f"{__name__}:own_task", seed=3)
    assert [item.id for item in task.draw("test", 2)] == ["test3-0", "test3-1"]
    assert task.digest("test", 2) != task.digest("train", 2)
    with pytest.raises(InputError, match="cannot be imported"):
        open_task("mine", "nowhere.at.all:task")
    with pytest.raises(InputError, match="cannot be imported"):
        open_task("mine", "a..b:task")
    with pytest.raises(InputError, match="did you mean 'toy_jigsaw'"):
        open_task("toy_jigsow")
