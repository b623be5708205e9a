"""A random Qwen2.5-VL of 60 thousand parameters: the real class, processor and template, nothing trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tasktransfer.tasks.item import Item

TEMPLATE = (
    "{% for message in messages %}<|im_start|> {{ message['role'] }} {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }} {% endif %}{% endfor %}<|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|> assistant {% endif %}"
)
SPECIAL = ["<pad>", "<|im_end|>", "<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
           "<|video_pad|>", "<unk>"]  # fmt: skip
WORDS = ["user", "assistant", *"ABCDEFGH", "(", ")", "?", ".", *map(str, range(20)), "which", "is", "the", "red",
         "green", "blue", "brighter", "colour", "left", "right", "how", "many", "square"]  # fmt: skip


def make_tiny(folder: Path, *, seed: int = 0) -> Path:
    """Write the model into a folder, as `save_pretrained` would."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"additional_special_tokens": SPECIAL[2:7]}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<pad>", unk_token="<unk>", **special
    )
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    size = {"shortest_edge": 16 * 16, "longest_edge": 64 * 64}
    Qwen2VLImageProcessorPil(patch_size=8, temporal_patch_size=1, merge_size=2, size=size).save_pretrained(folder)
    text = {
        "vocab_size": len(vocabulary), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 512, "bos_token_id": None,
        "eos_token_id": 1, "pad_token_id": 0,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4},
    }  # fmt: skip
    vision = {
        "depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 8,
        "spatial_merge_size": 2, "temporal_patch_size": 1, "out_hidden_size": 32, "window_size": 64,
        "fullatt_block_indexes": [0], "in_channels": 3,
    }  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, image_token_id=5, video_token_id=6, vision_start_token_id=3,
        vision_end_token_id=4, tie_word_embeddings=True,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(config)
        with torch.no_grad():  # the default initialisation is so small that every answer would be the same
            for weight in model.parameters():
                if weight.ndim == 2:
                    weight.mul_(weight.shape[1] ** -0.5 / weight.std())
    model.save_pretrained(folder)
    return folder


def colour_items(n_items: int, *, seed: int = 0, sizes: tuple[int, ...] = (32, 48)) -> list[Item]:
    """Items of 1 to 3 images and 2 to 4 options, of unlike lengths: which colour is it?"""
    rng = np.random.default_rng(seed)
    colours = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "square": (240, 240, 240)}
    items = []
    for number in range(n_items):
        names = [str(name) for name in rng.permutation(list(colours))][: int(rng.integers(2, 5))]
        right = int(rng.integers(len(names)))
        side = int(rng.choice(sizes))
        noise = rng.integers(0, 20, (side, side, 3))
        image = Image.fromarray(np.clip(np.array(colours[names[right]]) + noise, 0, 255).astype(np.uint8))
        many = "which colour is it ?" if rng.random() < 0.5 else "which is the colour , how many , left or right ?"
        images = (image,) * int(rng.integers(1, 4))
        items.append(Item(f"c{number:04d}", images, many, tuple(names), "ABCD"[right]))
    return items


def write_task(folder: Path, items: list[Item], *, splits: tuple[str, ...] = ("train", "test")) -> Path:
    """Write items as a task of one's own: images and items.jsonl, splits in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "items.jsonl").open("w", encoding="utf-8") as handle:
        for number, item in enumerate(items):
            names = []
            for place, image in enumerate(item.images):
                names.append(f"{item.id}-{place}.png")
                image.save(folder / names[-1])
            row = {"id": item.id, "images": names, "question": item.question, "answer": item.answer,
                   "choices": list(item.choices), "split": splits[number % len(splits)]}  # fmt: skip
            handle.write(json.dumps(row) + "\n")
    return folder


def number_items(n_items: int, *, seed: int = 0) -> list[Item]:
    """Items without options: how many squares?"""
    rng = np.random.default_rng(seed)
    items = []
    for number in range(n_items):
        picture = np.full((32, 32, 3), 40, dtype=np.uint8)
        count = int(rng.integers(1, 5))
        for place in range(count):
            picture[4:10, 2 + 8 * place : 6 + 8 * place] = 220
        items.append(Item(f"n{number}", (Image.fromarray(picture),), "how many square ?", (), str(count)))
    return items
