"""An item as a model sees it: tokens, positions, image features, and where the answer begins.

The images come first, then the question, then one line per option ``(A) text``; the answer is the bare letter
or number. The wording around it is the processor's chat template. Frames of a video go in as images, in order, or
as a video where the family takes one and that is asked for.

While vision tower and projector are frozen everything here depends on the model and the item alone, so it is
computed once and shared by all cells. Where they learn, a prompt carries what the processor made of its images,
and features are computed in every pass.

Shape letters: L tokens, P position axes (3 or 1), N image features, D depths (1, or more with DeepStack),
H hidden size, K options, A answer tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.models.answer_tokens import option_ids, target_ids
from tasktransfer.models.families.video import video_inputs
from tasktransfer.tasks.answers.scoring import accepted_answers
from tasktransfer.tasks.item import Item

if TYPE_CHECKING:
    import torch

    from tasktransfer.models.vlm import Vlm

__all__ = [
    "Prompt",
    "answered",
    "blanked",
    "encode",
    "image_features",
    "image_places",
    "question_text",
    "rotations_of",
]

GREY = (128, 128, 128)
_TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "second_per_grid_ts")
# a vision tower takes a video as it takes a picture, under other names
_AS_IMAGES = {"pixel_values_videos": "pixel_values", "video_grid_thw": "image_grid_thw"}


@dataclass(frozen=True)
class Prompt:
    """One item, ready for the language model.

    Image features are there, or what they are computed from; never both.
    """

    item: str
    answer: str
    ids_L: torch.Tensor
    positions_PL: torch.Tensor
    features_NDH: torch.Tensor | None
    option_ids_K: torch.Tensor  # first token of each option letter; empty without options
    target_ids_A: torch.Tensor  # the answer and the end of the turn
    pixels: Mapping[str, torch.Tensor] | None = None  # what the processor made of the images
    rotated: tuple[Prompt, ...] = ()  # the same item with its options moved on by 1, 2, ..., K - 1
    scorer: str = ""  # how an answer without options is marked

    @property
    def n_tokens(self) -> int:
        """Tokens of the prompt, images included, without the answer."""
        return len(self.ids_L)


def question_text(item: Item) -> str:
    """The question with one line per option.

    >>> print(question_text(Item("1", (), "Which is nearer?", ("red", "blue"), "A")))
    Which is nearer?
    (A) red
    (B) blue
    """
    options = [f"({letter}) {text}" for letter, text in zip(item.letters, item.choices, strict=True)]
    return "\n".join([item.question, *options])


def blanked(item: Item) -> Item:
    """The same item with every image grey."""
    from PIL import Image

    return replace(item, images=tuple(Image.new("RGB", image.size, GREY) for image in item.images))


def rotations_of(item: Item) -> list[Item]:
    """The item with its options moved on by 1, 2, ..., K - 1 places, round the end; the answer moves along.

    >>> [(turned.choices, turned.answer) for turned in rotations_of(Item("1", (), "?", ("x", "y", "z"), "C"))]
    [(('z', 'x', 'y'), 'A'), (('y', 'z', 'x'), 'B')]
    """
    n_options = len(item.choices)
    turned = []
    for step in range(1, n_options):
        answer = item.letters[(item.letters.index(item.answer) + step) % n_options]
        turned.append(replace(item, choices=item.choices[-step:] + item.choices[:-step], answer=answer))
    return turned


class _Way(NamedTuple):
    """How items are encoded; see `encode`."""

    keep_pixels: bool
    rotations: bool
    frame_seconds: float | None


def encode(
    vlm: Vlm,
    items: Iterable[Item],
    *,
    keep_pixels: bool = False,
    rotations: bool = False,
    frame_seconds: float | None = None,
) -> list[Prompt]:
    """Encode items, one by one, so that no item depends on its neighbours.

    Parameters
    ----------
    vlm
        The model, without an adapter.
    items
        What is asked.
    keep_pixels
        Keep what the processor made of the images instead of their features: for a vision tower or a projector
        that learns.
    rotations
        Encode each item in every cyclic order of its options; its images go through the vision tower once.
    frame_seconds
        Give frames of a video as a video, with so much time from one to the next; by default they are images.

    Raises
    ------
    InputError
        The template does not leave the prompt as a prefix of prompt and answer, two option letters begin with the
        same token, or there are not as many image features as places for them.
    SettingsError
        A video is to go in as one, and the family does not take any.
    """
    if frame_seconds is not None and vlm.family.video is None:
        raise SettingsError(f"{vlm.family.model_class} is given frames as images only, not a video")
    way = _Way(keep_pixels, rotations, frame_seconds)
    return [_encode(vlm, item, way) for item in items]


def _encode(vlm: Vlm, item: Item, way: _Way) -> Prompt:
    try:
        item = replace(item, images=tuple(item.images))  # which are decoded when they are looked at
        inputs = _processed(vlm, item, way.frame_seconds)
        images = _image_inputs(vlm, inputs)
        features_NDH = None if way.keep_pixels else _frozen_features(vlm, images)
        first = _prompt(vlm, item, inputs, images, features_NDH)
        turned = [
            (other, _processed(vlm, other, way.frame_seconds)) for other in rotations_of(item) if way.rotations
        ]
        rest = [_prompt(vlm, other, processed, images, features_NDH) for other, processed in turned]
    except InputError as error:
        raise InputError(f"item {item.id!r}: {error}") from error
    return replace(first, rotated=tuple(rest))


def _prompt(
    vlm: Vlm, item: Item, inputs: Any, images: dict[str, torch.Tensor], features_NDH: torch.Tensor | None
) -> Prompt:
    ids_L = inputs["input_ids"][0]
    n_places = int(image_places(vlm, ids_L).sum())
    if features_NDH is not None and len(features_NDH) != n_places:
        raise InputError(f"{len(features_NDH)} image features for {n_places} places")
    if bool(images) != bool(n_places):
        raise InputError(f"{len(item.images)} images, but {n_places} places for image features")
    asked = _conversation(item)
    return Prompt(
        item=item.id,
        answer=item.answer,
        ids_L=ids_L,
        positions_PL=vlm.family.positions(vlm.model, inputs).clone(),
        features_NDH=features_NDH,
        option_ids_K=option_ids(vlm, asked, item.letters),
        target_ids_A=target_ids(vlm, asked, _taught(item, item.answer)),
        pixels=images if features_NDH is None else None,
        scorer=item.scorer,
    )


def answered(vlm: Vlm, prompt: Prompt, item: Item, answer: str) -> Prompt:
    """The same prompt with another answer to be learned.

    Parameters
    ----------
    vlm
        The model that it was encoded for.
    prompt
        What is asked.
    item
        The item that it was made of.
    answer
        A letter where the item has options; else an answer as the item's own is written.
    """
    return replace(prompt, answer=answer, target_ids_A=target_ids(vlm, _conversation(item), _taught(item, answer)))


def _taught(item: Item, answer: str) -> str:
    """What is learned to be written: the first of several accepted answers."""
    return answer if item.choices else accepted_answers(answer, item.scorer)[0]


def _conversation(item: Item, as_video: bool = False) -> list[dict[str, Any]]:
    seen = [{"type": "video"}] if as_video else [{"type": "image"}] * len(item.images)
    return [{"role": "user", "content": [*seen, {"type": "text", "text": question_text(item)}]}]


def _processed(vlm: Vlm, item: Item, frame_seconds: float | None) -> Any:
    """All that the processor returns for an item."""
    as_video = item.is_video and frame_seconds is not None
    asked = _conversation(item, as_video)
    text = vlm.processor.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    images = list(item.images)
    given = [images] if vlm.family.images_nested else images
    try:
        if as_video and frame_seconds is not None:
            return video_inputs(vlm, text, images, frame_seconds)
        return vlm.processor(text=[text], images=given if images else None, return_tensors="pt")
    except InputError:
        raise
    except (ValueError, TypeError, IndexError, ZeroDivisionError, OSError, MemoryError) as error:
        sizes = ", ".join(f"{image.width} x {image.height}" for image in item.images)
        raise InputError(f"its images ({sizes}) cannot be prepared: {error}") from error


def _image_inputs(vlm: Vlm, inputs: Any) -> dict[str, torch.Tensor]:
    """What the vision tower is given; nothing that the processor returned is dropped unseen."""
    images = {_AS_IMAGES.get(name, name): value for name, value in inputs.items() if name not in _TEXT_INPUTS}
    unknown = sorted(set(images) - set(vlm.family.image_inputs))
    if unknown:
        raise InputError(f"the processor returned {unknown[0]!r}, which this family's vision tower does not take")
    return images


def image_places(vlm: Vlm, ids: torch.Tensor) -> torch.Tensor:
    """Where image features stand, in the shape of `ids`."""
    import torch

    return torch.isin(ids, torch.tensor(vlm.image_tokens, device=ids.device))


def _frozen_features(vlm: Vlm, images: Mapping[str, torch.Tensor]) -> torch.Tensor:
    import torch

    with torch.no_grad():
        features_NDH = image_features(vlm, images)
    return features_NDH.cpu().clone()  # outside of inference mode: a plain tensor


def image_features(vlm: Vlm, images: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """``(N, D, H)``, with gradient where that is on: what stands at the image places of a prompt."""
    import torch

    if not images:
        return torch.empty(0, vlm.n_depths, vlm.decoder.config.hidden_size, dtype=vlm.dtype, device=vlm.device)
    placed = {
        name: value.to(vlm.device, vlm.dtype if value.is_floating_point() else None)
        for name, value in images.items()
    }
    return vlm.family.features(vlm.model, placed)
