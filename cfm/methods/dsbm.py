"""DSBM-IMF: the Schroedinger bridge by iterative Markovian fitting (Shi et al., NeurIPS 2023, algorithm 1).

Between pairs (x0, x1) runs the Brownian bridge xt = (1 - t) x0 + t x1 + sigma sqrt(t (1 - t)) eps. In turn two networks
learn its forward and its backward drift,

    backward: E | b_phi(t, xt) - (x0 - xt) / t |^2,      forward: E | f_theta(t, xt) - (x1 - xt) / (1 - t) |^2,

and after each iteration the one just learnt makes new pairs, by its SDE from the data at its end. The first pairs
are independent, the last iteration learns f, and samples solve dx = f dt + sigma dW. The probability flow is
(f - b) / 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cfm.datasets.base import Prepared
from cfm.methods.base import Batch, Method, Points, Start
from cfm.paths import PATHS
from cfm.rng import stream
from cfm.settings import Solver, Training
from cfm.trajectory import Trajectory

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cfm.solve import Field

# Times are kept this far from 0 and 1, where the drifts have poles.
_MARGIN = 1e-3
_PLAYERS = ("backward_drift", "forward_drift")  # of even and odd iterations


@dataclass(frozen=True)
class DSBM(Method):
    """Width of the bridge, an even number of iterations, and how pairs are made.

    `draws`: pairs per training point at the end with data, or normal points, to start from; `sde_steps`: of the SDE.
    """

    sigma: float
    iterations: int
    draws: int
    sde_steps: int

    def network(self, stack: int, dim: int, settings: Training) -> nn.Module:
        from torch import nn

        from cfm.nets.mlp import StackedMLP

        names = ("forward_drift", "backward_drift")
        return nn.ModuleDict({name: StackedMLP(stack, dim, settings.width, settings.depth) for name in names})

    def rounds(self, steps: int) -> Sequence[int]:
        return [-(-k * steps // self.iterations) for k in range(1, self.iterations)]

    def player(self, step: int, steps: int) -> str:
        return _PLAYERS[step * self.iterations // steps % 2]

    def own_pairs(self, net: nn.Module, data: Prepared, seed: int, step: int, steps: int) -> Prepared:
        """The network that the last iteration learnt carries the data at one end to the other."""
        forward = self.player(step - 1, steps) == "forward_drift"
        arrays: dict[str, Points] = {}
        for split, draws in (("train", self.draws), ("val", 1)):
            rng = stream(seed, f"own/{split}", step)
            if not forward:
                start = np.tile(data.target(split), (draws, 1))
            elif data.gaussian_source:
                start = rng.standard_normal((draws * len(data.target(split)), data.dim), dtype=np.float32)
            else:
                start = np.tile(data.source(split, seed), (draws, 1))
            end = self._carry(net, start, rng, forward)
            arrays |= {f"{split}_0": start if forward else end, f"{split}_1": end if forward else start}
        return Prepared(arrays, data.dim, gaussian_source=False, paired=True)

    def _carry(self, net: nn.Module, start: Points, rng: np.random.Generator, forward: bool) -> Points:
        from cfm.sde import simulate

        forward_drift, backward_drift = net.children()

        def reversed_drift(t: Tensor, x: Tensor) -> Tensor:
            drift: Tensor = backward_drift(1 - t, x)
            return drift

        drift: Field = forward_drift if forward else reversed_drift
        device = next(net.parameters()).device
        return simulate(drift, start, self.sde_steps, self.sigma, rng, device=device).x[-1]

    def loss(self, net: nn.Module, batch: Batch, player: str = "") -> Tensor:
        forward_drift, backward_drift = net.children()
        t = _MARGIN + (1 - 2 * _MARGIN) * batch.t
        xt, _ = replace(batch, t=t).per_seed(PATHS["brownian_bridge"](self.sigma).sample)
        if player == "forward_drift":
            error: Tensor = forward_drift(t, xt) - (batch.x1 - xt) / (1 - t)
        else:
            error = backward_drift(t, xt) - (batch.x0 - xt) / t
        return error.square().mean(dim=(1, 2))

    def validation_loss(self, net: nn.Module, batch: Batch) -> Tensor:
        """Both drifts' errors, on the pairs of the current iteration."""
        forward, backward = (self.loss(net, batch, player) for player in _PLAYERS)
        return forward + backward

    def velocity(self, net: nn.Module) -> Field:
        forward_drift, backward_drift = net.children()

        def flow(t: Tensor, x: Tensor) -> Tensor:
            difference: Tensor = (forward_drift(t, x) - backward_drift(t, x)) / 2
            return difference

        return flow

    def sample(self, net: nn.Module | None, start: Start, solver: Solver) -> Trajectory | None:
        """The forward SDE with the solver's steps; the adaptive solver, which has none, takes the probability flow."""
        if solver.steps is None:
            return None
        from cfm.sde import simulate

        assert net is not None
        forward_drift, _ = net.children()
        device = next(net.parameters()).device
        flow, rng = self.velocity(net), start.rng
        return simulate(forward_drift, start.x0, solver.steps, self.sigma, rng, flow, device, start.span)


METHOD = DSBM
