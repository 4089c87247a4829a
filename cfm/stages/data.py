"""Stage `data`: a data set's samples, drawn or read, into `data.npz`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cfm.datasets.base import Dataset, Prepared
from cfm.errors import RunFailed
from cfm.pictures import from_bytes
from cfm.resume import read_arrays, write_arrays
from cfm.settings import Sizes

_FACTS = ("dim", "gaussian_source", "times", "span")  # of the data set, kept beside its samples


def prepare(dataset: Dataset, sizes: Sizes | None, path: Path) -> None:
    """Write the samples of a data set; if they cannot be made, the reason, which every run on it then fails with."""
    facts = {name: getattr(dataset, name) for name in _FACTS}
    try:
        prepared = Prepared(dataset.prepare(sizes), **facts)
    except RunFailed as error:
        prepared = Prepared({}, **facts, failure=str(error))
    save(prepared, path)


def save(data: Prepared, path: Path) -> None:
    """Write prepared samples."""
    failure = {} if data.failure is None else {"failure": np.array(data.failure)}
    write_arrays(path, {**data.arrays, **{name: getattr(data, name) for name in _FACTS}, **failure})


def load(path: Path) -> Prepared:
    """Read the prepared samples; pictures, which are stored as bytes, as points."""
    stored = read_arrays(path)
    dim, gaussian_source, times, span = (stored.pop(name).tolist() for name in _FACTS)
    failure = stored.pop("failure").item() if "failure" in stored else None
    arrays = {name: from_bytes(x) if x.dtype == np.uint8 else x.astype(np.float32) for name, x in stored.items()}
    return Prepared(arrays, dim, gaussian_source, times=tuple(times), span=(span[0], span[1]), failure=failure)
