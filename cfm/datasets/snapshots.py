"""Cells seen at several times, from a file: the real time courses of Table 4, and your own.

Of every cell the first `dims` columns of a matrix (principal components) and a label of its time. The labels in
ascending order are the times 0, 1, ..., whatever the distances between them: the authors count days 4 to 7 as one
unit. `whiten` scales every column to mean 0 and standard deviation 1: those of all cells, as published, which includes
the cells that are left out; or of the observed ones only.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from cfm.datasets import TimeCourse
from cfm.datasets._time_course import Course
from cfm.datasets._whitening import constant_columns, whitening
from cfm.datasets.base import Prepared
from cfm.datasets.reading.cells import Cells, read_cells
from cfm.datasets.reading.columns import some
from cfm.datasets.reading.sources import Source
from cfm.datasets.reading.time_labels import bare
from cfm.errors import UserError
from cfm.settings import LATER, Sizes
from cfm.types import Floats, Indices, Points


@dataclass(frozen=True)
class Snapshots(TimeCourse):
    """`file`, `matrix`, `labels`, `select`, `times`: see `cfm.datasets.reading.cells.read_cells`.

    `left_out`: a time by its place, 0, 1, ...; without it the course is trained on all. `snapshots`: how many times the
    file has, for checking. `spacing`: `observed` times have the distances of their numbers, the whole course as long as
    with `equal` ones, which are the default.
    """

    file: str
    matrix: str
    labels: str
    dims: int
    snapshots: int | None = field(default=None, metadata=LATER)
    left_out: int | None = field(default=None, metadata=LATER)
    whiten: Literal["all", "observed", "none"] = "all"
    select: dict[str, str] = field(default_factory=dict)
    sha256: str | None = None
    url: str | None = None
    times: tuple[str | float, ...] | dict[str, float] | None = field(default=None, metadata=LATER)
    spacing: Literal["equal", "observed"] | None = field(default=None, metadata=LATER)

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

    def problem(self) -> str | None:
        """What is wrong before the file is read; the rest is said when it is."""
        if self.snapshots is not None:
            if self.snapshots < 2:
                return f"snapshots: 2 or more are needed, got {self.snapshots}"
            return Course.counted(self.snapshots, self.left_out).problem()
        if self.left_out is not None and self.left_out < 1:
            return f"left_out: {self.left_out}: the first time, 0, and the last are needed: 1 or more is expected"
        return None

    def cells(self) -> Cells:
        """All cells that are used, in the units of the file."""
        path = self.source.verified()
        cells = read_cells(path, self.matrix, self.labels, self.select, self.dims, self.times)
        found = ", ".join(cells.labels[:12])
        if self.snapshots not in (None, len(cells.labels)):
            raise UserError(
                f"{path}: '{self.labels}' has {len(cells.labels)} times ({found}), 'snapshots' says {self.snapshots}"
            )
        if len(cells.labels) < 2:
            raise UserError(f"{path}: '{self.labels}' has one time ({found}): two or more are needed")
        return cells

    def prepared(self, sizes: Sizes | None) -> Prepared:
        cells = self.cells()
        course = self._course(cells)
        print(f"note: times of '{self.labels}' in {self.file}: {', '.join(cells.labels)}", file=sys.stderr)
        for note in cells.notes:
            print(f"note: {self.file}: {note}", file=sys.stderr)
        mean, scale = self._whitening(cells)
        whitened = (cells.points - mean) / scale
        points = [whitened[cells.time == k].astype(np.float32) for k in range(len(course.at))]
        for time, snapshot in enumerate(points):
            copies = len(snapshot) - len(np.unique(snapshot, axis=0))
            if copies == len(snapshot) - 1 > 0:
                raise UserError(f"{self.file}: all {len(snapshot)} cells at time {time} are the same point")
            if copies:  # legal: counts may agree, and an optimal plan between repeated points is still one
                print(f"note: time {time}: {copies} of {len(snapshot)} cells are copies of others", file=sys.stderr)
        return replace(self.of_course(course, points), whiten_mean=mean, whiten_scale=scale)

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        """Cells of the snapshot that the test is compared with, with replacement: there are no fresh ones."""
        cells = self.cells()
        mean, scale = self._whitening(cells)
        there = cells.points[cells.time == self._course(cells).tested]
        return ((there[rng.integers(len(there), size=n)] - mean) / scale).astype(np.float32)

    def _course(self, cells: Cells) -> Course:
        at = tuple(map(float, range(len(cells.labels))))
        if self.spacing == "observed":
            if cells.observed is None:
                pasted = ", ".join(f"{bare(label)}: ..." for label in cells.labels)
                raise UserError(
                    f"{self.file}: spacing: observed: the labels of '{self.labels}' are no numbers in this order: give "
                    f"the entry their numbers, times: {{{pasted}}}"
                )
            first, last = cells.observed[0], cells.observed[-1]
            at = tuple((time - first) / (last - first) * at[-1] for time in cells.observed)
        course = Course(cells.labels, at, self.left_out)
        problem = course.problem()
        if problem is not None:
            raise UserError(f"{self.file}: {problem}")
        return course

    def _whitening(self, cells: Cells) -> tuple[Floats, Floats]:
        """What is taken off every column, and what it is then divided by."""
        if self.whiten == "none":
            return np.zeros(self.dims), np.ones(self.dims)
        fitted = cells.points if self.whiten == "all" else cells.points[cells.time != self.left_out]
        constant = constant_columns(fitted)
        if constant.size:
            raise UserError(f"{self.file}: {self._why_not_whitened(fitted, constant)}")
        return whitening(fitted)

    def _why_not_whitened(self, points: Floats, constant: Indices) -> str:
        first, spread = int(constant[0]), points.std(0)
        rounding = f" but for rounding (its standard deviation is {spread[first]:.2g}, the largest {spread.max():.2g})"
        exact = points[:, first].min() == points[:, first].max()
        others = f", and so {'is' if len(constant) == 2 else 'are'} {some(constant[1:])}" if len(constant) > 1 else ""
        mend = f"dims: {first} takes those before it" if first else "take it out of the matrix in the file"
        return (
            f"column {first} of '{self.matrix}' is constant{'' if exact else rounding}{others}: it cannot be whitened; "
            f"{mend}, or say whiten: none"
        )


DATASET = Snapshots
