"""Weighted CFM: independent pairs, each weighted as an entropic plan would (Calvo-Ordonez et al. 2025).

    L(theta) = E[w |v_theta(t, xt) - u_t(xt | x0, x1)|^2] / E[w],    w = exp(-|x0 - x1|^2 / (epsilon m)),

where m is the batch's mean of |x0 - x1|^2 over all pairs of its points, so that epsilon has no unit. The Gibbs kernel
without the scalings of Sinkhorn's algorithm also re-weights the marginals: a small epsilon bends the target.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cfm.methods.base import Batch
from cfm.methods.flow_matching import FlowMatching, squared_error

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Weighted(FlowMatching):
    """A flow-matching variant on independent pairs, and the temperature of its weights."""

    epsilon: float

    time_course = False  # the weights compare all pairs of a batch with each other

    def loss(self, net: nn.Module, batch: Batch, trained_part: str = "") -> Tensor:
        (weights,) = batch.per_seed(lambda x0, x1, t, eps: [self.weights(x0, x1)])
        return (weights * squared_error(net, self.conditional_path, batch).mean(dim=2)).mean(dim=1)

    def weights(self, x0: Tensor, x1: Tensor) -> Tensor:
        """W of each pair of one batch (n, dim), with mean 1, shape (n,)."""
        import torch

        # E |x0 - x1|^2 over all pairs is |mean difference|^2 and both variances.
        unit = (x0.mean(0) - x1.mean(0)).square().sum() + sum(x.var(0, correction=0).sum() for x in (x0, x1))
        kernel = torch.exp(-(x0 - x1).square().sum(dim=1) / (self.epsilon * unit))
        return kernel / kernel.mean()


METHOD = Weighted
