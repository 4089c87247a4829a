"""Carrying points along a span of time by the ODE of a velocity field."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cfm.settings import Solver
from cfm.solvers.ode import Field, integrate
from cfm.solvers.trajectory import Trajectory
from cfm.types import Points


def carry(
    field: Field,
    x0: Points,
    solver: Solver,
    span: tuple[float, float] = (0.0, 1.0),
    labels: Points | None = None,
    device: torch.device | str = "cpu",
) -> Trajectory:
    """The path of points `x0` (n, dim) along a span of time; raises RunFailed.

    `labels` (n, 1): the classes that the points are to become, which the field is told. With `solver.batch` the points
    are solved in batches; then only the ends of their paths are kept, their energies, and the batches' mean number of
    evaluations, rounded.
    """
    classes = None if labels is None else torch.from_numpy(labels).to(device)
    if solver.batch is None:
        return integrate(_within(_towards(field, classes), span), x0, solver, device)
    ends, energies, evaluations, seconds = [], [], [], 0.0
    for first in range(0, len(x0), solver.batch):
        rows = slice(first, first + solver.batch)
        of_rows = _towards(field, None if classes is None else classes[rows])
        path = integrate(_within(of_rows, span), x0[rows], solver, device)
        ends.append(path.x[-1])
        energies.append(path.energy)
        evaluations.append(path.nfe)
        seconds += path.seconds
    x = np.stack([x0, np.concatenate(ends)])
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
