"""The commands that save computing: foretelling transfer, and what to measure next."""

from __future__ import annotations

import math
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tasktransfer.cli.options import Out
from tasktransfer.errors import InputError, OutputError, SettingsError, closest, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from tasktransfer.planning.measure_next import Proposal
    from tasktransfer.predict.predict import Known
    from tasktransfer.study.plan import Plan
    from tasktransfer.study.spec import Study
    from tasktransfer.study.store import Store

__all__ = ["add_predict_command", "propose_next"]

_SHARES = (0.25, 0.5)  # measured, where none is asked for


def add_predict_command(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(predict)


def predict(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="A folder that `run` wrote to, and others with variants that stopped early; tables of accuracies "
            "or of answers do as well.",
            show_default=False,
        ),
    ],
    out: Out,
    model: Annotated[str | None, typer.Option(help="Model of the results; by default the first.")] = None,
    measured: Annotated[
        list[float] | None,
        typer.Option(
            help="Share of cells, and of sources, taken as measured; several may be.  [default: 0.25 and 0.5, as "
            "far as the grid allows]",
            show_default=False,
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(help="Random masks of each share.", min=1)] = 20,
    no_gradients: Annotated[bool, typer.Option("--no-gradients", help="Compute no gradients.")] = False,
    gradients: Annotated[
        Path | None, typer.Option(help="Take gradients.csv and .json of an earlier call.")
    ] = None,
    items: Annotated[
        int | None,
        typer.Option(help="Train items of a task whose gradients are taken.  [default: 64]", show_default=False),
    ] = None,
    draws: Annotated[
        int | None, typer.Option(help="Draws of A for the gradients.  [default: 3]", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of masks and gradients.")] = 0,
) -> None:
    """Hold estimates of transfer that cost less than a grid against one that was run; say which to trust."""
    from tasktransfer.analysis.analyze import analyze
    from tasktransfer.importers.inputs import read_accuracies, split_name
    from tasktransfer.predict.predict import measure_prediction, save_prediction
    from tasktransfer.study.store import Store

    _refuse_unused(gradients, no_gradients, items, draws)
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out}: is a file; the output needs a folder")
    _refuse_transfers(runs)
    analysis = analyze(read_accuracies(*runs))
    chosen = model or analysis.models[0]
    if chosen not in analysis.models:
        raise InputError(
            f"no model {chosen!r}{closest(chosen, analysis.models)}; there are {quoted(analysis.models)}"
        )
    shares = _shares(analysis.matrix(chosen), measured)
    stores = [Store(path) for path in (split_name(run)[1] for run in runs) if (path / "study.json").is_file()]
    plans = [(store.read_plan(), store) for store in stores]
    table, passes = _gradients(plans, out, gradients, skip=no_gradients, n=(items or 64, draws or 3), seed=seed)
    known = _known(plans, chosen, table, passes, [name for name in analysis.models if name != chosen])
    found = measure_prediction(analysis, chosen, known, shares=shares, repeats=repeats, seed=seed)
    save_prediction(found, out)
    for sentence in found.sentences:
        typer.echo(sentence)
    typer.echo(f"\nWritten to {out}")


def propose_next(study: Path, out: Path | None, budget: str, *, decide: str, sets: Sequence[str]) -> None:
    """Propose what to measure next of a study, as a table and as a study that `run` takes."""
    from tasktransfer.analysis.analyze import analyze
    from tasktransfer.importers.inputs import read_accuracies
    from tasktransfer.planning.measure_next import NothingToAskError, propose
    from tasktransfer.study.file import load_study
    from tasktransfer.study.plan_study import plan_study

    amount, unit = _budget(budget)
    if out is None or not (out / "predictions.parquet").is_file():
        raise InputError(f"--next needs --out DIR with the finished part of the study; {out} has no predictions")
    given = _as_last_run(load_study(study, overrides=sets), out)
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
        typer.echo(f"left out, since the loss of none of their finetunes fell (trained.csv): {', '.join(silent)}")
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
        typer.echo(f"nothing worth asking: {error}{kept}")
        return
    _write_proposal(proposal, given, out)
    for row in proposal.table.itertuples():
        typer.echo(
            f"{row.step:3d}  {row.more} more {row.what} of {row.task}, {row.cost} {unit}: expected to decide "
            f"{row.expected:.1f} so far" + (f" ({row.example})" if row.example else "")
        )
    if warned := [source for source in doubtful if source in proposal.more_seeds]:
        typer.echo(
            f"warning: no finetune so far gained on its own task (trained.csv), so that more may say nothing: "
            f"{', '.join(warned)}"
        )
    what = "verdicts" if decide == "verdicts" else "comparisons with the best source"
    typer.echo(
        f"{proposal.undecided} {what} are undecided; {proposal.cost} {unit} of {amount} are expected to decide "
        f"{proposal.expected:.1f} of them.\nNext: tasktransfer run {out / 'next.yaml'} --out {out}"
    )


def _write_proposal(proposal: Proposal, given: Study, out: Path) -> None:
    """What is bought as a table, and as a study that `run` takes."""
    from tasktransfer.files import write_text
    from tasktransfer.study.extension import extended_study
    from tasktransfer.study.file import check_study
    from tasktransfer.study.spec import study_text
    from tasktransfer.tables import write_csv

    text = study_text(extended_study(given, proposal.more_seeds, proposal.more_items))
    check_study(text, name="next.yaml")
    write_csv(proposal.table, out / "next.csv")
    write_text(out / "next.yaml", text)


def _as_last_run(study: Study, out: Path) -> Study:
    """A study with the seeds and items that an earlier proposal added in its folder, so that they are kept."""
    from tasktransfer.study.store import Store

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
    from tasktransfer.run_folder import RunFolder

    checks = RunFolder(out).checks()
    own = checks[(checks["kind"] == "finetune") & checks["model"].isin(labels)]
    flags = {str(source): set(rows["flag"]) for source, rows in own.groupby("source", sort=False)}
    silent = [source for source, found in flags.items() if found == {"loss did not fall"}]
    return silent, [source for source, found in flags.items() if "" not in found and source not in silent]


def _budget(text: str) -> tuple[int, str]:
    """Amount and unit of a budget."""
    found = re.fullmatch(r"\s*(\d+)\s*(cells|items)?\s*", text)
    if found is None:
        raise SettingsError(
            f"--next is {text!r}; accepted is a whole number of cells or items: 12cells, 20000items"
        )
    return int(found[1]), found[2] or "cells"


def _gradients(
    plans: list[tuple[Plan, Store]],
    out: Path,
    given: Path | None,
    *,
    skip: bool,
    n: tuple[int, int],
    seed: int,
) -> tuple[pd.DataFrame | None, dict[str, float]]:
    """The table of gradients, computed on the first run or read, and the tokens that it took."""
    import json

    import pandas as pd

    if given is not None:
        passes = given.with_suffix(".json")
        if not given.is_file() or not passes.is_file():
            raise InputError(f"{given}: is not there with its {passes.name}; `predict` writes both")
        return pd.read_csv(given), json.loads(passes.read_text(encoding="utf-8"))
    if skip or not plans:
        return None, {}
    from tasktransfer.files import write_json, write_text
    from tasktransfer.study.train.gradients import estimate_transfer

    with _folder_kept_if_filled(out):
        found = estimate_transfer(*plans[0], n_items=n[0], draws=n[1], seed=seed)
    for note in found.notes:
        typer.echo(note)
    told = {f"{label}|{kind}": value for (label, kind), value in found.passes.items()}
    write_text(out / "gradients.csv", found.table.to_csv(index=False, lineterminator="\n"))
    write_json(out / "gradients.json", told)
    return found.table, told


def _refuse_unused(gradients: Path | None, no_gradients: bool, items: int | None, draws: int | None) -> None:
    """Options that would change nothing."""
    given = {"--gradients": gradients is not None, "--no-gradients": no_gradients}
    given |= {"--items": items is not None, "--draws": draws is not None}
    told = [name for name, on in given.items() if on]
    if len(told) > 1 and (given["--gradients"] or no_gradients):
        why = "takes gradients as they are" if given["--gradients"] else "computes none"
        raise SettingsError(f"{' and '.join(told)} do not go together: {told[0]} {why}")
    for name, value in (("--items", items), ("--draws", draws)):
        if value is not None and value < 1:
            raise SettingsError(f"{name} is {value}; accepted is a whole number from 1")


def _refuse_transfers(runs: Sequence[str]) -> None:
    """Means over seeds are no measurements: which of our tables are, is told."""
    from tasktransfer.importers.inputs import split_name
    from tasktransfer.importers.saved_transfers import holds_transfers

    for path in (split_name(run)[1] for run in runs):
        if path.is_file() and holds_transfers(path):
            instead = f"here {path.parent}" if (path.parent / "accuracies.csv").is_file() else "accuracies.csv"
            raise InputError(
                f"{path}: holds means over seeds, and `predict` needs what they are means of; it takes the folder "
                f"of a run or of a finished analysis ({instead}), or a table of accuracies or of answers"
            )


def _shares(measured: pd.DataFrame, given: list[float] | None) -> list[float]:
    """The shares asked for, or the default ones as far as the grid allows; before anything is computed."""
    from tasktransfer.predict.comparison import least_share, require_shares

    least = least_share(measured)
    shares = given or [share for share in _SHARES if share >= least] or [least]
    require_shares(measured, shares)
    if not given and shares != [*_SHARES]:
        typer.echo(f"--measured {least:g} is the least that this grid allows; smaller shares are left out")
    return shares


@contextmanager
def _folder_kept_if_filled(out: Path) -> Iterator[None]:
    """Make a folder, to know that it can be written before minutes go by; what fails leaves no empty one."""
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror})") from error
    try:
        yield
    except BaseException:
        if new:
            with suppress(OSError):
                out.rmdir()
        raise


def _known(
    plans: list[tuple[Plan, Store]],
    model: str,
    gradients: pd.DataFrame | None,
    passes: dict[str, float],
    others: list[str],
) -> Known:
    """What the runs tell of one model: gradients, variants that stopped early, and what everything costs."""
    from tasktransfer.predict.comparison import GridCost
    from tasktransfer.predict.predict import Known
    from tasktransfer.predict.token_passes import grid_passes

    grids: dict[str, GridCost] = {}
    for plan, store in plans:
        grids |= {label: GridCost(*passes) for label, passes in grid_passes(plan, store).items()}
    whole = grids.get(model)
    own = None if gradients is None else gradients[gradients["model"] == model]
    own = own if own is not None and len(own) else None
    if whole is None:
        return Known(own)
    # what gradients of another model took is not what these took
    costs = tuple(passes.get(f"{model}|{kind}", math.nan) / whole.total for kind in ("mean", "options"))
    early = {
        f"{share:.0%} of the steps": (label, grids[label].total / whole.total)
        for label, share in _stopped_early([plan for plan, _ in plans], model).items()
        if label in others
    }
    return Known(own, (costs[0], costs[1]), early, whole)


def _stopped_early(plans: list[Plan], model: str) -> dict[str, float]:
    """Variants that are a model's training cut short: label -> share of the steps."""
    cells = {
        cell.label: cell for plan in plans for cell in plan.cells if cell.kind == "finetune" and cell.optimisation
    }
    whole = cells.get(model)
    if whole is None or whole.optimisation is None:
        return {}
    found = {}
    for label, cell in cells.items():
        assert cell.optimisation is not None
        same = cell.model == whole.model and cell.method == whole.method
        uncut = cell.optimisation.model_copy(update={"stop": whole.optimisation.stop})
        if same and uncut == whole.optimisation and cell.optimisation.stop < whole.optimisation.stop:
            found[label] = cell.optimisation.stop / whole.optimisation.stop
    return found
