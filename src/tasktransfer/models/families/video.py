"""A video as a video: frames in pairs, each pair one step of time, for the families that are taught to take it so.

The video processors of transformers need torchvision. What they do is not much: every frame is prepared as an
image of the same model, consecutive frames share a patch, an odd last frame is repeated. The size of a frame
follows the limits on pictures (`Pixels`), not a budget for the whole video.

Shape letters: T steps in time, S patches of a frame, C channels, F frames of a step, Q pixels of a patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasktransfer.errors import InputError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

__all__ = ["END", "PLACE", "START", "places_of_a_step", "video_inputs"]

START, PLACE, END = "<|vision_start|>", "<|video_pad|>", "<|vision_end|>"


def video_inputs(vlm: Any, text: str, frames: Sequence[Image], seconds: float) -> dict[str, Any]:
    """What the family's own processor would return for a prompt with one video.

    Parameters
    ----------
    vlm
        A model whose family has `video`.
    text
        The prompt, with one place for a video.
    frames
        In order of time, all of one size.
    seconds
        From one frame to the next.
    """

    processor = vlm.processor
    if text.count(f"{START}{PLACE}{END}") != 1:
        raise InputError("the chat template does not leave one place for a video")
    patches, grid = _paired(processor.image_processor, frames)
    places, more = vlm.family.video(processor, grid.tolist(), seconds)
    inputs = processor.tokenizer([text.replace(f"{START}{PLACE}{END}", places)], return_tensors="pt")
    return {
        **inputs,
        "mm_token_type_ids": 2 * (inputs["input_ids"] == processor.video_token_id).int(),
        "pixel_values_videos": patches,
        "video_grid_thw": grid[None],
        **more,
    }


def _paired(images: Any, frames: Sequence[Image]) -> tuple[torch.Tensor, torch.Tensor]:
    """Patches ``(T * S, C * F * Q)`` and their grid: steps, rows, columns."""
    import torch

    if len({frame.size for frame in frames}) != 1:
        raise InputError("the frames of a video are of several sizes")
    prepared = images(list(frames), return_tensors="pt")
    per_step = images.temporal_patch_size
    # a picture is a step of one frame that is repeated: one of the copies is the frame
    alone = prepared["pixel_values"].view(len(frames), -1, 3, per_step, images.patch_size**2)[:, :, :, 0]
    missing = -len(frames) % per_step
    whole = torch.cat([alone, alone[-1:].expand(missing, *alone.shape[1:])])
    steps_TSCFQ = whole.unflatten(0, (-1, per_step)).permute(0, 2, 3, 1, 4)
    grid = prepared["image_grid_thw"][0].clone()
    grid[0] = len(steps_TSCFQ)
    return steps_TSCFQ.flatten(2).flatten(0, 1).contiguous(), grid


def places_of_a_step(processor: Any, grid: Sequence[int]) -> int:
    """Places that two frames together take."""
    merge = processor.image_processor.merge_size
    return int(grid[1] * grid[2] // merge**2)
