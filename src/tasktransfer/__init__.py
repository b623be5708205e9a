"""tasktransfer: how finetuning a vision-language model on one task changes what it can do on others.

The public names, in the order of the flow. They are loaded when first used, so that importing the package costs
nothing and reaches no torch.

>>> import tasktransfer as tt
>>> sorted(tt.__all__) == sorted(dir(tt))
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    # doing it
    "Study": "study.spec",
    "load_study": "study.study_file",
    "run_study": "study.run",
    # in
    "read_accuracies": "importers.inputs",
    "read_harness_logs": "importers.harnesses",
    "recover_counts": "importers.published",
    "find_task": "tasks",
    "simulate_study": "analysis.simulation",
    # pgf
    "ceiling_table": "analysis.ceilings",
    "pgf_table": "analysis.pgf",
    "transfers_table": "analysis.pgf",
    "matrix": "analysis.pgf",
    # structure
    "aggregate_transfer": "analysis.transferability",
    "assign_personas": "analysis.personas",
    "average_by_taxonomy": "analysis.taxonomy",
    "scale_trend": "analysis.scale",
    "decompose": "analysis.decomposition",
    "transfer_edges": "analysis.graph",
    "transfer_graph": "analysis.graph",
    "find_cliques": "analysis.cliques",
    "diagnose": "analysis.diagnostics",
    # all of it
    "Settings": "analysis.settings",
    "Analysis": "analysis.pipeline",
    "analyze": "analysis.pipeline",
    "compare": "analysis.comparison",
    # what to train on
    "gather_evidence": "selection.evidence",
    "recommend": "selection.recommend",
    "Recommendation": "selection.recommend",
    "MethodSettings": "selection.question",
    "study_fragment": "selection.recommend",
    # planning
    "Design": "analysis.power",
    "smallest_gain": "analysis.power",
    "items_needed": "analysis.power",
    "seeds_needed": "analysis.power",
    "achieved_power": "analysis.power",
    # out
    "find_findings": "report.findings",
    "write_figures": "report.figures",
    "render_report": "report.html",
    "save_analysis": "report.save",
    # errors
    "TaskTransferError": "errors",
    "InputError": "errors",
    "SettingsError": "errors",
    "OutputError": "errors",
}

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"tasktransfer.{_HOME[name]}"), name)
    raise AttributeError(f"module 'tasktransfer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)


if TYPE_CHECKING:
    from tasktransfer.analysis.ceilings import ceiling_table as ceiling_table
    from tasktransfer.analysis.cliques import find_cliques as find_cliques
    from tasktransfer.analysis.comparison import compare as compare
    from tasktransfer.analysis.decomposition import decompose as decompose
    from tasktransfer.analysis.diagnostics import diagnose as diagnose
    from tasktransfer.analysis.graph import transfer_edges as transfer_edges
    from tasktransfer.analysis.graph import transfer_graph as transfer_graph
    from tasktransfer.analysis.personas import assign_personas as assign_personas
    from tasktransfer.analysis.pgf import matrix as matrix
    from tasktransfer.analysis.pgf import pgf_table as pgf_table
    from tasktransfer.analysis.pgf import transfers_table as transfers_table
    from tasktransfer.analysis.pipeline import Analysis as Analysis
    from tasktransfer.analysis.pipeline import analyze as analyze
    from tasktransfer.analysis.power import Design as Design
    from tasktransfer.analysis.power import achieved_power as achieved_power
    from tasktransfer.analysis.power import items_needed as items_needed
    from tasktransfer.analysis.power import seeds_needed as seeds_needed
    from tasktransfer.analysis.power import smallest_gain as smallest_gain
    from tasktransfer.analysis.scale import scale_trend as scale_trend
    from tasktransfer.analysis.settings import Settings as Settings
    from tasktransfer.analysis.simulation import simulate_study as simulate_study
    from tasktransfer.analysis.taxonomy import average_by_taxonomy as average_by_taxonomy
    from tasktransfer.analysis.transferability import aggregate_transfer as aggregate_transfer
    from tasktransfer.errors import InputError as InputError
    from tasktransfer.errors import OutputError as OutputError
    from tasktransfer.errors import SettingsError as SettingsError
    from tasktransfer.errors import TaskTransferError as TaskTransferError
    from tasktransfer.importers.harnesses import read_harness_logs as read_harness_logs
    from tasktransfer.importers.inputs import read_accuracies as read_accuracies
    from tasktransfer.importers.published import recover_counts as recover_counts
    from tasktransfer.report.figures import write_figures as write_figures
    from tasktransfer.report.findings import find_findings as find_findings
    from tasktransfer.report.html import render_report as render_report
    from tasktransfer.report.save import save_analysis as save_analysis
    from tasktransfer.selection.evidence import gather_evidence as gather_evidence
    from tasktransfer.selection.question import MethodSettings as MethodSettings
    from tasktransfer.selection.recommend import Recommendation as Recommendation
    from tasktransfer.selection.recommend import recommend as recommend
    from tasktransfer.selection.recommend import study_fragment as study_fragment
    from tasktransfer.study.run import run_study as run_study
    from tasktransfer.study.spec import Study as Study
    from tasktransfer.study.study_file import load_study as load_study
    from tasktransfer.tasks import find_task as find_task
