"""The demo: a simulated study through the whole path, compared with its truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasktransfer.analysis.analyze import analyze
from tasktransfer.analysis.recovery import CLEAR_EFFECT, Recovery, recovered_truth
from tasktransfer.analysis.simulation import Simulation, simulate_study
from tasktransfer.errors import OutputError
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.report.findings.find import finding_lines
from tasktransfer.report.save import save_analysis

__all__ = ["run_demo"]


def run_demo(out: Path, *, seed: int) -> Iterator[str]:
    """Simulate, write the predictions, read them back, analyze, save; yield the lines to print.

    Parameters
    ----------
    out
        Gets ``predictions.parquet``, ``truth.csv`` and the analysis.
    seed
        Seed of the simulated study.
    """
    design = Simulation()
    study = simulate_study(design, seed=seed)
    yield (
        f"Simulated one model, {design.n_tasks} tasks, {design.n_seeds} seeds, {design.n_items} items a target: "
        f"{len(study.predictions):,} answers. No model was trained; the truth is known."
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        study.predictions.to_parquet(out / "predictions.parquet", index=False)
        study.truth.to_csv(out / "truth.csv", index=False)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror or error})") from error
    accuracies = read_accuracies(out / "predictions.parquet")
    notes = (*accuracies.notes, "Simulated study: no model was trained.")
    analysis = analyze(accuracies._replace(notes=notes))
    report = save_analysis(analysis, out)
    yield "\nFindings"
    yield from (f"  {line}" for line in finding_lines(analysis))
    yield "\nHow much of the truth came back"
    yield from (f"  {line}" for line in _recovery_lines(recovered_truth(analysis, study), study.planted))
    yield f"\nReport: {report}"


_MEANING = {
    "clique": " within a clique of the matrix (the findings say whether its size beats chance)",
    "donor": " among the donors",
    "sieve": " among the sieves",
    "constant": " and no other",
}


def _recovery_lines(recovery: Recovery, planted: dict[str, list[str]]) -> Iterator[str]:
    yield (
        f"cells: mean error {recovery.mean_absolute_error:.3f} PGF, rank correlation "
        f"{recovery.spearman_cells:.2f}; on the interaction {recovery.spearman_interaction:.2f}"
    )
    yield (
        f"signs: {recovery.sign_agreement:.0%} right of the {recovery.n_clear} transfers whose true |PGF| is at "
        f"least {CLEAR_EFFECT:g}"
    )
    yield f"target share of the variation: {recovery.target_share:.1%}, true {recovery.true_target_share:.1%}"
    for hit, what, name in (
        (recovery.clique_found, "clique", "clique"),
        (recovery.donor_found, "donor", "donor"),
        (recovery.sieve_found, "sieve", "sieve"),
        (recovery.constant_found, "target answered by one letter", "constant"),
    ):
        yield f"planted {what} ({', '.join(planted[name])}): {'found' if hit else 'not found'}{_MEANING[name]}"
    yield f"95 % intervals over items and seeds hold the truth in {recovery.intervals_hold:.0%} of the cells"
