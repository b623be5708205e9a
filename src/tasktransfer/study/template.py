"""The study file that `tasktransfer init` writes."""

from __future__ import annotations

__all__ = ["TEMPLATE"]

TEMPLATE = """\
# A study: finetune each model on each source, per seed, and test all of them on all targets.
# Check it with `tasktransfer plan study.yaml`; run it with `tasktransfer run study.yaml --out DIR`.
# Only name, models, sources and seeds are needed; everything else shows its default.
name: my-study

# name -> `toy` (embedded, needs no download), a folder, or a Hub id.
models:
  toy: toy
  # mine: {weights: ./my-qwen2.5-vl, dtype: bfloat16}

sources: [toy_relative_depth, toy_visual_correspondence, toy_jigsaw, toy_spatial_relation]
# targets: the sources, where not given
seeds: [0]

# Tasks of your own: name -> a folder with images and items.jsonl, or module:function.
# tasks:
#   my_task: ./my_task

items:
  source: 256   # trained on, per source
  target: 64    # asked, per target
data_seed: 0    # which items are drawn, for tasks that are drawn

# One adapter per seed each, trained on an equal mix of all sources with the items and steps of a finetune:
#   format-only (answers are the untouched model's own), shuffled (random answers), no-image (grey images)
controls: [format-only]
per_source_controls: []   # the same, once per source

method:
  kind: lora              # or full: the whole language model
  r: 8
  alpha: 16
  dropout: 0
  layers: attention+mlp   # or attention

optimisation:
  lr: 1.0e-3
  steps: 60
  batch: 16
  warmup: 0.1             # share of the steps
  schedule: cosine        # or constant
  weight_decay: 0
  clip: 1
  stop: 1                 # train this share of the steps only, on the schedule of all

# Compare ways of training: each variant is the study with some values changed.
# variants:
#   lora: {}
#   full: {method: {kind: full}, optimisation: {lr: 1.0e-4}}

evaluation:
  scorers: [likelihood]   # and generation: written answers, read by an extractor
  # generation_items: 32  # the first so many of each target; all where not given
  max_new_tokens: 8
"""
