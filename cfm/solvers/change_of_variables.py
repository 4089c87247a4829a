"""Densities that a flow from N(0, I) gives to points, by the ODE dx/dt = v solved along with the integral of div v.

    log p_1(x(1)) = log N(x(0); 0, I) - int_0^1 div v(t, x(t)) dt        (Chen et al. 2018, theorem 1)

div v is exact, or Hutchinson's estimate eps . (grad v) eps with random signs eps that stay the same along the path
(Grathwohl et al. 2019); several eps at once tell the error of their mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cfm.nets.mlp import StackedMLP
from cfm.settings import Solver
from cfm.solvers.ode import integrate
from cfm.solvers.trajectory import LogDensity, Trajectory, log_standard_normal
from cfm.types import Points

_PROBES = 16
_AT_ONCE = 4096  # points that are solved together: what they need is proportional to their number


def push_forward(
    net: StackedMLP, x0: Points, solver: Solver, rng: np.random.Generator, device: torch.device | str = "cpu"
) -> Trajectory:
    """Carry points of N(0, I), (n, dim), from t = 0 to 1 and note their log density there."""
    path, change = _carry(net, x0, solver, rng, device, backwards=False)
    return replace(path, log_density=_log_density(x0, change))


def pull_back_density(
    net: StackedMLP, x1: Points, solver: Solver, rng: np.random.Generator, device: torch.device | str = "cpu"
) -> LogDensity:
    """The log density at points (n, dim) of t = 1, which are carried back to t = 0 in blocks."""
    parts = []
    for first in range(0, len(x1), _AT_ONCE):
        path, change = _carry(net, x1[first : first + _AT_ONCE], solver, rng, device, backwards=True)
        parts.append(_log_density(path.x[-1], change))
    errors = [part.error for part in parts if part.error is not None]
    return LogDensity(np.concatenate([part.value for part in parts]), np.concatenate(errors) if errors else None)


@dataclass(frozen=True)
class _Augmented:
    """The field for points with the integrals of -div v in further coordinates: one, or one for each probe."""

    net: StackedMLP
    probes: Tensor | None  # (1, probes, n, dim)
    backwards: bool

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        t = 1 - t if self.backwards else t
        v, tangents = self.net.value_and_jacobian(t, x[..., : self.net.dim], self.probes)
        if self.probes is None:
            divergence = tangents.diagonal(dim1=1, dim2=3).sum(dim=-1)[..., None]
        else:
            divergence = (self.probes * tangents).sum(dim=-1).transpose(1, 2)
        return torch.cat([-v if self.backwards else v, -divergence], dim=-1)


def _carry(
    net: StackedMLP,
    start: Points,
    solver: Solver,
    rng: np.random.Generator,
    device: torch.device | str,
    backwards: bool,
) -> tuple[Trajectory, Points]:
    """The path, and the integrals of -div v along it, (n, 1), or (n, probes) where they are estimated."""
    dim, probes = start.shape[1], None
    if solver.divergence == "hutchinson":
        signs = rng.integers(2, size=(1, _PROBES, *start.shape)) * 2 - 1
        probes = torch.from_numpy(signs.astype(np.float32)).to(device)
    integrals = np.zeros((len(start), 1 if probes is None else _PROBES), dtype=np.float32)
    augmented = np.concatenate([start, integrals], axis=1)
    path = integrate(_Augmented(net, probes, backwards), augmented, solver, device)
    return replace(path, x=path.x[..., :dim]), path.x[-1, :, dim:]


def _log_density(x0: Points, change: Points) -> LogDensity:
    n = change.shape[1]
    error = change.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else None
    return LogDensity(log_standard_normal(x0) + change.mean(axis=1), error)
