"""Solving dx/dt = v(t, x) from t = 0 to 1 with torchdyn, counting every evaluation of v."""

from __future__ import annotations

import time
from typing import Any, Protocol

import torch
from torch import Tensor
from torchdyn.numerics import odeint
from torchdyn.numerics.solvers.templates import DiffEqSolver

from cfm.errors import RunFailed
from cfm.settings import Solver
from cfm.solvers.trajectory import Trajectory
from cfm.types import Points

# Times at which an adaptive solution is read off; between its own steps by quartic interpolation.
_READ_OFF = 101
_MAX_EVALUATIONS = 100_000


class Field(Protocol):
    """A velocity field for stacked points: t (1, n, 1), x (1, n, dim) -> (1, n, dim)."""

    def __call__(self, t: Tensor, x: Tensor) -> Tensor: ...


class RK4(DiffEqSolver):
    """The classical Runge-Kutta scheme of order four.

    torchdyn 1.0.6 has one under this name whose stages are at t, t, t + dt/2, t + dt/2: it is of first order
    for fields that depend on time, so this one stands in.
    """

    def __init__(self) -> None:
        super().__init__(order=4)
        self.stepping_class = "fixed"

    def step(self, f: Any, x: Tensor, t: Tensor, dt: Tensor, k1: Any = None, args: Any = None) -> Any:
        k1 = f(t, x) if k1 is None else k1
        k2 = f(t + dt / 2, x + dt / 2 * k1)
        k3 = f(t + dt / 2, x + dt / 2 * k2)
        k4 = f(t + dt, x + dt * k3)
        return None, x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None


class _Counted:
    """A field for torchdyn: f(t, x) with scalar t and x (n, dim), counting its calls."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.calls = 0

    def __call__(self, t: Tensor, x: Tensor, args: Any = None) -> Tensor:
        self.calls += 1
        if self.calls > _MAX_EVALUATIONS:
            raise RunFailed(f"the ODE solver needed more than {_MAX_EVALUATIONS} evaluations")
        times = t.to(x).reshape(1, 1, 1).expand(1, len(x), 1)
        return self.field(times, x[None])[0]


def integrate(field: Field, x0: Points, solver: Solver, device: torch.device | str = "cpu") -> Trajectory:
    """Carry `x0` (n, dim) from t = 0 to 1; raises `RunFailed` if the solution is not finite.

    Fixed schemes return every step. The adaptive scheme takes one step size for all points and is read off
    at 101 times by interpolation, which costs no evaluations.
    """
    counted = _Counted(field)
    start = torch.from_numpy(x0).to(device)
    began = time.perf_counter()
    with torch.no_grad():
        if solver.scheme == "dopri5":
            assert solver.tolerance is not None
            t_span = torch.linspace(0, 1, _READ_OFF, device=device)
            tol = solver.tolerance
            t, x = odeint(counted, start, t_span, "dopri5", atol=tol, rtol=tol, interpolator="4th")
        else:
            assert solver.steps is not None
            t_span = torch.linspace(0, 1, solver.steps + 1, device=device)
            scheme = RK4() if solver.scheme == "rk4" else solver.scheme
            t, x = odeint(counted, start, t_span, scheme)
    seconds = time.perf_counter() - began
    if not torch.isfinite(x).all():
        raise RunFailed("the ODE solution is not finite")
    return Trajectory(t.cpu().numpy(), x.cpu().numpy(), counted.calls, seconds)
