"""Stage `data`: a data set's samples, drawn or read, into `data.npz`."""

from __future__ import annotations

from pathlib import Path

from cfm.artifacts.data import save
from cfm.datasets.base import Dataset, Prepared
from cfm.errors import RunFailed
from cfm.settings import Sizes


def prepare(dataset: Dataset, sizes: Sizes | None, path: Path) -> None:
    """Write the samples of a data set; if they cannot be made, the reason, which every run on it then fails with."""
    try:
        prepared = dataset.prepared(sizes)
    except RunFailed as error:
        prepared = Prepared({}, dataset.dim, dataset.gaussian_source, failure=str(error))
    save(prepared, path)
