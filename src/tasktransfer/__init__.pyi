# The public names in the order of the flow: the one list, for type checkers and at run time alike.

# Running a study
from .study.spec import Study as Study
from .study.file import load_study as load_study
from .study.run import run_study as run_study

# Reading results
from .importers.inputs import read_accuracies as read_accuracies
from .importers.read_logs import read_harness_logs as read_harness_logs
from .importers.published import recover_counts as recover_counts
from .tasks import find_task as find_task
from .analysis.simulation import simulate_study as simulate_study

# PGF
from .analysis.ceilings import ceiling_table as ceiling_table
from .analysis.pgf import pgf_table as pgf_table
from .analysis.pgf import transfers_table as transfers_table
from .analysis.pgf import matrix as matrix

# Structure
from .analysis.transferability import aggregate_transfer as aggregate_transfer
from .analysis.personas import assign_personas as assign_personas
from .analysis.taxonomy import average_by_taxonomy as average_by_taxonomy
from .analysis.scale import scale_trend as scale_trend
from .analysis.decomposition import decompose as decompose
from .analysis.graph import transfer_edges as transfer_edges
from .analysis.graph import transfer_graph as transfer_graph
from .analysis.cliques import find_cliques as find_cliques
from .analysis.diagnostics import diagnose as diagnose

# The whole analysis
from .analysis.settings import Settings as Settings
from .analysis.analyze import Analysis as Analysis
from .analysis.analyze import analyze as analyze
from .analysis.comparison import compare as compare

# What to train on
from .recommendation.evidence import gather_evidence as gather_evidence
from .recommendation.recommend import recommend as recommend
from .recommendation.recommend import Recommendation as Recommendation
from .recommendation.request import MethodSettings as MethodSettings
from .recommendation.recommend import study_fragment as study_fragment

# Planning
from .planning.power import Design as Design
from .planning.power import smallest_gain as smallest_gain
from .planning.power import items_needed as items_needed
from .planning.power import seeds_needed as seeds_needed
from .planning.power import achieved_power as achieved_power

# Output
from .report.findings.find import find_findings as find_findings
from .report.figures.write import write_figures as write_figures
from .report.page.page import render_report as render_report
from .report.save import save_analysis as save_analysis

# Errors and version
from .errors import TaskTransferError as TaskTransferError
from .errors import InputError as InputError
from .errors import SettingsError as SettingsError
from .errors import OutputError as OutputError
from .version import __version__ as __version__
