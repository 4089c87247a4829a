#!/usr/bin/env bash
# MIOFlow takes times for ranks: days in the order of text, equally spaced, and cells without a day for a day of their own.
#
# Expected: cells of days d0, d2, d10 are trained on in that order, or refused; days 0, 2, 10 keep their distances, or
# it is said that they do not; a cell whose day is missing is left out, or refused.
#
# What happens (mioflow 0.1.14, MIOFlow._encode in mioflow/mioflow.py): the times are the codes of
# pandas.factorize(obs[obs_time_key], sort=True). So text is in the order of text (d0, d10, d2), every step takes one
# unit of time whatever the numbers, and a missing value has the code -1: such cells are the first snapshot, at time -1,
# and the flow starts from them. Nothing is said in any of these cases.
#
# Below, the cells of day t lie at (t, t). Shown is what the model is given: each snapshot's time, and where its cells are.
#
# Seen on 2026-11-29:
#   mioflow 0.1.14, pandas 2.3.3, anndata 0.12.19
#   days d0, d2, d10 (text):         t = 0 at 0, t = 1 at 10, t = 2 at 2
#   days 0, 2, 10 (numbers):         t = 0 at 0, t = 1 at 2, t = 2 at 10
#   days 0, 2, none (in 5 cells), 10: t = -1 at 10, t = 0 at 0, t = 1 at 2, t = 2 at 10
#
# Instead: hand it an ordered category, or numbers, without missing values, and remember the spacing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6 scipy==1.17.1 pandas==2.3.3 \
    anndata==0.12.19 scikit-learn==1.9.1 matplotlib==3.11.2 torchdiffeq==0.2.5 torchsde==0.2.6 pot==0.9.7.post1 tqdm==4.70.1 phate==1.0.11
# mioflow itself goes without its dependencies: what it imports is above, scanpy is not among it.
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps mioflow==0.1.14
"$folder/venv/bin/python" - "$folder" <<'EOF'
import sys
from importlib.metadata import version

import anndata
import numpy as np
import pandas as pd
from mioflow import MIOFlow

print(*(f"{name} {version(name)}" for name in ("mioflow", "pandas", "anndata")), sep=", ")
day = np.repeat([0, 2, 10], 20)

def given(labels):
    """The snapshots as the model has them: time, and the mean of its cells in the units of the data."""
    obs = pd.DataFrame({"day": labels}, index=[f"cell{k}" for k in range(len(day))])
    cells = anndata.AnnData(np.zeros((len(day), 1), np.float32), obs=obs)
    cells.obsm["X_pca"] = np.stack([day, day], axis=1).astype(np.float32)
    model = MIOFlow(cells, obs_time_key="day", use_cuda=False, debug_level="error", exp_dir=sys.argv[1])
    return [
        (float(time), round(float((points * model.std_vals + model.mean_vals).mean())))
        for points, time in model.dataset.time_series_data
    ]

gaps = day.astype(float)
gaps[-5:] = np.nan
cases = {
    "days d0, d2, d10 (text)": (np.array([f"d{t}" for t in day]), [(0, 0), (1, 10), (2, 2)]),
    "days 0, 2, 10 (numbers)": (day, [(0, 0), (1, 2), (2, 10)]),
    "days 0, 2, none (in 5 cells), 10": (gaps, [(-1, 10), (0, 0), (1, 2), (2, 10)]),
}
changed = []
for name, (labels, seen) in cases.items():
    found = given(labels)
    print(f"{name}:".ljust(32), ", ".join(f"t = {time:g} at {place}" for time, place in found))
    changed += [name] * (found != seen)
if changed:
    sys.exit(f"not as described any more: {'; '.join(changed)}")
EOF
