"""Results of recommendations, said first and in few columns; the figure keeps its titles and has ticks."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tasktransfer.analysis.analyze import analyze
from tasktransfer.realise.choices import Choice
from tasktransfer.realise.figure import draw_realised
from tasktransfer.realise.judgement import Outcome, judge
from tasktransfer.realise.words import (
    headlines,
    realised_finding,
    realised_lines,
    realised_section,
    realised_words,
)
from tasktransfer.recommendation.methods import BASELINES
from tasktransfer.report.page.page import render_report
from tests.recommendation.worked import worked_items
from tests.studies import accuracies_of, random_counts

METHODS = {
    "mixture": "mixed",
    "mixture, other data": "mixed",
    "direct": "own",
    "random": "other",
    "best-single": "own",
}


def outcome_of(right: dict[tuple[str, str], int], *, n_items: int, targets: str = "t") -> Outcome:
    """`right` by mixture and target; four of ten right before."""
    expected = pd.DataFrame([(t, 0.1, 0.0, 0.2) for t in targets], columns=["task", "pgf", "low", "high"])
    choices = [
        Choice(t, method, name, {"x": 3}, expected, True) for t in targets for method, name in METHODS.items()
    ]
    items = worked_items(right, kind="mixture", base=4 * n_items // 10, n_items=n_items)
    return Outcome(choices, judge(items, choices), pd.DataFrame(), pd.DataFrame(), [], {})


@pytest.fixture(scope="module")
def little():
    """Ten items: the mixture has one more right than its target's own data."""
    return outcome_of({("own", "t"): 6, ("mixed", "t"): 7, ("other", "t"): 5}, n_items=10)


def test_too_little_to_tell_is_said_with_how_little(little):
    first, *rest = headlines(little)
    assert first.startswith(
        "No method is surely better than direct or random: too little to tell (10 items, 1 target;"
    )
    assert re.search(r"differences under about \d+ points cannot be told from none\)\.$", first)
    assert rest == [
        "mixture; and mixture, other data are the same mixture here.",
        "direct and best-single are the same mixture here.",
    ]
    assert realised_lines(little)[:3] == [first, *rest]


def test_a_sure_win_is_said():
    """Of 200 items 180 are right after the mixture and 90 after either of the others."""
    won = outcome_of({("own", "t"): 90, ("mixed", "t"): 180, ("other", "t"): 90}, n_items=200)
    assert headlines(won)[:2] == [
        "Surely better than direct: mixture on 1 of 1; mixture, other data on 1 of 1.",
        "Surely better than random: mixture on 1 of 1.",  # no random mixture of other data was trained
    ]
    finding = realised_finding(won)
    assert finding.title == "Results of the recommendations"
    assert finding.text.startswith("Highest mean gain: mixture, +50.0 points. Surely better than direct: ")


def test_a_loss_that_many_items_show_is_not_too_little_to_tell():
    right = {("own", "t"): 900, ("mixed", "t"): 890, ("other", "t"): 890}
    nothing = headlines(outcome_of(right, n_items=1000))[0]
    assert nothing.startswith("No method is surely better than direct (1000 items, 1 target; ")


def test_the_same_mixture_on_some_targets_names_them():
    right = {(name, t): n for t in "tuv" for name, n in (("own", 6), ("mixed", 7), ("other", 5))}
    outcome = outcome_of(right, n_items=10, targets="tuv")
    assert "direct and best-single are the same mixture on all 3 targets." in headlines(outcome)
    realised = outcome.judgement.realised
    other = realised.assign(
        mixture=realised["mixture"].mask(
            (realised["method"] == "best-single") & (realised["target"] == "u"), "new"
        )
    )
    told = headlines(outcome._replace(judgement=outcome.judgement._replace(realised=other)))
    assert "direct and best-single are the same mixture on t, v." in told


def test_the_page_tells_it_first(little, tmp_path):
    analysis = analyze(accuracies_of(random_counts(3, 2), tmp_path))
    page = render_report(analysis, [realised_section(little, "<svg></svg>")])
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections[:3] == ["findings", "realised", "matrix"]
    assert re.findall(r'<li><a href="#(\w+)"', page)[:3] == sections[:3]
    first = page.split('<ol class="findings">')[1].split("</li>")[0]
    assert '<a href="#realised">No method is surely better than direct or random: too little to tell</a>' in first
    assert "10 items, 1 target; differences under about" in first
    tables = realised_words(little)["tables"]
    assert max(len(table["heads"]) for table in tables[:2]) <= 9
    for table in tables:
        assert {len(row) for row in table["rows"]} == {len(table["heads"])}
    assert page.split('<section id="realised"')[1].split("</section>")[0].count("<details open>") == 2


@pytest.mark.parametrize("targets", ["t", "tu", "tuvwx"])
def test_titles_stay_within_the_figure_and_axes_have_ticks(targets):
    right = {(name, t): n for t in targets for name, n in (("own", 6), ("mixed", 7), ("other", 5))}
    realised = outcome_of(right, n_items=10, targets=targets).judgement.realised
    figure = draw_realised(realised, BASELINES)
    FigureCanvasAgg(figure).draw()
    height = figure.get_size_inches()[1] * figure.dpi
    drawn = [axes for axes in figure.axes if axes.axison]
    assert len(drawn) == len(targets)
    for axes in drawn:
        assert axes.get_tightbbox().y1 < height
        low, high = axes.get_xlim()
        assert sum(low <= tick <= high for tick in axes.get_xticks()) >= 3
    for upper, lower in zip(drawn, drawn[4:], strict=False):
        assert lower.get_tightbbox().y1 < upper.get_tightbbox().y0
