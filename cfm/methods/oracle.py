"""Control: fresh samples of the target, or of the Schroedinger bridge where it is known.

Its W2 is the noise floor, which no sampler can be below for long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfm.methods.base import Method, Start
from cfm.schroedinger import TIMES
from cfm.settings import Solver
from cfm.solvers.trajectory import Trajectory, straight_line

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Oracle(Method):
    """x1 ~ q_1, independent of x0: the W2 of two finite samples of one distribution.

    Paths of a known bridge have starting points of their own.
    """

    trained = False

    def sample(self, net: nn.Module | None, start: Start, solver: Solver) -> Trajectory:
        assert start.dataset is not None
        paths = start.dataset.draw_bridge(len(start.x0), start.rng)
        if paths is not None:
            return Trajectory(TIMES, paths, 0, 0.0)
        return straight_line(start.x0, start.dataset.draw_target(len(start.x0), start.rng))


METHOD = Oracle
