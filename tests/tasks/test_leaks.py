"""Pictures known again: what must be found, what must not, and where it is looked for."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from tasktransfer.errors import InputError
from tasktransfer.tasks.builders.marking import marked, outlined
from tasktransfer.tasks.item import Item
from tasktransfer.tasks.leaks import DISTANCE, FINE_DISTANCE, Leak, find_leaks, image_hashes, near, read_pictures


def scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Coloured noise with the spectrum of photographs (amplitude 1/f), brighter above than below."""
    rng = np.random.default_rng(seed)
    width, height = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    planes = []
    for _ in range(4):
        phases = rng.standard_normal(frequency.shape) + 1j * rng.standard_normal(frequency.shape)
        plane = np.fft.irfft2(phases / frequency, (height, width))
        planes.append(plane / plane.std())
    values = np.stack([planes[0] + 0.3 * plane for plane in planes[1:]], -1) * 45
    values += 128 + np.linspace(50, -50, height)[:, None, None]
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def on_white(seed: int) -> Image.Image:
    """The hard case: an oval of noise on white, like a product picture."""
    rng = np.random.default_rng(seed)
    image, inner = np.full((240, 320, 3), 255, np.uint8), np.asarray(scene(seed, (160, 120)).resize((320, 240)))
    (y, x), (tall, wide) = rng.integers((105, 145), (135, 175)), rng.integers((40, 50), (100, 130))
    rows, columns = np.mgrid[:240, :320]
    inside = ((rows - y) / tall) ** 2 + ((columns - x) / wide) ** 2 < 1
    image[inside] = inner[inside]
    return Image.fromarray(image)


def compressed(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


CHANGES = {
    "half the size": lambda image: image.resize((160, 120)),
    "three times the size": lambda image: image.resize((960, 720), Image.Resampling.BICUBIC),
    "another shape": lambda image: image.resize((256, 256)),
    "JPEG of quality 10": lambda image: compressed(image, 10),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "four circles": lambda image: marked(image, {"A": (40, 50), "B": (200, 180), "C": (280, 60), "D": (120, 110)}),
    "two boxes": lambda image: outlined(image, {"A": (60, 60, 220, 190), "B": (90, 40, 200, 210)}),
}


@pytest.fixture(scope="module")
def scenes():
    return [scene(seed) for seed in range(40)]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_is_known_again_and_no_other(scenes, change):
    found = near(image_hashes([CHANGES[change](image) for image in scenes]), image_hashes(scenes))
    assert found[:, :2].tolist() == [[k, k] for k in range(40)]


def test_all_changes_at_once_are_mostly_seen_through(scenes):
    def changed(image):
        small = compressed(image.resize((160, 120)), 30).convert("L").convert("RGB")
        return marked(small, {"REF": (50, 40), "B": (90, 80)})

    found = near(image_hashes([changed(image) for image in scenes]), image_hashes(scenes))
    assert (found[:, 0] == found[:, 1]).all()
    assert len(found) >= 36


def test_what_is_out_of_reach_is_not_found(scenes):
    mirrored = image_hashes([ImageOps.mirror(image) for image in scenes])
    cropped = image_hashes([image.crop((32, 24, 288, 216)) for image in scenes])
    assert len(near(mirrored, image_hashes(scenes))) == 0
    assert len(near(cropped, image_hashes(scenes))) < 4  # said in the module: no crops


def test_pictures_of_one_outline_are_kept_apart():
    hashes = image_hashes([on_white(seed) for seed in range(70)])
    both, coarse = (near(hashes, hashes, fine_distance=bits) for bits in (FINE_DISTANCE, 255))
    false_both, false_coarse = ((pairs[:, 0] < pairs[:, 1]).sum() for pairs in (both, coarse))
    assert false_both <= 1 < 5 < false_coarse  # of 2,415 pairs


def test_a_jigsaws_black_quarter_does_not_make_pictures_alike(scenes):
    def without_quarter(image):
        copy = image.copy()
        copy.paste((0, 0, 0), (160, 120, 320, 240))
        return copy

    holes = [without_quarter(image) for image in scenes]
    found = near(image_hashes([image.resize((400, 300)) for image in holes]), image_hashes(holes))
    assert found[:, :2].tolist() == [[k, k] for k in range(40)]


def test_flat_pictures_are_near_nothing():
    flat = image_hashes([Image.new("RGB", (50, 50), colour) for colour in ("white", "black", "grey")])
    assert not flat.any()
    assert near(flat, flat).shape == (0, 3)


def test_near_is_what_counting_bits_one_by_one_gives():
    rng = np.random.default_rng(0)
    test = rng.integers(1, 2**63, (40, 5), dtype=np.uint64)
    train = test[rng.integers(0, 40, 300)].copy()
    for row in train:  # flip some bits of both parts
        for word in rng.integers(0, 5, 60):
            row[word] ^= np.uint64(1) << np.uint64(rng.integers(0, 63))
    train[7] = 0

    def bits(first, second):
        return sum(bin(int(a) ^ int(b)).count("1") for a, b in zip(first, second, strict=True))

    wanted = [
        [i, j, bits(a[:1], b[:1])]
        for i, a in enumerate(train)
        for j, b in enumerate(test)
        if a.any() and bits(a[:1], b[:1]) <= DISTANCE and bits(a[1:], b[1:]) <= FINE_DISTANCE
    ]
    assert 100 < len(wanted) < 300
    assert near(train, test).tolist() == wanted


def test_bits_are_counted_alike_without_numpy_2(monkeypatch):
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 2**64, (50, 5), dtype=np.uint64)
    wanted = near(hashes, hashes, 40, 300)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert np.array_equal(near(hashes, hashes, 40, 300), wanted)


def test_any_picture_of_an_item_gives_it_away(scenes):
    def item(name, *images):
        return Item(name, images, "?", ("x", "y"), "A")

    train = [item("clean", *scenes[:2]), item("leaks", scenes[2], scenes[3]), item("twice", scenes[4], scenes[5])]
    test = [
        item("one", scenes[30], compressed(scenes[3], 20)),
        item("two", scenes[31], scenes[5], scenes[4].convert("L").convert("RGB")),
    ]
    leaks = find_leaks(train, test)
    assert [(leak.train, leak.test) for leak in leaks] == [("leaks", "one"), ("twice", "two")]
    assert leaks[1] == Leak("twice", "two", 0)
    assert find_leaks([], test) == find_leaks(train, []) == []


def encoded(image, kind="JPEG"):
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue()


def test_pictures_are_read_from_tables_as_the_hub_keeps_them_and_from_files(scenes, tmp_path):
    rows = [
        {
            "idx": f"val_Jigsaw_{k}",
            "image_1": {"bytes": encoded(scenes[2 * k]), "path": None},
            "image_2": {"bytes": encoded(scenes[2 * k + 1]), "path": None} if k else None,
            "answer": "(A)",
        }
        for k in range(3)
    ]
    (tmp_path / "Jigsaw").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "Jigsaw" / "val-00000-of-00001.parquet")
    lists = [{"images": [{"bytes": encoded(scenes[9]), "path": "a"}, {"bytes": b"broken", "path": "b"}]}]
    pq.write_table(pa.Table.from_pylist(lists), tmp_path / "lists.parquet")
    scenes[10].save(tmp_path / "loose.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    found = read_pictures(tmp_path)
    assert found.names == [
        "val_Jigsaw_0",
        "val_Jigsaw_1",
        "val_Jigsaw_1",
        "val_Jigsaw_2",
        "val_Jigsaw_2",
        "lists.parquet, row 0",
        "loose.png",
    ]
    assert sorted(found.unreadable) == ["broken.jpg", "lists.parquet, row 0"]
    wanted = image_hashes([scenes[k] for k in (0, 2, 3, 4, 5, 9, 10)])
    assert near(found.hashes, wanted)[:, :2].tolist() == [[k, k] for k in range(7)]


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_pictures(tmp_path / "nothing")
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(InputError, match="holds no readable picture"):
        read_pictures(tmp_path)
    (tmp_path / "val.parquet").write_bytes(b"PAR1 truncated")
    with pytest.raises(InputError, match=r"val\.parquet: cannot be read"):
        read_pictures(tmp_path)
