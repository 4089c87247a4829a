"""Control: Brownian bridges between independent ends. Does the distance from the truth see which ends are joined?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfm.datasets.base import Dataset
from cfm.methods.base import Method, Start
from cfm.schroedinger import TIMES, brownian_bridges
from cfm.settings import Solver
from cfm.solvers.trajectory import Trajectory

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class IndependentBridge(Method):
    """The true bridge's ends joined at random, by bridges of width sigma: right at t = 0 and 1 only."""

    sigma: float
    trained = False

    def skip_reason(self, dataset: Dataset) -> str | None:
        return None if dataset.knows_bridge else "its bridge is not known"

    def sample(self, net: nn.Module | None, start: Start, solver: Solver) -> Trajectory:
        assert start.dataset is not None
        paths = start.dataset.draw_bridge(len(start.x0), start.rng)
        assert paths is not None
        x1 = start.rng.permutation(paths[-1])
        return Trajectory(TIMES, brownian_bridges(paths[0], x1, self.sigma, start.rng), 0, 0.0)


METHOD = IndependentBridge
