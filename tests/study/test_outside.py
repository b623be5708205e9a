"""What a study leaves behind is of use without this package."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.models.test_answering import direct_inputs
from tests.models.tiny import colour_items

torch = pytest.importorskip("torch", reason="the run side needs torch: pip install '.[models]'")


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's own
def test_an_adapter_answers_the_same_with_plain_peft(bench, reference):
    from peft import PeftModel
    from transformers import Qwen2_5_VLForConditionalGeneration

    from tasktransfer.models.vlm import load_model

    answers = pd.read_parquet(reference / "predictions.parquet")
    ours = answers[(answers["source"] == "two") & (answers["target"] == "one")]
    base = answers[(answers["source"] == "") & (answers["target"] == "one")]
    cell = next(path for path in (reference / "cells").iterdir() if "-two-seed0" in path.name)
    plain = Qwen2_5_VLForConditionalGeneration.from_pretrained(bench / "model", dtype=torch.float32)
    adapted = PeftModel.from_pretrained(plain, cell / "adapter").eval()
    processor = load_model(bench / "model")
    items = {item.id: item for item in colour_items(24)}
    letters = processor.processor.tokenizer.convert_tokens_to_ids(list("ABCD"))
    assert len(ours) == 8
    for row in ours.itertuples():
        item = items[row.item]
        with torch.inference_mode():
            logits = adapted(**direct_inputs(processor, item)).logits[0, -1]
        options = logits.log_softmax(-1)[letters[: len(item.choices)]]
        assert "ABCD"[int(options.argmax())] == row.predicted
        assert torch.allclose(options, torch.tensor(row.option_loglikelihoods).float(), atol=1e-4)
    told = zip(ours["option_loglikelihoods"], base["option_loglikelihoods"], strict=True)
    assert any(abs(a[0] - b[0]) > 1e-2 for a, b in told)
