"""The path of points from source to target, and its energy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cfm.types import Points


@dataclass(frozen=True)
class LogDensity:
    """Logarithms in nats of a density at n points, (n,), and the standard errors of those that are estimated."""

    value: Points
    error: Points | None = None


@dataclass(frozen=True)
class Trajectory:
    """`x` (T, n, dim) at times `t` (T,), shares of the way from 0 to 1, field evaluations and seconds.

    `flow_energy` (n,): the path energy of each point where it is not that of the polyline through `x`. `target`
    (m, dim): what the end points are to be compared with, where that is not the test set. `log_density`: of the
    generated distribution at the end points, where it is known and asked for.
    """

    t: Points
    x: Points
    nfe: int
    seconds: float
    flow_energy: Points | None = None
    target: Points | None = None
    log_density: LogDensity | None = None

    @property
    def energy(self) -> Points:
        """int_0^1 |dx/dt|^2 dt of each point, (n,), with t the share of the way: all of it is one unit of time.

        So it is |x1 - x0|^2 on a straight line, however long the span that is travelled, and W2^2 at least on average
        (Benamou and Brenier 2000). Of piecewise linear paths it is exact, and Euler's left Riemann sum of |v|^2; it is
        below the energy of a smooth path by O(dt^2).
        """
        if self.flow_energy is not None:
            return self.flow_energy
        squares = (np.diff(self.x.astype(np.float64), axis=0) ** 2).sum(axis=2)
        energy = (squares / np.diff(self.t)[:, None]).sum(axis=0)
        return np.asarray(energy, dtype=np.float32)


def straight_line(x0: Points, x1: Points, target: Points | None = None) -> Trajectory:
    """The trajectory of a method without an ODE: from `x0` to `x1` (n, dim) in one step."""
    return Trajectory(np.array([0, 1], dtype=np.float32), np.stack([x0, x1]), 0, 0.0, target=target)


def log_standard_normal(x: Points) -> Points:
    """Log N(x; 0, I) of points (n, dim), shape (n,)."""
    squares = np.square(x.astype(np.float64)).sum(axis=1)
    found: Points = (-0.5 * (squares + x.shape[1] * np.log(2 * np.pi))).astype(np.float32)
    return found
