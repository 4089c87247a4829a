"""Training and validation batches: pure functions of (seed, step)."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cfm.datasets.base import Interval, Prepared
from cfm.methods.base import Method
from cfm.pictures import mirrored
from cfm.rng import DATA_SEED, open_uniform, stream
from cfm.training.data_parallel import Share
from cfm.types import Indices, Points

if TYPE_CHECKING:
    from cfm.couplings.assignment import Potentials


@functools.lru_cache(maxsize=256)
def _shuffled(n: int, seed: int, name: str, epoch: int) -> Indices:
    return stream(seed, f"deck/{name}", epoch).permutation(n)


def epoch_rows(n: int, seed: int, name: str, step: int, count: int) -> Indices:
    """Indices of batch `step` out of endless passes over n points, shuffled anew for every pass, shape (count,).

    Every point is used once per pass; a batch may span two passes, so all batches have `count` points.
    """
    first = step * count
    passes = range(first // n, (first + count - 1) // n + 1)
    rows = np.concatenate([_shuffled(n, seed, name, epoch) for epoch in passes])
    return rows[first - passes[0] * n :][:count]


@dataclass
class Pairs:
    """One seed's paired points with time and noise, and the seconds that drawing and coupling them took.

    `start`, `length`: of each pair's interval, (n, 1), in a time course of several. `label`: the class of x1, (n, 1).
    """

    x0: Points
    x1: Points
    t: Points
    eps: Points
    drawing_seconds: float
    coupling_seconds: float
    start: Points | None = None
    length: Points | None = None
    label: Points | None = None

    @classmethod
    def joined(cls, parts: Sequence[Pairs]) -> Pairs:
        """The pairs of several draws, one after the other."""
        if len(parts) == 1:
            return parts[0]
        known = (name for name in COLUMNS if getattr(parts[0], name) is not None)
        columns: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in parts]) for name in known}
        seconds = [sum(getattr(p, name) for p in parts) for name in ("drawing_seconds", "coupling_seconds")]
        return cls(**columns, drawing_seconds=seconds[0], coupling_seconds=seconds[1])


# Enough for dual potentials to start from.
_REFERENCE_POINTS = 512
COLUMNS = ("x0", "x1", "t", "eps", "start", "length", "label")


@dataclass(frozen=True)
class Marks:
    """What belongs to the target points of a batch besides the points: times and classes, (n, 1), or None."""

    times: Points | None
    labels: Points | None

    @classmethod
    def of(cls, data: Prepared, split: str, rows: Indices) -> Marks:
        """Of some rows of a split."""
        times, labels = data.own_times(split), data.labels(split)
        return cls(None if times is None else times[rows], None if labels is None else labels[rows])


@dataclass(frozen=True)
class PairSampler:
    """How a method pairs the points of a data set, interval by interval, in batches of `size` pairs each.

    `potentials`: duals of a reference sample of every interval, found once. `generated`: the pairs that the networks
    of the seeds have made, which take the place of the data. `flip`: target points are pictures, mirrored at
    random. `share`: the rows of every training batch that this process has.
    """

    method: Method
    intervals: Sequence[Interval]
    size: int
    potentials: Sequence[Potentials | None]
    generated: Mapping[int, Prepared] = field(default_factory=dict)
    flip: bool = False
    share: Share = field(default_factory=Share)

    @classmethod
    def of(cls, method: Method, data: Prepared, size: int) -> PairSampler:
        """The sampler of a data set in batches of `size` pairs."""
        intervals = data.intervals()
        return cls(method, intervals, size, [_reference_potentials(method, interval.data) for interval in intervals])

    def points(self, seed: int, interval: int) -> Prepared:
        """What a seed trains on in an interval."""
        return self.generated.get(seed, self.intervals[interval].data)

    def blank(self, split: str, shape: tuple[int, ...]) -> Pairs:
        """As many pairs of points of a shape as a split has, that train nothing: for a seed that has failed."""
        parts = []
        for k, interval in enumerate(self.intervals):
            n = self.size // self.share.count if split == "train" else _smaller(interval.data)
            zeros, half = np.zeros((n, *shape), dtype=np.float32), np.full((n, 1), 0.5, dtype=np.float32)
            label = np.zeros((n, 1), dtype=np.float32) if self.method.conditional else None
            parts.append(Pairs(zeros, zeros, half, zeros, 0.0, 0.0, label=label, **self._clock(k, n)))
        return Pairs.joined(parts)

    def pair(self, interval: int, x0: Points, x1: Points, marks: Marks, seed: int, purpose: str, step: int) -> Pairs:
        """Coupled points of an interval with noise, and with times of their own or uniform ones.

        In training, of this process's share of the batch.
        """
        began, n = time.perf_counter(), len(x1)
        rows = self.share.rows(n) if purpose == "train" else slice(n)
        x0, x1 = x0[rows], x1[rows]
        times = None if marks.times is None else marks.times[rows]
        labels = marks.labels[rows] if self.method.conditional and marks.labels is not None else None
        rng = stream(seed, _named(f"coupling/{purpose}", interval), step)
        if labels is not None and self.method.couples_within_classes:
            i, j = self._within_classes(x0, x1, labels, rng)
        else:
            i, j = self.method.couple(x0, x1, rng, self.potentials[interval])
        coupling_seconds = time.perf_counter() - began
        rng = stream(seed, _named(f"path/{purpose}", interval), step)
        t = open_uniform(rng, n)[rows, None] if times is None else times[j]
        eps = rng.standard_normal((n, *x1.shape[1:]), dtype=np.float32)[rows]
        label = None if labels is None else labels[j]
        return Pairs(x0[i], x1[j], t, eps, 0.0, coupling_seconds, label=label, **self._clock(interval, len(i)))

    def _within_classes(
        self, x0: Points, x1: Points, labels: Points, rng: np.random.Generator
    ) -> tuple[Indices, Indices]:
        """Index pairs class by class; the sources, which have none, fall to the classes as they come."""
        found = []
        for label in np.unique(labels):
            rows = np.flatnonzero(labels[:, 0] == label)
            i, j = self.method.couple(x0[rows], x1[rows], rng)
            found.append((rows[i], rows[j]))
        i, j = (np.concatenate([pairs[side] for pairs in found]) for side in (0, 1))
        return i, j

    def _clock(self, interval: int, n: int) -> dict[str, Points]:
        start, length = self.intervals[interval].start, self.intervals[interval].length
        two_snapshots = self.method.time_course and not self.intervals[0].data.gaussian_source
        if len(self.intervals) == 1 and (start, length) == (0.0, 1.0) and not two_snapshots:
            return {}
        return {name: np.full((n, 1), x, dtype=np.float32) for name, x in (("start", start), ("length", length))}


def _reference_potentials(method: Method, data: Prepared) -> Potentials | None:
    x0, x1 = data.source("train", DATA_SEED)[:_REFERENCE_POINTS], data.target("train")
    n = min(len(x0), len(x1))
    return method.potentials(x0[:n], x1[:n])


def _named(name: str, interval: int) -> str:
    """The stream of an interval; the first one's is that of a data set of two marginals."""
    return f"{name}/{interval}" if interval else name


def training_pairs(sampler: PairSampler, seed: int, step: int) -> Pairs:
    """The pairs of one seed at one step, so many of every interval and none across."""
    return Pairs.joined([_training_pairs(sampler, interval, seed, step) for interval in range(len(sampler.intervals))])


def _training_pairs(sampler: PairSampler, interval: int, seed: int, step: int) -> Pairs:
    """Target points from the seed's passes over the data, sources likewise or fresh noise."""
    began = time.perf_counter()
    data, size = sampler.points(seed, interval), sampler.size
    target = data.target("train")
    rows = epoch_rows(len(target), seed, _named("target", interval), step, size)
    rows = data.resampled("train", rows, seed, step)
    x1 = target[rows]
    if sampler.flip:
        x1 = mirrored(x1, stream(seed, "flip", step).random(len(x1)) < 0.5)
    if data.gaussian_source:
        x0 = stream(seed, "source/train", step).standard_normal(x1.shape, dtype=np.float32)
    else:
        source = data.source("train", seed)
        x0 = source[rows if data.paired else epoch_rows(len(source), seed, _named("source", interval), step, size)]
    pairs = sampler.pair(interval, x0, x1, Marks.of(data, "train", rows), seed, "train", step)
    pairs.drawing_seconds = time.perf_counter() - began - pairs.coupling_seconds
    return pairs


def validation_pairs(sampler: PairSampler, seed: int) -> Pairs:
    """All validation points, coupled in batches once and for all.

    The same pairs, times and noise serve every check of a run, so that checks differ by the network only. Where the
    two ends of an interval differ in number, the rest of the larger one is left.
    """
    size, chunks = sampler.size, []
    for interval in range(len(sampler.intervals)):
        data = sampler.points(seed, interval)
        n, x0, x1 = _smaller(data), data.source("val", seed), data.target("val")
        for k, start in enumerate(range(0, n, size)):
            rows = np.arange(start, min(start + size, n))
            taken = data.resampled("val", rows, seed, k)
            chunks.append(sampler.pair(interval, x0[rows], x1[taken], Marks.of(data, "val", taken), seed, "val", k))
    return Pairs.joined(chunks)


def _smaller(data: Prepared) -> int:
    """The number of validation points at the end of an interval that has fewer."""
    n = len(data.target("val"))
    return n if data.gaussian_source else min(n, len(data.arrays["val_0"]))
