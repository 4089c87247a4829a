"""What DSBM and DSB share: a forward and a backward drift of one bridge, learnt in turn.

The forward SDE is dx = f(t, x) dt + sigma dW from q0 at t = 0; in reversed time s = 1 - t the backward one is
dx = b(1 - s, x) ds + sigma dW from q1. Where both describe one process its probability flow is (f - b) / 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cfm.methods.base import Batch, Method, Start
from cfm.settings import Solver, Training
from cfm.solvers.trajectory import Trajectory
from cfm.types import Points

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cfm.solvers.ode import Field

TURNS = ("backward_drift", "forward_drift")  # of even and odd iterations


@dataclass(frozen=True)
class TwoDrifts(Method):
    """Width of the bridge and an even number of iterations, of equal length, each of which learns one drift."""

    sigma: float
    iterations: int

    def network(self, stack: int, dim: int, settings: Training) -> nn.Module:
        from torch import nn

        from cfm.nets.mlp import StackedMLP

        names = ("forward_drift", "backward_drift")
        return nn.ModuleDict({name: StackedMLP(stack, dim, settings.width, settings.depth) for name in names})

    def trained_part(self, step: int, steps: int) -> str:
        return TURNS[step * self.iterations // steps % 2]

    def drift(self, net: nn.Module, forward: bool) -> Field:
        """F, or b in reversed time."""
        forward_drift, backward_drift = net.children()

        def reversed_drift(t: Tensor, x: Tensor) -> Tensor:
            drift: Tensor = backward_drift(1 - t, x)
            return drift

        return forward_drift if forward else reversed_drift

    def carry(self, net: nn.Module, start: Points, steps: int, rng: np.random.Generator, forward: bool) -> Points:
        """Paths (steps + 1, n, dim) of the forward or backward SDE, in its own time."""
        from cfm.solvers.sde import simulate

        device = next(net.parameters()).device
        return simulate(self.drift(net, forward), start, steps, self.sigma, rng, device=device).x

    def validation_loss(self, net: nn.Module, batch: Batch) -> Tensor:
        """Both drifts' errors, on the pairs of the current iteration."""
        forward, backward = (self.loss(net, batch, trained_part) for trained_part in TURNS)
        return forward + backward

    def velocity(self, net: nn.Module) -> Field:
        forward_drift, backward_drift = net.children()

        def flow(t: Tensor, x: Tensor) -> Tensor:
            difference: Tensor = (forward_drift(t, x) - backward_drift(t, x)) / 2
            return difference

        return flow

    def sample(self, net: nn.Module | None, start: Start, solver: Solver) -> Trajectory:
        """The forward SDE with the solver's steps; the adaptive solver, which has none, takes the probability flow."""
        if solver.steps is None:
            return super().sample(net, start, solver)
        from cfm.solvers.sde import simulate

        assert net is not None
        forward_drift, _ = net.children()
        device = next(net.parameters()).device
        flow, rng = self.velocity(net), start.rng
        return simulate(forward_drift, start.x0, solver.steps, self.sigma, rng, flow, device, start.span)
