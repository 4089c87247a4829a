"""Log-likelihood of a flow by the instantaneous change of variables, with the integrals that regularise it.

Along dx/dt = v(t, x),   d/dt log p_t(x(t)) = -div v(t, x(t))          (Chen et al. 2018, theorem 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchdyn.numerics import odeint

from cfm.errors import RunFailed
from cfm.nets.mlp import StackedMLP

_MAX_EVALUATIONS = 2_000


@dataclass(frozen=True)
class PullBack:
    """Data points carried back to the prior: `x0` (n, dim), and integrals over t along the way, each (n,).

    `divergence` of div v, `kinetic` of |v|^2, `jacobian` of |grad v|_F^2 (or of |grad v|_F / dim).
    """

    x0: Tensor
    divergence: Tensor
    kinetic: Tensor
    jacobian: Tensor

    def log_likelihood(self) -> Tensor:
        """Of the data points under the flow from N(0, I): log p(x1) in nats, shape (n,)."""
        dim = self.x0.shape[1]
        log_normal = -0.5 * (self.x0.square().sum(dim=1) + dim * math.log(2 * math.pi))
        return log_normal - self.divergence

    def after(self, earlier: PullBack) -> PullBack:
        """With what its first points went through before."""
        n = len(earlier.x0)

        def total(mine: Tensor, theirs: Tensor) -> Tensor:
            return torch.cat([mine[:n] + theirs, mine[n:]])

        return PullBack(
            self.x0,
            total(self.divergence, earlier.divergence),
            total(self.kinetic, earlier.kinetic),
            total(self.jacobian, earlier.jacobian),
        )


def pull_back_snapshots(
    net: StackedMLP,
    snapshots: Sequence[tuple[float, Tensor]],
    prior: float,
    tolerance: float,
    root_mean_square: bool = False,
) -> PullBack:
    """Carry points observed at several times, [(t, (n_t, dim)), ...] ascending, back to the time of the prior.

    They are gathered on the way, from the last time on, so that every stretch of time is solved once; the rows of the
    result are in that order.
    """
    back, points = None, snapshots[-1][1]
    for k in reversed(range(len(snapshots))):
        until = snapshots[k - 1][0] if k else prior
        stretch = pull_back(net, points, tolerance, root_mean_square, (until, snapshots[k][0]))
        back = stretch if back is None else stretch.after(back)
        if k:
            points = torch.cat([back.x0, snapshots[k - 1][1]])
    assert back is not None
    return back


def pull_back(
    net: StackedMLP,
    x1: Tensor,
    tolerance: float,
    root_mean_square: bool = False,
    span: tuple[float, float] = (0.0, 1.0),
) -> PullBack:
    """Solve the ODE of a stack of one backwards over a span of time with tsit5 (atol = rtol) and exact divergence.

    Differentiable. Time is reversed by hand, s = end - t: torchdyn would choose its first step from a field outside of
    the span. Raises RunFailed if the solver does not get there.
    """
    n, dim = x1.shape
    calls = 0

    def augmented(s: Tensor, state: Tensor, args: Any = None) -> Tensor:
        nonlocal calls
        calls += 1
        if calls > _MAX_EVALUATIONS or not torch.isfinite(state).all():
            raise RunFailed(f"the likelihood's ODE was not solved within {_MAX_EVALUATIONS} evaluations")
        t = (span[1] - s).to(state).reshape(1, 1, 1).expand(1, n, 1)
        v, tangents = net.value_and_jacobian(t, state[None, :, :dim])
        squares = tangents[0].square().sum(dim=(0, 2))
        divergence = tangents[0].diagonal(dim1=0, dim2=2).sum(dim=1)
        # The root has no derivative at 0.
        norm = squares.clamp_min(1e-12).sqrt() / dim if root_mean_square else squares
        return torch.cat([-v[0], divergence[:, None], v[0].square().sum(dim=1, keepdim=True), norm[:, None]], dim=1)

    start = torch.cat([x1, x1.new_zeros(n, 3)], dim=1)
    times = torch.tensor([0.0, span[1] - span[0]]).to(x1)
    _, states = odeint(augmented, start, times, "tsit5", atol=tolerance, rtol=tolerance)
    x0, integrals = states[-1][:, :dim], states[-1][:, dim:]
    return PullBack(x0, *integrals.unbind(dim=1))
