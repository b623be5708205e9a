"""A Hub dataset, or tables in a folder, with its columns named."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from tasktransfer.errors import InputError
from tasktransfer.tasks.open_task import missing, open_task
from tasktransfer.tasks.own.hub_dataset import HubDataset
from tests.tasks.released import IMAGE, picture

pytest.importorskip("PIL.Image", reason="images need Pillow")

COLUMNS = {"id": "key", "question": "query", "images": ["photo"], "choices": "options", "answer": "label"}
SCHEMA = pa.schema(
    [("key", pa.string()), ("query", pa.string()), ("photo", IMAGE), ("options", pa.list_(pa.string())),
     ("label", pa.string())]
)  # fmt: skip


def rows(n_rows, answer=lambda n: "ABC"[n % 3], start=0):
    rng = random.Random(start)
    return [
        {
            "key": f"k{start + n}", "query": f"Which of {start + n}?",
            "photo": {"bytes": picture(rng), "path": None},
            "options": ["red", "green", "blue"], "label": answer(n),
        }
        for n in range(n_rows)
    ]  # fmt: skip


def write(path, table, schema=SCHEMA):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(table, schema=schema), path)


def dataset(folder, **keys):
    return HubDataset.model_validate({"dataset": str(folder), "columns": COLUMNS} | keys)


@pytest.fixture
def folder(tmp_path):
    for part in range(2):
        write(tmp_path / "data" / f"train-{part:05d}-of-00002.parquet", rows(40, start=40 * part))
    write(tmp_path / "data" / "validation-00000-of-00001.parquet", rows(9, start=500))
    return tmp_path


def test_shards_are_one_split_in_their_order(folder):
    task = open_task("mine", dataset(folder, splits={"train": "train", "test": "validation"}))
    assert (task.available("train"), task.available("test")) == (80, 9)
    items = task.draw("train", 60)
    assert [item.id for item in items] == [f"k{n}" for n in range(60)]
    assert (items[50].question, items[50].choices) == ("Which of 50?", ("red", "green", "blue"))
    assert items[50].answer == "ABC"[10 % 3]
    rng = random.Random(40)
    wanted = [picture(rng) for _ in range(11)][10]
    assert items[50].images.stored == (wanted,)
    with pytest.raises(InputError, match="has 9 items, 10 are asked for"):
        task.draw("test", 10)
    with pytest.raises(InputError, match="has 9 items, 10 are asked for"):
        task.digest("test", 10)


READINGS = {
    "letters": (None, lambda n: "ABC"[n % 3]),
    "letters in parentheses": (None, lambda n: f"({'abc'[n % 3]})"),
    "numbers of options": (None, lambda n: str(n % 3)),
    "texts of options": (None, lambda n: ["red", "green", "blue"][n % 3]),
    "letters, said": ("letter", lambda n: "ABC"[n % 3]),
}


@pytest.mark.parametrize(("told", "answer"), READINGS.values(), ids=READINGS)
def test_answers_are_letters_numbers_or_texts(tmp_path, told, answer):
    write(tmp_path / "test.parquet", rows(9, answer))
    task = open_task("mine", dataset(tmp_path, answers=told))
    assert "".join(item.answer for item in task.draw("test", 9)) == "ABCABCABC"


def test_an_answer_that_can_be_read_twice_has_to_be_explained(tmp_path):
    table = [row | {"options": ["2", "0", "1"]} for row in rows(6, lambda n: str(n % 3))]
    write(tmp_path / "test.parquet", table)
    with pytest.raises(InputError) as caught:
        open_task("mine", dataset(tmp_path)).draw("test", 1)
    assert "item k0: the answer '0' to '2', '0', '1' can be read as index and as text" in str(caught.value)
    by_text = open_task("mine", dataset(tmp_path, answers="text")).draw("test", 3)
    assert [item.answer for item in by_text] == ["B", "C", "A"]
    by_index = open_task("mine", dataset(tmp_path, answers="index")).draw("test", 3)
    assert [item.answer for item in by_index] == ["A", "B", "C"]


def test_tables_of_text_name_their_images(tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture(random.Random(0)))
    lines = [{"q": f"How many {n}?", "pics": ["a.jpg", "a.jpg"], "a": n} for n in range(3)]
    (tmp_path / "dev.jsonl").write_text("\n".join(map(json.dumps, lines)))
    columns = {"question": "q", "images": ["pics"], "answer": "a"}
    source = HubDataset.model_validate(
        {"dataset": str(tmp_path), "columns": columns, "splits": {"test": "dev"}, "scorer": "number"}
    )
    item = open_task("mine", source).draw("test", 3)[2]
    assert (item.id, item.answer, item.choices, item.scorer) == ("test-000002", "2", (), "number")
    assert [image.size for image in item.images] == [(24, 20)] * 2
    (tmp_path / "dev.csv").write_text('q,pic,x,y,a\n"Which, of two?",a.jpg,A. left,B. right,B\nOne?,a.jpg,1,0,A\n')
    columns = {"question": "q", "images": ["pic"], "choices": ["x", "y"], "answer": "a"}
    source = HubDataset.model_validate(
        {"dataset": str(tmp_path), "columns": columns, "splits": {"test": "dev.csv"}}
    )
    first, second = open_task("mine", source).draw("test", 2)
    assert (first.question, first.choices, first.answer) == ("Which, of two?", ("left", "right"), "B")
    assert second.choices == ("1", "0")
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(InputError, match=r"dev\.csv, item test-000000, pic: no such image: 'a\.jpg'"):
        open_task("mine", source).draw("test", 1)


def test_a_config_is_a_folder_or_the_beginning_of_a_name(tmp_path):
    write(tmp_path / "easy" / "test-00000-of-00001.parquet", rows(3))
    write(tmp_path / "hard" / "test-00000-of-00001.parquet", rows(5))
    write(tmp_path / "odd_test.parquet", rows(7))
    for config, n_items in (("easy", 3), ("hard", 5), ("odd", 7)):
        assert open_task("mine", dataset(tmp_path, config=config)).available("test") == n_items
    with pytest.raises(
        InputError, match="has no file of split 'test' in config 'eazy'; its tables are 'easy/test-"
    ):
        open_task("mine", dataset(tmp_path, config="eazy")).available("test")


def wrong(n, **cells):
    return [row | cells if place == n else row for place, row in enumerate(rows(9))]


FAULTS = {
    "outside the options": (
        wrong(4, label="D"), "item k4: the answer is 'D', which is no letter, number or text of its options"),
    "read otherwise": (wrong(4, label="red"), "item k4: the answer is 'red', which is no letter of its options"),
    "no answer": (wrong(4, label=""), "row 5, item k4: the answer is empty"),
    "one option": (wrong(4, options=["red"]), "row 5, item k4: has one option only"),
    "an empty option": (wrong(4, options=["red", ""]), "row 5, item k4: option 'B' is empty"),
    "no question": (wrong(4, query=" "), "row 5, item k4: 'query' is empty"),
    "an id twice": (wrong(4, key="k1"), "id 'k1' stands there twice"),
    "no rows": ([], "holds no items"),
}  # fmt: skip


@pytest.mark.parametrize(("table", "told"), FAULTS.values(), ids=FAULTS)
def test_a_wrong_row_is_named(tmp_path, table, told):
    write(tmp_path / "test.parquet", table)
    with pytest.raises(InputError) as caught:
        open_task("mine", dataset(tmp_path)).draw("test", 1)
    assert told in str(caught.value)
    assert "test.parquet" in str(caught.value)


def test_columns_are_named_by_their_nearest(folder):
    columns = COLUMNS | {"question": "querry", "images": ["foto"]}
    with pytest.raises(InputError) as caught:
        open_task("mine", dataset(folder, columns=columns)).available("train")
    told = str(caught.value)
    assert "no column 'querry' (did you mean 'query'?); no column 'foto' (did you mean 'photo'?)" in told
    with pytest.raises(InputError, match="column 'photo' holds images; name it under 'images'"):
        open_task("mine", dataset(folder, columns=COLUMNS | {"question": "photo"})).available("train")
    with pytest.raises(ValidationError, match="qestion"):
        HubDataset.model_validate({"dataset": "a/b", "columns": {"qestion": "q", "answer": "a"}})


def test_an_image_that_is_none_is_named(tmp_path):
    write(tmp_path / "test.parquet", wrong(4, photo=None))
    task = open_task("mine", dataset(tmp_path))
    assert len(task.draw("test", 4)) == 4
    with pytest.raises(InputError, match="item k4: has no image in 'photo'"):
        task.draw("test", 5)
    write(tmp_path / "test.parquet", wrong(4, photo={"bytes": b"x", "path": None}))
    with pytest.raises(InputError, match="item k4, photo: not a readable image"):
        open_task("mine", dataset(tmp_path)).digest("test", 9)


def test_lost_shards_and_splits_are_told(folder):
    (folder / "data" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(InputError, match="not all shards of split 'train': 'data/train-00001-of-00002"):
        open_task("mine", dataset(folder)).available("train")
    with pytest.raises(InputError, match=r"has no file of split 'test'; its tables are 'data/train-00000"):
        open_task("mine", dataset(folder)).available("test")
    with pytest.raises(InputError, match="no 'test' under 'splits', which has 'train'"):
        open_task("mine", dataset(folder, splits={"train": "train"})).available("test")
    path = folder / "data" / "validation-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="not a readable parquet file, cut short perhaps"):
        open_task("mine", dataset(folder, splits={"test": "validation"})).available("test")


CHILD = """
import sys, json
from tasktransfer.errors import InputError
from tasktransfer.tasks.own.hub_dataset import HubDataset
from tasktransfer.tasks.open_task import missing, open_task
source = HubDataset.model_validate(json.loads(sys.argv[1]))
print(missing("mine", source, splits=["test"]))
print(open_task("mine", source).available("test"))
print(missing("mine", source, splits=["train"]))
try:
    open_task("mine", source).available("train")
except InputError as error:
    print(error)
"""


def test_the_hubs_cache_is_enough_where_the_files_are_in_it(tmp_path):
    pytest.importorskip("huggingface_hub", reason="the Hub's cache needs its client")
    commit = "1" * 40
    repo = tmp_path / "datasets--org--name"
    write(repo / "snapshots" / commit / "data" / "test-00000-of-00001.parquet", rows(5))
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    for revision in (None, commit):
        keys = {"dataset": "org/name", "revision": revision, "columns": COLUMNS}
        out = subprocess.run(
            [sys.executable, "-c", CHILD, json.dumps(keys)],
            env=os.environ | {"HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"},
            capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip
        command = "hf download org/name --repo-type dataset" + (f" --revision {commit}" if revision else "")
        assert out[:2] == ["None", "5"]
        assert out[2].startswith("org/name: the local Hub cache has no file of split 'train'")
        assert out[2].endswith(f"get it with: {command}")
        assert out[3].startswith("org/name: cannot be had from the Hub (")
        assert out[3].endswith(f"get it with: {command}")


ASK = """
import json, sys
from tasktransfer.errors import InputError
from tasktransfer.tasks.own.hub_dataset import HubDataset
from tasktransfer.tasks.open_task import open_task
try:
    open_task("mine", HubDataset.model_validate(json.loads(sys.argv[1]))).available("train")
except InputError as error:
    print(error)
"""


class NotThere(BaseHTTPRequestHandler):
    """A Hub that has nothing."""

    def do_GET(self):
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_a_hub_id_that_is_not_there_is_told(tmp_path):
    pytest.importorskip("huggingface_hub", reason="asking the Hub needs its client")
    server = ThreadingHTTPServer(("127.0.0.1", 0), NotThere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        env = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_CACHE": str(tmp_path)}
        out = subprocess.run(
            [sys.executable, "-c", ASK, json.dumps({"dataset": "org/nmae", "columns": COLUMNS})],
            env=os.environ | env | {"HF_HUB_OFFLINE": "0"}, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
    assert out.startswith("org/nmae: cannot be had from the Hub (404 Client Error")
    assert "get it with: hf download org/nmae --repo-type dataset" in out


def test_a_copy_is_read_like_the_repository(folder):
    source = HubDataset.model_validate({"dataset": "org/name", "columns": COLUMNS})
    assert open_task("mine", source, data=folder).available("train") == 80
    assert missing("mine", source, data=folder, splits=["train"]) is None
    told = missing("mine", source, data=folder)
    assert told.endswith(f"get it with: hf download org/name --repo-type dataset --local-dir {folder}")
