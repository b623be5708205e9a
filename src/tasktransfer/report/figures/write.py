"""Every figure of an analysis as vector, as picture and as the numbers it shows.

A figure is a pair of functions: one gives the numbers, a tidy table and nothing but what is drawn; one draws
them. No numbers, no figure. The drawing functions can be called alone, in a notebook for instance; they leave
pyplot and its settings untouched.

==========================  =============================================================  ================
name                        shows                                                          in the paper
==========================  =============================================================  ================
transfer_graph_<n>_<model>  strongest transfers of either sign, one figure a model         Figure 1
pgf_matrix                  PGF of every source and target                                 Figures 2, 10
transferability_by_taxonomy means by level and granularity                                 Figure 3
malleability_by_taxonomy    the same for targets                                           Figure 4
scale_trend                 the four aggregates over models                                Figure 5
personas                    helps against harms, is helped against is harmed               Figure 6
cliques                     who belongs to the largest cliques                             Figure 6
seed_spread                 standard deviation over seeds of each cell                     Figures A.11-13
pgf_interaction             PGF without target and source effects                          ours
certainty                   aggregates with intervals, noise level and controls            ours
variance_split              target, source and interaction shares                          ours
ceiling_sensitivity         order of the sources under each ceiling                        ours
constant_answers            runs that score as a constant answer                           ours
controls                    controls beside finetunes                                      ours
net_of_control              PGF less that of a control                                     ours
==========================  =============================================================  ================
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.drawing.style import save_figure, svg_of
from tasktransfer.files import refusing_to_write, slug
from tasktransfer.report.figures.aggregates import (
    draw_by_taxonomy,
    draw_scale_trend,
    scale_trend_numbers,
    taxonomy_numbers,
)
from tasktransfer.report.figures.certainty import certainty_numbers, draw_certainty
from tasktransfer.report.figures.checks import (
    ceiling_sensitivity_numbers,
    controls_numbers,
    draw_ceiling_sensitivity,
    draw_controls,
    draw_variance_split,
    variance_split_numbers,
)
from tasktransfer.report.figures.cliques import cliques_numbers, draw_cliques
from tasktransfer.report.figures.graph import draw_transfer_graph, transfer_graph_numbers
from tasktransfer.report.figures.matrix import (
    constant_answers_numbers,
    draw_constant_answers,
    draw_matrix,
    draw_net_of_control,
    matrix_numbers,
    net_of_control_numbers,
)
from tasktransfer.report.figures.personas import draw_personas, personas_numbers
from tasktransfer.tables import write_csv

__all__ = [
    "EMBEDDED",
    "Drawn",
    "draw_by_taxonomy",
    "draw_ceiling_sensitivity",
    "draw_certainty",
    "draw_cliques",
    "draw_constant_answers",
    "draw_controls",
    "draw_figures",
    "draw_matrix",
    "draw_net_of_control",
    "draw_personas",
    "draw_scale_trend",
    "draw_transfer_graph",
    "draw_variance_split",
    "write_figures",
]


# what the page shows as it is, since no control changes it, and what that says to who cannot see it
EMBEDDED = {
    "transferability_by_taxonomy": "Transferability by level and by granularity; the table holds the means",
    "malleability_by_taxonomy": "Malleability by level and by granularity; the table holds the means",
    "scale_trend": "The four aggregates over the models; the table holds the means",
    "variance_split": "Shares of target, source and interaction; the table holds them",
}


class _Plan(NamedTuple):
    """A figure to be: its name, its numbers, its drawing."""

    name: str
    numbers: Callable[[Analysis], pd.DataFrame]
    draw: Callable[[Analysis], Figure]


class Drawn(NamedTuple):
    """A figure, drawn once for whoever shows it."""

    name: str
    numbers: pd.DataFrame
    figure: Figure

    def save(self, folder: Path) -> None:
        """Write it as vector, as picture and as numbers."""
        write_csv(self.numbers, folder / f"{self.name}.csv")
        save_figure(self.figure, folder / self.name)

    def svg(self) -> str:
        """As an element of the page."""
        return svg_of(self.figure, self.name, EMBEDDED[self.name])


def draw_figures(analysis: Analysis, *, only: Collection[str] = ()) -> Iterator[Drawn]:
    """Draw every figure that the data allow, or some by name, in the order of the module's table."""
    for plan in _plans(analysis):
        if only and plan.name not in only:
            continue
        numbers = plan.numbers(analysis)
        if not numbers.empty:
            yield Drawn(plan.name, numbers, plan.draw(analysis))


def write_figures(analysis: Analysis, folder: Path) -> list[str]:
    """Write every figure the data allow as ``NAME.pdf``, ``NAME.png`` and ``NAME.csv``.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    folder
        Where to; made if it is not there.

    Returns
    -------
    list of str
        Names of the figures written, in the order of the module's table; a figure whose numbers do not exist
        (one model has no trend, one seed no spread) is left out.

    Raises
    ------
    OutputError
        The folder cannot be written to.

    Notes
    -----
    The same analysis gives the same bytes. About half a second a figure.
    """
    with refusing_to_write(folder):
        folder.mkdir(parents=True, exist_ok=True)
    names = []
    for drawn in draw_figures(analysis):
        drawn.save(folder)
        names.append(drawn.name)
    return names


def _plans(analysis: Analysis) -> Iterator[_Plan]:
    for position, model in enumerate(analysis.models, start=1):
        # the position keeps names apart that differ only in what a file name cannot hold
        yield _Plan(
            f"transfer_graph_{position}_{slug(model)}",
            partial(transfer_graph_numbers, model=model),
            partial(draw_transfer_graph, model=model),
        )
    yield _Plan("pgf_matrix", matrix_numbers, draw_matrix)
    for measure in ("transferability", "malleability"):
        yield _Plan(
            f"{measure}_by_taxonomy",
            partial(taxonomy_numbers, measure=measure),
            partial(draw_by_taxonomy, measure=measure),
        )
    yield _Plan("scale_trend", scale_trend_numbers, draw_scale_trend)
    yield _Plan("personas", personas_numbers, draw_personas)
    yield _Plan("cliques", cliques_numbers, draw_cliques)
    for name, value in (("seed_spread", "seed_sd"), ("pgf_interaction", "interaction")):
        yield _Plan(name, partial(matrix_numbers, value=value), partial(draw_matrix, value=value))
    yield _Plan("certainty", certainty_numbers, draw_certainty)
    yield _Plan("variance_split", variance_split_numbers, draw_variance_split)
    yield _Plan("ceiling_sensitivity", ceiling_sensitivity_numbers, draw_ceiling_sensitivity)
    yield _Plan("constant_answers", constant_answers_numbers, draw_constant_answers)
    yield _Plan("controls", controls_numbers, draw_controls)
    yield _Plan("net_of_control", net_of_control_numbers, draw_net_of_control)
