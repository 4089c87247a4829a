"""Continuous normalising flows, trained by maximum likelihood through the ODE solver; plain or regularised.

The flow dx/dt = v(t, x) carries N(0, I) at t = 0 to the data at t = 1, and for a data point x(1)

    -log p(x(1)) = -log N(x(0); 0, I) + int_0^1 div v(t, x(t)) dt            (Chen et al. 2018, Grathwohl et al. 2019)

with the exact divergence. The loss is its mean plus, for regularised flows,

    kinetic * E int_0^1 |v|^2 dt  +  jacobian * E int_0^1 |grad v|_F^2 dt      (RNODE, Finlay et al. 2020).

In a time course the flow carries N(0, I), one unit of time before the first snapshot, through all snapshots, and the
loss is the mean over their points (TrajectoryNet, Tong et al. 2020, with its energy and Jacobian terms).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cfm.datasets.base import Dataset
from cfm.errors import RunFailed
from cfm.methods.base import Batch, Method
from cfm.settings import JacobianNorm, Training

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cfm.nets.mlp import StackedMLP


@dataclass(frozen=True)
class CNF(Method):
    """Tolerance (atol = rtol) of torchdyn's tsit5 in training, activation, and the weights of the regularisers.

    `jacobian_norm`: RNODE's |J|_F^2, or |J|_F / dim as in the authors' code.
    """

    tolerance: float
    activation: Literal["selu", "tanh"]
    kinetic: float = 0.0
    jacobian: float = 0.0
    jacobian_norm: JacobianNorm = "squared_frobenius"

    time_course = True

    def skip_reason(self, dataset: Dataset) -> str | None:
        return None if dataset.gaussian_source or dataset.time_course else "needs a standard normal source"

    def network(self, stack: int, dim: int, settings: Training) -> nn.Module:
        from cfm.nets.mlp import StackedMLP

        return StackedMLP(stack, dim, settings.width, settings.depth, self.activation)

    def loss(self, net: nn.Module, batch: Batch, trained_part: str = "") -> Tensor:
        """Seed by seed: the adaptive solver must not see what it is stacked with."""
        import torch

        from cfm.nets.mlp import StackedMLP

        assert isinstance(net, StackedMLP)
        snapshots, prior = batch.snapshots()
        return torch.stack(
            [
                self._objective(net.alone(seed), [(t, points[seed]) for t, points in snapshots], prior)
                for seed in range(len(batch.x1))
            ]
        )

    def _objective(self, net: StackedMLP, snapshots: list[tuple[float, Tensor]], prior: float) -> Tensor:
        from cfm.solvers.likelihood import pull_back_snapshots

        regularised = self.kinetic > 0 or self.jacobian > 0
        norm = self.jacobian_norm if regularised else None
        try:
            back = pull_back_snapshots(net, snapshots, prior, self.tolerance, norm)
        except RunFailed:
            return net.theta.sum() * math.nan  # fails this seed at the next check
        log_likelihood = back.log_likelihood().mean()
        if not regularised:
            return -log_likelihood
        return self.kinetic * back.kinetic.mean() + self.jacobian * back.jacobian.mean() - log_likelihood


METHOD = CNF
