"""[SF]2M: simulation-free score and flow matching of the Schroedinger bridge (Tong et al., AISTATS 2024).

On Brownian bridges between entropic pairs, xt = (1 - t) x0 + t x1 + sigma sqrt(t (1 - t)) eps, two networks learn the
probability flow v and the score term s = sigma^2 / 2 grad log p_t:

    L = E | v_theta(t, xt) - u_t(xt | x0, x1) |^2  +  E | lambda(t) s_theta(t, xt) + eps |^2,
    lambda(t) = 2 sqrt(t (1 - t)) / sigma.                                                  (algorithm 1, eq. 10)

Samples solve the SDE  dx = (v + s) dt + sigma dW  by Euler and Maruyama's scheme; the adaptive solver, which
has none, solves the ODE of v.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfm.methods.base import Batch, Start
from cfm.methods.flow_matching import FlowMatching
from cfm.settings import Solver, Training
from cfm.solvers.trajectory import Trajectory

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cfm.solvers.ode import Field


@dataclass(frozen=True)
class ScoreAndFlow(FlowMatching):
    """A flow-matching variant whose path is the Brownian bridge, with its score."""

    time_course = False

    def network(self, stack: int, dim: int, settings: Training) -> nn.Module:
        from torch import nn

        from cfm.nets.mlp import StackedMLP

        names = ("flow", "score")
        return nn.ModuleDict({name: StackedMLP(stack, dim, settings.width, settings.depth) for name in names})

    def loss(self, net: nn.Module, batch: Batch, trained_part: str = "") -> Tensor:
        flow, score = net.children()
        xt, ut = batch.per_seed(self.conditional_path.sample)
        weight = 2 * (batch.t * (1 - batch.t)).sqrt() / self.sigma
        flow_error = flow(batch.t, xt) - ut
        score_error = weight * score(batch.t, xt) + batch.eps
        loss: Tensor = (flow_error.square() + score_error.square()).mean(dim=(1, 2))
        return loss

    def velocity(self, net: nn.Module) -> Field:
        flow, _ = net.children()
        return flow

    def sample(self, net: nn.Module | None, start: Start, solver: Solver) -> Trajectory:
        if solver.steps is None:
            return super().sample(net, start, solver)
        from cfm.solvers.sde import simulate

        assert net is not None
        flow, score = net.children()
        device = next(net.parameters()).device

        def drift(t: Tensor, x: Tensor) -> Tensor:
            both: Tensor = flow(t, x) + score(t, x)
            return both

        return simulate(drift, start.x0, solver.steps, self.sigma, start.rng, flow, device, start.span)


METHOD = ScoreAndFlow
