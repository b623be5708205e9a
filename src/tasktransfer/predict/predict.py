"""Estimates of transfer that cost less than a grid, from the folders of runs: gathered, judged, written."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tasktransfer.analysis.analyze import analyze
from tasktransfer.errors import InputError, OutputError, closest, quoted
from tasktransfer.files import write_json, write_text
from tasktransfer.importers.inputs import read_accuracies, split_name
from tasktransfer.importers.saved_transfers import holds_transfers
from tasktransfer.predict.comparison import GridCost, least_share, require_shares
from tasktransfer.predict.judgement import Known, measure_prediction, save_prediction
from tasktransfer.predict.token_passes import grid_passes
from tasktransfer.study.plan import Plan
from tasktransfer.study.store import Store

__all__ = ["Gradients", "predict_runs"]

_SHARES = (0.25, 0.5)  # measured, where none is asked for
Plans = Sequence[tuple[Plan, Store]]


class Gradients(NamedTuple):
    """Where gradients come from."""

    file: Path | None = None  # gradients.csv of an earlier call, with its .json; computed where None
    n_items: int = 64  # train items of a task
    draws: int = 3  # of A


def predict_runs(
    runs: Sequence[str],
    out: Path,
    gradients: Gradients | None,
    *,
    model: str | None = None,
    shares: Sequence[float] | None = None,
    repeats: int = 20,
    seed: int = 0,
) -> Iterator[str]:
    """Judge every estimate that runs give, write it to a folder, and say which to trust.

    Parameters
    ----------
    runs
        A folder that a run wrote to, and others with variants that stopped early; tables do as well.
    out
        Folder to write to.
    gradients
        None for no gradients.
    model
        Of the results; the first where None.
    shares
        Of the cells, and of the sources, taken as measured; as far as the grid allows where None.
    repeats
        Random masks of each share.
    seed
        Of masks and gradients.

    Raises
    ------
    InputError, SettingsError
        A table holds means over seeds, no such model, or a share that the grid does not allow.
    """
    _refuse_transfers(runs)
    analysis = analyze(read_accuracies(*runs))
    chosen = model or analysis.models[0]
    if chosen not in analysis.models:
        raise InputError(
            f"no model {chosen!r}{closest(chosen, analysis.models)}; there are {quoted(analysis.models)}"
        )
    allowed = _shares(analysis.matrix(chosen), shares)
    if not shares and allowed != [*_SHARES]:
        yield f"--measured {min(allowed):g} is the least that this grid allows; smaller shares are left out"
    stores = [Store(path) for path in (split_name(run)[1] for run in runs) if (path / "study.json").is_file()]
    plans = [(store.read_plan(), store) for store in stores]
    table, passes, notes = _gradients(plans, out, gradients, seed=seed)
    yield from notes
    known = _known(plans, chosen, table, passes, [name for name in analysis.models if name != chosen])
    prediction = measure_prediction(analysis, chosen, known, shares=allowed, repeats=repeats, seed=seed)
    save_prediction(prediction, out)
    yield from prediction.sentences


def _refuse_transfers(runs: Sequence[str]) -> None:
    """Refuse tables of means over seeds, which are no measurements; the message names those that are."""
    for path in (split_name(run)[1] for run in runs):
        if path.is_file() and holds_transfers(path):
            instead = f"here {path.parent}" if (path.parent / "accuracies.csv").is_file() else "accuracies.csv"
            raise InputError(
                f"{path}: holds means over seeds, and `predict` needs what they are means of; it takes the folder "
                f"of a run or of a finished analysis ({instead}), or a table of accuracies or of answers"
            )


def _gradients(
    plans: Plans, out: Path, asked: Gradients | None, *, seed: int
) -> tuple[pd.DataFrame | None, dict[str, float], Sequence[str]]:
    """The table of gradients, computed on the first run or read; the tokens that it took; what to know of it."""
    if asked is not None and asked.file is not None:
        passes = asked.file.with_suffix(".json")
        if not asked.file.is_file() or not passes.is_file():
            raise InputError(f"{asked.file}: is not there with its {passes.name}; `predict` writes both")
        return pd.read_csv(asked.file), json.loads(passes.read_text(encoding="utf-8")), ()
    if asked is None or not plans:
        return None, {}, ()
    from tasktransfer.study.train.gradients import estimate_transfer

    with _folder_kept_if_filled(out):
        estimates = estimate_transfer(*plans[0], n_items=asked.n_items, draws=asked.draws, seed=seed)
    costs = {f"{label}|{kind}": value for (label, kind), value in estimates.passes.items()}
    write_text(out / "gradients.csv", estimates.table.to_csv(index=False, lineterminator="\n"))
    write_json(out / "gradients.json", costs)
    return estimates.table, costs, estimates.notes


def _shares(measured: pd.DataFrame, given: Sequence[float] | None) -> list[float]:
    """The shares asked for, or the default ones as far as the grid allows; before anything is computed."""
    least = least_share(measured)
    shares = [*(given or ())] or [share for share in _SHARES if share >= least] or [least]
    require_shares(measured, shares)
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
    plans: Plans,
    model: str,
    gradients: pd.DataFrame | None,
    passes: Mapping[str, float],
    others: Sequence[str],
) -> Known:
    """What the runs say of one model: gradients, variants that stopped early, and what everything costs."""
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


def _stopped_early(plans: Sequence[Plan], model: str) -> dict[str, float]:
    """Variants that are a model's training cut short: label -> share of the steps."""
    cells = {
        cell.label: cell for plan in plans for cell in plan.cells if cell.kind == "finetune" and cell.optimisation
    }
    whole = cells.get(model)
    if whole is None or whole.optimisation is None:
        return {}
    shares = {}
    for label, cell in cells.items():
        assert cell.optimisation is not None
        same = cell.model == whole.model and cell.method == whole.method
        uncut = cell.optimisation.model_copy(update={"stop": whole.optimisation.stop})
        if same and uncut == whole.optimisation and cell.optimisation.stop < whole.optimisation.stop:
            shares[label] = cell.optimisation.stop / whole.optimisation.stop
    return shares
