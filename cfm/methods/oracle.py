"""Control: fresh samples of the target. Its W2 is the noise floor, which no sampler can be below for long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfm.methods.base import Method, Start
from cfm.settings import Solver
from cfm.trajectory import Trajectory, straight_line

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Oracle(Method):
    """x1 ~ q_1, independent of x0: the W2 of two finite samples of one distribution."""

    trained = False

    def sample(self, net: nn.Module | None, start: Start, solver: Solver) -> Trajectory:
        assert start.dataset is not None
        return straight_line(start.x0, start.dataset.draw_target(len(start.x0), start.rng))


METHOD = Oracle
