"""Carrying points along their span of time as a method does it: by its own sampler, or by the ODE of its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from cfm.nets.mlp import StackedMLP
from cfm.settings import Solver
from cfm.solvers.change_of_variables import push_forward
from cfm.solvers.ode import Field, integrate
from cfm.solvers.trajectory import Trajectory, polyline_energy

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
    labels = None
    if method.conditional:
        assert start.labels is not None
        labels = torch.from_numpy(start.labels).to(device)
    if solver.batch is None:
        return integrate(_within(_towards(field, labels), start.span), start.x0, solver, device)
    return _in_batches(field, labels, start, solver, device)


def _in_batches(
    field: Field, labels: Tensor | None, start: Start, solver: Solver, device: torch.device | str
) -> Trajectory:
    """The ends of all paths, solved in batches, with the batches' mean number of evaluations, rounded."""
    assert solver.batch is not None
    ends, energies, evaluations, seconds = [], [], [], 0.0
    for first in range(0, len(start.x0), solver.batch):
        rows = slice(first, first + solver.batch)
        of_rows = _towards(field, None if labels is None else labels[rows])
        path = integrate(_within(of_rows, start.span), start.x0[rows], solver, device)
        ends.append(path.x[-1])
        energies.append(polyline_energy(path.t, path.x))
        evaluations.append(path.nfe)
        seconds += path.seconds
    x = np.stack([start.x0, np.concatenate(ends)])
    nfe = round(sum(evaluations) / len(evaluations))
    return Trajectory(np.array([0, 1], dtype=np.float32), x, nfe, seconds, np.concatenate(energies))


def _towards(field: Field, labels: Tensor | None) -> Field:
    """The field that carries points to their classes, labels (n, 1)."""
    if labels is None:
        return field

    def towards(t: Tensor, x: Tensor) -> Tensor:
        return field(t, x, labels[None])  # type: ignore[call-arg]  # conditional methods' fields are told the classes

    return towards


def _within(field: Field, span: tuple[float, float]) -> Field:
    """The field on a span of time as one on [0, 1]: w(t, x) = length v(start + length t, x)."""
    start, length = span[0], span[1] - span[0]
    if (start, length) == (0.0, 1.0):
        return field

    def rescaled(t: Tensor, x: Tensor) -> Tensor:
        return length * field(start + length * t, x)

    return rescaled
