"""Log densities of a flow from N(0, I), by the instantaneous change of variables.

    Along dx/dt = v(t, x),   d/dt log p_t(x(t)) = -div v(t, x(t)),                  (Chen et al. 2018, theorem 1)
    so   log p_1(x(1)) = log N(x(0); 0, I) - int_0^1 div v(t, x(t)) dt,

by solving for the integral along with the points. div v is exact, or Hutchinson's estimate eps . (grad v) eps with
random signs eps that stay the same along the path (Grathwohl et al. 2019); several tell the error of their mean. For
training (`pull_back`) it is differentiable, exact, and comes with the integrals that regularise a flow; for samples and
measurements it is solved by the solver that the experiment names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchdyn.numerics import odeint

from cfm.errors import RunFailed
from cfm.nets.mlp import StackedMLP
from cfm.settings import JacobianNorm, Solver
from cfm.solvers.ode import integrate
from cfm.solvers.trajectory import LogDensity, Trajectory, log_standard_normal
from cfm.types import Points

_PROBES = 16
_AT_ONCE = 4096  # points that are solved together: what they need is proportional to their number
_MAX_EVALUATIONS = 2_000


@dataclass(frozen=True)
class _Augmented:
    """The field for points with integrals in further coordinates: of -div v, once or for each of `probes`
    (1, probes, n, dim), and where a norm is named of |v|^2 and |grad v|_F^2 (or |grad v|_F / dim)."""

    net: StackedMLP
    backwards: bool
    probes: Tensor | None = None
    norm: JacobianNorm | None = None

    def __call__(self, t: Tensor, state: Tensor) -> Tensor:
        v, tangents = self.net.value_and_jacobian(t, state[..., : self.net.dim], self.probes)
        if self.probes is None:
            divergence = tangents.diagonal(dim1=1, dim2=3).sum(dim=-1)[..., None]
        else:
            divergence = (self.probes * tangents).sum(dim=-1).transpose(1, 2)
        rates = [-v if self.backwards else v, -divergence]
        if self.norm is not None:
            squares = tangents.square().sum(dim=(1, 3))[..., None]
            # The root has no derivative at 0.
            root = self.norm == "root_mean_square"
            norm = squares.clamp_min(1e-12).sqrt() / self.net.dim if root else squares
            rates += [v.square().sum(dim=-1, keepdim=True), norm]
        return torch.cat(rates, dim=-1)


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
    field = _Augmented(net, backwards, probes)
    integrals = np.zeros((len(start), 1 if probes is None else _PROBES), dtype=np.float32)

    def along(t: Tensor, x: Tensor) -> Tensor:
        return field(1 - t if backwards else t, x)

    path = integrate(along, np.concatenate([start, integrals], axis=1), solver, device)
    return replace(path, x=path.x[..., :dim]), path.x[-1, :, dim:]


def _log_density(x0: Points, change: Points) -> LogDensity:
    n = change.shape[1]
    error = change.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else None
    return LogDensity(log_standard_normal(x0) + change.mean(axis=1), error)


@dataclass(frozen=True)
class PullBack:
    """Data points carried back to the prior: `x0` (n, dim), and the integrals over t along the way, (n, 1 or 3).

    They are of -div v, and where they were asked for of |v|^2 and of the Jacobian's norm.
    """

    x0: Tensor
    integrals: Tensor

    def log_likelihood(self) -> Tensor:
        """Of the data points under the flow from N(0, I): log p(x1) in nats, shape (n,)."""
        dim = self.x0.shape[1]
        log_normal = -0.5 * (self.x0.square().sum(dim=1) + dim * math.log(2 * math.pi))
        return log_normal + self.integrals[:, 0]

    @property
    def kinetic(self) -> Tensor:
        """Integral of |v|^2, (n,)."""
        return self.integrals[:, 1]

    @property
    def jacobian(self) -> Tensor:
        """Integral of the Jacobian's norm, (n,)."""
        return self.integrals[:, 2]

    def after(self, earlier: PullBack) -> PullBack:
        """With what its first points went through before."""
        n = len(earlier.x0)
        return PullBack(self.x0, torch.cat([self.integrals[:n] + earlier.integrals, self.integrals[n:]]))


def pull_back_snapshots(
    net: StackedMLP,
    snapshots: Sequence[tuple[float, Tensor]],
    prior: float,
    tolerance: float,
    norm: JacobianNorm | None = None,
) -> PullBack:
    """Carry points observed at several times, [(t, (n_t, dim)), ...] ascending, back to the time of the prior.

    They are gathered on the way, from the last time on, so that every stretch of time is solved once; the rows of the
    result are in that order.
    """
    back, points = None, snapshots[-1][1]
    for k in reversed(range(len(snapshots))):
        until = snapshots[k - 1][0] if k else prior
        stretch = pull_back(net, points, tolerance, norm, (until, snapshots[k][0]))
        back = stretch if back is None else stretch.after(back)
        if k:
            points = torch.cat([back.x0, snapshots[k - 1][1]])
    assert back is not None
    return back


def pull_back(
    net: StackedMLP,
    x1: Tensor,
    tolerance: float,
    norm: JacobianNorm | None = None,
    span: tuple[float, float] = (0.0, 1.0),
) -> PullBack:
    """Solve the ODE of one network (S = 1) backwards over a span with tsit5 (atol = rtol) and exact divergence.

    Differentiable. The regularisers are integrated where a norm of the Jacobian is named, and only there: the solver
    adapts its steps to all that it integrates, and without them it takes half as many (158 against 68 evaluations for
    a CNF on two moons). Time is reversed by hand, s = end - t: torchdyn would choose its first step from a field
    outside of the span. Raises RunFailed if the solver does not get there.
    """
    n, dim = x1.shape
    field, calls = _Augmented(net, backwards=True, norm=norm), 0

    def along(s: Tensor, state: Tensor, args: Any = None) -> Tensor:
        nonlocal calls
        calls += 1
        if calls > _MAX_EVALUATIONS or not torch.isfinite(state).all():
            raise RunFailed(f"the likelihood's ODE was not solved within {_MAX_EVALUATIONS} evaluations")
        t = (span[1] - s).to(state).reshape(1, 1, 1).expand(1, n, 1)
        return field(t, state[None])[0]

    start = torch.cat([x1, x1.new_zeros(n, 1 if norm is None else 3)], dim=1)
    times = torch.tensor([0.0, span[1] - span[0]]).to(x1)
    _, states = odeint(along, start, times, "tsit5", atol=tolerance, rtol=tolerance)
    return PullBack(states[-1][:, :dim], states[-1][:, dim:])
