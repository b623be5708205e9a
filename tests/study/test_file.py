"""Faults in a study file are all told at once, with their line and the nearest name."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from pydantic import BaseModel

from tasktransfer.errors import InputError
from tasktransfer.study.file import check_study, load_study
from tasktransfer.study.plan_study import taken_from_hub
from tasktransfer.study.spec import Study, study_text
from tasktransfer.study.template import TEMPLATE

GOOD = """\
name: good
models: {toy: toy}
sources: [toy_jigsaw, toy_counting]
seeds: [0, 1]
"""
FAULTS = {
    "unknown key": (GOOD + "sed: [1]", ":5  sed: unknown key (did you mean 'seeds'?)"),
    "unknown inner key": (GOOD + "method:\n  aplha: 1", ":6  method.aplha: unknown key (did you mean 'alpha'?)"),
    "wrong type": (GOOD + "items:\n  target: many", ":6  items.target: is 'many'; accepted is a whole number"),
    "not whole": (GOOD + "items: {source: 1.5}", "items.source: is '1.5'; accepted is a whole number"),
    "truth for a number": (GOOD + "items: {source: yes}", "items.source: is 'True'; accepted is a whole number"),
    "unknown task": (
        GOOD + "targets: [toy_jigsow]",
        ":5  targets.0: unknown task 'toy_jigsow' (did you mean 'toy_jigsaw'?)",
    ),
    "bare task": (GOOD + "targets: [jigsaw]", "unknown task 'jigsaw' (did you mean 'toy_jigsaw'?)"),
    "no such model": (GOOD.replace("toy: toy", "m: tyo"), "models.m: unknown model 'tyo' (did you mean 'toy'?"),
    "missing model folder": (GOOD.replace("toy: toy", "m: ./nowhere"), "models.m: no such folder: "),
    "missing task folder": (GOOD + "tasks: {mine: ./nowhere}", ":5  tasks.mine: no such folder: "),
    "task under a built-in name": (GOOD + "tasks: {toy_jigsaw: .}", "is the name of a built-in task"),
    "no seeds": (GOOD.replace("[0, 1]", "[]"), ":4  seeds: is empty; at least one is needed"),
    "seeds as a count": (GOOD.replace("[0, 1]", "3"), "seeds: is '3'; it should be a valid tuple"),
    "negative seed": (GOOD.replace("[0, 1]", "[-1]"), "seeds.0: is '-1'; it should be greater than or equal to 0"),
    "rank zero": (GOOD + "method: {r: 0}", "method.r: is '0'; it should be greater than or equal to 1"),
    "no sources": (GOOD.replace("[toy_jigsaw, toy_counting]", "[]"), ":3  sources: is empty"),
    "sources missing": ("name: x\nmodels: {toy: toy}\nseeds: [0]", "sources: is missing"),
    "no models": (GOOD.replace("{toy: toy}", "{}"), "models: is empty"),
    "source twice": (GOOD.replace("toy_counting", "toy_jigsaw"), ":3  sources.1: 'toy_jigsaw' stands there twice"),
    "seed twice": (GOOD.replace("[0, 1]", "[1, 1]"), ":4  seeds.1: 1 stands there twice"),
    "key twice": (GOOD + "seeds: [2]", ":5  seeds: stands there twice, first in line 4"),
    "unknown control": (GOOD + "controls: [format_only]", "is 'format_only' (did you mean 'format-only'?)"),
    "rate of zero": (GOOD + "optimisation: {lr: 0}", "optimisation.lr: is '0'; it should be greater than 0"),
    "rate not finite": (GOOD + "optimisation: {lr: .inf}", "optimisation.lr: is 'inf'; it should be a finite"),
    "name with a slash": (GOOD.replace("name: good", "name: a/b"), ":1  name: is 'a/b'"),
    "full with vision": (
        GOOD + "method: {kind: full, vision: true}",
        ":5  method.vision: full trains the language model alone",
    ),
    "qlora shared": (
        GOOD + "variants:\n  small: {method: {kind: qlora}}\ncompute: {gpus: 2}",
        ":6  variants.small.method.kind: qlora is trained on one GPU",
    ),
    "flash attention in float32": (
        GOOD.replace("{toy: toy}", "{m: {weights: toy, attention: flash_attention_2}}"),
        ":2  models.m.attention: flash_attention_2 needs dtype: bfloat16",
    ),
    "pixels upside down": (
        GOOD.replace("{toy: toy}", "{m: {weights: toy, min_pixels: 9, max_pixels: 8}}"),
        ":2  models.m.min_pixels: is 9, above max_pixels 8",
    ),
    "adapter that is not there": (GOOD + "adapters: {mine: ./nowhere}", ":5  adapters.mine: no PEFT adapter"),
    "adapter of a source": (GOOD + "adapters: {toy_jigsaw: .}", "adapters.toy_jigsaw: is a source too"),
    "training of no source": (GOOD + "training: {toy_jigsow: .}", "(did you mean 'toy_jigsaw'?)"),
    "all of many items": (GOOD + "items: {source: all}", "items.source: is 'all'; accepted is a whole number"),
    "unknown device": (GOOD + "compute: {device: gpu}", "is 'gpu'; accepted are auto, cpu"),
    "unknown benchmark": (GOOD + "data: {blonk: .}", ":5  data.blonk"),
    "dataset without columns": (
        GOOD + "tasks:\n  mine: {dataset: org/name}",
        ":6  tasks.mine.columns: is missing",
    ),
    "alias within itself": (GOOD + "variants: &v {a: *v}", "bad.yaml:5  an alias stands within what it names"),
    "nothing but itself": (GOOD.replace("{toy: toy}", "&a [*a]"), "bad.yaml:2  an alias stands within what it"),
    "too deep": (GOOD + "tasks: " + "[" * 2000, "bad.yaml  its values stand too deep"),
    "home of nobody": (GOOD.replace("toy: toy", "toy: ~nouser/x"), ":2  models.toy: no such folder: "),
    "task of nobody": (GOOD + "tasks: {x: ~nouser/x}", ":5  tasks.x: no such folder: "),
    "dataset of nobody": (
        GOOD + "tasks: {x: {dataset: ~nouser/x, columns: {question: q, answer: a}}}",
        ":5  tasks.x.dataset: no such folder: ",
    ),
    "no path at all": (GOOD + 'tasks: {x: "a\\0b"}', ":5  tasks.x: no such folder: "),
    "dataset that is no folder": (
        GOOD + "tasks: {y: {dataset: my_data, columns: {question: q, answer: a}}}",
        "my_data; a dataset on the Hub is named org/name",
    ),
    "scorer twice": (
        GOOD + "evaluation: {scorers: [likelihood, likelihood]}",
        ":5  evaluation.scorers.1: 'likelihood' stands there twice",
    ),
    "one GPU for two": (GOOD + "compute: {device: 'cuda:1', gpus: 2}", ":5  compute.device: is 'cuda:1', one GPU"),
    "all without end": (
        GOOD + "items:\n  target: all\nmore_items: {toy_jigsaw: 9}",
        ":6  items.target: 'toy_counting' is drawn without end; say a number",
    ),
    "controls without sources": (
        "name: x\nmodels: {toy: toy}\nadapters: {mine: .}\ntargets: [toy_jigsaw]\nseeds: [0]\n"
        "controls: [shuffled]",
        ":6  controls: needs sources",
    ),
    "fault in a variant": (
        GOOD + "variants:\n  small: {method: {r: 0}}",
        ":6  variants.small.method.r: is '0'; it should be greater than or equal to 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "told"), FAULTS.values(), ids=FAULTS)
def test_fault_is_told(text, told):
    with pytest.raises(InputError) as caught:
        check_study(text, name="bad.yaml")
    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize(
    "text",
    [
        GOOD + "evaluation: {scorers: [likelihoood]}",
        GOOD.replace("[0, 1]", "[true]"),
        GOOD.replace("[toy_jigsaw, toy_counting]", "[toy_jigsaw, 3]"),
    ],
)
def test_a_fault_is_told_once(text):
    with pytest.raises(InputError) as caught:
        check_study(text)
    assert len(str(caught.value).splitlines()) == 1


def test_datasets_are_kept_beside_tables_among_the_tasks(tmp_path):
    (tmp_path / "mine").mkdir()
    table = "{dataset: org/name, columns: {question: q, answer: a}}"
    text = (
        GOOD + f"tasks: {{one: {table}}}\ndatasets:\n  two: {table}\n  three: {table.replace('org/name', 'mine')}"
    )
    study = check_study(text, folder=tmp_path)
    assert set(study.datasets) == {"one", "two", "three"}
    assert study.datasets["three"].folder == tmp_path / "mine"
    assert taken_from_hub(study) == [
        "taken as Hub datasets, since there is no such folder: two (org/name), one (org/name)"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "this is empty"),
        ("- a\n- b", "this is a list"),
        ("toy", "this is a str"),
        ("a: [1", "bad.yaml:1  not YAML"),
    ],
)
def test_what_is_no_mapping_is_refused(text, told):
    with pytest.raises(InputError, match=r"bad\.yaml") as caught:
        check_study(text, name="bad.yaml")
    assert told in str(caught.value)


def test_all_faults_are_told_together_in_the_order_of_the_file():
    text = "name: bad\nmodels: {toy: tyo}\nsources: [toy_jigsaw, nothing]\nseeds: []\nmethod: {r: 0, rang: 1}\n"
    with pytest.raises(InputError) as caught:
        check_study(text, name="bad.yaml")
    lines = str(caught.value).splitlines()
    assert lines[0] == "5 faults in the study; nothing was computed"
    assert [line.split()[0] for line in lines[1:]] == [f"bad.yaml:{n}" for n in (2, 3, 4, 5, 5)]


def test_a_fault_of_the_study_is_not_told_again_for_each_variant():
    with pytest.raises(InputError) as caught:
        check_study(GOOD + "method: {r: 0}\nvariants: {a: {}, b: {}}")
    assert len(str(caught.value).splitlines()) == 1


def test_shorthands_are_written_out(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "study.yaml").write_text(
        GOOD + "optimisation: {lr: 1e-4, steps: 9}\ntasks: {own: mine, made: 'lab.tasks:depth'}\n"
        "variants: {long: {optimisation: {steps: 90}}}\n"
    )
    study = load_study(tmp_path / "study.yaml", overrides=["method.r=16", "seeds=[7]"])
    assert study.targets == study.sources
    assert study.optimisation.lr == pytest.approx(1e-4)  # YAML 1.1 reads 1e-4 as text
    assert (study.variants["long"].optimisation.lr, study.variants["long"].optimisation.steps) == (1e-4, 90)
    assert (study.method.r, study.variants["long"].method.r, study.seeds) == (16, 16, (7,))
    assert study.tasks == {"own": str(tmp_path / "mine"), "made": "lab.tasks:depth"}


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("method.r", "key.key=value"),
        ("name.x=1", "name is no mapping"),
        ("a=[", "not YAML"),
        ("rank=4", r"^--set rank: unknown key"),
        ("name=2020-13-45", "the value is not YAML: month must be in 1..12"),
        ("variants=&v {a: *v}", "an alias stands within what it names"),
        ("items.source=0", r"^--set items.source: is '0'; it should be greater"),
        ("seeds=[-1]", r"^--set seeds: seeds.0: is '-1'; it should be"),
    ],
)
def test_bad_overrides_are_refused(assignment, told, tmp_path):
    (tmp_path / "study.yaml").write_text(GOOD)
    with pytest.raises(InputError, match=told):
        load_study(tmp_path / "study.yaml", overrides=[assignment])


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        load_study(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_bytes(b"name: \xff")
    with pytest.raises(InputError, match="not UTF-8"):
        load_study(tmp_path / "bad.yaml")


def test_the_template_shows_the_defaults():
    study = check_study(TEMPLATE)
    minimal = check_study(
        "name: my-study\nmodels: {toy: toy}\nseeds: [0]\ncontrols: [format-only]\n"
        "sources: [toy_relative_depth, toy_visual_correspondence, toy_jigsaw, toy_spatial_relation]\n"
    )
    assert study == minimal


def keys_of(part):
    """The keys of a model and of all models within it."""
    for name, field in part.model_fields.items():
        yield name
        inner = [field.annotation]
        while inner:
            kind = inner.pop()
            inner += get_args(kind)
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keys_of(kind)


def test_the_template_explains_every_key():
    keys = set(keys_of(Study))
    assert {"name", "frame_seconds", "density", "config", "keep_features", "more_items"} <= keys
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", TEMPLATE)] == []


def test_a_study_survives_its_own_text():
    study = check_study(GOOD + "variants: {full: {method: {kind: full}}}")
    assert check_study(study_text(study)) == study


def test_a_study_made_in_python_is_the_same_when_it_is_read_back():
    study = check_study(GOOD + "method: {r: 4}\nvariants:\n  wide: {method: {r: 8}}\n  as-is: {}\n")
    assert check_study(study_text(study)) == study
