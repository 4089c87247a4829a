"""Stage `data`: a data set's samples, drawn or read, into `data.npz`."""

from __future__ import annotations

from pathlib import Path

from cfm.artifacts.data import FACTS, save
from cfm.datasets.base import Dataset, Prepared
from cfm.errors import RunFailed
from cfm.settings import Sizes


def prepare(dataset: Dataset, sizes: Sizes | None, path: Path) -> None:
    """Write the samples of a data set; if they cannot be made, the reason, which every run on it then fails with."""
    facts = {name: getattr(dataset, name) for name in FACTS}
    try:
        prepared = Prepared(dataset.prepare(sizes), **facts)
    except RunFailed as error:
        prepared = Prepared({}, **facts, failure=str(error))
    save(prepared, path)
