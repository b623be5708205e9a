"""Each builder's answers, recomputed from the annotation or read back from the pictures."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import PurePosixPath

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy import ndimage

from tasktransfer.errors import InputError
from tasktransfer.tasks.builders import BUILDERS
from tasktransfer.tasks.builders.coco import overlap
from tasktransfer.tasks.builders.counting import other_counts
from tasktransfer.tasks.builders.marking import marked, marker_radius, outlined, scaled
from tasktransfer.tasks.builders.multi_view import turn
from tasktransfer.tasks.builders.source import Source
from tasktransfer.tasks.builders.visual_correspondence import training_share
from tests.tasks.builders.layouts import camera_at, matched_forensics, multi_illumination, picture
from tests.tasks.builders.reading_marks import marks_in


def drafts(task, folder, n, seed=0):
    builder = BUILDERS[task]
    source = Source(folder, builder.source, builder.layout)
    return source, list(islice(builder.draft(source, np.random.default_rng(seed)), n))


def same(first: Image.Image, second: Image.Image) -> bool:
    return first.size == second.size and np.array_equal(np.asarray(first), np.asarray(second))


def test_a_mark_lies_where_it_should_and_can_be_read_back():
    bare = picture(1, (400, 300))
    points = {"A": (60.0, 70.0), "B": (300.0, 250.0), "C": (385.0, 20.0), "REF": (150.0, 180.0)}
    image = marked(bare, points)
    found = marks_in(image, bare, tuple(points))
    assert found.keys() == points.keys()
    for name, (x, y) in points.items():
        assert np.hypot(found[name][0] - x, found[name][1] - y) <= 1
    centre = np.asarray(image)[70, 60]
    assert np.array_equal(centre, np.asarray(bare)[70, 60])  # the place itself is not covered
    assert marker_radius(bare) == 5
    assert same(bare, picture(1, (400, 300)))


def test_boxes_have_their_colours():
    image = np.asarray(
        outlined(Image.new("RGB", (100, 100), (9, 9, 9)), {"A": (10, 20, 60, 70), "B": (30, 30, 90, 95)})
    )
    assert tuple(image[45, 10]) == (255, 0, 0)
    assert tuple(image[60, 90]) == (0, 0, 255)


def test_art_style(sources):
    source, made = drafts("blink_art_style", sources("blink_art_style"), 9)
    seen = [file for draft in made for file in draft.files]
    assert len(seen) == len(set(seen))
    references = [PurePosixPath(draft.files[0]).parent.name for draft in made]
    assert sorted(references[:3]) == ["style_0", "style_1", "style_2"]
    for draft in made:
        for place in (0, 1):
            image, *options = draft.render(place).images
            styles = {name: PurePosixPath(name).parent.name for name in draft.files}
            right = [name for name in draft.files if same(source.image(name), options[place])]
            wrong = [name for name in draft.files if same(source.image(name), options[1 - place])]
            assert styles[right[0]] == styles[draft.files[0]] != styles[wrong[0]]
            assert same(image, source.image(draft.files[0]))


def test_counting(sources):
    folder = sources("blink_counting")
    source, made = drafts("blink_counting", folder, 99)
    rows = {row["image_sha256"]: row for row in pq.read_table(next(folder.glob("data/*.parquet"))).to_pylist()}
    counts = []
    for draft in made:
        row = rows[PurePosixPath(draft.files[0]).stem]
        assert row["label"] in draft.question
        for place in draft.places:
            image, choices = draft.render(place)
            assert choices[place] == str(row["count"])
            assert len(set(choices)) == 4
            assert min(map(int, choices)) >= 0
        assert same(image[0], source.image(draft.files[0]))
        counts.append(row["count"])
    assert set(counts[:9]) == set(range(2, 11))  # all alike often
    assert len(counts) == 27  # 30 pictures, of which three show 11


def test_other_counts_do_not_give_the_answer_away():
    rng = np.random.default_rng(0)
    ranks = [sum(other < 7 for other in other_counts(rng, 7)) for _ in range(400)]
    assert np.bincount(ranks, minlength=4).min() > 70
    assert all(len({0, *other_counts(rng, 0)}) == 4 for _ in range(50))


def test_a_picture_that_changed_since_is_not_counted(tmp_path, sources):
    import shutil

    shutil.copytree(sources("blink_counting"), tmp_path / "copy")
    rows = pq.read_table(next((tmp_path / "copy").glob("data/*.parquet"))).to_pylist()
    changed = (
        tmp_path / "copy" / "images" / f"{next(row['image_sha256'] for row in rows if row['count'] == 5)}.jpg"
    )
    picture(99).save(changed)
    source, made = drafts("blink_counting", tmp_path / "copy", 99)
    assert f"images/{changed.name}" not in [draft.files[0] for draft in made]
    assert source.unreadable[f"images/{changed.name}"] == "is not the picture that was annotated"


@pytest.mark.parametrize("layout", ["genimage", "matched"])
def test_forensics(layout, sources, tmp_path):
    folder = sources("blink_forensic_detection")
    if layout == "matched":
        matched_forensics(tmp_path)
        folder = tmp_path
    source, made = drafts("blink_forensic_detection", folder, 4)
    for draft in made:
        images, choices = draft.render(2)
        assert choices == ("the first image", "the second image", "the third image", "the fourth image")
        assert {image.size for image in images} == {(512, 512)}
        real = [name for name in draft.files if "nature" in name or name.startswith("real/")]
        assert len(real) == 1
        shrunk = [np.asarray(image.resize((32, 32)), float) for image in images]
        whole = source.image(real[0])
        margin = (whole.width - whole.height) // 2
        wanted = np.asarray(whole.crop((margin, 0, margin + whole.height, whole.height)).resize((32, 32)), float)
        assert int(np.argmin([np.abs(image - wanted).mean() for image in shrunk])) == 2
        if layout == "matched":
            assert len({PurePosixPath(name).stem for name in draft.files}) == 1
            assert len({PurePosixPath(name).parent for name in draft.files}) == 4


def check_points(task, source, draft, here, there, k):
    """REF is keypoint k of the first picture, the right letter keypoint k of the second."""
    bare = [scaled(source.image(name)) for name in draft.files]
    place = 3
    images, choices = draft.render(place)
    assert choices == ("point A", "point B", "point C", "point D")
    assert {image.height for image in images} == {1024}
    reference = marks_in(images[0], bare[0][0], ("REF",))["REF"]
    marks = marks_in(images[1], bare[1][0], tuple("ABCD"))
    assert len(marks) == 4, task
    nearest = [min(here, key=lambda i: np.hypot(*(np.array(here[i]) * bare[0][1] - reference)))]
    answer = {
        name: min(there, key=lambda i: np.hypot(*(np.array(there[i]) * bare[1][1] - np.array(at))))
        for name, at in marks.items()
    }
    assert nearest == [answer["ABCD"[place]]]
    assert k is None or nearest == [k]
    assert len(set(answer.values())) == 4


def test_semantic_correspondence(sources):
    folder = sources("blink_semantic_correspondence")
    source, made = drafts("blink_semantic_correspondence", folder, 99)
    assert len(made) == 11  # one pair has too few keypoints
    for draft in made[:2]:
        pair = json.loads((folder / "SPair-71k" / "PairAnnotation" / "trn" / f"{draft.key}.json").read_text())
        assert [PurePosixPath(name).name for name in draft.files] == [pair["src_imname"], pair["trg_imname"]]
        here, there = (dict(enumerate(pair[key])) for key in ("src_kps", "trg_kps"))
        check_points("SC", source, draft, here, there, None)


def test_functional_correspondence(sources):
    folder = sources("blink_functional_correspondence")
    source, made = drafts("blink_functional_correspondence", folder, 99)
    table = np.genfromtxt(folder / "keypoints.csv", delimiter=",", dtype=None, names=True, encoding="utf-8")
    points = {name: {} for name in np.unique(table["image"])}
    for row in table:
        points[row["image"]][int(row["keypoint"])] = (row["x"], row["y"])
    assert len(made) == 2 * 4 * 5  # actions, pairs of the training share, keypoints
    for draft in made[:2]:
        first, second = draft.files
        assert first.split("/")[0] == second.split("/")[0]
        assert first.split("/")[0] in draft.question
        check_points("FC", source, draft, points[first], points[second], int(draft.key.rsplit("-", 1)[1]))
    pairs = {draft.files for draft in made}
    assert len({name for pair in pairs for name in pair}) == 2 * len(pairs)  # no picture in two pairs


def test_visual_correspondence(sources):
    source, made = drafts("blink_visual_correspondence", sources("blink_visual_correspondence"), 5)
    moved = []
    for draft in made:
        first, second = (PurePosixPath(name) for name in draft.files)
        assert int(second.stem) - int(first.stem) >= 2
        bare = [scaled(source.image(name))[0] for name in draft.files]
        place = 2
        images, _ = draft.render(place)
        x, y = marks_in(images[0], bare[0], ("REF",))["REF"]
        marks = marks_in(images[1], bare[1], tuple("ABCD"))
        assert len(marks) == 4
        # an oracle without the matrix: the colours around the place, up to the light
        patches = {name: patch_at(bare[1], *at) for name, at in marks.items()}
        wanted = patch_at(bare[0], x, y)
        unlike = {name: np.abs(patch - wanted).mean() for name, patch in patches.items()}
        assert min(unlike, key=unlike.get) == "ABCD"[place]
        if first.parent.name.startswith("v"):
            moved.append(np.hypot(marks["C"][0] - x, marks["C"][1] - y))
    assert max(moved) > 20


def patch_at(image, x, y, half=30):
    values = np.asarray(image, float)[round(y) - half : round(y) + half, round(x) - half : round(x) + half]
    return (values - values.mean()) / values.std()


def test_the_share_of_sequences_that_trains_is_fixed():
    names = [f"set/{kind}_{k}" for kind in "vi" for k in range(10)]
    share = training_share(names)
    assert [sum(name.startswith(f"set/{kind}") for name in share) for kind in "vi"] == [8, 8]
    assert training_share(names[::-1]) == share


def test_jigsaw(sources):
    source, made = drafts("blink_jigsaw", sources("blink_jigsaw"), 10)
    assert len({draft.files for draft in made}) == 10
    for draft in made:
        whole = source.image(draft.files[0]).resize((400, 300), Image.Resampling.LANCZOS)
        for place in (0, 1):
            canvas, *options = draft.render(place).images
            assert canvas.width == 400
            assert 170 <= canvas.height <= 230
            half = canvas.height // 2
            assert {option.size for option in options} == {(200, half)}
            assert not np.asarray(canvas)[half:, 200:].any()
            joined = canvas.copy()
            joined.paste(options[place], (200, half))
            tops = [
                top
                for top in range(300 - canvas.height + 1)
                if same(joined, whole.crop((0, top, 400, top + canvas.height)))
            ]
            assert len(tops) == 1  # with the right piece the canvas is a part of the photograph
            joined.paste(options[1 - place], (200, half))
            assert not same(joined, whole.crop((0, tops[0], 400, tops[0] + canvas.height)))


def test_object_localization(sources):
    folder = sources("blink_object_localization")
    source, made = drafts("blink_object_localization", folder, 99)
    content = json.loads((folder / "annotations" / "instances_train2017.json").read_text())
    truth = {row["image_id"]: row for row in content["annotations"] if row["category_id"] in (1, 2)}
    assert len(made) == 20  # one a picture; thin, small, crowd and twins never
    for draft in made[:5]:
        row = truth[int(PurePosixPath(draft.files[0]).stem)]
        assert ["", "the cat", "the dog"][row["category_id"]] in draft.question
        left, top, width, height = row["bbox"]
        gold = (left, top, left + width, top + height)
        bare = np.asarray(source.image(draft.files[0])).astype(int)
        for place in (0, 1):
            drawn = np.asarray(draft.render(place).images[0]).astype(int)
            boxes = [box_of(drawn, bare, colour) for colour in ((255, 0, 0), (0, 0, 255))]
            assert np.abs(np.array(boxes[place]) - gold).max() <= 1.5
            assert 0.17 <= overlap(gold, boxes[1 - place]) <= 0.53


def box_of(drawn, bare, colour):
    """Extent of the largest connected line of a colour; the other box may hide parts, the name lies apart."""
    mask = (drawn == colour).all(-1) & (bare != colour).any(-1)
    columns, rows = mask.sum(0), mask.sum(1)
    x, y = np.flatnonzero(columns > 0.3 * columns.max()), np.flatnonzero(rows > 0.3 * rows.max())
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def test_relative_depth(sources):
    folder = sources("blink_relative_depth")
    source, made = drafts("blink_relative_depth", folder, 99)
    lines = (folder / "DIW_Annotations" / "DIW_train_val.csv").read_text().splitlines()
    rows = {PurePosixPath(name).name: row.split(",") for name, row in zip(lines[::2], lines[1::2], strict=True)}
    assert len(made) == 16  # neither the equal pair nor the close one
    for draft in made[:6]:
        y_a, x_a, y_b, x_b = (int(value) for value in rows[PurePosixPath(draft.files[0]).name][:4])
        sign = rows[PurePosixPath(draft.files[0]).name][4]
        closer = (x_a, y_a) if sign == "<" else (x_b, y_b)
        bare = source.image(draft.files[0])
        for place in (0, 1):
            images, choices = draft.render(place)
            assert choices == ("A is closer", "B is closer")
            x, y = marks_in(images[0], bare, ("A", "B"))["AB"[place]]
            assert np.hypot(x - (closer[0] - 1) / 2, y - (closer[1] - 1) / 2) <= 1.5  # the file is half as large


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("1,2,3,4,<,320", "not yA,xA,yB,xB"),
        ("1,2,3,4,?,320,240", "unknown sign"),
        ("1,400,3,4,<,320,240", "outside"),
    ],
)
def test_depth_lines_that_are_wrong_are_named(tmp_path, line, fault):
    (tmp_path / "DIW_train_val").mkdir()
    (tmp_path / "DIW_train.csv").write_text(f"./a.thumb\n{line}\n")
    with pytest.raises(InputError, match="line 2") as error:
        drafts("blink_relative_depth", tmp_path, 1)
    assert fault in str(error.value)


def test_relative_reflectance(sources):
    folder = sources("blink_relative_reflectance")
    source, made = drafts("blink_relative_reflectance", folder, 24)
    kinds = [draft.places for draft in made]
    assert set(kinds) == {(0, 1), (2,)}
    for draft in made[:6]:
        scene = PurePosixPath(draft.files[0]).parent
        assert PurePosixPath(draft.files[0]).name in ("dir_0_mip2.jpg", "dir_7_mip2.jpg")  # no hard flash
        albedo = np.load(folder / scene / "albedo.npy")[..., 0]
        bare, grew = scaled(source.image(draft.files[0]))
        place = draft.places[-1]
        marks = marks_in(draft.render(place).images[0], bare, ("A", "B"))
        values = [albedo[int(marks[name][1] / grew), int(marks[name][0] / grew)] for name in "AB"]
        wanted = 2 if values[0] == values[1] else int(np.argmin(values))
        assert wanted == place


def test_albedo_is_read_as_png_and_a_broken_one_left_out(tmp_path):
    multi_illumination(tmp_path)
    scenes = sorted((tmp_path / "train").iterdir())
    values = np.load(scenes[0] / "albedo.npy")
    Image.fromarray((255 * values).astype(np.uint8)).save(scenes[0] / "albedo.png")
    (scenes[0] / "albedo.npy").unlink()
    (scenes[1] / "albedo.npy").write_bytes(b"broken")
    source, made = drafts("blink_relative_reflectance", tmp_path, 99)
    shown = {PurePosixPath(draft.files[0]).parent.name for draft in made}
    assert shown == {"room0", "room2", "room3"}
    assert list(source.unreadable) == ["train/room1/albedo.npy"]


def test_albedo_as_exr_is_read_where_openexr_is_and_refused_in_words_elsewhere(tmp_path):
    multi_illumination(tmp_path)
    scenes = sorted((tmp_path / "train").iterdir())
    try:
        import OpenEXR
    except ImportError:
        (scenes[0] / "albedo.npy").rename(scenes[0] / "albedo.exr")
        with pytest.raises(InputError, match=r"albedo\.exr: reading EXR needs the package OpenEXR"):
            drafts("blink_relative_reflectance", tmp_path, 99)
        return
    for scene in scenes:
        values = np.load(scene / "albedo.npy").astype(np.float16)
        (scene / "albedo.npy").unlink()
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": values}).write(str(scene / "albedo.exr"))
    source, made = drafts("blink_relative_reflectance", tmp_path, 99)
    assert len({PurePosixPath(draft.files[0]).parent.name for draft in made}) == 4
    assert not source.unreadable


def test_spatial_relation(sources):
    folder = sources("blink_spatial_relation")
    _, made = drafts("blink_spatial_relation", folder, 99)
    rows = [json.loads(line) for line in (folder / "splits" / "random" / "train.jsonl").read_text().splitlines()]
    truth = {f"images/{row['image']}": row for row in rows}
    assert len(made) == 23  # the one that its validators contradict is left out
    for draft in made:
        row = truth[draft.files[0]]
        images, choices = draft.render(draft.places[0])
        assert choices[draft.places[0]] == ("no", "yes")[row["label"]]
        number = row["caption"].split()[2]
        if "under" in row["caption"]:
            assert draft.question == f"Is the cat {number} under the table?"
        else:
            assert f"The bowl {number} contains the apple." in draft.question
        assert len(images) == 1
    assert [draft.places[0] for draft in made[:10]] == [0, 1] * 5


def test_multi_view(sources):
    source, made = drafts("blink_multi_view_reasoning", sources("blink_multi_view_reasoning"), 10)
    for draft in made:
        for place in (0, 1):
            images, choices = draft.render(place)
            assert choices == ("left", "right")
            frames = [next(name for name in draft.files if same(source.image(name), image)) for image in images]
            scene = int(PurePosixPath(frames[0]).parts[2][-3:])
            first, second = (int(PurePosixPath(name).stem) for name in frames)
            # frames stand 30 degrees apart, counter-clockwise in even scenes: the camera goes to its right
            angle = (second - first) * 30 * (-1) ** scene
            angle = (angle + 180) % 360 - 180
            assert 20 <= abs(angle) <= 90
            assert choices[place] == ("right" if angle > 0 else "left")


def test_a_turn_is_measured_around_what_the_cameras_look_at():
    tilt = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], float)
    matrices = np.array([camera_at(angle, tilt) for angle in (0, 40, 100, 200)])
    assert turn(matrices, 0, 1) == pytest.approx(40)
    assert turn(matrices, 2, 0) == pytest.approx(-100)


def test_visual_similarity(sources):
    folder = sources("blink_visual_similarity")
    source, made = drafts("blink_visual_similarity", folder, 99)
    assert len(made) == 14  # 18 without three of the test split and one with four votes
    for draft in made:
        k = int(PurePosixPath(draft.files[0]).stem)
        assert k != 0
        assert k % 6 != 5
        chosen, other = (f"left/{k}.png", f"right/{k}.png") if k % 2 else (f"right/{k}.png", f"left/{k}.png")
        for place in (0, 1):
            images = draft.render(place).images
            assert same(images[0], source.image(f"ref/{k}.png"))
            assert same(images[1 + place], source.image(chosen))
            assert same(images[2 - place], source.image(other))


def test_wrong_columns_are_named(tmp_path):
    (tmp_path / "data.csv").write_text("id,left_path,right_path\n")
    with pytest.raises(
        InputError, match=r"has no column 'ref_path', 'left_vote'.*its columns are 'id', 'left_path'"
    ):
        drafts("blink_visual_similarity", tmp_path, 1)


def test_rings_are_told_from_letters():
    """The reader of the tests is no tautology: it finds nothing in a picture without marks."""
    bare = picture(2, (300, 300))
    assert marks_in(bare, bare, ("A", "B")) == {}
    assert ndimage.label(np.zeros((3, 3)))[1] == 0
