"""What to measure next of a study that is partly run, as a table and as a study that `run` takes.

The new study has more seeds of some sources, or more items of some targets; `run` keeps every cell that is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tasktransfer.analysis.analyze import analyze
from tasktransfer.errors import InputError
from tasktransfer.files import write_text
from tasktransfer.importers.inputs import read_accuracies
from tasktransfer.planning.measure_next import NothingToAskError, Proposal, propose
from tasktransfer.run_folder import RunFolder
from tasktransfer.study.file import check_study
from tasktransfer.study.plan_study import plan_study
from tasktransfer.study.spec import Study, study_text
from tasktransfer.study.store import Store
from tasktransfer.tables import write_csv

__all__ = ["extended_study", "next_lines"]


def next_lines(study: Study, out: Path | None, amount: int, unit: str, *, decide: str) -> Iterator[str]:
    """Propose what to measure next, write it beside the run, and say what it is expected to decide.

    Parameters
    ----------
    study
        The study.
    out
        Folder of its run, with predictions; ``next.csv`` and ``next.yaml`` are written to it.
    amount, unit
        A budget, of ``cells`` or ``items``.
    decide
        ``verdicts`` or ``ranking``.

    Raises
    ------
    InputError
        There are no predictions.
    """
    if out is None or not (out / "predictions.parquet").is_file():
        raise InputError(f"--next needs --out DIR with the finished part of the study; {out} has no predictions")
    given = _as_last_run(study, out)
    planned = plan_study(given, here_only=True)
    labels = {cell.label for cell in planned.cells}
    analysis = analyze(read_accuracies(out))
    transfers, items = analysis.transfers, analysis.items
    available = {
        target: planned.supplies[target].available("test")
        for target in given.targets
        if target in planned.supplies
    }
    silent, doubtful = _silent_sources(out, labels)
    if silent:
        yield f"left out, since the loss of none of their finetunes fell (trained.csv): {', '.join(silent)}"
    try:
        proposal = propose(
            transfers[transfers["model"].isin(labels) & ~transfers["source"].isin(silent)],
            budget=amount,
            unit=unit,
            decide=decide,
            sources=[source for source in given.sources if source not in silent],
            cells_per_seed=len(labels),
            models_asked=len(planned.unique_cells),
            available=available,
            items=None if items is None else items[items["model"].isin(labels) | (items["kind"] == "base")],
        )
    except NothingToAskError as error:
        kept = f"; {out / 'next.yaml'} of an earlier call is left as it is" if (out / "next.yaml").exists() else ""
        yield f"nothing worth asking: {error}{kept}"
        return
    _write_proposal(proposal, given, out)
    for row in proposal.table.itertuples():
        yield (
            f"{row.step:3d}  {row.more} more {row.what} of {row.task}, {row.cost} {unit}: expected to decide "
            f"{row.expected:.1f} so far" + (f" ({row.example})" if row.example else "")
        )
    if warned := [source for source in doubtful if source in proposal.more_seeds]:
        yield (
            f"warning: no finetune so far gained on its own task (trained.csv), so that more may say nothing: "
            f"{', '.join(warned)}"
        )
    what = "verdicts" if decide == "verdicts" else "comparisons with the best source"
    yield (
        f"{proposal.undecided} {what} are undecided; {proposal.cost} {unit} of {amount} are expected to decide "
        f"{proposal.expected:.1f} of them.\nNext: tasktransfer run {out / 'next.yaml'} --out {out}"
    )


def extended_study(study: Study, more_seeds: Mapping[str, int], more_items: Mapping[str, int]) -> Study:
    """Add so many seeds of each source, and ask so many items of each target altogether.

    New seeds of a source are the whole numbers after its own highest.

    Parameters
    ----------
    study
        The study as it was run; it is left as it is.
    more_seeds
        How many more, by source.
    more_items
        How many altogether, by target.
    """
    seeds = dict(study.more_seeds)
    for source, count in more_seeds.items():
        own = (*study.seeds, *seeds.get(source, ()))
        seeds[source] = (*seeds.get(source, ()), *range(max(own) + 1, max(own) + 1 + count))
    return study.model_copy(update={"more_seeds": seeds, "more_items": {**study.more_items, **more_items}})


def _write_proposal(proposal: Proposal, given: Study, out: Path) -> None:
    """What is bought as a table, and as a study that `run` takes."""
    text = study_text(extended_study(given, proposal.more_seeds, proposal.more_items))
    check_study(text, name="next.yaml")
    write_csv(proposal.table, out / "next.csv")
    write_text(out / "next.yaml", text)


def _as_last_run(study: Study, out: Path) -> Study:
    """A study with the seeds and items that an earlier proposal added in its folder, so that they are kept."""
    if not (out / "study.json").is_file():
        return study
    ran = Store(out).read_study()
    seeds = {name: more for name, more in ran.more_seeds.items() if name in study.sources}
    items = {name: more for name, more in ran.more_items.items() if name in study.targets}
    for name, more in study.more_seeds.items():
        seeds[name] = tuple(dict.fromkeys((*more, *seeds.get(name, ()))))
    seeds = {name: tuple(seed for seed in more if seed not in study.seeds) for name, more in seeds.items()}
    update = {"more_seeds": seeds, "more_items": items | study.more_items}
    return study.model_copy(update=update)


def _silent_sources(out: Path, labels: set[str]) -> tuple[list[str], list[str]]:
    """Sources whose finetunes all learned nothing by their loss, and others that are all flagged in trained.csv.

    The second may be chance, or a task that the untouched model has solved already.
    """
    checks = RunFolder(out).checks()
    own = checks[(checks["kind"] == "finetune") & checks["model"].isin(labels)]
    flags = {str(source): set(rows["flag"]) for source, rows in own.groupby("source", sort=False)}
    silent = [source for source, own_flags in flags.items() if own_flags == {"loss did not fall"}]
    return silent, [source for source, own_flags in flags.items() if "" not in own_flags and source not in silent]
