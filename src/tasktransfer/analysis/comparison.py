"""Two analyses side by side: ours against published, family against family, LoRA against full.

Only cells that both have are compared, and everything (interaction, edges, cliques, personas) is computed anew on
those, so that a hole in one set is no difference. Raw rank correlations over all cells are high whenever targets
differ in how easily they rise; what speaks of sources is the correlation within targets and on the interaction.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from tasktransfer.analysis.analyze import Analysis
from tasktransfer.analysis.cliques import SIGNS, find_cliques
from tasktransfer.analysis.decomposition import decompose
from tasktransfer.analysis.graph import transfer_edges
from tasktransfer.analysis.personas import PERSONAS, assign_personas
from tasktransfer.analysis.pgf import ZERO
from tasktransfer.analysis.transferability import aggregate_transfer, without_self
from tasktransfer.errors import InputError, quoted
from tasktransfer.tasks import find_task

__all__ = ["Comparison", "compare"]


class Comparison(NamedTuple):
    """One row per pair of models in `agreement`, one per cell both have in `cells`."""

    agreement: pd.DataFrame
    cells: pd.DataFrame


def compare(first: Analysis, second: Analysis) -> Comparison:
    """Compare two analyses, model by model.

    Parameters
    ----------
    first, second
        Results of `tasktransfer.analyze`. Models of the same name are paired; where no name is shared they are
        paired in order. Tasks are matched by name, or by the registered task two names stand for.

    Returns
    -------
    Comparison
        ``agreement``: model_a, model_b, n_cells, mean_difference and mean_absolute_difference of PGF (b - a);
        spearman_cells over all cells raw, spearman_sources (mean over targets of the correlation across
        sources) raw, spearman_interaction over the interaction's cells, spearman_source_effect,
        spearman_target_effect; sign_agreement over cells that are not zero in both; edge_overlap,
        positive_clique_overlap and negative_clique_overlap (largest cliques), donor_overlap, pirate_overlap,
        sponge_overlap and sieve_overlap as Jaccard indices, NaN where both sets are empty.
        ``cells``: both values, their difference, whether the signs agree.

    Raises
    ------
    InputError
        The models cannot be paired or share no cell.
    """
    agreement, cells = [], []
    for model_a, model_b in _pairs(first, second):
        a, b = _common(first.matrix(model_a), second.matrix(model_b))
        if not a.notna().any(axis=None):
            raise InputError(
                f"{quoted([model_a])} and {quoted([model_b])} share no cell: their tasks are "
                f"{quoted(first.matrix(model_a).index)} and {quoted(second.matrix(model_b).index)}"
            )
        agreement.append({"model_a": model_a, "model_b": model_b, **_agreement(a, b, first.settings.top_share)})
        cells.append(_cells(model_a, model_b, a, b))
    return Comparison(pd.DataFrame(agreement), pd.concat(cells, ignore_index=True))


def _pairs(first: Analysis, second: Analysis) -> list[tuple[str, str]]:
    shared = [model for model in first.models if model in set(second.models)]
    if shared:
        return [(model, model) for model in shared]
    if len(first.models) == len(second.models):
        return list(zip(first.models, second.models, strict=True))
    raise InputError(
        f"the models cannot be paired: {quoted(first.models)} against {quoted(second.models)}; "
        f"give models that belong together the same name, NAME=path"
    )


def _common(a: pd.DataFrame, b: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both matrices on the tasks and cells they share, under the names of the first."""
    by_identity = {_identity(name): name for name in b.index}
    partner = {name: name if name in b.index else by_identity.get(_identity(name)) for name in a.index}
    names = [name for name, other in partner.items() if other is not None]
    here = a.loc[names, names]
    there = b.loc[[partner[n] for n in names], [partner[n] for n in names]].set_axis(names).set_axis(names, axis=1)
    both = here.notna() & there.notna()
    return here.where(both), there.where(both)


def _identity(name: object) -> str:
    task = find_task(str(name))
    return task.name if task else str(name)


def _cells(model_a: str, model_b: str, a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    source, target = np.nonzero(a.notna().to_numpy())
    values_a, values_b = a.to_numpy()[source, target], b.to_numpy()[source, target]
    names = a.index.to_numpy(dtype=object)
    return pd.DataFrame(
        {
            "model_a": model_a,
            "model_b": model_b,
            "source": names[source],
            "target": names[target],
            "pgf_a": values_a,
            "pgf_b": values_b,
            "difference": values_b - values_a,
            "same_sign": _sign(values_a) == _sign(values_b),
        }
    )


def _sign(values: np.ndarray) -> np.ndarray:
    return np.where(np.abs(values) < ZERO, 0, np.sign(values))


def _agreement(a: pd.DataFrame, b: pd.DataFrame, top_share: float) -> dict[str, Any]:
    raw_a, raw_b = without_self(a), without_self(b)
    defined = ~np.isnan(raw_a)
    cells_a, cells_b = raw_a[defined], raw_b[defined]
    parts_a, parts_b = decompose(a), decompose(b)
    either = (_sign(cells_a) != 0) | (_sign(cells_b) != 0)
    same = _sign(cells_a) == _sign(cells_b)
    by_target = [_spearman(raw_a[:, j], raw_b[:, j]) for j in range(len(raw_a))]
    difference = cells_b - cells_a
    return {
        "n_cells": int(defined.sum()),
        "mean_difference": float(difference.mean()) if len(difference) else np.nan,
        "mean_absolute_difference": float(np.abs(difference).mean()) if len(difference) else np.nan,
        "spearman_cells": _spearman(cells_a, cells_b),
        "spearman_sources": _mean(by_target),
        "spearman_interaction": _spearman(
            parts_a.interaction.to_numpy()[defined], parts_b.interaction.to_numpy()[defined]
        ),
        "spearman_source_effect": _spearman(parts_a.source_effect.to_numpy(), parts_b.source_effect.to_numpy()),
        "spearman_target_effect": _spearman(parts_a.target_effect.to_numpy(), parts_b.target_effect.to_numpy()),
        "sign_agreement": float(same[either].mean()) if either.any() else np.nan,
        **_structure_overlap(a, b, top_share),
    }


def _structure_overlap(a: pd.DataFrame, b: pd.DataFrame, top_share: float) -> dict[str, float]:
    overlap = {"edge_overlap": _jaccard(_edges(a, top_share), _edges(b, top_share))}
    for sign in SIGNS:
        overlap[f"{sign}_clique_overlap"] = _best_clique_overlap(a, b, sign)
    labels_a, labels_b = assign_personas(aggregate_transfer(a)), assign_personas(aggregate_transfer(b))
    for persona in PERSONAS:
        overlap[f"{persona}_overlap"] = _jaccard(_holders(labels_a, persona), _holders(labels_b, persona))
    return overlap


def _edges(matrix: pd.DataFrame, top_share: float) -> set[tuple[str, str, str]]:
    edges = transfer_edges(matrix, top_share=top_share)
    return set(zip(edges["source"], edges["target"], edges["sign"], strict=True))


def _holders(labels: pd.Series, persona: str) -> set[str]:
    return {str(task) for task, text in labels.items() if persona in text.split(";")}


def _best_clique_overlap(a: pd.DataFrame, b: pd.DataFrame, sign: str) -> float:
    """Largest Jaccard index between a largest clique of one and a largest clique of the other."""
    largest = []
    for matrix in (a, b):
        cliques = find_cliques(matrix, sign).cliques
        largest.append([set(clique) for clique in cliques if len(clique) == len(cliques[0])])
    pairs = [_jaccard(x, y) for x in largest[0][:100] for y in largest[1][:100]]
    return max(pairs, default=np.nan if not (largest[0] or largest[1]) else 0.0)


def _jaccard(x: set[Any], y: set[Any]) -> float:
    return len(x & y) / len(x | y) if x | y else np.nan


def _spearman(x: np.ndarray, y: np.ndarray) -> float:
    known = ~np.isnan(x) & ~np.isnan(y)
    x, y = x[known], y[known]
    if len(x) < 3 or np.ptp(x) < ZERO or np.ptp(y) < ZERO:
        return np.nan
    return float(stats.spearmanr(x, y).statistic)


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan
