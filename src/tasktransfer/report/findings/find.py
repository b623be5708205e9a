"""What an analysis says, in sentences, each beside what explains it.

A finding is chosen and worded by rules on the numbers alone; the same analysis gives the same sentences. The
explanation is what a careful reader would object: that the target moves whatever one trains on,
that a model answers one letter throughout, that the ceiling decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.drawing.labels import printable, short_names
from tasktransfer.report.findings import Finding, cautions, mixtures, structure, transfers
from tasktransfer.run_folder import RunFacts

__all__ = ["find_findings", "finding_lines"]


def find_findings(analysis: Analysis, run: RunFacts | None = None) -> list[Finding]:
    """Findings of an analysis in the order a reader needs them.

    Parameters
    ----------
    analysis
        Result of `tasktransfer.analyze`.
    run
        What the folder of the run says, where there is one.
    """
    run = run or RunFacts()
    findings = [
        *transfers.overall(analysis),
        *cautions.untrained(run),
        *transfers.target_effect(analysis),
        *transfers.best_and_worst(analysis),
        *transfers.verdicts(analysis),
        *structure.noise(analysis),
        *transfers.controls(analysis),
        *mixtures.mixtures(analysis, run),
        *structure.scale(analysis),
        *structure.cliques(analysis),
        *structure.personas(analysis),
        *cautions.constant_answers(analysis),
        *cautions.baselines(analysis),
        *cautions.ceiling(analysis),
        *cautions.holes(analysis),
    ]
    names = "|".join(re.escape(printable(model)) for model in analysis.models)
    named = re.compile(rf"(?:{names})(?!\w)")  # written as given also at a sentence's start
    return [f if named.match(f.text) else f._replace(text=f.text[:1].upper() + f.text[1:]) for f in findings]


def finding_lines(analysis: Analysis) -> Iterator[str]:
    """Findings for the terminal, one a line, then what the short names in them stand for."""
    lines = [f"{finding.title}. {finding.text}" for finding in find_findings(analysis)]
    yield from lines
    words = set(re.findall(r"\w+", " ".join(lines)))
    meanings = [f"{short} {name}" for short, name in short_names(analysis.tasks["task"]).items() if short in words]
    if meanings:
        yield f"Short names: {', '.join(meanings)}."
