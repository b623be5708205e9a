"""PGF net of a control: what is left when the answer format, or mere training, is taken away.

A control is trained as the finetunes are, without the skill (shuffled labels, the base model's own answers,
blanked images). What it does to a target is no transfer of skill, so

    net(i -> j) = PGF(i -> j) - PGF(control -> j)

and of a column it explains

    share_j = 1 - sum_i net(i -> j)^2 / sum_i PGF(i -> j)^2          (sources other than j itself)

1 where every finetune does what the control does, 0 where the control does nothing, below 0 where it misleads.
Noise counts in both sums, and a lucky baseline moves finetunes and control alike: the share beyond noise takes the
expected noise (from the draws) off both, and is not given where noise makes up three quarters of the squares.
Intervals of the difference come from draws that share the items of the target (`resampling`): what both owe to a
lucky baseline cancels.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasktransfer.analysis.error_kinds import joined_kinds
from tasktransfer.analysis.pgf import ZERO
from tasktransfer.analysis.resampling import Resampled
from tasktransfer.analysis.transferability import signed_aggregate

__all__ = ["control_columns", "net_of_controls"]

NET_COLUMNS = (
    "model",
    "control",
    "source",
    "target",
    "pgf",
    "control_pgf",
    "net",
    "low",
    "high",
    "verdict",
    "uncertainty",
)
TARGET_COLUMNS = (
    "model",
    "control",
    "target",
    "n_sources",
    "control_pgf",
    "mean_pgf",
    "mean_net",
    "share_explained",
    "share_beyond_noise",
    "low",
    "high",
    "uncertainty",
    "transferability_pos",
    "transferability_neg",
)


def net_of_controls(
    transfers: pd.DataFrame, resampled: dict[str, Resampled], *, confidence: float
) -> pd.DataFrame:
    """Every finetune cell less every control of its model on the same target.

    Parameters
    ----------
    transfers
        With rows of kind ``control``; without any the result is empty.
    resampled
        Draws by model.
    confidence
        In (0, 1).

    Returns
    -------
    pandas.DataFrame
        Columns `NET_COLUMNS`. The verdict is ``above`` or ``below`` the control where the interval leaves out 0,
        else ``as the control``; empty where there is no interval. Not adjusted for the number of cells. The
        uncertainty is that of both cells.
    """
    columns = ["model", "source", "target", "pgf", "uncertainty"]
    finetunes = transfers.loc[(transfers["kind"] == "finetune") & transfers["pgf"].notna(), columns]
    controls = transfers.loc[(transfers["kind"] == "control") & transfers["pgf"].notna(), columns]
    controls = controls.rename(columns={"source": "control", "pgf": "control_pgf", "uncertainty": "of_control"})
    frame = controls.merge(finetunes, on=["model", "target"])
    frame["net"] = frame["pgf"] - frame["control_pgf"]
    bounds = np.full((len(frame), 2), np.nan)
    named = frame[["model", "source", "control", "target"]].itertuples(index=False, name=None)
    for position, (model, source, control, target) in enumerate(named):
        bounds[position] = _interval(resampled[model], source, control, target, confidence)
    frame["low"], frame["high"] = bounds.T
    verdict = np.select([frame["low"] > 0, frame["high"] < 0], ["above", "below"], "as the control")
    both = zip(frame["uncertainty"], frame["of_control"], strict=True)
    frame["uncertainty"] = [joined_kinds(kinds) for kinds in both]
    frame["verdict"] = np.where(frame["low"].isna(), "", verdict)
    return frame[list(NET_COLUMNS)]


def _interval(drawn: Resampled, source: str, control: str, target: str, confidence: float) -> tuple[float, float]:
    i, k = drawn.cells.index(("finetune", source)), drawn.cells.index(("control", control))
    j = drawn.targets.index(target)
    if not (drawn.known_CT[i, j] and drawn.known_CT[k, j]):
        return np.nan, np.nan
    net_D = drawn.pgf_DCT[:, i, j] - drawn.pgf_DCT[:, k, j]
    net_D = net_D[~np.isnan(net_D)]
    if not len(net_D):
        return np.nan, np.nan
    low, high = np.quantile(net_D, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def control_columns(net: pd.DataFrame, transfers: pd.DataFrame, resampled: dict[str, Resampled]) -> pd.DataFrame:
    """What each control does to each target, and how much of the column it explains.

    Parameters
    ----------
    net
        Of `net_of_controls`.
    transfers, resampled
        Of the same analysis.

    Returns
    -------
    pandas.DataFrame
        Columns model, control, target, n_sources, control_pgf, mean_pgf, mean_net, share_explained (NaN where
        the column is zero throughout), share_beyond_noise, low and high (of control_pgf) and uncertainty;
        self-transfer is left out. One more row a control, with an empty target, over all cells, has the control's
        own transferability: what a source reaches that teaches no skill.
    """
    off = net[net["source"] != net["target"]].reset_index(drop=True)
    off = off.assign(**_noise_squares(off, resampled))
    of_controls = transfers[transfers["kind"] == "control"].set_index(["model", "source", "target"]).sort_index()
    rows = []
    for (model, control), of_model in off.groupby(["model", "control"], sort=False):
        of_control = of_controls.loc[(model, control)]
        for target, cells in of_model.groupby("target", sort=False):
            bounds = of_control.loc[target, ["low", "high"]]
            kinds = joined_kinds(cells["uncertainty"])
            rows.append((model, control, target, *_explained(cells), *bounds, kinds, np.nan, np.nan))
        everywhere = of_control["pgf"].to_numpy(dtype=float)
        own = [float(signed_aggregate(everywhere, sign, -1)) for sign in (1, -1)]
        kinds = joined_kinds(of_model["uncertainty"])
        rows.append((model, control, "", *_explained(of_model), np.nan, np.nan, kinds, *own))
    return pd.DataFrame(rows, columns=list(TARGET_COLUMNS))


def _explained(cells: pd.DataFrame) -> tuple[float, ...]:
    """Number of cells, mean control, mean PGF, mean net, and the share of squares the control explains."""
    squares = float((cells["pgf"] ** 2).sum())
    share = 1 - float((cells["net"] ** 2).sum()) / squares if squares > ZERO**2 else np.nan
    left, left_net = squares - cells["noise"].sum(), float((cells["net"] ** 2).sum()) - cells["net_noise"].sum()
    beyond = 1 - max(left_net, 0.0) / left if left > 0.25 * squares else np.nan
    return (len(cells), *cells[["control_pgf", "pgf", "net"]].mean(), share, beyond)


def _noise_squares(off: pd.DataFrame, resampled: dict[str, Resampled]) -> dict[str, np.ndarray]:
    """Squares that the error of each cell brings to PGF and to net; NaN where it is not known."""
    noise, net_noise = np.full(len(off), np.nan), np.full(len(off), np.nan)
    named = off[["model", "source", "control", "target"]].itertuples(index=False, name=None)
    for position, (model, source, control, target) in enumerate(named):
        drawn = resampled[model]
        i, k = drawn.cells.index(("finetune", source)), drawn.cells.index(("control", control))
        j = drawn.targets.index(target)
        if drawn.known_CT[i, j] and drawn.known_CT[k, j]:
            of_source, of_control = drawn.pgf_DCT[:, i, j], drawn.pgf_DCT[:, k, j]
            noise[position], net_noise[position] = (
                _squared_spread(of_source),
                _squared_spread(of_source - of_control),
            )
    return {"noise": noise, "net_noise": net_noise}


def _squared_spread(drawn_D: np.ndarray) -> float:
    """Variance of draws, from their middle: a gap next to nothing makes wild ones."""
    known = drawn_D[~np.isnan(drawn_D)]
    return float(np.subtract(*np.quantile(known, [0.8413, 0.1587])) / 2) ** 2 if len(known) else np.nan
