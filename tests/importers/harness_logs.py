"""Logs as four harnesses write them, built from lists of right answers and replies.

The fields are those of the harnesses as read in August 2026; values that no reader looks at are left out.
"""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

Answers = Mapping[str, Sequence[tuple[str, str]]]  # target: right letter and reply, item by item
STAMP = "20260818_101500"
OPTIONS = ("yes", "no", "both", "none")


def verdict(right: str, reply: str) -> bool:
    """A harness's own reading: the first letter in parentheses, else the first letter."""
    letters = [sign for sign in reply.upper() if sign.isalpha()]
    return bool(letters) and letters[0] == right


def lines(path: Path, rows: Sequence[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def dump(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path


def prompt(n_choices: int = 2) -> str:
    return "Which?\n" + "\n".join(
        f"({letter}) {text}" for letter, text in zip("ABCD"[:n_choices], OPTIONS, strict=False)
    )


# lmms-eval


def lmms_eval(
    folder: Path,
    answers: Answers,
    *,
    stamp: str = STAMP,
    model_args: str = "pretrained=Qwen/Qwen2.5-VL-7B-Instruct",
    samples: bool = True,
    original: int | None = None,
) -> Path:
    results: dict[str, Any] = {"blink": {"alias": "blink", "blink_acc,none": 0.5, "blink_acc_stderr,none": "N/A"}}
    counts, subtasks = {}, []
    for target, pairs in answers.items():
        task = "blink_" + target.lower().replace("-", "_")
        hits = [verdict(*pair) for pair in pairs]
        results[task] = {
            "alias": f" - {task}", "samples": len(pairs), "blink_acc,none": sum(hits) / len(hits),
            "blink_acc_stderr,none": "N/A", "blink_acc_stderr_clt,none": "N/A",
        }  # fmt: skip
        counts[task] = {"original": original or len(pairs), "effective": len(pairs)}
        subtasks.append(task)
        if samples:
            rows = [lmms_sample(k, target, *pair) for k, pair in enumerate(pairs)]
            lines(folder / f"{stamp}_samples_{task}.jsonl", rows)
    dump(
        folder / f"{stamp}_results.json",
        {
            "results": results, "groups": {"blink": results["blink"]}, "n-samples": counts,
            "group_subtasks": {"blink": subtasks, **{task: [] for task in subtasks}},
            "config": {"model": "qwen2_5_vl", "model_args": model_args, "limit": None},
            "model_name": "x", "date": stamp,
        },
    )  # fmt: skip
    return folder


def lmms_sample(doc_id: int, target: str, right: str, reply: str) -> dict[str, Any]:
    told = {
        "id": f"val_{target}_{doc_id + 1}", "gt_content": right, "pred_parsed": reply[:1], "pred": reply,
        "sub_task": target, "is_correct": verdict(right, reply),
    }  # fmt: skip
    return {
        "doc_id": doc_id, "target": f"({right})", "input": prompt(), "filtered_resps": [reply],
        "token_counts": [1], "doc_hash": "9f", "blink_acc": told,
    }  # fmt: skip


# VLMEvalKit


def vlmevalkit_rows(answers: Answers, *, hit: bool = True) -> list[list[Any]]:
    header = [
        "index",
        "question",
        "A",
        "B",
        "C",
        "D",
        "answer",
        "category",
        "prediction",
        *(["hit"] if hit else []),
    ]
    rows: list[list[Any]] = [header]
    for target, pairs in answers.items():
        for right, reply in pairs:
            row = [len(rows) - 1, "Which?", "yes", "no", None, None, right, target, reply]
            rows.append([*row, int(verdict(right, reply))] if hit else row)
    return rows


def vlmevalkit(folder: Path, answers: Answers, *, model: str = "m", form: str = "xlsx") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    sheet(folder / f"{model}_BLINK.{form}", vlmevalkit_rows(answers, hit=False))
    sheet(folder / f"{model}_BLINK_exact_matching_result.{form}", vlmevalkit_rows(answers))
    (folder / f"{model}_BLINK_exact_matching_result.pkl").write_bytes(b"\x80\x04never opened")
    vlmevalkit_accuracies(folder / f"{model}_BLINK_acc.csv", answers)
    dump(folder / "status.json", {"schema_version": "1.0", "datasets": {"BLINK": {"status": "done"}}})
    return folder


def vlmevalkit_accuracies(path: Path, answers: Answers) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shares = {t: sum(verdict(*pair) for pair in pairs) / len(pairs) for t, pairs in sorted(answers.items())}
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, quoting=csv.QUOTE_ALL)
        writer.writerow(["split", "Overall", *shares])
        writer.writerow(["none", 0.5, *shares.values()])
    return path


def sheet(path: Path, rows: Sequence[Sequence[Any]]) -> Path:
    """Rows as .xlsx (text as shared strings in even rows, inline in odd ones) or .tsv."""
    if path.suffix == ".tsv":
        with path.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle, delimiter="\t").writerows(rows)
        return path
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    shared: list[str] = []
    body = ""
    for number, row in enumerate(rows, start=1):
        cells = ""
        for letter, value in zip("ABCDEFGHIJK", row, strict=False):
            place = f'r="{letter}{number}"'
            if isinstance(value, str) and number % 2:
                cells += f'<c {place} t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'
            elif isinstance(value, str):
                shared.append(f"<si><r><t>{escape(value[:1])}</t></r><r><t>{escape(value[1:])}</t></r></si>")
                cells += f'<c {place} t="s"><v>{len(shared) - 1}</v></c>'
            elif value is not None:
                cells += f"<c {place}><v>{value}</v></c>"
        body += f'<row r="{number}">{cells}</row>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{space}">{"".join(shared)}</sst>')
        archive.writestr(
            "xl/worksheets/sheet1.xml", f'<worksheet xmlns="{space}"><sheetData>{body}</sheetData></worksheet>'
        )
    return path


# EvalScope


def evalscope(folder: Path, answers: Answers, *, model: str = "m", version: int = 2, reviews: bool = True) -> Path:
    subsets = []
    for target, pairs in answers.items():
        if reviews:
            rows = [evalscope_review(k, *pair, old=version == 1) for k, pair in enumerate(pairs)]
            lines(folder / "reviews" / model / f"blink_{target}.jsonl", rows)
        share = sum(verdict(*pair) for pair in pairs) / len(pairs)
        subsets.append({"name": target, "score": round(share, 4), "num": len(pairs)})
    if version == 2:
        subsets.append({"name": "OVERALL", "score": 0.5, "num": 9, "is_aggregate": True})
        named = {"identity": {"name": "acc", "aggregation": "mean", "dimensions": {}}, "semantics": {}}
        root = {"schema_version": 2, "primary_metric_identity": named["identity"]}
    else:
        named, root = {"name": "mean_acc", "num": 9, "score": 0.5, "macro_score": 0.5}, {"score": 0.5}
    metrics = [{**named, "categories": [{"name": ["default"], "num": 9, "score": 0.5, "subsets": subsets}]}]
    report = {"name": f"{model}@blink", "dataset_name": "blink", "model_name": model, "metrics": metrics, **root}
    dump(folder / "reports" / model / "blink.json", report)
    return folder


def evalscope_review(index: int, right: str, reply: str, *, old: bool = False) -> dict[str, Any]:
    score = {"value": {"acc": float(verdict(right, reply))}, "extracted_prediction": reply[:1],
             "prediction": reply, "explanation": None, "metadata": {}, "main_score_name": "acc"}  # fmt: skip
    said = [{"role": "user", "content": [{"type": "text", "text": prompt()}, {"type": "image", "image": "x"}]},
            {"role": "assistant", "content": reply}]  # fmt: skip
    sample = {"sample_id": index, "group_id": index, "score": score, "sample_metadata": {}}
    return {
        "index": index,
        "target": right,
        "sample_score": sample,
        **({"input": prompt()} if old else {"messages": said}),
    }


# Inspect AI


def inspect_ai(folder: Path, answers: Answers, *, packed: bool = False, **changes: Any) -> Path:
    """One log per target in a folder; `changes` replace keys of the log."""
    for target, pairs in answers.items():
        content = {**inspect_log(target, pairs), **changes}
        name = f"2026-08-18T10-15-00_{target.lower()}"
        if packed:
            pack(folder / f"{name}.eval", content)
        else:
            dump(folder / f"{name}.json", content)
    return folder


def inspect_log(target: str, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    share = sum(verdict(*pair) for pair in pairs) / len(pairs)
    return {
        "version": 2, "status": "success",
        "eval": {"task": f"inspect_evals/blink_{target.lower()}", "model": "hf/Qwen/Qwen2.5-VL-7B-Instruct",
                 "dataset": {"name": "blink", "samples": len(pairs)}, "config": {"epochs": 1}, "task_args": {}},
        "results": {"total_samples": len(pairs), "completed_samples": len(pairs),
                    "scores": [{"name": "choice", "scorer": "choice",
                                "metrics": {"accuracy": {"name": "accuracy", "value": share}}}]},
        "samples": [inspect_sample(k, *pair) for k, pair in enumerate(pairs)],
    }  # fmt: skip


def inspect_sample(identity: int, right: str, reply: str, *, epoch: int = 1, value: Any = None) -> dict[str, Any]:
    grade = ("C" if verdict(right, reply) else "I") if value is None else value
    return {
        "id": identity, "epoch": epoch, "input": "Which?", "choices": ["yes", "no"], "target": right,
        "output": {"choices": [{"message": {"content": reply}}], "completion": reply},
        "scores": {"choice": {"value": grade, "answer": reply[:1]}}, "metadata": {}, "error": None,
    }  # fmt: skip


def pack(path: Path, content: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        header = {key: value for key, value in content.items() if key != "samples"}
        archive.writestr("header.json", json.dumps(header))
        for sample in content.get("samples", []):
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
    return path


BUILDERS = {"lmms_eval": lmms_eval, "vlmevalkit": vlmevalkit, "evalscope": evalscope, "inspect_ai": inspect_ai}


def manifest(path: Path, runs: Sequence[Mapping[str, str]], leave_out: Sequence[str] = ()) -> Path:
    """A manifest of runs; JSON is YAML."""
    path.write_text(json.dumps({"runs": list(runs), "leave_out": list(leave_out)}, indent=1), encoding="utf-8")
    return path
