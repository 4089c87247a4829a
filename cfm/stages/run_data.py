"""What is known of the data of a run that is loaded: from `data.npz`, two folders above it, or from its settings."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cfm.artifacts.data import load
from cfm.config.registry import dataset_family
from cfm.config.strict import Where, build
from cfm.datasets.base import Dataset, Prepared
from cfm.errors import UserError
from cfm.fingerprint import file_digest
from cfm.methods.base import Method
from cfm.rng import stream
from cfm.settings import Sizes
from cfm.types import Points


@dataclass(frozen=True)
class RunData:
    """The data of the run in `folder`; `sha256` is that of the file it was trained on, None if that is not known."""

    folder: Path
    spec: dict[str, Any]
    sha256: str | None

    @property
    def path(self) -> Path:
        return self.folder.parents[1] / "data.npz"

    @property
    def here(self) -> bool:
        """Is the file there? A folder that was copied elsewhere is by itself."""
        return self.path.is_file()

    @functools.cached_property
    def prepared(self) -> Prepared:
        """The data; without the file, what its settings tell of them, and no points."""
        if not self.here:
            if self.dataset.time_course:
                raise UserError(f"{self.path}: missing: the times of this time course are kept there; copy it too")
            return Prepared({}, self.dataset.dim, self.dataset.gaussian_source)
        if self.sha256 is not None and self.sha256 != file_digest(self.path):
            raise UserError(
                f"{self.path}: not the data that {self.folder} was trained on (another sha256): train it again"
            )
        data = load(self.path)
        if data.failure is not None:
            raise UserError(f"{self.folder}: this run failed: {data.failure}")
        return data

    @functools.cached_property
    def dataset(self) -> Dataset:
        """The data set itself, with its settings."""
        where, settings = Where(str(self.folder)) / "dataset", self.spec.get("dataset")
        if not isinstance(settings, dict) or not isinstance(settings.get("family"), str):
            raise UserError(f"{self.folder}: damaged (no data set in its settings); delete it and run again")
        family = dataset_family(settings["family"], where)
        return build(family, {key: value for key, value in settings.items() if key != "family"}, where)

    def view(self, method: Method) -> Prepared:
        """What the method is given of the data."""
        return method.view(self.prepared)

    def frame(self, method: Method) -> tuple[float, float]:
        """From when to when, in the time of the data, the method was trained: all of a course, or one interval."""
        data = self.prepared
        if self.view(method).times == data.times:
            return data.times[0], data.times[-1]
        around = next(i for i in data.intervals() if i.start <= data.span[0] and data.span[1] <= i.start + i.length)
        return around.start, around.start + around.length

    def source(self, n: int, seed: int) -> Points:
        """The first n points that the samplers of a seed start from; fresh normal ones after them."""
        data = self.prepared
        if not data.gaussian_source:
            self.require()
            points = data.evaluation_source(seed, "all")
            if n > len(points):
                raise UserError(f"n: {n} source points are asked for, {self.path} has {len(points)}: `carry` your own")
            return points[:n]
        parts = [
            stream(seed, f"source/{name}").standard_normal((count, data.dim), dtype=np.float32)
            for name, count in self._counts(n)
        ]
        return np.concatenate(parts)[:n]

    def labels(self, n: int) -> Points:
        """The classes that the first n points of `source` are to become."""
        self.require()
        known = self.prepared.evaluation_labels("all")
        if known is None or n > len(known):
            there = 0 if known is None else len(known)
            raise UserError(f"labels: a class for each of {n} points is needed, {self.path} has {there}: give `labels`")
        return known[:n]

    def require(self) -> None:
        """`UserError` unless the file is there."""
        if not self.here:
            raise UserError(f"{self.path}: missing: the points of this data set are stored there; copy it too")

    def _counts(self, n: int) -> list[tuple[str, int]]:
        """The streams that normal source points come from and their numbers, n or more in all."""
        if self.here:
            counts = [(split, self.prepared.count(split)) for split in self.prepared.evaluated("all")]
        else:
            sizes = self.spec.get("sizes")
            known = None if sizes is None else build(Sizes, sizes, Where(str(self.folder)) / "sizes")
            counts = [] if known is None else [("test", known.test), ("test_large", known.test_large)]
        return [*counts, ("more", max(0, n - sum(count for _, count in counts)))]
