r"""The marginal velocity field of a coupling and a path, without a network.

With conditionals z_1, ..., z_N of the coupling,

    u_t(x) = E[u_t(x | z) p_t(x | z)] / E[p_t(x | z)]    (paper, eq. 9)    is estimated by    sum_i w_i u_t(x | z_i),

w_i proportional to p_t(x | z_i) = N(x; mu_t(z_i), sigma_t^2 I): what flow matching's regression converges to. And

    OV = E_{t, z, x ~ p_t(. | z)} | u_t(x | z) - u_t(x) |^2,

the variance of the regression target, which no network can fit and every gradient has to average out (paper, C.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cfm.paths import Path

# Widths vanish at the ends of some paths; query points at a time, so that their weights fit into memory.
_MARGIN, _CHUNK = 1e-3, 128


@dataclass(frozen=True)
class Marginal:
    """The field of conditionals (x0, x1), each of shape (N, dim), on a path: a `cfm.solvers.ode.Field`."""

    x0: Tensor
    x1: Tensor
    path: Path

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        """u_t(x) at one time `t` (all entries equal) and points `x` (1, n, dim)."""
        return self.velocity(float(t.flatten()[0]), x[0])[0][None]

    def velocity(self, t: float, x: Tensor) -> tuple[Tensor, Tensor]:
        """Estimates at points `x` (n, dim): u_t(x) (n, dim), and sum_i w_i^2 (n,), one over the conditionals in use."""
        time = torch.tensor(min(max(t, _MARGIN), 1 - _MARGIN))
        mean, rate = (f(self.x0, self.x1, time) for f in (self.path.mean, self.path.mean_rate))
        std, std_rate = self.path.std(time), self.path.std_rate(time)
        # log p_t(x | z_i) but for |x|^2, which all conditionals share.
        scaled, offset = mean.T / std**2, -mean.square().sum(dim=1) / (2 * std**2)
        centre, fields, concentrations = torch.cat([mean, rate], dim=1), [], []
        for part in x.split(_CHUNK):
            weights = torch.softmax(torch.addmm(offset, part, scaled), dim=1)
            means, rates = (weights @ centre).chunk(2, dim=1)
            fields.append(std_rate / std * (part - means) + rates)
            concentrations.append(torch.linalg.vecdot(weights, weights))
        return torch.cat(fields), torch.cat(concentrations)


def objective_variance(marginal: Marginal, x0: Tensor, x1: Tensor, eps: Tensor, times: int) -> float:
    """OV over fresh conditionals (n, dim) with noise `eps`, at the middles of `times` equal parts of [0, 1].

    The estimated field varies too, by w^2 = sum_i w_i^2 of the target's variance: | difference |^2 / (1 + w^2) has
    the expectation that is asked for.
    """
    found = []
    for k in range(times):
        t = (k + 0.5) / times
        xt, ut = marginal.path.sample(x0, x1, torch.tensor(t), eps)
        field, concentration = marginal.velocity(t, xt)
        found.append(((ut - field).square().sum(dim=1) / (1 + concentration)).mean())
    return float(torch.stack(found).mean())
