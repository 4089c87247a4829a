"""Action matching: the velocity is the gradient of a scalar s that is learned from samples at every time.

    L(theta) = E[s_theta(0, x0)] - E[s_theta(1, x1)] + E_{t, xt}[ 1/2 |grad s_theta|^2 + d/dt s_theta ](t, xt)

with xt = (1 - t) x0 + t x1, and v = grad s_theta. Up to a constant it is 1/2 E |grad s_theta - u_t(xt)|^2, u_t any
field that moves the marginals. Neklyudov et al., "Action matching" (ICML 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfm.methods.base import Batch, Method
from cfm.paths import PATHS
from cfm.settings import Training

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cfm.nets.mlp import StackedMLP
    from cfm.solvers.ode import Field


@dataclass(frozen=True)
class ActionMatching(Method):
    """Action matching on the linear path of independent pairs; a smooth activation, since v is a derivative."""

    def network(self, stack: int, dim: int, settings: Training) -> nn.Module:
        from cfm.nets.mlp import StackedMLP

        return StackedMLP(stack, dim, settings.width, settings.depth, "silu", out=1)

    def loss(self, net: nn.Module, batch: Batch, trained_part: str = "") -> Tensor:
        import torch

        (xt, _) = batch.per_seed(PATHS["linear"](0.0).sample)
        with torch.enable_grad():
            t, xt = batch.t.clone().requires_grad_(), xt.requires_grad_()
            slope, gradient = torch.autograd.grad(net(t, xt).sum(), (t, xt), create_graph=True)
        along = 0.5 * gradient.square().sum(dim=2, keepdim=True) + slope
        ends = net(torch.zeros_like(t), batch.x0) - net(torch.ones_like(t), batch.x1)
        return (ends + along).mean(dim=(1, 2))

    def velocity(self, net: nn.Module) -> Field:
        from cfm.nets.mlp import StackedMLP

        assert isinstance(net, StackedMLP)
        return _Gradient(net)


@dataclass(frozen=True)
class _Gradient:
    """The field grad s."""

    net: StackedMLP

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        return self.net.value_and_jacobian(t, x)[1][..., 0].transpose(1, 2)


METHOD = ActionMatching
