"""Carrying points from t = 0 to 1 as a method does it: by its own sampler, or by the ODE of its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from cfm.settings import Solver
from cfm.solve import integrate
from cfm.trajectory import Trajectory

if TYPE_CHECKING:
    from cfm.methods.base import Method, Start


def transport(
    method: Method, net: nn.Module | None, start: Start, solver: Solver, device: torch.device | str = "cpu"
) -> Trajectory:
    """The path of the points of `start`; `net` is a stack of one, None for methods without. Raises RunFailed."""
    path = method.sample(net, start, solver)
    if path is None:
        assert net is not None
        path = integrate(method.velocity(net), start.x0, solver, device)
    return path
