"""The toy's learning curves: ``python -m recipes.toy_model.curves_figure CURVES.csv OUT.png``."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from tasktransfer.tasks.toyworld import TOY_TASKS

__all__ = ["plot_curves"]


def plot_curves(source: Path, out: Path) -> None:
    """Draw one panel for the words of the tower, one for the probes, one for the tasks' own questions.

    Parameters
    ----------
    source
        The csv file of `recipes.toy_model.curves.Curves`.
    out
        Picture to write.
    """
    rows = pd.read_csv(source)
    tower, language = rows[rows["stage"] == "tower"], rows[rows["stage"] != "tower"].copy()
    stages = list(language["stage"].unique())
    ends = language.groupby("stage")["step"].max()
    before = {stage: ends[stages[:k]].sum() for k, stage in enumerate(stages)}
    language["step"] += language["stage"].map(before)
    own = language["name"].isin(list(TOY_TASKS))
    panels = (
        ("Stage 1: words on cells", tower),
        ("Stages 2 and 3: probes", language[~own]),
        ("Stages 2 and 3: the tasks' own questions", language[own]),
    )
    figure, axes = plt.subplots(3, 1, figsize=(9, 13), layout="constrained")
    for axis, (title, part) in zip(axes, panels, strict=True):
        for k, (name, curve) in enumerate(part.groupby("name")):
            axis.plot(curve["step"], curve["accuracy"], lw=1, color=plt.cm.tab20(k % 20), label=_label(str(name)))
        axis.set(title=title, xlabel="steps", ylabel="running share right", ylim=(0, 1.02))
        axis.legend(fontsize=5, ncols=2, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.savefig(out, dpi=110)
    plt.close(figure)


def _label(name: str) -> str:
    return name.removeprefix("toy_").replace("_", " ")


if __name__ == "__main__":
    plot_curves(Path(sys.argv[1]), Path(sys.argv[2]))
