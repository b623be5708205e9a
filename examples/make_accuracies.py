"""Write a simulated study of two models as plain tables of counts: accuracies.csv, and a file for each model.

python examples/make_accuracies.py
"""

from pathlib import Path

import pandas as pd

import tasktransfer as tt
from tasktransfer.analysis.simulation import Simulation

parts = []
for seed, model in enumerate(("small", "large")):
    design = Simulation(n_tasks=8, n_items=200, n_seeds=2)
    rows = tt.simulate_study(design, seed=seed, model=model).predictions
    cells = rows.groupby(["model", "source", "seed", "target"], sort=False)["correct"]
    parts.append(cells.agg(n_correct="sum", n_items="size").reset_index())
    parts[-1].to_csv(Path(__file__).with_name(f"{model}.csv"), index=False)
pd.concat(parts).to_csv(Path(__file__).with_name("accuracies.csv"), index=False)
