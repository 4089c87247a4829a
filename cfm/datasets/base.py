"""The interface of a data set: a sequence of marginals q_0, ..., q_K one can prepare and draw from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from cfm.rng import stream
from cfm.settings import Sizes
from cfm.types import Floats, Indices, Points

SPLITS = ("train", "val", "test", "test_large")


@dataclass(frozen=True)
class Dataset:
    """A family of data sets; the fields of a subclass are its settings in config/datasets.yaml.

    A standard normal source (`gaussian_source`) is never stored: it is drawn fresh at every step and for
    every evaluation.
    """

    takes_sizes: ClassVar[bool] = True  # False: it has its own number of points

    @property
    def dim(self) -> int:
        """Number of coordinates of a point."""
        raise NotImplementedError

    @property
    def gaussian_source(self) -> bool:
        """Is q_0 the standard normal distribution?"""
        raise NotImplementedError

    @property
    def class_count(self) -> int:
        """Of how many classes the points are; 0 if they are not labelled."""
        return 0

    @property
    def time_course(self) -> bool:
        """Are there snapshots at several times, of which one may be left out?"""
        return False

    def problem(self) -> str | None:
        """What is wrong with the settings together, in one line; None if nothing is."""
        return None

    def unavailable_reason(self) -> str | None:
        """Why the data cannot be had on this machine, in one line that says what to do; None if they can."""
        return None

    def fetch(self) -> None:
        """Download what is missing, if it is known from where."""

    def stamp(self) -> str | None:
        """What is known of a file besides the settings: if it changes, the data are prepared anew."""
        return None

    def prepare(self, sizes: Sizes | None) -> dict[str, Points]:
        """The finite samples by name, float32 of shape (n, dim).

        `{split}_{k}`, split train or val, for every marginal k of `Prepared.times` that is stored; `test_0` and
        `test_1` (and the same of `test_large`) at the start, if it is stored, and at the end of its `span`. `sizes` is
        None where an experiment gives none: that is for data that have their own.
        """
        raise NotImplementedError

    def prepared(self, sizes: Sizes | None) -> Prepared:
        """These samples with what is known of them; two marginals, at times 0 and 1, unless a family says others."""
        return Prepared(self.prepare(sizes), self.dim, self.gaussian_source)

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        """N fresh points of the last marginal (for the `oracle` control)."""
        raise NotImplementedError

    @property
    def knows_bridge(self) -> bool:
        """Can `draw_bridge` draw?"""
        return type(self).draw_bridge is not Dataset.draw_bridge

    def draw_bridge(self, n: int, rng: np.random.Generator, plan: int | None = None) -> Points | None:
        """N fresh paths of the Schroedinger bridge at the times of cfm/schroedinger.py, (T, n, dim), or None.

        `plan`: points on each side of the plan that their ends come from, for data sets that need one.
        """
        return None


@dataclass(frozen=True)
class Prepared:
    """The prepared samples of a data set, as read from its `data.npz`.

    `times`: when the marginals that are trained on were observed, ascending. `span`: from when to when the samplers
    carry the test set. `paired`: the stored source points belong to the target points in the same rows.
    What is known of the bridge between them is in the arrays `bridge_...`. Points with `{split}_log_weight` beside them
    stand for the target by these weights. Points with `{split}_label` beside them, (n, 1), belong to these classes.
    `failure`: why there are none, if preparing them has failed.

    Of a time course, the left-out time too: `time_labels`, what its times are called, and `label_times`, when they are.
    Of whitened points `whiten_mean` and `whiten_scale`, (dim,): points * scale + mean are in the original units.
    """

    arrays: Mapping[str, Points]
    dim: int
    gaussian_source: bool
    paired: bool = False
    times: tuple[float, ...] = (0.0, 1.0)
    span: tuple[float, float] = (0.0, 1.0)
    failure: str | None = None
    time_labels: tuple[str, ...] = ()
    label_times: tuple[float, ...] = ()
    whiten_mean: Floats | None = None
    whiten_scale: Floats | None = None

    @property
    def from_noise(self) -> bool:
        """Is it N(0, I) at t = 0 and the data at t = 1, with no other times?"""
        return self.gaussian_source and self.times == self.span == (0.0, 1.0)

    def weighted(self, split: str) -> bool:
        """Do the points of a split have weights?"""
        return f"{split}_log_weight" in self.arrays

    def resampled(self, split: str, rows: Indices, seed: int, step: int) -> Indices:
        """Rows of a split that stand for the target: the given ones, drawn again by their weights if they have some.

        Where none of them lies in the target's support as many of all rows are drawn.
        """
        if not self.weighted(split):
            return rows
        from cfm.datasets.sampling.importance import resample

        rng, weights = stream(seed, f"resample/{split}", step), self.arrays[f"{split}_log_weight"]
        if not (weights[rows] > -np.inf).any():
            return resample(weights, rng)[: len(rows)]
        return rows[resample(weights[rows], rng)]

    def labels(self, split: str) -> Points | None:
        """The classes (n, 1) of the target points of a split, if it tells them."""
        return self.arrays.get(f"{split}_label")

    def target(self, split: str) -> Points:
        """The points of q_1 in a split, shape (n, dim)."""
        return self.arrays[f"{split}_1"]

    def own_times(self, split: str) -> Points | None:
        """The times (n, 1) that belong to the points of a split, for pairs that have their own."""
        return self.arrays.get(f"{split}_t")

    def source(self, split: str, seed: int) -> Points:
        """As many points of q_0 as the split has of q_1, fresh normal ones of this seed; or those that are stored."""
        if self.gaussian_source:
            shape = self.target(split).shape
            return stream(seed, f"source/{split}").standard_normal(shape, dtype=np.float32)
        return self.arrays[f"{split}_0"]

    def evaluation_source(self, seed: int, points: str) -> Points:
        """Where the samplers start: the test set's sources, followed by the large set's if `points` is all."""
        return np.concatenate([self.source(split, seed) for split in self.evaluated(points)])

    def evaluation_labels(self, points: str) -> Points | None:
        """The classes that the points of `evaluation_source` are to become: those of the test set's points."""
        labels = [self.labels(split) for split in self.evaluated(points)]
        known = [array for array in labels if array is not None]
        return np.concatenate(known) if len(known) == len(labels) else None

    def evaluated(self, points: str) -> list[str]:
        """The splits that samplers carry: the test set, and if `points` is "all" the large one, if there."""
        splits = ("test", "test_large") if points == "all" else ("test",)
        return [split for split in splits if f"{split}_1" in self.arrays]

    def count(self, split: str) -> int:
        """Number of points that are carried from the source of a split."""
        return len(self.arrays[f"{split}_{1 if self.gaussian_source else 0}"])

    def intervals(self) -> list[Interval]:
        """The intervals between consecutive times, each with its two marginals."""
        return [
            Interval(self._interval(k), start, end - start)
            for k, (start, end) in enumerate(itertools.pairwise(self.times))
        ]

    def around_span(self) -> Prepared:
        """The one interval that the span lies in, as a data set of two marginals at times 0 and 1."""
        first, last = self.span
        ((k, start, end),) = [
            (k, start, end)
            for k, (start, end) in enumerate(itertools.pairwise(self.times))
            if start <= first and last <= end
        ]
        alone, length = self._interval(k), end - start
        tests = {name: points for name, points in self.arrays.items() if name.startswith("test")}
        span = ((first - start) / length, (last - start) / length)
        return replace(alone, arrays={**alone.arrays, **tests}, span=span)

    def _interval(self, k: int) -> Prepared:
        arrays = {}
        for split in ("train", "val"):
            for end in (0, 1):
                if f"{split}_{k + end}" in self.arrays:
                    arrays[f"{split}_{end}"] = self.arrays[f"{split}_{k + end}"]
            for known in ("log_weight", "label"):
                if f"{split}_{known}" in self.arrays:
                    arrays[f"{split}_{known}"] = self.arrays[f"{split}_{known}"]
        return Prepared(arrays, self.dim, self.gaussian_source and k == 0, self.paired)


@dataclass(frozen=True)
class Interval:
    """An interval of a time course: two marginals, and when it begins and how long it takes."""

    data: Prepared
    start: float
    length: float
