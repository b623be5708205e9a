"""Studies to begin with: the file that `tasktransfer init` writes, and those behind `tasktransfer demo`.

`studies/toy-demo.yaml` and `studies/toy-quick.yaml` are the second.
"""

from __future__ import annotations

from tasktransfer.models.toy import EMBEDDED
from tasktransfer.study.spec import ItemCounts, ModelChoice, Study

__all__ = ["TEMPLATE", "demo_study"]

TEMPLATE = """\
# A study: finetune each model on each source, per seed, and test all of them on all targets.
# Check it with `tasktransfer plan study.yaml`; run it with `tasktransfer run study.yaml --out DIR`.
# Only name, models, sources and seeds are needed; everything else shows its default.
name: my-study

# name -> `toy` (embedded, needs no download), a folder, or a Hub id.
models:
  toy: toy
  # mine: {weights: Qwen/Qwen2.5-VL-3B-Instruct, revision: main, dtype: bfloat16, max_pixels: 401408}
  # of an image: min_pixels and max_pixels (Qwen), or max_tiles (InternVL, LLaVA-OneVision)
  # attention: sdpa, eager or flash_attention_2; family: module:NAME, of a kind that is not known here
  # frame_seconds: 1       # frames of a video go in as a video, so far apart (Qwen); as images where not given

sources: [toy_relative_depth, toy_visual_correspondence, toy_jigsaw, toy_spatial_relation]
# targets: the sources, where not given; "toy_counting (open)" asks the same items without their options
# adapters: sources that are trained already, as PEFT folders
#   theirs: ./adapters/{model}/theirs-{seed}
seeds: [0]
# more_seeds: {toy_jigsaw: [1, 2]}   # further seeds of single sources, as `plan --next` proposes them

# Tasks of your own: name -> a folder with images and items.jsonl, module:function, or a Hub dataset.
# tasks:
#   my_task: ./my_task
#   theirs: {dataset: org/name, columns: {question: question, images: [image], choices: options, answer: answer}}
#     dataset: org/name, or a folder of tables. There may stand, too, config: a part of it; revision; splits:
#     {train: train, test: validation}, which of its own they are; answers: letter, index or text, read off the
#     data where not given; scorer: of answers without options; in columns, id and cluster (one scene, one image).
#     They may also stand under `datasets`.
# Benchmarks (blink_..., vsi_...): a local copy, the Hub where not given; and each source's training items.
# data: {blink: ./BLINK, vsi_bench: ./VSI-Bench}
# training: {blink_jigsaw: ./training/blink_jigsaw}
# video: {frames: 32, strict: false}

items:
  source: 256   # trained on, of each source the same number: at most what the smallest holds
  target: 64    # asked, per target; of a benchmark at most so many, or all
# more_items: {toy_jigsaw: 128}   # asked of single targets, instead of items.target
data_seed: 0    # which items are drawn, for tasks that are drawn

# One adapter per seed each, trained on an equal mix of all sources with the items and steps of a finetune:
#   format-only (answers are the untouched model's own), shuffled (random answers), no-image (grey images)
controls: [format-only]
per_source_controls: []   # the same, once per source

method:
  kind: lora              # or qlora: on a language model in 4 bits; or full: the whole language model
  r: 8
  alpha: 16
  dropout: 0
  layers: attention+mlp   # or attention
  projector: false        # adapters there too, and in the vision tower
  vision: false

optimisation:
  lr: 1.0e-3
  steps: 60
  batch: 16
  warmup: 0.1             # share of the steps
  schedule: cosine        # or constant
  weight_decay: 0
  clip: 1
  stop: 1                 # train this share of the steps only, on the schedule of all

# More sources: mixtures of so many items of each task, trained like any source; and merges, which put the sources'
# adapters together without training (how: linear, cat, which is exact, ties, dare_linear or dare_ties; the last
# three keep the share density, 0.5).
# mixtures:
#   half-and-half: {toy_relative_depth: 128, toy_jigsaw: 128}
# merges:
#   merged-halves: {of: half-and-half, how: cat}        # or weights: {of: {toy_jigsaw: 0.7, ...}}

# Compare ways of training: each variant is the study with some values changed.
# variants:
#   lora: {}
#   full: {method: {kind: full}, optimisation: {lr: 1.0e-4}}

evaluation:
  scorers: [likelihood]   # and generation: written answers, read by an extractor
  # generation_items: 32  # the first so many of each target; all where not given
  max_new_tokens: 8
  rotations: false        # the mean over all cyclic orders of the options

# Where and in what portions; decides no result beyond rounding.
compute:
  device: auto            # cpu, cuda, cuda:1; a GPU where there is one, but not for `toy`
  gpus: 1                 # that share one finetune
  tokens: 16384           # through the model at once
  activation_checkpointing: false
  checkpoint_every: 200   # steps
  keep_features: true     # image features on disk, computed once; false: computed in each pass
"""

_TWINS = (
    "toy_visual_similarity",
    "toy_art_style",
    "toy_visual_correspondence",
    "toy_relative_depth",
    "toy_relative_reflectance",
    "toy_spatial_relation",
    "toy_jigsaw",
    "toy_counting",
    "toy_functional_correspondence",
    "toy_semantic_correspondence",
    "toy_multi_view_reasoning",
    "toy_object_localization",
    "toy_forensic_detection",
)
_QUICK = (
    "toy_relative_depth",
    "toy_relative_reflectance",
    "toy_visual_correspondence",
    "toy_semantic_correspondence",
)


def demo_study(*, quick: bool = False) -> Study:
    """Thirty adapters of the embedded model on the drawn twins of the paper's tasks; `quick` is five on four."""
    tasks = _QUICK if quick else _TWINS
    return Study(
        name="toy-quick" if quick else "toy-demo",
        models={EMBEDDED: ModelChoice(weights=EMBEDDED)},
        sources=tasks,
        targets=tasks,
        seeds=(0,) if quick else (0, 1),
        controls=("format-only",) if quick else ("format-only", "no-image"),
        items=ItemCounts(source=256, target=64),
    )
