"""Solving dx = b(t, x) dt + sigma dW by Euler and Maruyama's scheme."""

from __future__ import annotations

import time

import numpy as np
import torch

from cfm.errors import RunFailed
from cfm.solvers.ode import Field
from cfm.solvers.trajectory import Trajectory
from cfm.types import Points


def simulate(
    drift: Field,
    x0: Points,
    steps: int,
    sigma: float,
    rng: np.random.Generator,
    flow: Field | None = None,
    device: torch.device | str = "cpu",
    span: tuple[float, float] = (0.0, 1.0),
) -> Trajectory:
    """Carry `x0` (n, dim) along a span of time, keeping every step; raises `RunFailed` if the solution is not finite.

    Noise has no finite path energy: the trajectory's is that of the probability flow along the way, if its field v is
    given, with the span as the unit of time: its length times int |v|^2 dt.
    """
    n, length = len(x0), span[1] - span[0]
    dt, x = length / steps, torch.from_numpy(x0).to(device)
    path, energy = [x], torch.zeros(n, device=device)
    began = time.perf_counter()
    with torch.no_grad():
        for k in range(steps):
            t = torch.full((1, n, 1), span[0] + k * dt, device=device)
            if flow is not None:
                energy += flow(t, x[None])[0].square().sum(dim=1) * dt * length
            noise = torch.from_numpy(rng.standard_normal(x0.shape, dtype=np.float32)).to(device)
            x = x + drift(t, x[None])[0] * dt + sigma * dt**0.5 * noise
            path.append(x)
    seconds = time.perf_counter() - began
    points = torch.stack(path).cpu().numpy()
    if not np.isfinite(points).all():
        raise RunFailed("the SDE solution is not finite")
    times = np.linspace(0, 1, steps + 1, dtype=np.float32)
    return Trajectory(times, points, steps, seconds, None if flow is None else energy.cpu().numpy())
