"""What weakens a cell, a column or a whole model, as one long table.

The checks are described in `CHECKS`. Scope ``run`` is one finetune on one target (or one baseline), ``target`` a
column of the matrix, ``model`` all of it.

A check that needs facts that are not there (answer counts, items, several seeds) is left out, not passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tasktransfer.analysis.decomposition import Decomposition
from tasktransfer.analysis.pgf import ZERO, matrix, models_of
from tasktransfer.analysis.resampling import Resampled
from tasktransfer.analysis.transferability import without_self
from tasktransfer.tasks import find_task

__all__ = ["CHECKS", "DIAGNOSTIC_COLUMNS", "constant_answers", "diagnose"]

DIAGNOSTIC_COLUMNS = (
    "model",
    "scope",
    "source",
    "seed",
    "target",
    "check",
    "value",
    "threshold",
    "flagged",
    "message",
)
CHECKS = {
    "constant_answer": "The score is that of one answer throughout (a letter by registered answer counts, or the "
    "predicted answers themselves); for a target, in a quarter of its "
    "off-diagonal runs or more.",
    "baseline_at_chance": "The untouched model stands at or below chance (mean over seeds).",
    "baseline_constant": "The untouched model scores, with some seed, exactly as one answer throughout would.",
    "baseline_drift": "The untouched model scores differently from seed to seed.",
    "weak_gap": "One item is worth 0.05 PGF or more: the gap is 20 items or fewer.",
    "empty_gap": "In one of a hundred draws of the items or more, less than one item lies between baseline and "
    "ceiling, so that PGF is undefined.",
    "seed_spread": "The typical seed SD of the column is larger than its typical |PGF|.",
    "one_column_effect": "Nine of ten sources or more, of at least four, move the target the same way.",
    "items_differ": "A run was scored on another number of items than its baseline.",
    "holes": "Cells are missing or undefined.",
    "net_negative": "The mean off-diagonal PGF is below zero.",
    "target_effect": "The target alone explains half of the off-diagonal variation or more.",
}
WEAK_GAP_ITEMS = 20
COLLAPSED_SHARE = 0.25
EMPTY_GAP_SHARE = 0.01
SAME_WAY_SHARE = 0.9
FEWEST_SAME_WAY = 4  # sources: of fewer all go one way by accident


def constant_answers(accuracies: pd.DataFrame) -> pd.Series:
    """For each row the answer that gives its count if given throughout, empty where none does or none is known.

    From items: the answer that was given throughout, a letter or, asked openly, a number or words. From counts:
    the registered answer counts of the task, used only when they add up to the row's number of items.

    Returns
    -------
    pandas.Series
        Text, aligned with `accuracies`; NaN where it is not known.
    """
    answers: list[str | float] = []
    for row in accuracies.itertuples():
        task = find_task(row.target)
        if not np.isnan(row.top_share):
            answers.append((row.top_answer or "?") if row.top_share == 1 else "")
        elif task is None or np.isnan(row.n_correct) or row.n_items != task.n_items:
            answers.append(np.nan)
        else:
            letters = [letter for letter, count in task.letter_counts.items() if count == row.n_correct]
            answers.append("/".join(letters))
    return pd.Series(answers, index=accuracies.index, dtype=object)


def diagnose(
    accuracies: pd.DataFrame,
    pgf: pd.DataFrame,
    transfers: pd.DataFrame,
    decompositions: Mapping[str, Decomposition],
    resampled: Mapping[str, Resampled],
) -> pd.DataFrame:
    """Run every check that the data allow.

    Parameters
    ----------
    accuracies, pgf, transfers
        The tables of one analysis.
    decompositions
        Result of `decompose` for each model.
    resampled
        Result of `resample`.

    Returns
    -------
    pandas.DataFrame
        Columns `DIAGNOSTIC_COLUMNS`. Scope ``run`` lists flagged runs only; ``target`` and ``model`` list every
        check made, flagged or not.
    """
    letters = constant_answers(accuracies)
    rows: list[dict[str, Any]] = []
    for model in models_of(transfers):
        here = accuracies["model"] == model
        rows.extend(_constant_runs(accuracies[here], letters[here]))
        rows.extend(_target_checks(model, accuracies[here], letters[here], pgf, transfers))
        rows.extend(_empty_gaps(model, resampled[model]))
        rows.extend(_model_checks(model, transfers, decompositions[model]))
    nowhere = {"source": "", "seed": "", "target": ""}
    return pd.DataFrame([{**nowhere, **row} for row in rows], columns=list(DIAGNOSTIC_COLUMNS))


def _constant_runs(accuracies: pd.DataFrame, letters: pd.Series) -> Iterator[dict[str, Any]]:
    constant = letters.notna() & (letters != "")
    for row, letter in zip(accuracies[constant].itertuples(), letters[constant], strict=True):
        answer = "one answer throughout" if letter == "?" else f"answering ({letter}) throughout"
        who = f"finetuned on {row.source}" if row.source else "the untouched model"
        yield {
            "model": row.model,
            "scope": "run",
            "source": row.source,
            "seed": row.seed,
            "target": row.target,
            "check": "constant_answer",
            "value": row.accuracy,
            "flagged": True,
            "message": f"{who}: the accuracy is that of {answer}",
        }


def _target_checks(
    model: str, accuracies: pd.DataFrame, letters: pd.Series, pgf: pd.DataFrame, transfers: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    rows = accuracies.assign(letters=letters)
    finetuned = rows[(rows["kind"] == "finetune") & (rows["source"] != rows["target"])]
    runs = pgf[(pgf["model"] == model) & (pgf["kind"] == "finetune") & (pgf["source"] != pgf["target"])]
    cells = transfers[(transfers["model"] == model) & (transfers["kind"] == "finetune")]
    cells = cells[cells["source"] != cells["target"]]
    checks_of: tuple[tuple[Callable[[pd.DataFrame], Iterator[dict[str, Any]]], pd.DataFrame], ...] = (
        (_baseline_checks, rows[rows["kind"] == "base"]),
        (_collapse_check, finetuned),
        (_gap_checks, runs),
        (_column_checks, cells),
    )
    columns = [(check, dict(list(table.groupby("target", sort=False)))) for check, table in checks_of]
    for target in dict.fromkeys(transfers.loc[transfers["model"] == model, "target"]):
        for check, by_target in columns:
            if target in by_target:
                for row in check(by_target[target]):
                    yield {"model": model, "scope": "target", "target": target, **row}


def _check(check: str, value: float, threshold: float, flagged: bool, message: str) -> dict[str, Any]:
    return {
        "check": check,
        "value": value,
        "threshold": threshold,
        "flagged": bool(flagged),
        "message": message,
    }


def _baseline_checks(base: pd.DataFrame) -> Iterator[dict[str, Any]]:
    base = base[base["accuracy"].notna()]
    if base.empty:
        return
    lowest, highest = base["accuracy"].min(), base["accuracy"].max()
    first = base.iloc[0]
    task = find_task(first["target"])
    # registered facts are those of one split: another number of items is another split
    same_split = task is not None and (np.isnan(first["n_items"]) or task.n_items in (None, first["n_items"]))
    choices = (task.n_choices or np.nan) if task and same_split else first["n_choices"]
    if not np.isnan(choices):
        chance = 1 / choices
        mean = base["accuracy"].mean()
        message = f"the baseline of {mean:.1%} stands against a chance of {chance:.1%}"
        yield _check("baseline_at_chance", mean, chance, mean <= chance + ZERO, message)
    known = base[base["letters"].notna()]
    if len(known):
        constant = known[known["letters"] != ""]
        share = len(constant) / len(known)
        message = f"{len(constant)} of {len(known)} baselines score exactly as a constant answer"
        if len(constant):
            message += f" ({', '.join(f'{row.accuracy:.1%}: {row.letters}' for row in constant.itertuples())})"
        yield _check("baseline_constant", share, 0.0, share > 0, message)
    if len(base) > 1:
        span = highest - lowest
        message = f"baselines of {len(base)} seeds lie {span * 100:.1f} accuracy points apart"
        yield _check("baseline_drift", span, 0.0, span > ZERO, message)


def _collapse_check(finetuned: pd.DataFrame) -> Iterator[dict[str, Any]]:
    known = finetuned["letters"].dropna()
    if known.empty:
        return
    constant = int((known != "").sum())
    share = constant / len(known)
    message = f"{constant} of {len(known)} off-diagonal runs score exactly as a constant answer"
    yield _check("constant_answer", share, COLLAPSED_SHARE, share >= COLLAPSED_SHARE, message)


def _gap_checks(runs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    items = (runs["gap"] * runs["n_items"]).dropna()
    if len(items):
        gap = float(items.min())
        worth = f"{1 / gap:.3f} PGF" if gap > ZERO else "without bound"
        yield _check(
            "weak_gap",
            gap,
            WEAK_GAP_ITEMS,
            gap <= WEAK_GAP_ITEMS + ZERO,
            f"the gap is {gap:.1f} items; one item is worth {worth}",
        )
    differ = int(runs["flags"].str.contains("items_differ").sum())
    if differ:
        message = f"{differ} runs were scored on another number of items than their baseline"
        yield _check("items_differ", differ, 0, True, message)


def _empty_gaps(model: str, drawn: Resampled) -> Iterator[dict[str, Any]]:
    for t, target in enumerate(drawn.targets):
        values = drawn.pgf_DCT[:, drawn.known_CT[:, t], t]
        if values.size:
            share = float(np.isnan(values).mean())
            message = f"{share:.1%} of the draws of items leave no gap"
            check = _check("empty_gap", share, EMPTY_GAP_SHARE, share >= EMPTY_GAP_SHARE, message)
            yield {"model": model, "scope": "target", "target": target, **check}


def _column_checks(cells: pd.DataFrame) -> Iterator[dict[str, Any]]:
    values = cells["pgf"].dropna()
    if len(values) < 2:
        return
    spread = cells["seed_sd"].median()
    if not np.isnan(spread):
        typical = float(values.abs().median())
        message = f"median seed SD {spread:.3f} against a median |PGF| of {typical:.3f}"
        yield _check("seed_spread", spread, typical, spread > typical, message)
    up, down = int((values >= ZERO).sum()), int((values <= -ZERO).sum())
    if len(values) < FEWEST_SAME_WAY:
        return
    share = max(up, down) / len(values)
    message = f"{up} of {len(values)} sources raise it, {down} lower it"
    if share >= SAME_WAY_SHARE:
        most = "every source" if share == 1 else "nearly every source"
        moves, change = ("raises", "help") if up > down else ("lowers", "harm")
        message = f"{most} {moves} it ({max(up, down)} of {len(values)}): {change} says little about the source"
    yield _check("one_column_effect", share, SAME_WAY_SHARE, share >= SAME_WAY_SHARE, message)


def _model_checks(model: str, transfers: pd.DataFrame, decomposition: Decomposition) -> Iterator[dict[str, Any]]:
    values = without_self(matrix(transfers, model))
    defined = values[~np.isnan(values)]
    finetuned = transfers[(transfers["model"] == model) & (transfers["kind"] == "finetune")]
    holes = int(finetuned["pgf"].isna().sum())
    share_negative = float((defined <= -ZERO).mean()) if len(defined) else np.nan
    mean = float(defined.mean()) if len(defined) else np.nan
    target_share = float(decomposition.shares.loc["target", "share"])
    message = f"mean off-diagonal PGF {mean:+.3f}; {share_negative:.0%} of {len(defined)} cells are negative"
    checks: tuple[dict[str, Any], ...] = (
        _check("holes", holes, 0, holes > 0, f"{holes} of {len(finetuned)} cells are missing or undefined"),
        _check("net_negative", mean, 0.0, mean < -ZERO, message),
    )
    if decomposition.shares.loc["interaction", "df"] > 0:  # else sources and targets fit any cells
        share_message = f"the target alone explains {target_share:.1%} of the off-diagonal variation"
        checks += (_check("target_effect", target_share, 0.5, target_share >= 0.5, share_message),)
    for check in checks:
        yield {"model": model, "scope": "model", **check}
