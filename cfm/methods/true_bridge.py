"""Control: paths of the true Schroedinger bridge, from an entropic plan of a given size. How large need it be?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfm.datasets.base import Dataset
from cfm.methods.base import Method, Start
from cfm.schroedinger import TIMES
from cfm.settings import Solver
from cfm.solvers.trajectory import Trajectory

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class TrueBridge(Method):
    """Fresh paths of the bridge; `plan`: points on each side of the plan that their ends come from."""

    plan: int
    trained = False

    def skip_reason(self, dataset: Dataset) -> str | None:
        return None if dataset.knows_bridge else "its bridge is not known"

    def sample(self, net: nn.Module | None, start: Start, solver: Solver) -> Trajectory:
        assert start.dataset is not None
        paths = start.dataset.draw_bridge(len(start.x0), start.rng, self.plan)
        assert paths is not None
        return Trajectory(TIMES, paths, 0, 0.0)


METHOD = TrueBridge
