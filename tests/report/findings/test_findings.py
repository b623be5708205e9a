"""Findings in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasktransfer.analysis.analyze import analyze
from tasktransfer.drawing.labels import label_of, list_labels, printable
from tasktransfer.report.figures.checks import variance_split_numbers
from tasktransfer.report.findings.find import find_findings, finding_lines
from tasktransfer.report.save import save_analysis
from tests.studies import accuracies_of, count_rows, random_counts


def titles(analysis) -> list[str]:
    return [finding.title for finding in find_findings(analysis)]


def test_findings_of_the_paper(published):
    found = {finding.title: finding for finding in find_findings(published)}
    assert "The mean transfer to other tasks is negative in 7B" in found
    effect = found["Most of the transfer is a target effect in 32B"]
    assert "32B: target 90.4%" in effect.text
    assert "answer format" in effect.explanation
    assert "No clique is larger than both nulls give" in found
    assert found["Personas that hold in every model"].text == (
        "Donor SC; pirate FC; sponge VS, RD, RR; sieve FD. With a probability of at least .9 in each: donor SC."
    )
    assert "3B, MR: 36 of 48" in found["Some cells are a constant answer"].text
    decided = found["105 of 468 transfers between tasks are decided"]
    assert "3B: 20 positive, 2 negative of 156" in decided.text
    assert "assumed discordance" in decided.explanation
    noise = found["Noise alone would give half or more of the positive transferability in 3B, 7B"]
    assert "32B: 0.127 by the formula, of which pure noise would give 0.02" in noise.text
    assert "(noise alone: 1" in effect.text  # more than the 8.4 % of the interaction at 32B
    scale = next(title for title in found if title.startswith("Positive transferability"))
    assert scale == "Positive transferability grows over the models given; not every step is beyond chance"


def test_a_pure_target_effect_is_called_one(tmp_path):
    base = [40, 50, 60, 45]
    after = np.array([[base[j] + (10, -5, 8, -12)[j] + (i == j) for j in range(4)] for i in range(4)])
    analysis = analyze(accuracies_of(count_rows(base, after), tmp_path))
    assert "Most of the transfer is a target effect" in titles(analysis)


def test_what_too_few_cells_cannot_split_is_said_and_not_claimed(tmp_path):
    """Three tasks with a hole: five cells, five free effects of targets and sources."""
    frame = random_counts(3, 3)
    frame = frame[~((frame["source"] == "t0") & (frame["target"] == "t1"))]
    analysis = analyze(accuracies_of(frame, tmp_path))
    found = {f.title: f for f in find_findings(analysis)}
    told = found["Target, source and pair cannot be told apart"]
    assert told.text == "5 cells between tasks, which effects of targets and sources alone fit whatever they are."
    assert not any("target effect" in title or "Source and pair" in title for title in found)
    assert "target_effect" not in set(analysis.diagnostics["check"])
    page = save_analysis(analysis, tmp_path / "out")
    assert "cannot be told apart" in page.read_text()
    written = pd.read_csv(tmp_path / "out" / "decomposition.csv").set_index("component")
    assert written["share"].isna().to_dict() == {
        "target": False, "source": False, "interaction": True, "noise": True,
    }  # fmt: skip
    assert not (tmp_path / "out" / "figures" / "variance_split.png").exists()


def test_one_of_two_models_may_be_split(tmp_path):
    few = random_counts(3, 2, model="few")
    few = few[~((few["source"] == "t0") & (few["target"] == "t1"))]
    analysis = analyze(accuracies_of(pd.concat([random_counts(4, 2, model="many"), few]), tmp_path))
    found = {f.title: f for f in find_findings(analysis) if f.section == "decomposition"}
    assert found["Target, source and pair cannot be told apart in few"].text.startswith(
        "few: 5 cells between tasks"
    )
    other = next(f for title, f in found.items() if "cannot" not in title)
    assert other.text.startswith("Share of the off-diagonal variation, target ")
    assert set(variance_split_numbers(analysis)["model"]) == {"many"}


def test_a_target_that_every_source_moves_is_told_with_what_follows(tmp_path):
    base = [40, 50, 60, 45, 50]
    after = np.array([[base[j] + (10, -5, 8, -12, 6)[j] for j in range(5)] for _ in range(5)])
    after[2, 3] = 50
    rows = analyze(accuracies_of(count_rows(base, after), tmp_path)).diagnostics
    rows = rows[rows["check"] == "one_column_effect"].set_index("target")
    assert rows["message"].to_dict() == {
        "t0": "every source raises it (4 of 4): help says little about the source",
        "t1": "every source lowers it (4 of 4): harm says little about the source",
        "t2": "every source raises it (4 of 4): help says little about the source",
        "t3": "1 of 4 sources raise it, 3 lower it",
        "t4": "every source raises it (4 of 4): help says little about the source",
    }
    assert rows["flagged"].to_dict() == {"t0": True, "t1": True, "t2": True, "t3": False, "t4": True}
    # three sources may all go one way by accident
    three = analyze(accuracies_of(count_rows(base[:4], after[:4, :4]), tmp_path)).diagnostics
    assert "one_column_effect" not in set(three["check"])


def test_harm_and_holes_are_said(tmp_path):
    after = np.full((3, 3), 40)
    frame = count_rows([60, 60, 60], after)
    analysis = analyze(accuracies_of(frame[frame["target"] != "t2"], tmp_path))
    assert "The mean transfer to other tasks is negative" in titles(analysis)
    gone = frame[~((frame["source"] == "t0") & (frame["target"] == "t1"))]
    found = {f.title: f for f in find_findings(analyze(accuracies_of(gone, tmp_path)))}
    assert "1 of 9" in found["The matrix has holes"].text


def test_what_did_not_move_is_called_neither_helped_nor_harmed(tmp_path):
    base = [40, 50, 60]
    still = count_rows(base, np.tile(base, (3, 1)))
    found = titles(analyze(accuracies_of(still, tmp_path)))
    assert found[0] == "Nothing changed: no finetune moved another task"
    assert "The strongest transfers" not in found
    up = np.tile(base, (3, 1))
    up[0, 1] += 5
    strongest = {f.title: f for f in find_findings(analyze(accuracies_of(count_rows(base, up), tmp_path)))}
    assert strongest["The strongest transfers"].text == "Most helped t0 → t1 (+0.10)."
    assert "The mean transfer to other tasks is positive" in strongest


def test_model_names_are_written_as_given(tmp_path):
    frame = pd.concat([random_counts(4, 2, seed=k, model=model) for k, model in enumerate(("small", "tall"))])
    found = find_findings(analyze(accuracies_of(frame, tmp_path)))
    assert any(finding.text.startswith("small") for finding in found)
    assert not any("Small" in finding.text for finding in found)


def test_a_model_called_like_the_start_of_a_word_spoils_no_sentence(tmp_path):
    found = find_findings(analyze(accuracies_of(random_counts(4, 2, model="m"), tmp_path)))
    assert found[0].text.startswith("Mean off-diagonal PGF")


def test_short_names_are_told_where_they_stand(tmp_path):
    from tasktransfer.report.page.page import render_report

    tasks = ["toy_counting", "toy_relative_depth", "toy_jigsaw", "my own"]
    base = [40, 50, 60, 45]
    after = np.tile(base, (4, 1))
    after[0, 1] += 5
    analysis = analyze(accuracies_of(count_rows(base, after, tasks=tasks), tmp_path))
    *lines, last = finding_lines(analysis)
    assert any("tCN → tRD" in line for line in lines)
    assert "tCN toy_counting" in last
    assert "tRD toy_relative_depth" in last
    assert "my own" not in last
    assert "<strong>tJG</strong> toy_jigsaw" in render_report(analysis)
    own = analyze(accuracies_of(count_rows(base, after), tmp_path))
    assert [line.partition(".")[0] for line in finding_lines(own)] == titles(own)
    assert "Short names" not in render_report(own)


def test_every_finding_points_to_a_section_of_the_page(published):
    from tasktransfer.report.page.page import render_report

    page = render_report(published)
    for finding in find_findings(published):
        assert f'<section id="{finding.section}"' in page


def test_labels():
    assert label_of("blink_jigsaw") == "JG"
    assert label_of("Multi-view Reasoning") == "MR"
    assert label_of("counting") == "counting"
    assert label_of("my task") == "my task"
    assert printable("a\x00b\nc") == "a\\x00b\\nc"
    assert len(printable("x" * 100)) == 28
    assert list_labels(["a", "b", "c"], limit=2) == "a, b and 1 more"


@pytest.mark.parametrize("width", [9, 10, 28])
def test_cut_labels_keep_both_ends(width):
    shown = printable("start " + "m" * 40 + " end9", width)
    assert len(shown) == width
    assert shown.startswith("star")
    assert shown.endswith("end9"[-(width // 2) :][-3:])
