"""Mixtures on the page, and what the folder of a run tells of its training."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from tasktransfer.analysis.analyze import analyze
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.report.findings.find import find_findings
from tasktransfer.report.findings.mixtures import mixture_rows
from tasktransfer.report.page.page import render_report
from tasktransfer.report.save import save_analysis
from tasktransfer.run_folder import RunFacts, RunFolder
from tests.studies import random_counts

MADE_OF = {"halves <b>": {"t0": 128, "t1": 64}, "merge-cat: halves <b>": {"t0": 2 / 3, "t1": 1 / 3}}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A mixture lifts t0 from 40 to 90 of 100 and lowers t1 from 60 to 20; a merge changes nothing."""
    frame = random_counts(3, 3).assign(kind="finetune")
    frame.loc[frame["source"] == "", "kind"] = "base"
    frame.loc[frame["kind"] == "base", "n_correct"] = [40, 60, 50]
    rows = [
        ("m", name, str(seed), target, count + change * seed, 100, "mixture")
        for name, counts, change in (("halves <b>", (90, 20, 50), 1), ("merge-cat: halves <b>", (40, 60, 50), 0))
        for target, count in zip(("t0", "t1", "t2"), counts, strict=True)
        for seed in range(3)
    ]
    path = tmp_path_factory.mktemp("mixed") / "table.csv"
    pd.concat([frame, pd.DataFrame(rows, columns=frame.columns)]).to_csv(path, index=False)
    return analyze(read_accuracies(path))


def test_a_mixture_has_its_finding_and_its_rows(mixed):
    run = RunFacts(made_of=MADE_OF)
    found = next(f for f in find_findings(mixed, run) if f.section == "mixtures")
    assert found.title == "1 of 2 mixtures surely helps a target"
    # 50 points of the 60 that are left, and one more with each seed: (50 + 51 + 52) / 3 / 60
    assert found.text.startswith("Mixture halves <b>: highest PGF +0.85 [")
    assert "on t0, which is in it, surely helps 1 (t0) and harms 1 (t1) of 3 targets" in found.text
    assert found.text.endswith("surely helps 0 and harms 0 of 3 targets.")
    rows = mixture_rows(mixed, run)
    assert [row[3] for row in rows[:3]] == ["t0 (in it)", "t1 (in it)", "t2"]
    assert rows[0][:6] == ("m", "halves <b>", "t0 128, t1 64", "t0 (in it)", "+51.0", "+0.85")
    assert rows[0][7:] == ("positive", "3")
    # without the folder of the run it is not known what is in a mixture
    assert {row[2] for row in mixture_rows(mixed, RunFacts())} == {"–"}


def test_the_page_has_a_section_of_mixtures_only_where_there_are_any(mixed):
    page = render_report(mixed, run=RunFacts(made_of=MADE_OF))
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections.index("mixtures") == sections.index("decomposition") + 1
    assert set(re.findall(r'href="#(\w+)"', page)) <= set(sections)
    shown = page.split('<section id="mixtures"')[1].split("</section>")[0]
    assert shown.count("<tr>") == 1 + 6
    assert "halves &lt;b&gt;" in shown
    assert "<td>t0 0.667, t1 0.333</td>" in shown
    without = analyze(mixed.accuracies[mixed.accuracies["kind"] != "mixture"].reset_index(drop=True))
    assert 'id="mixtures"' not in render_report(without)


def test_several_models_are_named_beside_their_mixtures(mixed):
    both = pd.concat([mixed.accuracies, mixed.accuracies.assign(model="other")], ignore_index=True)
    found = next(f for f in find_findings(analyze(both)) if f.section == "mixtures")
    assert found.title == "2 of 4 mixtures surely help a target"
    assert found.text.startswith("m, mixture halves <b>: ")
    assert "; other, mixture halves <b>: " in found.text


def test_cells_that_say_nothing_about_transfer_are_on_the_page(mixed, tmp_path):
    trained = pd.DataFrame(
        {
            "model": "m",
            "kind": "finetune",
            "source": ["t0", "t1", "t1", "t2"],
            "seed": ["0", "0", "1", "0"],
            "flag": ["", "loss did not fall", "no self-transfer", "loss did not fall"],
        }
    )
    trained.to_csv(tmp_path / "trained.csv", index=False)
    study = {"mixtures": {"a": {"t0": 4}}, "merges": {"b": {"of": {"t1": 1.0}, "how": "linear", "density": 0.5}}}
    (tmp_path / "study.json").write_text(json.dumps({"study": study}))
    run = RunFolder(tmp_path).facts()
    assert run.made_of == {"a": {"t0": 4}, "merge-linear: b": {"t1": 1.0}}
    found = {f.title: f for f in find_findings(mixed, run)}["3 of 4 trained cells say nothing about transfer"]
    assert found.text == "Loss did not fall: t1 (seed 0), t2 (seed 0); no self-transfer: t1 (seed 1)."
    page = save_analysis(mixed, tmp_path / "report", run)
    assert "3 of 4 trained cells say nothing about transfer" in page.read_text()
    told = json.loads((tmp_path / "report" / "summary.json").read_text())["findings"]
    assert found.title in [finding["title"] for finding in told]


def test_a_folder_that_tells_nothing_adds_nothing(mixed, tmp_path):
    assert RunFolder(tmp_path).facts() == RunFacts()
    assert find_findings(mixed, RunFacts()) == find_findings(mixed)
    assert not np.any(["say nothing about transfer" in f.title for f in find_findings(mixed)])
