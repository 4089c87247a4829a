"""Small files of cells: four times of 30 cells each, in every layout that tests need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cfm.datasets.snapshots import Snapshots
from cfm.rng import stream

TIME = np.repeat(range(4), 30)
PCS = (stream(0, "small cells").standard_normal((120, 4)) * [3, 2, 1, 1] + TIME[:, None]).astype(np.float32)
NAMES = np.array([f"cell{i}" for i in range(120)])


def npz(folder: Path, **arrays: Any) -> Path:
    """Arrays `X` and `t`, unless others are given."""
    np.savez(folder / "cells.npz", **{"X": PCS, "t": TIME, **arrays})
    return folder / "cells.npz"


def annotated(x: Any = None, **columns: Any) -> Any:
    """An AnnData with X_pca in obsm and columns in obs, `t` by default."""
    import anndata
    import pandas as pd

    obs = pd.DataFrame({"t": TIME, **columns}, index=NAMES)
    found = anndata.AnnData(np.ones((120, 1), np.float32) if x is None else x, obs=obs)
    found.obsm["X_pca"] = PCS
    return found


def h5ad(folder: Path, x: Any = None, **columns: Any) -> Path:
    """That AnnData as a file."""
    annotated(x, **columns).write_h5ad(folder / "cells.h5ad")
    return folder / "cells.h5ad"


def snapshots(path: Path, **settings: Any) -> Snapshots:
    """The entry of a file."""
    matrix = "X" if path.suffix == ".npz" else "X_pca"
    return Snapshots(**{"file": str(path), "matrix": matrix, "labels": "t", "dims": 4, **settings})


def labelled(labels: list[str]) -> Any:
    """A label for every cell, of four."""
    return np.array(labels)[TIME]
