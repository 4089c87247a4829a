"""What a flow's log density tells: of its own samples, of the test set, and in the plane on a grid."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from cfm.datasets import Density
from cfm.methods.base import Method, Start
from cfm.metrics.density import grid
from cfm.settings import Solver
from cfm.solvers.trajectory import LogDensity, Trajectory
from cfm.types import Points

if TYPE_CHECKING:
    from torch import nn


def log_densities(
    method: Method, net: nn.Module | None, start: Start, solver: Solver, path: Trajectory
) -> dict[str, Points]:
    """Arrays for the samples file, (n,), none unless the solver takes the divergence along; raises RunFailed.

    `log_density` at the samples, with `log_target` there if the target is a density; `test_log_density` at the test
    set, and `grid_log_density` (cells, cells) in the plane, by the adaptive solver, whose flow can be turned round.
    """
    if not solver.divergence or not start.tells_density:
        return {}
    assert start.data is not None
    arrays: dict[str, Points] = {}
    if path.log_density is not None:
        arrays |= _named("log_density", path.log_density)
        if isinstance(start.dataset, Density):
            arrays["log_target"] = start.dataset.at(path.x[-1])
    if solver.tolerance is None:
        return arrays
    test = start.data.target("test")
    found = method.log_density(net, test, solver, start.rng)
    if found is not None:
        arrays |= _named("test_log_density", found)
        if start.data.dim == 2:
            x, y = grid(test)
            points = np.array(list(itertools.product(x, y)), dtype=np.float32)
            on_grid = method.log_density(net, points, solver, start.rng)
            assert on_grid is not None
            arrays["grid_log_density"] = on_grid.value.reshape(len(x), len(y))
    return arrays


def _named(name: str, found: LogDensity) -> dict[str, Points]:
    return {name: found.value} if found.error is None else {name: found.value, f"{name}_error": found.error}
