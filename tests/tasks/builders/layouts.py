"""Small drawn copies of the public sources, each in its published layout."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def picture(seed: int, size: tuple[int, int] = (160, 120), cells: int = 7) -> Image.Image:
    """Soft random colours, never pure red."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 200, (cells, cells + 2, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def save(image: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "JPEG" if path.suffix in {".jpg", ".thumb"} else None)
    return path


def artbench(root: Path) -> None:
    for style in range(3):
        for k in range(10):
            place = root / "artbench-10-imagefolder-split" / "train" / f"style_{style}" / f"{k}.jpg"
            save(picture(100 * style + k, (64, 64)), place)


def pixmo_count(root: Path) -> None:
    rows = []
    for k in range(30):
        path = save(picture(k), root / "images" / "new.jpg")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        path.rename(root / "images" / f"{digest}.jpg")
        count = 2 + k % 10  # 11 is not used
        rows.append(
            {"image_url": "gone", "image_sha256": digest, "label": f"kind {k}", "count": count, "points": None}
        )
    rows.append(dict(rows[0], image_sha256="0" * 64))  # never fetched
    (root / "data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), root / "data" / "train-00000-of-00001.parquet")


def genimage(root: Path) -> None:
    for name in ("Midjourney", "BigGAN"):
        for k in range(5):
            save(picture(k + len(name), (300, 260)), root / name / "train" / "nature" / f"n01_{k}.jpg")
        for k in range(15):
            save(picture(50 + k + len(name), (256, 256)), root / name / "train" / "ai" / f"{k}.png")


def matched_forensics(root: Path) -> None:
    for k in range(6):
        save(picture(k, (300, 260)), root / "real" / f"{k:03d}.jpg")
        for g in range(4):
            save(picture(10 * k + 100 + g, (256, 256)), root / "generated" / f"model{g}" / f"{k:03d}.png")


def funkpoint(root: Path) -> None:
    lines = ["image,object,action,keypoint,x,y"]
    for action in ("pour", "pound"):
        for k in range(10):
            name = f"{action}/{k}.jpg"
            save(picture(k + len(action)), root / name)
            rng = np.random.default_rng(k)
            for point in range(1, 6):
                x, y = 25 * point + rng.uniform(-4, 4), 60 + rng.uniform(-30, 30)
                lines.append(f"{name},object {k % 3},{action},{point},{x:.2f},{y:.2f}")
    (root / "keypoints.csv").write_text("\n".join(lines) + "\n")


def coco(root: Path) -> None:
    images, annotations = [], []
    for k in range(20):
        size = (320, 240)
        name = f"{k:012d}.jpg"
        save(picture(k, size), root / "train2017" / name)
        images.append({"id": k, "file_name": name, "width": size[0], "height": size[1]})
        box = [40.0 + k, 30.0, 150.0, 110.0]
        base = {"image_id": k, "bbox": box, "area": 0.8 * 150 * 110, "iscrowd": 0}
        annotations.append(base | {"id": 10 * k, "category_id": 1 + k % 2})
        annotations.append(base | {"id": 10 * k + 1, "category_id": 3, "area": 0.3 * 150 * 110})  # thin mask
        annotations.append(base | {"id": 10 * k + 2, "category_id": 4, "bbox": [0.0, 0.0, 20.0, 20.0]})  # small
        annotations.append(base | {"id": 10 * k + 3, "category_id": 5, "iscrowd": 1})
        annotations += [base | {"id": 10 * k + 4 + i, "category_id": 6} for i in range(2)]  # two of a class
    names = ["", "cat", "dog", "thin", "small", "crowd", "twin"]
    categories = [{"id": i, "name": name} for i, name in enumerate(names)]
    (root / "annotations").mkdir()
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations" / "instances_train2017.json").write_text(json.dumps(content))


def wildrgbd(root: Path) -> None:
    """Cameras around an object, the path tilted as a whole, so that no axis of the world is up."""
    tilt = np.linalg.qr(np.random.default_rng(4).standard_normal((3, 3)))[0]
    tilt *= np.sign(np.linalg.det(tilt))
    for scene in range(5):
        place = root / "cup" / "scenes" / f"scene_{scene:03d}"
        lines = []
        for frame in range(12):
            save(picture(100 * scene + frame), place / "rgb" / f"{frame:05d}.png")
            matrix = camera_at(30.0 * frame * (-1) ** scene, tilt)
            lines.append(f"{frame} " + " ".join(f"{value:.8f}" for value in matrix.ravel()))
        (place / "cam_poses.txt").write_text("\n".join(lines) + "\n")
        (place / "metadata").write_text("{}")


def camera_at(degrees: float, tilt: np.ndarray) -> np.ndarray:
    """Camera to world at an angle, counter-clockwise seen from above, looking slightly down at (1, 2, 3)."""
    angle = np.radians(degrees)
    place = np.array([2 * np.cos(angle), 2 * np.sin(angle), 0.5])  # z is up before the tilt
    forward = -place / np.linalg.norm(place)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    matrix = np.eye(4)
    matrix[:3, :3] = tilt @ np.stack([right, down, forward], 1)
    matrix[:3, 3] = tilt @ place + [1, 2, 3]
    return matrix


def diw(root: Path) -> None:
    lines = []
    for k in range(16):
        name = f"{k:040x}.thumb"
        save(picture(k), root / "DIW_train_val" / name)
        # annotated at twice the size of the file; places count from 1
        lines += [f"./DIW_train_val/{name}", f"{41 + k},{61 + k},{151 + k},{241 - k},{'<>'[k % 2]},320,240"]
    lines += ["./DIW_train_val/equal.thumb", "10,10,200,300,=,320,240"]
    lines += ["./DIW_train_val/close.thumb", "10,10,12,12,<,320,240"]
    (root / "DIW_Annotations").mkdir()
    (root / "DIW_Annotations" / "DIW_train_val.csv").write_text("\n".join(lines) + "\n")


def multi_illumination(root: Path) -> None:
    """Albedo of three greys in blocks; the pictures are lit unevenly."""
    for scene in range(4):
        place = root / "train" / f"room{scene}"
        rng = np.random.default_rng(scene)
        blocks = np.array([0.1, 0.3, 0.6])[rng.integers(0, 3, (3, 4))]
        albedo = np.repeat(np.kron(blocks, np.ones((40, 40)))[..., None], 3, -1)
        place.mkdir(parents=True)
        np.save(place / "albedo.npy", albedo.astype(np.float32))
        for light in (0, 2, 7):
            shading = np.linspace(0.3, 1, 160) if light else np.linspace(1, 0.3, 160)
            values = (255 * (albedo * shading[None, :, None]) ** (1 / 2.2)).astype(np.uint8)
            save(Image.fromarray(values), place / f"dir_{light}_mip2.jpg")


def spair(root: Path) -> None:
    top = root / "SPair-71k"
    rng = np.random.default_rng(0)
    (top / "PairAnnotation" / "trn").mkdir(parents=True)
    for k in range(4):
        save(picture(k), top / "JPEGImages" / "cat" / f"{k}.jpg")
    for k in range(12):
        first, second = k % 4, (k + 1) % 4
        n = 3 if k == 0 else 6  # too few keypoints in the first pair
        grid = np.stack([15 + 26 * np.arange(n), 20 + 15 * (np.arange(n) * 3 % 6)], 1)
        pair = {
            "src_imname": f"{first}.jpg",
            "trg_imname": f"{second}.jpg",
            "src_imsize": [160, 120, 3],
            "trg_imsize": [160, 120, 3],
            "category": "cat",
            "src_kps": grid.tolist(),
            "trg_kps": (grid + rng.integers(-4, 5, grid.shape)).tolist(),
            "kps_ids": [str(i) for i in range(n)],
        }
        (top / "PairAnnotation" / "trn" / f"{k:06d}-{first}-{second}-cat.json").write_text(json.dumps(pair))


def vsr(root: Path) -> None:
    rows = []
    for k in range(24):
        name = f"{k:012d}.jpg"
        save(picture(k), root / "images" / name)
        caption = f"The cat {k} is under the table." if k % 3 else f"The bowl {k} contains the apple."
        label = int(k % 4 != 0)
        rows.append({"image": name, "image_link": "", "caption": caption, "label": label, "relation": "under"})
    rows[1] |= {"vote_true_validator_id": [1], "vote_false_validator_id": [2, 3]}
    (root / "splits" / "random").mkdir(parents=True)
    (root / "splits" / "random" / "train.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")


def hpatches(root: Path) -> None:
    """Views of one drawn plane each: picture k shows it under a known homography."""
    for kind, number in (("v", 0), ("v", 1), ("i", 0), ("i", 1)):
        place = root / "hpatches-sequences-release" / f"{kind}_{number}"
        plane = picture(10 * number + len(kind) + ord(kind), (200, 150), cells=9)
        for k in range(1, 7):
            step = k - 1 if kind == "v" else 0
            matrix = np.array(
                [[1 - 0.02 * step, 0.03 * step, 2.0 * step], [-0.02 * step, 1.0, 1.5 * step], [1e-4 * step, 0, 1]]
            )
            back = np.linalg.inv(matrix)
            view = plane.transform(
                plane.size,
                Image.Transform.PERSPECTIVE,
                tuple((back / back[2, 2]).ravel()[:8]),
                Image.Resampling.BICUBIC,
            )
            light = 1 - 0.08 * k if kind == "i" else 1.0
            save(view.point(lambda value, light=light: value * light), place / f"{k}.ppm")
            if k > 1:
                np.savetxt(place / f"H_1_{k}", matrix)


def nights(root: Path) -> None:
    lines = ["id,left_vote,right_vote,votes,ref_path,left_path,right_path,prompt,is_imagenet,split"]
    for k in range(18):
        split = "test" if k % 6 == 5 else "train"
        votes = 4 if k == 0 else 8
        for name in ("ref", "left", "right"):
            save(picture(1000 * len(name) + k, (96, 96)), root / name / f"{k}.png")
        left = k % 2
        lines.append(f"{k},{left},{1 - left},{votes},ref/{k}.png,left/{k}.png,right/{k}.png,a thing,False,{split}")
    (root / "data.csv").write_text("\n".join(lines) + "\n")


LAYOUTS = {
    "blink_art_style": artbench,
    "blink_counting": pixmo_count,
    "blink_forensic_detection": genimage,
    "blink_functional_correspondence": funkpoint,
    "blink_jigsaw": coco,
    "blink_multi_view_reasoning": wildrgbd,
    "blink_object_localization": coco,
    "blink_relative_depth": diw,
    "blink_relative_reflectance": multi_illumination,
    "blink_semantic_correspondence": spair,
    "blink_spatial_relation": vsr,
    "blink_visual_correspondence": hpatches,
    "blink_visual_similarity": nights,
}
