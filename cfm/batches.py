"""Training and validation batches: pure functions of (seed, step)."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cfm.datasets.base import DATA_SEED, Prepared
from cfm.methods.base import Indices, Method, Points
from cfm.rng import open_uniform, stream

if TYPE_CHECKING:
    from cfm.assignment import Potentials


@functools.lru_cache(maxsize=256)
def _shuffled(n: int, seed: int, name: str, epoch: int) -> Indices:
    return stream(seed, f"deck/{name}", epoch).permutation(n)


def deal(n: int, seed: int, name: str, step: int, count: int) -> Indices:
    """Indices of batch `step` from an endless deck of n points, reshuffled after every pass, shape (count,).

    Every point is used once per pass; a batch may span two passes, so all batches have `count` points.
    """
    first = step * count
    passes = range(first // n, (first + count - 1) // n + 1)
    cards = np.concatenate([_shuffled(n, seed, name, epoch) for epoch in passes])
    return cards[first - passes[0] * n :][:count]


@dataclass
class Pairs:
    """One seed's paired points with time and noise, and the seconds that drawing and coupling them took."""

    x0: Points
    x1: Points
    t: Points
    eps: Points
    drawing_seconds: float
    coupling_seconds: float

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> Pairs:
        """Pairs that train nothing, for a seed that has failed."""
        zeros = np.zeros(shape, dtype=np.float32)
        return cls(zeros, zeros, np.full((shape[0], 1), 0.5, dtype=np.float32), zeros, 0.0, 0.0)


# Enough for dual potentials to start from.
_REFERENCE_POINTS = 512
COLUMNS = ("x0", "x1", "t", "eps")


@dataclass(frozen=True)
class Pairing:
    """How a method pairs the points of a data set; dual potentials are found once, from a reference sample.

    `own`: the pairs that the networks of the seeds have made, which take the place of the data.
    """

    method: Method
    data: Prepared
    size: int
    potentials: Potentials | None
    own: Mapping[int, Prepared] = field(default_factory=dict)

    def points(self, seed: int) -> Prepared:
        """What a seed trains on."""
        return self.own.get(seed, self.data)

    @classmethod
    def of(cls, method: Method, data: Prepared, size: int) -> Pairing:
        """The pairing in batches of `size` points."""
        x0 = data.source("train", DATA_SEED)[:_REFERENCE_POINTS]
        return cls(method, data, size, method.potentials(x0, data.target("train")[: len(x0)]))


def _pair(pairing: Pairing, x0: Points, x1: Points, seed: int, purpose: str, step: int) -> Pairs:
    began = time.perf_counter()
    i, j = pairing.method.couple(x0, x1, stream(seed, f"coupling/{purpose}", step), pairing.potentials)
    coupling_seconds = time.perf_counter() - began
    rng = stream(seed, f"path/{purpose}", step)
    t = open_uniform(rng, len(i))[:, None]
    eps = rng.standard_normal((len(i), *x1.shape[1:]), dtype=np.float32)
    return Pairs(x0[i], x1[j], t, eps, 0.0, coupling_seconds)


def training_pairs(pairing: Pairing, seed: int, step: int) -> Pairs:
    """The pairs of one seed at one step: target points from its deck, sources from a deck or fresh noise."""
    began = time.perf_counter()
    data, size = pairing.points(seed), pairing.size
    target = data.target("train")
    x1 = target[deal(len(target), seed, "target", step, size)]
    if data.gaussian_source:
        x0 = stream(seed, "source/train", step).standard_normal(x1.shape, dtype=np.float32)
    else:
        source = data.source("train", seed)
        x0 = source[deal(len(source), seed, "target" if data.paired else "source", step, size)]
    pairs = _pair(pairing, x0, x1, seed, "train", step)
    pairs.drawing_seconds = time.perf_counter() - began - pairs.coupling_seconds
    return pairs


def validation_pairs(pairing: Pairing, seed: int) -> Pairs:
    """All validation points, coupled in batches once and for all.

    The same pairs, times and noise serve every check of a run, so that checks differ by the network only.
    """
    data, size = pairing.points(seed), pairing.size
    x0, x1 = data.source("val", seed), data.target("val")
    chunks = [
        _pair(pairing, x0[start : start + size], x1[start : start + size], seed, "val", k)
        for k, start in enumerate(range(0, len(x1), size))
    ]
    columns = {name: np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in COLUMNS}
    seconds = sum(chunk.coupling_seconds for chunk in chunks)
    return Pairs(**columns, drawing_seconds=0.0, coupling_seconds=seconds)
