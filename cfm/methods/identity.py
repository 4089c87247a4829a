"""Control: the samples stay where they are. Its W2 is the distance between source and target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cfm.methods.base import Method, Start
from cfm.settings import Solver
from cfm.solvers.trajectory import LogDensity, Trajectory, log_standard_normal, straight_line
from cfm.types import Points

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Identity(Method):
    """x1 = x0: the ceiling of every distance, with path energy zero."""

    trained = False

    def sample(self, net: nn.Module | None, start: Start, solver: Solver) -> Trajectory:
        path = straight_line(start.x0, np.copy(start.x0))
        if not start.tells_density:
            return path
        return replace(path, log_density=self.log_density(net, start.x0, solver, start.rng))

    def log_density(
        self, net: nn.Module | None, x: Points, solver: Solver, rng: np.random.Generator
    ) -> LogDensity | None:
        """Of the source, N(0, I)."""
        return LogDensity(log_standard_normal(x))


METHOD = Identity
