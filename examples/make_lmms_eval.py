"""Write two small folders in the form of lmms-eval: a baseline, and a finetune on Jigsaw. All answers are made up.

python examples/make_lmms_eval.py
"""

import json
import random
from pathlib import Path

OUT = Path(__file__).with_name("lmms_eval")
N_ITEMS = 12
OPTIONS = {"Jigsaw": ("the second image", "the third image"), "Spatial_Relation": ("yes", "no")}
RUNS = {  # folder: model arguments, probability of a right answer, form of the answer
    "Qwen__Qwen2.5-VL-7B-Instruct": ("pretrained=Qwen/Qwen2.5-VL-7B-Instruct", 0.55, "The answer is ({})."),
    "adapters__jigsaw_seed0": ("pretrained=Qwen/Qwen2.5-VL-7B-Instruct,peft=adapters/jigsaw_seed0", 0.75, "{}"),
}

for folder, (model_args, skill, form) in RUNS.items():
    stamp, results, counts = "20260818_101500", {}, {}
    (OUT / folder).mkdir(parents=True, exist_ok=True)
    for task, options in OPTIONS.items():
        labels, draw = random.Random(task), random.Random(f"{folder} {task}")  # fixed, whatever the machine
        name, lines, hits = f"blink_{task.lower()}", [], 0
        for k in range(N_ITEMS):
            right = labels.choice("AB")
            reply = form.format(right if draw.random() < skill else "AB"[right == "A"])
            parsed = next(letter for letter in reply if letter.isalpha()).upper()  # the harness reads "The" as T
            hits += parsed == right
            verdict = {"id": f"val_{task}_{k + 1}", "gt_content": right, "pred_parsed": parsed, "pred": reply,
                       "sub_task": task, "is_correct": parsed == right}  # fmt: skip
            prompt = f"Which?\n(A) {options[0]}\n(B) {options[1]}"
            line = {"doc_id": k, "target": f"({right})", "input": prompt, "filtered_resps": reply}
            lines.append(json.dumps({**line, "blink_acc": verdict}))
        (OUT / folder / f"{stamp}_samples_{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        results[name] = {"alias": name, "blink_acc,none": hits / N_ITEMS, "blink_acc_stderr,none": "N/A"}
        counts[name] = {"original": {"Jigsaw": 150, "Spatial_Relation": 143}[task], "effective": N_ITEMS}
    told = {"results": results, "n-samples": counts, "config": {"model": "qwen2_5_vl", "model_args": model_args}}
    (OUT / folder / f"{stamp}_results.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
