"""What was recommended, held against what came of it.

    gain            accuracy of the trained mixture less the baseline, on the judging half of the items; intervals
                    over items and training seeds, which are crossed (`tasktransfer.analysis.crossed`)
    over direct     the same of the difference to the mixture of the target's own data, paired by item and seed
    elsewhere       mean and least gain over the other tasks
    regret          accuracy that the best mixture of all that were trained for the target has more
    regret@k        the same of the best among the k mixtures of the highest predicted PGF [1]_
    held            whether the predicted interval of PGF holds the realised value; ``held_with_error`` whether the
                    two differ by no more than both intervals together allow

The best of many noisy values looks better than it is, so every regret is somewhat too large.

Shape letters: S seeds, K items.

References
----------
.. [1] Poth et al., "What to Pre-Train on? Efficient Intermediate Task Selection", EMNLP 2021.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.analysis.crossed import CrossedMean, crossed_mean, mean_squares, pgf_interval
from tasktransfer.analysis.items import targets_of_items
from tasktransfer.analysis.moderation import VariancePrior
from tasktransfer.analysis.uncertainty import groups_with_prior
from tasktransfer.selection.choices import Choice

__all__ = ["Judgement", "Outcome", "judge"]

COMPARED = ("direct", "random", "uniform")  # every mixture is held against these of the same target


class Judgement(NamedTuple):
    """Tables; accuracies are fractions."""

    realised: pd.DataFrame  # a row per target and method
    elsewhere: pd.DataFrame  # a row per target, method and task
    targets: pd.DataFrame  # regret of choosing by the prediction, per target
    methods: pd.DataFrame  # means over targets


class Outcome(NamedTuple):
    """Everything that was chosen, trained and measured."""

    choices: list[Choice]
    judgement: Judgement
    merges: pd.DataFrame  # of `tasktransfer.selection.merged.merge_table`
    agreement: pd.DataFrame  # of `tasktransfer.selection.merged.merge_agreement`
    notes: list[str]  # questions that a method had no answer to
    failed: dict[str, str]  # cells


class _Scores(NamedTuple):
    """One cell's answers to one target."""

    after_SK: np.ndarray
    before_SK: np.ndarray
    clusters_K: np.ndarray | None
    prior: VariancePrior

    @property
    def n_units(self) -> int:
        return self.after_SK.shape[1] if self.clusters_K is None else int(self.clusters_K.max()) + 1


class _Value(NamedTuple):
    mean: float
    low: float
    high: float


def judge(items: pd.DataFrame, choices: Sequence[Choice], *, confidence: float = 0.95) -> Judgement:
    """Hold choices against the answers of the mixtures that were trained.

    Parameters
    ----------
    items
        Scores by item of the judging half: the ``items`` of `tasktransfer.read_accuracies`, with the untouched
        model, the grid's finetunes, whose spread over seeds steadies that of the mixtures, and the mixtures.
    choices
        Of `make_choices`; one whose mixture was not trained is left out.
    """
    scores = _scores_of(items)
    tasks = list(dict.fromkeys(task for _, task in scores))
    rows, others = [], []
    for choice in choices:
        if (choice.mixture, choice.target) not in scores:
            continue
        rows.append(_row(choice, choices, scores, tasks, confidence))
        others += _elsewhere(choice, scores, tasks, confidence)
    realised = pd.DataFrame(rows)
    best = realised.groupby("target")["gain"].transform("max")
    realised["regret"] = best - realised["gain"]
    elsewhere = pd.DataFrame(others)
    return Judgement(realised, elsewhere, _by_target(realised), _by_method(realised))


def _scores_of(items: pd.DataFrame) -> dict[tuple[str, str], _Scores]:
    """Answers by mixture and target."""
    found = {}
    for block in targets_of_items(items):
        for group, prior in groups_with_prior(block):
            for number, cell in enumerate(group.cells):
                if cell.kind == "mixture":
                    scores = _Scores(group.after_CSK[number], group.before_CSK[number], group.clusters_K, prior)
                    found[cell.source, block.target] = scores
    return found


def _mean(change_SK: np.ndarray, of: _Scores, prior: VariancePrior | None = None) -> CrossedMean:
    population = "source" if len(change_SK) > 1 else "adapters"
    squares = mean_squares(change_SK[None], of.clusters_K)
    return crossed_mean(squares, population, prior) if prior else crossed_mean(squares, population)


def _gain(of: _Scores, confidence: float) -> _Value:
    mean = _mean(of.after_SK - of.before_SK, of, of.prior)
    low, high = mean.with_pseudo_items(of.n_units).interval(confidence)
    return _Value(float(mean.mean[0]), float(low[0]), float(high[0]))


def _pgf(of: _Scores, gain: _Value, confidence: float) -> _Value:
    """On the scale of the grid's; where no interval is defined there, that of the gain over the observed gap."""
    gap = float(1 - of.before_SK.mean())
    if gap * of.before_SK.shape[1] < 1 - 1e-9:
        return _Value(np.nan, np.nan, np.nan)
    low, high = pgf_interval(
        of.after_SK[None],
        of.before_SK[None],
        confidence=confidence,
        population="source" if len(of.after_SK) > 1 else "adapters",
        prior=of.prior,
        clusters_K=of.clusters_K,
    )
    if np.isnan(low[0]):
        return _Value(*(value / gap for value in gain))
    return _Value(gain.mean / gap, float(low[0]), float(high[0]))


def _row(
    choice: Choice,
    choices: Sequence[Choice],
    scores: Mapping[tuple[str, str], _Scores],
    tasks: Sequence[str],
    confidence: float,
) -> dict[str, object]:
    own = scores[choice.mixture, choice.target]
    gain = _gain(own, confidence)
    pgf = _pgf(own, gain, confidence)
    predicted = _predicted(choice, choice.target)
    row: dict[str, object] = {
        "target": choice.target,
        "method": choice.method,
        "mixture": choice.mixture,
        "items": "; ".join(f"{task} {count}" for task, count in choice.items.items()),
        "n_sources": len(choice.items),
        "helps": "" if choice.helps is None else str(choice.helps).lower(),
        **_named("predicted", predicted),
        "n_seeds": len(own.after_SK),
        "n_items": own.after_SK.shape[1],
        "baseline": float(own.before_SK.mean()),
        "accuracy": float(own.after_SK.mean()),
        **_named("gain", gain),
        **_named("pgf", pgf),
        "held": predicted.low <= pgf.mean <= predicted.high,
        "held_with_error": _agree(predicted, pgf),
    }
    for name in COMPARED:
        rival = next((c for c in choices if c.target == choice.target and c.method.split(" ")[0] == name), None)
        there = rival is not None and (rival.mixture, choice.target) in scores
        difference = _Value(np.nan, np.nan, np.nan)
        if rival is not None and there:
            same = rival.mixture == choice.mixture
            rivals = scores[rival.mixture, choice.target]
            difference = _Value(0.0, 0.0, 0.0) if same else _difference(own, rivals, confidence)
        row |= _named(f"over_{name}", difference)
    return row | _harm(choice, scores, [task for task in tasks if task != choice.target], confidence)


def _named(name: str, value: _Value) -> dict[str, float]:
    return {name: value.mean, f"{name}_low": value.low, f"{name}_high": value.high}


def _predicted(choice: Choice, task: str) -> _Value:
    row = choice.expected[choice.expected["task"] == task]
    return _Value(*(float(row[name].iloc[0]) if len(row) else np.nan for name in ("pgf", "low", "high")))


def _agree(a: _Value, b: _Value) -> bool:
    """Whether two values differ by no more than the half-intervals that face each other, in quadrature."""
    lower, upper = (a, b) if a.mean <= b.mean else (b, a)
    return bool(upper.mean - lower.mean <= np.hypot(lower.high - lower.mean, upper.mean - upper.low))


def _difference(a: _Scores, b: _Scores, confidence: float) -> _Value:
    """Accuracy that one mixture has more than another, on the same items and seeds."""
    if a.after_SK.shape != b.after_SK.shape:
        return _Value(float(a.after_SK.mean() - b.after_SK.mean()), np.nan, np.nan)
    change = a.after_SK - b.after_SK
    mean = _mean(change, a)
    low, high = mean.with_pseudo_items(a.n_units).interval(confidence)
    return _Value(float(mean.mean[0]), float(low[0]), float(high[0]))


def _harm(
    choice: Choice, scores: Mapping[tuple[str, str], _Scores], others: Iterable[str], confidence: float
) -> dict[str, object]:
    """Mean gain over the other tasks, and the one that loses most."""
    there = {task: scores[choice.mixture, task] for task in others if (choice.mixture, task) in scores}
    if not there:
        return {**_named("elsewhere", _Value(np.nan, np.nan, np.nan)), "worst_task": "",
                **_named("worst", _Value(np.nan, np.nan, np.nan))}  # fmt: skip
    gains = {task: _gain(own, confidence) for task, own in there.items()}
    worst = min(gains, key=lambda task: gains[task].mean)
    mean = _mean_over_tasks(list(there.values()), confidence)
    return {**_named("elsewhere", mean), "worst_task": worst, **_named("worst", gains[worst])}


def _mean_over_tasks(tasks: Sequence[_Scores], confidence: float) -> _Value:
    """Mean gain of tasks that share seeds and not items."""
    changes = [of.after_SK - of.before_SK for of in tasks]
    mean = float(np.mean([change.mean() for change in changes]))
    parts = []  # variance and degrees of freedom
    for of, change in zip(tasks, changes, strict=True):
        squares = mean_squares(change[None], of.clusters_K)
        variance = float(crossed_mean(squares, "adapters").of_items[0]) / len(tasks) ** 2
        parts.append((variance, squares.n_units - 1.0))
    n_seeds = len(changes[0])
    if n_seeds > 1 and len({len(change) for change in changes}) == 1:
        by_seed = np.mean([change.mean(axis=1) for change in changes], axis=0)
        parts.append((float(by_seed.var(ddof=1)) / n_seeds, n_seeds - 1.0))
    whole = sum(variance for variance, _ in parts)
    squared = sum(variance**2 / df for variance, df in parts)
    if squared <= 0:
        return _Value(mean, np.nan, np.nan)
    half = float(stats.t.ppf(0.5 + confidence / 2, whole**2 / squared)) * float(np.sqrt(whole))
    return _Value(mean, mean - half, mean + half)


def _elsewhere(
    choice: Choice, scores: Mapping[tuple[str, str], _Scores], tasks: Iterable[str], confidence: float
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for task in tasks:
        if task == choice.target or (choice.mixture, task) not in scores:
            continue
        of = scores[choice.mixture, task]
        gain = _gain(of, confidence)
        pgf, predicted = _pgf(of, gain, confidence), _predicted(choice, task)
        rows.append(
            {
                "target": choice.target,
                "method": choice.method,
                "mixture": choice.mixture,
                "task": task,
                **_named("predicted", predicted),
                **_named("gain", gain),
                **_named("pgf", pgf),
                "held": predicted.low <= pgf.mean <= predicted.high,
                "held_with_error": _agree(predicted, pgf),
            }
        )
    return rows


def _by_target(realised: pd.DataFrame) -> pd.DataFrame:
    """Choosing by the highest prediction among all mixtures of a target."""
    rows = []
    for target, of_target in realised.groupby("target", sort=False):
        mixtures = of_target.drop_duplicates("mixture").sort_values("predicted", ascending=False, kind="stable")
        gains = mixtures["gain"].to_numpy()
        best = mixtures.iloc[int(np.argmax(gains))]
        told = mixtures["predicted"].to_numpy()
        several = len(mixtures) > 2 and np.ptp(told) > 0 and np.ptp(gains) > 0
        rows.append(
            {
                "target": target,
                "n_mixtures": len(mixtures),
                "baseline": float(mixtures["baseline"].iloc[0]),
                "best_methods": "; ".join(of_target.loc[of_target["mixture"] == best["mixture"], "method"]),
                "best_gain": float(best["gain"]),
                "regret_at_1": float(gains.max() - gains[0]),
                "regret_at_3": float(gains.max() - gains[:3].max()),
                "spearman": float(stats.spearmanr(told, gains).statistic) if several else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _by_method(realised: pd.DataFrame) -> pd.DataFrame:
    """Means over targets, and on how many a method is surely better or worse than direct finetuning."""
    rows = []
    for method, rows_of in realised.groupby("method", sort=False):
        rows.append(
            {
                "method": method,
                "n_targets": len(rows_of),
                "predicted": rows_of["predicted"].mean(),
                "pgf": rows_of["pgf"].mean(),
                "gain": rows_of["gain"].mean(),
                "regret": rows_of["regret"].mean(),
                "elsewhere": rows_of["elsewhere"].mean(),
                "worst": rows_of["worst"].min(),
                "over_direct": rows_of["over_direct"].mean(),
                "better_than_direct": int((rows_of["over_direct_low"] > 0).sum()),
                "worse_than_direct": int((rows_of["over_direct_high"] < 0).sum()),
                "over_random": rows_of["over_random"].mean(),
                "better_than_random": int((rows_of["over_random_low"] > 0).sum()),
                "worse_than_random": int((rows_of["over_random_high"] < 0).sum()),
                "held": float(rows_of["held"].mean()),
                "held_with_error": float(rows_of["held_with_error"].mean()),
            }
        )
    return pd.DataFrame(rows)
