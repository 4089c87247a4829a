"""Log-likelihood of a flow by the instantaneous change of variables, with the integrals that regularise it.

Along dx/dt = v(t, x),   d/dt log p_t(x(t)) = -div v(t, x(t))          (Chen et al. 2018, theorem 1).
"""

from __future__ import annotations

import math
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
    """Data points carried back to t = 0: `x0` (n, dim), and integrals over t in [0, 1] along the way, each (n,).

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


def pull_back(net: StackedMLP, x1: Tensor, tolerance: float, root_mean_square: bool = False) -> PullBack:
    """Solve the ODE of a stack of one from t = 1 to 0 with tsit5 (atol = rtol) and exact divergence; differentiable.

    Time is reversed by hand, s = 1 - t: torchdyn would choose its first step from a field outside of [0, 1].
    Raises RunFailed if the solver does not get there.
    """
    n, dim = x1.shape
    calls = 0

    def augmented(s: Tensor, state: Tensor, args: Any = None) -> Tensor:
        nonlocal calls
        calls += 1
        if calls > _MAX_EVALUATIONS or not torch.isfinite(state).all():
            raise RunFailed(f"the likelihood's ODE was not solved within {_MAX_EVALUATIONS} evaluations")
        t = (1 - s).to(state).reshape(1, 1, 1).expand(1, n, 1)
        v, tangents = net.value_and_jacobian(t, state[None, :, :dim])
        squares = tangents[0].square().sum(dim=(0, 2))
        divergence = tangents[0].diagonal(dim1=0, dim2=2).sum(dim=1)
        # The root has no derivative at 0.
        norm = squares.clamp_min(1e-12).sqrt() / dim if root_mean_square else squares
        return torch.cat([-v[0], divergence[:, None], v[0].square().sum(dim=1, keepdim=True), norm[:, None]], dim=1)

    start = torch.cat([x1, x1.new_zeros(n, 3)], dim=1)
    _, states = odeint(augmented, start, torch.linspace(0, 1, 2).to(x1), "tsit5", atol=tolerance, rtol=tolerance)
    x0, integrals = states[-1][:, :dim], states[-1][:, dim:]
    return PullBack(x0, *integrals.unbind(dim=1))
