"""A project with cells of one's own, and networks on them whose velocities are known."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import scipy.sparse
import yaml

from cfm.__main__ import main
from cfm.cli.cell import Cell
from tests.made_run import Change, constant_velocity, made_model
from tests.own_project import copy_of_config

DAYS = ("D3", "D8", "D15")
SCALE, MEAN = np.array([2.0, 5.0, 0.5, 1.0]), np.array([10.0, -20.0, 0.0, 3.0])
RATES = {42: np.array([1.0, 0.0, -0.5]), 43: np.array([2.0, 1.0, -0.5]), 44: np.array([3.0, 2.0, -0.5])}


def made_cells() -> anndata.AnnData:
    """120 cells of three days, whose genes are sparse, in an order that is not that of their names or days."""
    rng = np.random.default_rng(0)
    day = np.array(DAYS)[rng.permutation(np.repeat([0, 1, 2], 40))]
    counts = scipy.sparse.random(120, 3000, density=0.01, format="csr", random_state=0, dtype=np.float32)
    obs = pd.DataFrame(
        {
            "day": pd.Categorical(day, DAYS),
            "donor": np.where(rng.random(120) < 0.5, "a", "b"),
            "depth": rng.random(120),
            "note": ["seen twice", None, None, None] * 30,
            "batch": pd.array([1, 2, None] * 40, dtype="Int64"),
        },
        index=[f"cell{k:03d}-1" for k in rng.permutation(120)],
    )
    found = anndata.AnnData(counts, obs=obs)
    found.obsm["X_pca"] = MEAN + SCALE * rng.standard_normal((120, 4))
    return found


def genes() -> anndata.AnnData:
    """90 cells whose coordinates are a sparse X, at three times of which one has two names, without a left-out time."""
    rng = np.random.default_rng(1)
    counts = scipy.sparse.random(90, 50, density=0.5, format="csr", random_state=1, dtype=np.float32)
    day = np.array(["D3", "D8", "D15", "late"])[rng.permutation(np.repeat([0, 1, 2, 3], [30, 30, 15, 15]))]
    return anndata.AnnData(counts, obs=pd.DataFrame({"day": day}, index=[f"g{k}" for k in range(90)]))


def cells_project(folder: Path) -> Path:
    """Cells of one's own, and networks of three seeds whose velocities are known, in whitened units."""
    copy_of_config(
        folder, ["mine", "genes", "branching"], ["identity", "icfm", "otcfm", "wcfm"], "single_cell", [*RATES]
    )
    made_cells().write_h5ad(folder / "mine.h5ad")
    genes().write_h5ad(folder / "genes.h5ad")
    entry = {"label": "mine", "family": "snapshots", "file": "mine.h5ad", "matrix": "X_pca", "labels": "day", "dims": 3}
    with open(folder / "config/datasets.yaml", "a") as file:
        file.write(yaml.safe_dump({"mine": {**entry, "left_out": [1]}}))
        times = {"times": {"D3": 3, "D8": 8, "D15": 15, "late": 15}, "spacing": "observed"}
        file.write(yaml.safe_dump({"genes": {**entry, "file": "genes.h5ad", "matrix": "X", **times}}))
    methods = yaml.safe_load((folder / "config/methods.yaml").read_text())
    methods["wcfm"] = {"label": "one interval", "family": "weighted", "experiments": ["single_cell"], "epsilon": 0.1}
    methods["wcfm"] |= {"coupling": "independent", "path": "linear", "sigma": 0.1}
    (folder / "config/methods.yaml").write_text(yaml.safe_dump(methods, sort_keys=False))
    with contextlib.chdir(folder):
        assert main(verb("data")) == main(verb("data", "genes")) == 0
        for method in ("otcfm", "wcfm"):
            for seed, rate in RATES.items():
                made(method, seed, constant_velocity(*rate))
        made("icfm", 42, lambda layers: None)
        made("otcfm", 42, constant_velocity(1, 2, 3), "genes")
    return folder


def verb(verb: str, dataset: str = "mine_without_1") -> list[str]:
    """The arguments of a verb for the data set."""
    return [verb, "--budget", "smoke", "--experiment", "single_cell", "--dataset", dataset]


def made(
    method: str, seed: int, change: Change, dataset: str = "mine_without_1", dim: int = 3, failure: str | None = None
) -> None:
    """A run of a method whose network is not drawn, but made; or one that failed."""
    cell = Cell.open("train", "smoke", "single_cell", dataset, method)
    training = cell.config.training("single_cell", method)
    assert training is not None
    folder = cell.config.layout.run("single_cell", dataset, method, seed)
    made_model(folder, cell.family, dim, training, cell.spec, change, failure)


def whitened_scale() -> np.ndarray:
    """What whitened coordinates are multiplied by."""
    return np.asarray(made_cells().obsm["X_pca"][:, :3].std(0))


def cells_of(day: str) -> anndata.AnnData:
    """The cells of one day."""
    cells = made_cells()
    return cells[cells.obs["day"] == day]


def given_file(folder: Path, change: Callable[[anndata.AnnData], Any]) -> str:
    """A file of these cells with something changed: in place, or those that are returned."""
    cells = made_cells()
    found = change(cells)
    (cells if found is None else found).write_h5ad(folder / "given.h5ad")
    return str(folder / "given.h5ad")
