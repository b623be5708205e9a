"""Random models of 50 to 130 thousand parameters, one a family: the real classes and image processors.

Each is written as a folder that loads as a checkpoint of the Hub does. Chat templates have the shape of those on
the Hub, white space and all: LLaVA-1.5 does not close the assistant's turn, LLaVA-OneVision opens it otherwise
when the answer is given than when it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["TINY", "make_tiny"]

WORDS = ["user", "assistant", *"ABCDEFGH", "(", ")", "?", ".", *map(str, range(20)), "which", "is", "the", "red",
         "green", "blue", "brighter", "colour", "left", "right", "how", "many", "square", "USER", "ASSISTANT",
         ":"]  # fmt: skip
QWEN_SPECIAL = ["<pad>", "<|im_end|>", "<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
                "<|video_pad|>", "<unk>"]  # fmt: skip
QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|> {{ message['role'] }} {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }} {% endif %}{% endfor %}<|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|> assistant {% endif %}"
)
LLAVA_SPECIAL = ["<pad>", "</s>", "<s>", "<image>", "<unk>"]
LLAVA_TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() + ': ' }}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
ONEVISION_SPECIAL = ["<pad>", "<|im_end|>", "<|im_start|>", "<image>", "<video>", "<unk>"]
ONEVISION_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + ' ' }}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ '\n' + part['text'] }}{% endfor %}"
    "{{ '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
INTERNVL_SPECIAL = ["<pad>", "<|im_end|>", "<|im_start|>", "<IMG_CONTEXT>", "<img>", "</img>", "<video>", "<unk>"]
INTERNVL_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}{{ '<IMG_CONTEXT>\n' }}"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SMALL = {"hidden_size": 32, "intermediate_size": 64}
TEXT = {**SMALL, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
        "max_position_embeddings": 512, "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0}  # fmt: skip
SIDE = 32


class Tiny(NamedTuple):
    """How one family is made."""

    special: list[str]
    template: str
    config: Callable[[int, Callable[[str], int]], Any]  # (words, token of a word) -> config
    images: Callable[[], Any]  # -> image processor
    said: dict[str, Any] | None = None  # processor_config.json
    named: dict[str, str] | None = None  # special tokens that the tokenizer knows by name


def _mrope() -> dict[str, Any]:
    return {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4}


def _qwen_tokens(token: Callable[[str], int]) -> dict[str, int]:
    places = {
        "image": "image_pad",
        "video": "video_pad",
        "vision_start": "vision_start",
        "vision_end": "vision_end",
    }
    return {f"{kind}_token_id": token(f"<|{word}|>") for kind, word in places.items()}


def _qwen2_5(n_words: int, token: Callable[[str], int]) -> Any:
    from transformers import Qwen2_5_VLConfig

    vision = {
        **SMALL, "depth": 1, "num_heads": 2, "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 1,
        "out_hidden_size": 32, "window_size": 64, "fullatt_block_indexes": [0], "in_channels": 3,
    }  # fmt: skip
    text = {"vocab_size": n_words, **TEXT, "rope_parameters": _mrope()}
    return Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, tie_word_embeddings=True, **_qwen_tokens(token)
    )


def _qwen3(n_words: int, token: Callable[[str], int]) -> Any:
    from transformers import Qwen3VLConfig

    vision = {
        **SMALL, "depth": 3, "num_heads": 2, "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 1,
        "out_hidden_size": 32, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1], "in_channels": 3,
    }  # fmt: skip
    # three layers: what is added after the last one would reach no answer
    text = {
        "vocab_size": n_words,
        **TEXT,
        "num_hidden_layers": 3,
        "head_dim": 16,
        "rope_parameters": _mrope() | {"mrope_interleaved": True},
    }
    return Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **_qwen_tokens(token))


def _llava(n_words: int, token: Callable[[str], int]) -> Any:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    vision = CLIPVisionConfig(**SMALL, num_hidden_layers=3, num_attention_heads=2, image_size=SIDE, patch_size=8)
    text = LlamaConfig(vocab_size=n_words, **(TEXT | {"bos_token_id": token("<s>")}))
    return LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=token("<image>"), image_seq_length=16,
        vision_feature_layer=-2, vision_feature_select_strategy="default", tie_word_embeddings=False,
    )  # fmt: skip


def _onevision(n_words: int, token: Callable[[str], int]) -> Any:
    from transformers import LlavaOnevisionConfig, Qwen2Config, SiglipVisionConfig

    vision = SiglipVisionConfig(
        **SMALL, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE, patch_size=8, vision_use_head=False
    )
    return LlavaOnevisionConfig(
        vision_config=vision, text_config=Qwen2Config(vocab_size=n_words, **TEXT),
        image_token_index=token("<image>"), video_token_index=token("<video>"), tie_word_embeddings=True,
        image_grid_pinpoints=[[h * SIDE, w * SIDE] for h in (1, 2) for w in (1, 2)],
        vision_feature_layer=-1, vision_feature_select_strategy="full",
    )  # fmt: skip


def _internvl(n_words: int, token: Callable[[str], int]) -> Any:
    from transformers import InternVLConfig, InternVLVisionConfig, Qwen2Config

    vision = InternVLVisionConfig(
        **SMALL, num_hidden_layers=2, num_attention_heads=2, image_size=[SIDE, SIDE], patch_size=[8, 8]
    )
    text = Qwen2Config(vocab_size=n_words, **TEXT)
    return InternVLConfig(
        vision_config=vision, text_config=text, image_token_id=token("<IMG_CONTEXT>"), image_seq_length=4,
        downsample_ratio=0.5, tie_word_embeddings=False,
    )  # fmt: skip


def _qwen_images() -> Any:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    size = {"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
    return Qwen2VLImageProcessorPil(patch_size=8, temporal_patch_size=1, merge_size=2, size=size)


def _clip_images() -> Any:
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


def _onevision_images() -> Any:
    from transformers import LlavaOnevisionImageProcessorPil

    grids = [[h * SIDE, w * SIDE] for h in (1, 2) for w in (1, 2)]
    return LlavaOnevisionImageProcessorPil(size={"height": SIDE, "width": SIDE}, image_grid_pinpoints=grids)


def _internvl_images() -> Any:
    from transformers import GotOcr2ImageProcessorPil

    return GotOcr2ImageProcessorPil(size={"height": SIDE, "width": SIDE}, max_patches=4)


TINY: dict[str, Tiny] = {
    "qwen2_5_vl": Tiny(QWEN_SPECIAL, QWEN_TEMPLATE, _qwen2_5, _qwen_images),
    "qwen3_vl": Tiny(QWEN_SPECIAL, QWEN_TEMPLATE, _qwen3, _qwen_images),
    "llava": Tiny(
        LLAVA_SPECIAL,
        LLAVA_TEMPLATE,
        _llava,
        _clip_images,
        {"patch_size": 8, "num_additional_image_tokens": 1, "vision_feature_select_strategy": "default"},
    ),
    "llava_onevision": Tiny(
        ONEVISION_SPECIAL,
        ONEVISION_TEMPLATE,
        _onevision,
        _onevision_images,
        {"num_image_tokens": 16, "vision_feature_select_strategy": "full", "vision_aspect_ratio": "anyres_max_9"},
    ),
    "internvl": Tiny(
        INTERNVL_SPECIAL,
        INTERNVL_TEMPLATE,
        _internvl,
        _internvl_images,
        {"image_seq_length": 4},
        {
            "context_image_token": "<IMG_CONTEXT>",
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "video_token": "<video>",
        },
    ),
}


def make_tiny(
    folder: Path, family: str = "qwen2_5_vl", *, seed: int = 0, wide: bool = False, frames: int = 1
) -> Path:
    """Write the model of a family into a folder, as `save_pretrained` would.

    A wide one can go to 4 bits; one of several frames a patch takes a video as those of the Hub do.
    """
    import torch
    import transformers

    from tasktransfer.models.families import FAMILIES

    tiny = TINY[family]
    words = [*tiny.special, *WORDS]
    _write_tokenizer(folder, tiny, words)
    (folder / "chat_template.jinja").write_text(tiny.template, encoding="utf-8")
    images = tiny.images()
    if frames > 1:
        images.temporal_patch_size = frames
    images.save_pretrained(folder)
    if tiny.said:
        (folder / "processor_config.json").write_text(json.dumps(tiny.said), encoding="utf-8")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = tiny.config(len(words), words.index)
        if wide:
            _widen(config)
        if frames > 1:
            config.vision_config.temporal_patch_size = frames
        model = getattr(transformers, FAMILIES[family].model_class)(config)
        with torch.no_grad():  # the default initialisation is so small that every answer would be the same
            for weight in model.parameters():
                if weight.ndim == 2:
                    weight.mul_(weight.shape[1] ** -0.5 / weight.std())
    model.save_pretrained(folder)
    return folder


def _widen(config: Any) -> None:
    """The language model twice as wide: 4-bit maps come in blocks of 64."""
    text = config.text_config
    text.hidden_size, text.intermediate_size = 2 * text.hidden_size, 2 * text.intermediate_size
    text.num_attention_heads, text.num_key_value_heads = 4, 4
    if hasattr(config.vision_config, "out_hidden_size"):
        config.vision_config.out_hidden_size = text.hidden_size


def _write_tokenizer(folder: Path, tiny: Tiny, words: list[str]) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    if "<s>" in words:  # as Llama's: a beginning that no template writes
        raw.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", words.index("<s>"))]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token=tiny.special[1],
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=tiny.special[2:-1],
    )
    tokenizer.save_pretrained(folder)
    if tiny.named:
        path = folder / "tokenizer_config.json"
        told = json.loads(path.read_text()) | {"extra_special_tokens": tiny.named} | tiny.named
        path.write_text(json.dumps(told))
