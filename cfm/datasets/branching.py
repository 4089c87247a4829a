"""A time course that ships with the code, and whose truth is known at any time: cells that choose one of two fates.

The velocity (five coordinates; a = 1, b = 1/2, c = 1/4, w = pi / 8):

    dx/dt = b                progress, the same for all
    dy/dt = a (y - y^3)      the fate: from near 0 to one of the stable branches 1 and -1
    d(p, q)/dt = w (-q, p)   an eighth of a turn every two times: no straight line goes along it
    dr/dt = -c r             a spread that dies out

and the flow it gives, from a start at time 0:

    x + b t;   y e^{a t} / sqrt(1 + y^2 (e^{2 a t} - 1));   (p, q) turned by w t;   r e^{-c t}

Every snapshot is of other cells, as in the laboratory, where a cell is destroyed when it is measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cfm.datasets import TimeCourse
from cfm.datasets._time_course import Course
from cfm.datasets.base import Prepared
from cfm.rng import DATA_SEED, stream
from cfm.settings import Sizes
from cfm.types import Floats, Points

_A, _B, _C, _W = 1.0, 0.5, 0.25, np.pi / 8
_MEAN = np.array([0.0, 0.0, 2.0, 0.0, 0.0])  # at time 0
_STD = np.array([0.3, 0.15, 0.3, 0.3, 1.0])


def velocity(points: Floats) -> Floats:
    """The velocity of every point, shape (n, 5); it does not depend on the time."""
    _, y, p, q, r = points.T
    return np.stack([np.full_like(y, _B), _A * (y - y**3), -_W * q, _W * p, -_C * r], axis=1)


def flow(points: Floats, time: float) -> Floats:
    """Where points of time 0 are at a time."""
    x, y, p, q, r = points.T
    cos, sin = np.cos(_W * time), np.sin(_W * time)
    y = y * np.exp(_A * time) / np.sqrt(1 + y**2 * np.expm1(2 * _A * time))
    return np.stack([x + _B * time, y, cos * p - sin * q, sin * p + cos * q, r * np.exp(-_C * time)], axis=1)


def draw(n: int, time: float, rng: np.random.Generator) -> Points:
    """N fresh points at a time."""
    return flow(_MEAN + _STD * rng.standard_normal((n, len(_MEAN))), time).astype(np.float32)


@dataclass(frozen=True)
class Branching(TimeCourse):
    """Snapshots of `cells` cells each, at times 0, 1, ..."""

    cells: int
    snapshots: int
    left_out: int

    @property
    def dim(self) -> int:
        return len(_MEAN)

    @property
    def course(self) -> Course:
        return Course.counted(self.snapshots, self.left_out)

    def problem(self) -> str | None:
        return self.course.problem()

    def prepared(self, sizes: Sizes | None) -> Prepared:
        points = [draw(self.cells, t, stream(DATA_SEED, f"branching/{t}")) for t in range(self.snapshots)]
        return self.of_course(self.course, points)

    def draw_target(self, n: int, rng: np.random.Generator) -> Points:
        return draw(n, self.left_out, rng)


DATASET = Branching
