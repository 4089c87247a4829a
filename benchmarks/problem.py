"""The problem that is timed: standard normal to eight Gaussians, in any dimension."""

from __future__ import annotations

import numpy as np

from cfm.datasets.base import Prepared
from cfm.datasets.toy2d import eight_gaussians
from cfm.rng import stream
from cfm.settings import Training

_POINTS = {"train": 10_000, "val": 1_000}


def problem(dim: int) -> Prepared:
    """The ring of eight Gaussians in the first two coordinates, standard normal in the others."""
    arrays = {}
    for split, n in _POINTS.items():
        rng = stream(0, f"bench/{split}")
        rest = rng.standard_normal((n, dim - 2), dtype=np.float32)
        arrays[f"{split}_1"] = np.hstack([eight_gaussians(n, rng), rest])
    return Prepared(arrays, dim, gaussian_source=True)


def training(batch_size: int) -> Training:
    """Network and optimiser of the two-dimensional experiments; the clock ends it, not the steps."""
    return Training(
        width=64,
        depth=3,
        batch_size=batch_size,
        steps=10**9,
        learning_rate=1e-3,
        weight_decay=1e-5,
        validate_every=10**9,
    )
