"""Known checkpoints at real size, on the meta device; costs against what is measured."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from tasktransfer.errors import InputError, SettingsError
from tasktransfer.models.cost import (
    feature_bytes,
    flops_per_image_token,
    flops_per_token,
    lora_parameters,
    memory,
)
from tasktransfer.models.decoder import activation_checkpointing, decoder_weights, whole_decoder
from tasktransfer.models.families import FAMILIES, Pixels
from tasktransfer.models.families.registry import CHECKPOINTS, checkpoint, image_tokens, real_config
from tasktransfer.models.lora import adapter_targets, lora
from tasktransfer.models.vlm import Vlm, load_model
from tests.models.tiny import make_tiny

torch = pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")

# r = 8: parameters and wrapped maps, attention alone and with the MLP; as counted elsewhere, in millions
PUBLISHED = {
    "Qwen/Qwen2.5-VL-3B-Instruct": (3.69, 144, 14.97, 252),
    "Qwen/Qwen2.5-VL-7B-Instruct": (5.05, 112, 20.19, 196),
    "Qwen/Qwen2.5-VL-32B-Instruct": (16.78, 256, 67.11, 448),
    "Qwen/Qwen2.5-VL-72B-Instruct": (32.77, 320, 105.27, 560),
    "Qwen/Qwen3-VL-2B-Instruct": (3.21, 112, 8.72, 196),
    "Qwen/Qwen3-VL-4B-Instruct": (5.90, 144, 16.52, 252),
    "Qwen/Qwen3-VL-8B-Instruct": (7.67, 144, 21.82, 252),
    "Qwen/Qwen3-VL-32B-Instruct": (19.92, 256, 67.11, 448),
    "llava-hf/llava-1.5-7b-hf": (8.39, 128, 19.99, 224),
    "llava-hf/llava-1.5-13b-hf": (13.11, 160, 31.29, 280),
    "llava-hf/llava-onevision-qwen2-0.5b-ov-hf": (1.08, 96, 4.40, 168),
    "llava-hf/llava-onevision-qwen2-7b-ov-hf": (5.05, 112, 20.19, 196),
    "OpenGVLab/InternVL3-1B-hf": (1.08, 96, 4.40, 168),
    "OpenGVLab/InternVL3-2B-hf": (2.18, 112, 9.23, 196),
    "OpenGVLab/InternVL3-8B-hf": (5.05, 112, 20.19, 196),
}
QUICK = {
    "Qwen/Qwen2.5-VL-7B-Instruct",
    "llava-hf/llava-onevision-qwen2-0.5b-ov-hf",
    "OpenGVLab/InternVL3-1B-hf",
}


def without_weights(hub_id):
    import transformers

    family = FAMILIES[CHECKPOINTS[hub_id].family]
    with torch.device("meta"):
        model = getattr(transformers, family.model_class)(real_config(hub_id))
    return Vlm(model.requires_grad_(False), None, family)


@pytest.mark.parametrize(
    "hub_id", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CHECKPOINTS]
)
def test_at_real_size_parameters_and_wrapped_maps_are_as_published(hub_id):
    row, vlm = CHECKPOINTS[hub_id], without_weights(hub_id)
    parts = {"language": 0, "projector": 0, "vision": 0}
    for name, weight in vlm.model.named_parameters():
        in_projector = name.startswith(vlm.family.projector) or name.endswith("image_newline")
        in_tower = name.startswith(vlm.family.vision)
        parts["projector" if in_projector else "vision" if in_tower else "language"] += weight.numel()
    assert parts == vars(row.parameters)
    assert sum(weight.numel() for weight in decoder_weights(vlm).values()) == row.parameters.language
    few, few_maps, many, many_maps = PUBLISHED[hub_id]
    for layers, millions, maps in (("attention", few, few_maps), ("attention+mlp", many, many_maps)):
        targets = adapter_targets(vlm, layers)
        assert targets.n == targets.decoder == maps
        with lora(vlm, r=8, alpha=16, dropout=0.0, layers=layers, name=hub_id) as adapted:
            trained = [(name, w.numel()) for name, w in adapted.named_parameters() if w.requires_grad]
        assert all(".language_model.layers." in name for name, _ in trained)
        assert sum(count for _, count in trained) == lora_parameters(row, 8, layers)[0]
        assert (sum(count for _, count in trained) / 1e6, maps) == (
            pytest.approx(millions, abs=0.006),
            lora_parameters(row, 8, layers)[1],
        )


def test_every_known_checkpoint_is_found_by_its_name():
    assert set(PUBLISHED) == set(CHECKPOINTS)
    assert checkpoint("qwen/qwen2.5-vl-7b-instruct") is CHECKPOINTS["Qwen/Qwen2.5-VL-7B-Instruct"]
    assert checkpoint("my/model") is None
    with pytest.raises(InputError, match=r"did you mean 'Qwen/Qwen2\.5-VL-7B-Instruct'"):
        real_config("Qwen/Qwen2.5-VL-7-Instruct")


def kept_bytes(vlm, method, layers, dtype, checkpointed):
    """Bytes per token that a pass through the decoder keeps for its backward pass."""
    kept = {}
    learning = (
        whole_decoder(vlm)
        if method == "full"
        else lora(vlm, r=1, alpha=1, dropout=0.0, layers=layers, name="tiny")
    )
    with learning, activation_checkpointing(vlm) if checkpointed else nullcontext():
        weights = {weight.untyped_storage().data_ptr() for weight in vlm.model.parameters()}

        def keep(tensor):
            place = tensor.untyped_storage()
            if place.data_ptr() not in weights:
                kept[place.data_ptr()] = (place.nbytes(), tensor)
            return tensor

        vlm.model.train()
        width, tokens = vlm.decoder.config.hidden_size, 64
        mask = torch.ones(2, tokens, dtype=torch.long)
        mask[0, -3:] = 0  # padding, as batches have: attention is then masked
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            vlm.decoder(
                inputs_embeds=torch.randn(2, tokens, width, dtype=dtype),
                attention_mask=mask,
                position_ids=torch.arange(tokens).expand(3, 2, -1),
                use_cache=False,
            )
    return sum(size for size, _ in kept.values()) / (2 * tokens)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("method", "layers"), [("full", "attention+mlp"), ("lora", "attention+mlp"), ("lora", "attention")]
)
def test_what_a_layer_keeps_is_as_estimated(tmp_path, dtype, method, layers):
    import transformers

    make_tiny(tmp_path)
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    text = config.text_config
    text.hidden_size, text.intermediate_size, text.num_attention_heads, text.num_key_value_heads = 256, 768, 16, 8
    config.vision_config.out_hidden_size = 256
    found = []
    for n_layers in (2, 4):  # what does not belong to a layer cancels
        text.num_hidden_layers = n_layers
        text.layer_types = ["full_attention"] * n_layers
        model = transformers.Qwen2_5_VLForConditionalGeneration(config).to(getattr(torch, dtype))
        vlm = Vlm(model.requires_grad_(False), None, FAMILIES["qwen2_5_vl"])
        found.append([kept_bytes(vlm, method, layers, model.dtype, again) for again in (False, True)])
    shape = CHECKPOINTS["Qwen/Qwen2.5-VL-3B-Instruct"]
    rows = [
        replace(shape, text=replace(shape.text, hidden=256, intermediate=768, heads=16, head_size=16, layers=n))
        for n in (2, 4)
    ]
    for again in (False, True):
        measured = (found[1][again] - found[0][again]) / 2
        plan = [memory(row, method, 1, dtype, layers=layers, checkpointing=again).activations for row in rows]
        assert measured == pytest.approx((plan[1] - plan[0]) / 2, rel=0.05)


def test_memory_of_real_sizes_is_what_cards_are_chosen_by():
    big, small = CHECKPOINTS["Qwen/Qwen2.5-VL-72B-Instruct"], CHECKPOINTS["Qwen/Qwen2.5-VL-3B-Instruct"]
    assert memory(small, "none", 1).weights / 1e9 == pytest.approx(7.5, abs=0.05)
    assert memory(big, "none", 1).weights / 1e9 == pytest.approx(146.8, abs=0.05)
    assert memory(big, "qlora", 1).weights / 1e9 == pytest.approx(42, abs=2)
    adapter, full = memory(small, "lora", 4000), memory(small, "full", 4000)
    assert adapter.trained == 16 * lora_parameters(small, 8)[0]
    assert full.trained == 18 * small.parameters.language  # float32 beside bfloat16
    assert memory(small, "lora", 4000, checkpointing=True).activations < adapter.activations / 5
    assert memory(small, "none", 4000).total < adapter.total < full.total
    with pytest.raises(SettingsError, match="method 'dora': accepted are none, lora, qlora, full"):
        memory(small, "dora", 1)
    assert feature_bytes(CHECKPOINTS["Qwen/Qwen3-VL-2B-Instruct"], 10) == 10 * 4 * 2048 * 2


def test_operations_are_those_that_torch_counts(tiny_folder, prompts):
    from torch.utils.flop_counter import FlopCounterMode

    from tasktransfer.models.answering import hidden_states, pad

    vlm = load_model(tiny_folder, attention="eager")  # whose products torch counts
    config = vlm.decoder.config
    text = replace(
        CHECKPOINTS["Qwen/Qwen2.5-VL-3B-Instruct"].text,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_size=16,
    )
    row = replace(CHECKPOINTS["Qwen/Qwen2.5-VL-3B-Instruct"], text=text)
    batch = pad(vlm, prompts[:1])
    n_tokens = prompts[0].n_tokens
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        hidden_states(vlm, batch)
    assert counter.get_total_flops() == pytest.approx(n_tokens * flops_per_token(row, context=n_tokens), rel=0.02)
    once = flops_per_token(row)
    assert [flops_per_token(row, method=name) / once for name in ("lora", "full")] == [2, 3]
    assert flops_per_token(row, method="lora", checkpointing=True) == 3 * once
    assert flops_per_image_token(CHECKPOINTS["Qwen/Qwen2.5-VL-7B-Instruct"]) > 2 * 4 * 6e8


def test_tokens_of_known_picture_sizes():
    qwen, llava = CHECKPOINTS["Qwen/Qwen2.5-VL-7B-Instruct"], CHECKPOINTS["llava-hf/llava-1.5-7b-hf"]
    intern = CHECKPOINTS["OpenGVLab/InternVL3-8B-hf"]
    assert image_tokens(qwen, [(640, 427)]) - 2 == 345
    assert image_tokens(qwen, [(1382, 1700)] * 3, Pixels(most=1280 * 28 * 28)) - 6 == 3744
    assert image_tokens(llava, [(640, 427)] * 2) == 2 * 576
    assert [
        (image_tokens(intern, [size]) - 2) // 256 for size in ((500, 375), (512, 512), (768, 768), (640, 427))
    ] == [
        13,
        1,
        5,
        7,
    ]


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl", "internvl", "llava_onevision"])
def test_tokens_of_a_picture_are_those_of_the_processor(family):
    import transformers
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
        LlavaOnevisionImageProcessorPil,
    )
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    row = next(row for row in CHECKPOINTS.values() if row.family == family)
    if family.startswith("qwen"):
        limits = {"qwen2_5_vl": (3136, 12845056), "qwen3_vl": (65536, 16777216)}[family]
        images = Qwen2VLImageProcessorPil(
            patch_size=row.vision.patch, size={"shortest_edge": limits[0], "longest_edge": limits[1]}
        )

        def theirs(width, height):
            return images.get_number_of_image_patches(height, width, {}) // 4 + 2

    elif family == "internvl":
        images = GotOcr2ImageProcessorPil(size={"height": 448, "width": 448}, crop_to_patches=True)

        def theirs(width, height):
            return images.get_number_of_image_patches(height, width, {}) * 256 + 2

    else:
        made = object.__new__(transformers.LlavaOnevisionProcessor)
        made.image_processor = LlavaOnevisionImageProcessorPil()
        made.num_image_tokens, made.vision_aspect_ratio = 729, "anyres_max_9"

        def theirs(width, height):
            return made._get_number_of_features(height, width, 384, 384)

    sizes = np.random.default_rng(0).integers(40, 3000, (200, 2)).tolist()
    sizes += [[500, 375], [512, 512], [768, 768], [30, 30], [4000, 300], [1024, 1365], [448, 896]]
    for width, height in sizes:
        assert image_tokens(row, [(width, height)]) == theirs(width, height), (width, height)
