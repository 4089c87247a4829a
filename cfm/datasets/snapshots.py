"""Cells seen at several times, from a file: the real time courses of Table 4, and your own.

Of every cell the first `dims` columns of a matrix (principal components) and a label of its time. The labels in
ascending order are the times 0, 1, ..., whatever the distances between them: the authors count days 4 to 7 as one
unit. `whiten` scales every column to mean 0 and standard deviation 1: those of all cells, as published, which includes
the cells that are left out; or of the observed ones only.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from cfm.datasets import TimeCourse
from cfm.datasets.reading.cells import read_cells
from cfm.datasets.reading.sources import Source
from cfm.errors import UserError
from cfm.settings import Sizes
from cfm.types import Points


@dataclass(frozen=True)
class Snapshots(TimeCourse):
    """`file`: npz or h5ad, `matrix`, `labels`, `select`: see `cfm.datasets.reading`."""

    file: str
    matrix: str
    labels: str
    dims: int
    whiten: Literal["all", "observed", "none"] = "all"
    select: dict[str, str] = field(default_factory=dict)
    sha256: str | None = None
    url: str | None = None

    @property
    def dim(self) -> int:
        return self.dims

    @property
    def source(self) -> Source:
        return Source(self.file, self.sha256, self.url)

    def unavailable_reason(self) -> str | None:
        return self.source.unavailable_reason()

    def fetch(self) -> None:
        self.source.fetch()

    def stamp(self) -> str | None:
        return self.source.stamp()

    def prepare(self, sizes: Sizes | None) -> dict[str, Points]:
        points = self._read()
        for time, cells in enumerate(points):
            copies = len(cells) - len(np.unique(cells, axis=0))
            if copies == len(cells) - 1 > 0:
                raise UserError(f"{self.file}: all {len(cells)} cells at time {time} are the same point")
            if copies:  # legal: counts may agree, and an optimal plan between repeated points is still one
                print(f"note: time {time}: {copies} of {len(cells)} cells are copies of others", file=sys.stderr)
        return self.arrays(points)

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        """Cells of the left-out snapshot, with replacement: there are no fresh ones."""
        cells = self._read()[self.left_out]
        return cells[rng.integers(len(cells), size=n)]

    def _read(self) -> list[Points]:
        path = self.source.verified()
        points, labels = read_cells(path, self.matrix, self.labels, self.select, self.dims)
        values, time = np.unique(labels, return_inverse=True)
        if len(values) != self.snapshots:
            found = ", ".join(f"{value:g}" for value in values[:12])
            raise UserError(
                f"{path}: '{self.labels}' has {len(values)} times ({found}), 'snapshots' says {self.snapshots}"
            )
        if self.whiten != "none":
            fitted = points if self.whiten == "all" else points[time != self.left_out]
            constant = np.flatnonzero(fitted.min(0) == fitted.max(0))
            if constant.size:
                raise UserError(f"{path}: column {constant[0]} of '{self.matrix}' is constant: it cannot be whitened")
            points = (points - fitted.mean(0)) / fitted.std(0)
        return [points[time == k].astype(np.float32) for k in range(self.snapshots)]


DATASET = Snapshots
