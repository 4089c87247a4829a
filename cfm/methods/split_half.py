"""Control: the target's own cells, halved at random: one half in the place of samples, measured against the other.

The noise floor of a distance where no fresh sample of the target can be drawn. Halves are smaller than the test set,
so the floor is on the high side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfm.methods.base import Method, Start
from cfm.settings import Solver
from cfm.solvers.trajectory import Trajectory, straight_line

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class SplitHalf(Method):
    """X1 and the target it is measured against: the two halves of the test targets, each point in one of them."""

    trained = False

    def sample(self, net: nn.Module | None, start: Start, solver: Solver) -> Trajectory:
        assert start.data is not None
        points = start.rng.permutation(start.data.target("test"))
        half = len(points) // 2
        return straight_line(points[:half], points[:half], target=points[half : 2 * half])


METHOD = SplitHalf
