"""Stage `data`: a data set's samples, drawn or read, into `data.npz`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cfm.datasets.base import Dataset, Prepared
from cfm.resume import read_arrays, write_arrays
from cfm.settings import Sizes


def prepare(dataset: Dataset, sizes: Sizes, path: Path) -> None:
    """Write the prepared samples."""
    arrays = dataset.prepare(sizes)
    write_arrays(path, {**arrays, "dim": dataset.dim, "gaussian_source": dataset.gaussian_source})


def load(path: Path) -> Prepared:
    """Read the prepared samples."""
    stored = read_arrays(path)
    dim, gaussian_source = int(stored.pop("dim")), bool(stored.pop("gaussian_source"))
    return Prepared({name: array.astype(np.float32) for name, array in stored.items()}, dim, gaussian_source)
