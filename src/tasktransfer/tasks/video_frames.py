"""Frames of a video as ordered images: which ones, and how they are read.

Of N frames the rule takes ``linspace(0, N - 1, min(n, N))``, cut to whole numbers: the first, the last, and evenly
between, as lmms-eval does for several images. Other harnesses take other frames (transformers never the last), so
the indices that were used are kept with the images.

A video is a file, a member of a zip archive, or a folder of frames that were extracted before.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from tasktransfer.errors import InputError
from tasktransfer.tasks.pictures import decode_image

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Frames", "Video", "find_video", "frame_indices"]

IMAGE_ENDINGS = {".jpg", ".jpeg", ".png", ".webp"}
_NO_DECODER = (
    "PyAV is not installed, which decodes videos: pip install 'tasktransfer[video]', or lay the frames of each "
    "scene as images in a folder of its name"
)
_END = 64 * 1024


def frame_indices(n_total: int, n_frames: int) -> tuple[int, ...]:
    """The frames that are taken of a video.

    >>> frame_indices(100, 4), frame_indices(3, 8)
    ((0, 33, 66, 99), (0, 1, 2))
    """
    import numpy as np

    return tuple(int(place) for place in np.linspace(0, max(0, n_total - 1), min(n_frames, n_total)))


@dataclass(frozen=True)
class Video:
    """Where a video lies: a file, a folder of frames, or `member` of a zip archive."""

    path: Path
    member: str = ""

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.path}, {self.member}" if self.member else str(self.path)

    def fingerprint(self) -> str:
        """A digest that changes with the video, without reading all of it: from sizes, beginnings and ends."""
        whole = hashlib.sha256()
        if self.member:
            with zipfile.ZipFile(self.path) as archive:
                info = archive.getinfo(self.member)
                whole.update(f"{info.file_size} {info.CRC}".encode())
        else:
            for file in _frame_files(self.path) if self.path.is_dir() else [self.path]:
                size = file.stat().st_size
                with file.open("rb") as handle:
                    whole.update(f"{size} ".encode() + handle.read(_END))
                    handle.seek(max(0, size - _END))
                    whole.update(handle.read(_END))
        return whole.hexdigest()


@dataclass(frozen=True)
class Frames(Sequence["Image"]):
    """Some frames of a video; they are decoded when they are looked at, those of the last two videos are kept."""

    video: Video
    n_frames: int

    @property
    def indices(self) -> tuple[int, ...]:
        """Which frames of the video these are; of extracted ones, which files."""
        return _decoded(self.video, self.n_frames)[0]

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, place: int) -> Image: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Image]: ...

    def __getitem__(self, place: int | slice) -> Image | Sequence[Image]:
        return _decoded(self.video, self.n_frames)[1][place]

    def __iter__(self) -> Iterator[Image]:
        return iter(_decoded(self.video, self.n_frames)[1])


def find_video(folder: Path, dataset: str, scene: str) -> Video | None:
    """Look for a scene: ``dataset/scene.mp4``, a folder ``dataset/scene`` of frames, or ``dataset.zip``.

    Parameters
    ----------
    folder
        It holds the videos of all data sets.
    dataset
        Name of a folder or archive in it.
    scene
        Name of the video without its ending.

    Returns
    -------
    Video or None
        The first of the three that is there.
    """
    if (folder / dataset / f"{scene}.mp4").is_file():
        return Video(folder / dataset / f"{scene}.mp4")
    if _frame_files(folder / dataset / scene):
        return Video(folder / dataset / scene)
    return find_in_archive(folder / f"{dataset}.zip", scene)


def find_in_archive(archive: Path, scene: str) -> Video | None:
    """A scene among the members of a zip archive."""
    if not archive.is_file():
        return None
    status = archive.stat()
    members = _members(archive, status.st_size, status.st_mtime_ns)
    return Video(archive, members[scene]) if scene in members else None


@lru_cache(maxsize=8)
def _members(archive: Path, _size: int, _changed: int) -> dict[str, str]:
    """Scenes of an archive as it is now: size and time of change are part of what is remembered."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return {Path(name).stem: name for name in opened.namelist() if name.endswith(".mp4")}
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{archive}: not a readable zip archive ({error}); delete it and get it again") from error


def _frame_files(folder: Path) -> list[Path]:
    """The images of a folder in the order of the numbers in their names."""
    files = [file for file in folder.iterdir() if file.suffix.lower() in IMAGE_ENDINGS] if folder.is_dir() else []
    return sorted(files, key=lambda file: ([int(digits) for digits in re.findall(r"\d+", file.stem)], file.name))


@lru_cache(maxsize=2)
def _decoded(video: Video, n_frames: int) -> tuple[tuple[int, ...], tuple[Image, ...]]:
    if not video.member and video.path.is_dir():
        files = _frame_files(video.path)
        taken = frame_indices(len(files), n_frames)
        return taken, tuple(decode_image(files[place], f"{files[place]}") for place in taken)
    return _decoded_file(video, n_frames)


def _decoded_file(video: Video, n_frames: int) -> tuple[tuple[int, ...], tuple[Image, ...]]:
    try:
        import av
    except ImportError as error:
        raise InputError(f"{video.name}: {_NO_DECODER}") from error
    try:
        in_header = _told_frames(video)
        counted, images = _taken(video, frame_indices(in_header, n_frames))
        if counted != in_header:  # the header has no number of frames, or a wrong one
            _, images = _taken(video, frame_indices(counted, n_frames))
    except (av.FFmpegError, OSError, IndexError) as error:
        raise InputError(f"{video.name}: not a readable video ({error})") from error
    if not images:
        raise InputError(f"{video.name}: a video without frames")
    return tuple(images), tuple(images.values())


def _told_frames(video: Video) -> int:
    """The number of frames as the header has it; 0 where it has none."""
    import av

    with av.open(_source(video)) as container:
        return int(container.streams.video[0].frames)


def _each_frame(video: Video) -> Iterator[Any]:
    import av

    with av.open(_source(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"  # several frames at once; by default only slices of one frame are
        yield from container.decode(stream)


def _taken(video: Video, indices: Sequence[int]) -> tuple[int, dict[int, Image]]:
    """How many frames there are, and those that are wanted; all are decoded, since a header may be wrong."""
    wanted, images, counted = set(indices), {}, 0
    for frame in _each_frame(video):
        if counted in wanted:
            images[counted] = frame.to_image()
        counted += 1
    return counted, images


def _source(video: Video) -> str | io.BytesIO:
    if not video.member:
        return str(video.path)
    # in memory: a decoder jumps back and forth, and each jump back in a member reads it from its start again
    with zipfile.ZipFile(video.path) as archive:
        return io.BytesIO(archive.read(video.member))
