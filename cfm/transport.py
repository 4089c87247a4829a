"""Carrying points along their span of time as a method does it: by its own sampler, or by the ODE of its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cfm.change_of_variables import push_forward
from cfm.nets.mlp import StackedMLP
from cfm.settings import Solver
from cfm.solve import Field, integrate
from cfm.trajectory import Trajectory

if TYPE_CHECKING:
    from cfm.methods.base import Method, Start


def transport(
    method: Method, net: nn.Module | None, start: Start, solver: Solver, device: torch.device | str = "cpu"
) -> Trajectory:
    """The path of the points of `start`, at times from 0 to 1 of its span; `net` is a stack of one, None for methods
    without. Raises RunFailed."""
    path = method.sample(net, start, solver)
    if path is not None:
        return path
    assert net is not None
    field = method.velocity(net)
    if solver.divergence and start.tells_density and isinstance(field, StackedMLP):
        return push_forward(field, start.x0, solver, start.rng, device)
    return integrate(_within(field, start.span), start.x0, solver, device)


def _within(field: Field, span: tuple[float, float]) -> Field:
    """The field on a span of time as one on [0, 1]: w(t, x) = length v(start + length t, x)."""
    start, length = span[0], span[1] - span[0]
    if (start, length) == (0.0, 1.0):
        return field

    def rescaled(t: Tensor, x: Tensor) -> Tensor:
        return length * field(start + length * t, x)

    return rescaled
