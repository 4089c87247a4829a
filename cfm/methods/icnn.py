"""Optimal maps by input-convex networks: W2's dual as a game (Makkuva et al., ICML 2020).

    g minimises  E_y[f(grad g(y)) - <y, grad g(y)>],      f minimises  E_x[f(x)] - E_y[f(grad g(y))]

over convex f and g, with x = x0 and y = x1. At the solution f and g are convex conjugates and grad f carries the
source to the target, optimally (Brenier). Convexity is encouraged by a penalty on negative weights, as in the
authors' code.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cfm.methods.base import Batch, Method, Start
from cfm.settings import Solver, Training
from cfm.solvers.trajectory import Trajectory, straight_line

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cfm.nets.icnn import StackedICNN


@dataclass(frozen=True)
class ICNN(Method):
    """Weight of the penalty, and how many steps g makes for one of f."""

    penalty: float
    g_steps: int

    def network(self, stack: int, dim: int, settings: Training) -> nn.Module:
        from torch import nn

        from cfm.nets.icnn import StackedICNN

        return nn.ModuleDict({name: StackedICNN(stack, dim, settings.width, settings.depth) for name in ("f", "g")})

    def trained_part(self, step: int, steps: int) -> str:
        return "f" if step % (self.g_steps + 1) == self.g_steps else "g"

    def loss(self, net: nn.Module, batch: Batch, trained_part: str = "") -> Tensor:
        f, g = _potentials(net)
        y = batch.x1
        back = g.gradient(y)
        if trained_part == "f":
            loss = f(batch.x0).mean(dim=1) - f(back.detach()).mean(dim=1) + self.penalty * f.negativity()
        else:
            loss = (f(back) - (y * back).sum(dim=2)).mean(dim=1) + self.penalty * g.negativity()
        return loss

    def validation_loss(self, net: nn.Module, batch: Batch) -> Tensor:
        """E |grad f(grad g(y)) - y|^2: are the two maps inverse to each other? Not a measure of fit."""
        f, g = _potentials(net)
        error = f.gradient(g.gradient(batch.x1).detach()) - batch.x1
        return error.detach().square().sum(dim=2).mean(dim=1)

    def sample(self, net: nn.Module | None, start: Start, solver: Solver) -> Trajectory:
        """The map x0 -> grad f(x0), whatever the solver."""
        import torch

        assert net is not None
        f, _ = _potentials(net)
        began = time.perf_counter()
        x0 = torch.from_numpy(start.x0).to(next(net.parameters()).device)
        x1 = f.gradient(x0[None])[0].detach().cpu().numpy()
        return replace(straight_line(start.x0, x1), nfe=1, seconds=time.perf_counter() - began)


def _potentials(net: nn.Module) -> tuple[StackedICNN, StackedICNN]:
    from cfm.nets.icnn import StackedICNN

    f, g = net.children()
    assert isinstance(f, StackedICNN) and isinstance(g, StackedICNN)
    return f, g


METHOD = ICNN
