"""Control without a network: straight lines along the exact plan between the two snapshots around the time asked for.

x_s = (1 - s) x0 + s x1,   (x0, x1) ~ pi,   pi the W2-optimal plan between the two samples   (McCann 1997)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cfm.datasets.base import Dataset
from cfm.methods.base import Method, Start
from cfm.settings import Solver
from cfm.solvers.trajectory import Trajectory, straight_line

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class OTInterpolation(Method):
    """Every start point moves towards one partner, drawn from its row of the plan."""

    trained = False

    def skip_reason(self, dataset: Dataset) -> str | None:
        return None if dataset.time_course else "needs a time course"

    def sample(self, net: nn.Module | None, start: Start, solver: Solver) -> Trajectory:
        from cfm.couplings.exact import transport_plan
        from cfm.types import flat

        assert start.data is not None
        x0, x1 = start.x0, start.data.target("train")
        plan, _ = transport_plan(flat(x0), flat(x1), 2)
        reached = np.cumsum(plan, axis=1)
        drawn = start.rng.random(len(x0)) * reached[:, -1]
        partners = np.minimum((reached < drawn[:, None]).sum(axis=1), len(x1) - 1)
        end = np.float32(start.span[1])
        return straight_line(x0, (1 - end) * x0 + end * x1[partners])


METHOD = OTInterpolation
