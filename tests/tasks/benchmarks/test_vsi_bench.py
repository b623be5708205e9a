"""VSI-Bench's questions and videos as released."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from tasktransfer.errors import InputError
from tasktransfer.tasks.benchmarks.vsi_bench import VSI_REPO, VSI_TASKS
from tasktransfer.tasks.open_task import missing, open_task
from tasktransfer.tasks.video_frames import Frames, Video, frame_indices
from tests.tasks.released import SCENES, VSI_COUNTS, vsi_rows, write_training, write_vsi

pytest.importorskip("PIL.Image", reason="images need Pillow")

HAS_PYAV = importlib.util.find_spec("av") is not None
needs_pyav = pytest.mark.skipif(not HAS_PYAV, reason="decoding a video needs PyAV (extra `video`)")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vsi")
    write_vsi(folder)
    return folder


def test_the_tasks_hold_all_questions_once(copy):
    """2490 with options and 2640 with numbers, as published; the three levels of direction are in two places."""
    assert sum(VSI_COUNTS.values()) == 5130
    single = {name: kinds for name, kinds in VSI_TASKS.items() if len(kinds) == 1}
    assert {kind for kinds in single.values() for kind in kinds} == set(VSI_COUNTS)
    for name, (kind,) in single.items():
        task = open_task(name, data=copy)
        assert task.available("test") == VSI_COUNTS[kind]
        assert all(f" {kind} " in item.question for item in task.draw("test", 10_000))


def test_numbers_and_choices(copy):
    number = open_task("vsi_room_size_estimation", data=copy).draw("test", 1)[0]
    assert (number.choices, number.scorer, number.is_video) == ((), "mra", True)
    row = next(row for row in vsi_rows() if row["question_type"] == "room_size_estimation")
    assert number.answer == row["ground_truth"]
    assert row["question"] in number.question
    strict = open_task("vsi_room_size_estimation", data=copy, strict=True)
    assert strict.draw("test", 1)[0].scorer == "mra-strict"
    assert strict.digest("test", 9) != open_task("vsi_room_size_estimation", data=copy).digest("test", 9)
    choice = open_task("vsi_route_planning", data=copy).draw("test", 1)[0]
    assert (choice.choices, choice.scorer) == (("thing a", "thing b", "thing c"), "")


def test_items_of_one_scene_are_one_cluster(copy):
    for name in ("vsi_route_planning", "vsi_obj_appearance_order (open)"):
        task = open_task(name, data=copy)
        clusters = task.clusters("test", 20)
        scene = {str(row["id"]): f"{row['dataset']}/{row['scene_name']}" for row in vsi_rows()}
        assert len(clusters) == 20
        assert clusters == {item: scene[item] for item in clusters}
        assert len(set(clusters.values())) < 20


def test_the_mean_over_direction_items_is_the_mean_of_the_three_levels(copy):
    """Whatever an answerer gets right on a level: the oracle is the mean of three accuracies."""
    task = open_task("vsi_object_rel_direction", data=copy)
    assert task.available("test") == 3 * 217
    right = {2: Fraction(200, 217), 3: Fraction(100, 217), 4: Fraction(20, 217)}  # options tell the level
    left = {level: int(share * 217) for level, share in right.items()}
    correct = 0
    for item in task.draw("test", 10_000):
        level = len(item.choices)
        correct += left[level] > 0
        left[level] -= left[level] > 0
    assert Fraction(correct, 651) == sum(right.values()) / 3
    first = Counter(len(item.choices) for item in task.draw("test", 60))
    assert first == {2: 20, 3: 20, 4: 20}
    assert {item.id for item in task.draw("test", 60)} < {item.id for item in task.draw("test", 600)}


def test_frames_are_taken_by_one_rule():
    """Against the rule written out: floor(i (N - 1) / (n - 1))."""
    for n_total, n_frames in ((32, 32), (100, 8), (1799, 32), (7, 32)):
        taken = min(n_total, n_frames)
        assert frame_indices(n_total, n_frames) == tuple(i * (n_total - 1) // (taken - 1) for i in range(taken))
    assert frame_indices(5, 1) == (0,)
    assert frame_indices(1, 4) == (0,)


def test_extracted_frames_are_in_the_order_of_their_numbers(copy, tmp_path):
    item = open_task("vsi_object_counting", data=copy, frames=3).draw("test", 1)[0]
    assert (len(item.images), item.images.indices) == (3, (0, 2, 4))
    assert [image.size for image in item.images] == [(32, 24)] * 3
    from PIL import Image

    for n in (10, 9, 2):
        Image.new("RGB", (8, 8), (n, n, n)).save(tmp_path / f"frame_{n}.png")
    assert [image.getpixel((0, 0))[0] for image in Frames(Video(tmp_path), 3)] == [2, 9, 10]


def write_video(path, n_frames):
    """Frame k is grey of level 20 k."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for k in range(n_frames):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 20 * k, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@needs_pyav
def test_a_video_gives_the_frames_of_the_rule(tmp_path):
    write_video(tmp_path / "a.mp4", 12)
    frames = Frames(Video(tmp_path / "a.mp4"), 4)
    assert frames.indices == (0, 3, 7, 11)
    assert [round(np.asarray(image).mean() / 20) for image in frames] == [0, 3, 7, 11]
    with zipfile.ZipFile(tmp_path / "scannet.zip", "w") as archive:
        archive.write(tmp_path / "a.mp4", "scannet/a.mp4")
    packed = Frames(Video(tmp_path / "scannet.zip", "scannet/a.mp4"), 4)
    assert [image.tobytes() for image in packed] == [image.tobytes() for image in frames]


@needs_pyav
def test_a_damaged_video_is_named(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video at all")
    with pytest.raises(InputError, match=r"a\.mp4: not a readable video"):
        list(Frames(Video(tmp_path / "a.mp4"), 4))


@pytest.mark.skipif(HAS_PYAV, reason="PyAV is installed")
def test_without_pyav_the_extra_is_named(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"video")
    with pytest.raises(InputError, match=r"pip install 'tasktransfer\[video\]', or lay the frames of each scene"):
        list(Frames(Video(tmp_path / "a.mp4"), 4))


def test_videos_are_found_in_archives_and_missed_by_name(copy, tmp_path):
    (tmp_path / "test.jsonl").write_bytes((copy / "test.jsonl").read_bytes())
    task = open_task("vsi_route_planning", data=tmp_path)
    command = f"hf download nyu-visionx/VSI-Bench --repo-type dataset --revision {VSI_REPO.revision} --local-dir"
    with pytest.raises(InputError, match=command):
        task.draw("test", 3)
    for dataset, scene in SCENES:
        with zipfile.ZipFile(tmp_path / f"{dataset}.zip", "w") as archive:
            archive.writestr(f"{dataset}/{scene}.mp4", b"video")
    assert [item.images.video.member for item in task.draw("test", 3)]
    first = task.digest("test", 9)
    with zipfile.ZipFile(tmp_path / "scannet.zip", "w") as archive:
        archive.writestr(f"scannet/{SCENES[1][1]}.mp4", b"other")
    assert open_task("vsi_route_planning", data=tmp_path).digest("test", 9) != first
    (tmp_path / "scannet.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"scannet\.zip: not a readable zip archive"):
        open_task("vsi_route_planning", data=tmp_path, frames=7).digest("test", 9)


def test_what_is_missing_is_told(copy, tmp_path):
    assert missing("vsi_route_planning", data=copy, splits=["test"]) is None
    told = missing("vsi_route_planning", data=tmp_path, splits=["test"])
    assert "hf download nyu-visionx/VSI-Bench test.jsonl arkitscenes.zip scannet.zip scannetpp.zip" in told
    write_vsi(tmp_path)
    for file in (tmp_path / "scannet" / SCENES[1][1]).iterdir():
        file.unlink()
    (tmp_path / "scannet" / SCENES[1][1]).rmdir()
    (tmp_path / "scannet").rmdir()
    assert "has no scannet.zip" in missing("vsi_route_planning", data=tmp_path, splits=["test"])
    assert "VSI-Bench has none; name a folder of your own" in missing("vsi_route_planning", data=copy)
    folder = write_training(tmp_path / "train")
    assert open_task("vsi_route_planning", training=folder).draw("train", 2)[1].answer == "B"


def set_cell(kind, **cells):
    return lambda rows: next(row for row in rows if row["question_type"] == kind).update(cells)


FAULTS = {
    "an answer outside the options": (set_cell("route_planning", ground_truth="D"), "the answer is 'D', which"),
    "no number": (set_cell("room_size_estimation", ground_truth="big"), "the answer is 'big', which is no number"),
    "no options": (set_cell("route_planning", options=None), "route_planning lacks options"),
    "options for a number": (set_cell("room_size_estimation", options=["A. 1"]), "estimation has options"),
    "options without letters": (
        set_cell("route_planning", options=["left", "B. right"], ground_truth="A"),
        "the options 'left' do not begin with their letters",
    ),
    "an item left out": (lambda rows: rows.pop(4400), "has 193 items of route_planning; VSI-Bench has 194"),
    "an item twice": (set_cell("route_planning", id=4400), "item 4400 stands there twice"),
    "a column left out": (lambda rows: rows[0].pop("options"), "line 1: no 'options'. Its keys are 'id'"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "told"), FAULTS.values(), ids=FAULTS)
def test_a_wrong_row_is_named(tmp_path, change, told):
    rows = vsi_rows()
    assert rows[4400]["question_type"] == "route_planning"
    change(rows)
    (tmp_path / "test.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    kind = "room_size_estimation" if "estimation" in told or "number" in told else "route_planning"
    with pytest.raises(InputError) as caught:
        open_task(f"vsi_{kind}", data=tmp_path).draw("test", 1)
    assert told in str(caught.value)


def test_a_table_cut_short_is_told(copy, tmp_path):
    (tmp_path / "test.jsonl").write_text((copy / "test.jsonl").read_text()[:5000])
    with pytest.raises(InputError, match=r"not JSON, cut short perhaps"):
        open_task("vsi_route_planning", data=tmp_path).draw("test", 1)
