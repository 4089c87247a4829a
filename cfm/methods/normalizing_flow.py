"""Classical normalising flows: an invertible network x = T(z), z ~ N(0, I), trained by maximum likelihood.

    -log p(x) = -log N(z; 0, I) + log |det dT/dz|,   z = T^{-1}(x)

Real NVP (Dinh et al. 2017) and masked autoregressive flows (Papamakarios et al. 2017) come from zuko, Glow (Kingma and
Dhariwal 2018), for pictures, from normflows.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from cfm.datasets.base import Dataset
from cfm.methods.base import Batch, Method, Start
from cfm.pictures import can_halve_twice
from cfm.settings import Solver, Training
from cfm.solvers.trajectory import LogDensity, Trajectory, straight_line
from cfm.types import Points

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class NormalizingFlow(Method):
    """The kind of flow, and its number of transforms (Glow: blocks on each of two levels).

    Their networks have the experiment's width and depth (Glow: as many channels as the width).
    """

    flow: Literal["realnvp", "maf", "glow"]
    transforms: int

    def skip_reason(self, dataset: Dataset) -> str | None:
        if not dataset.gaussian_source:
            return "needs a standard normal source"
        if self.flow == "glow" and not can_halve_twice(dataset.dim):
            return "needs square pictures"
        return None

    def network(self, stack: int, dim: int, settings: Training) -> nn.Module:
        from cfm.nets.wrapped import Wrapped

        if self.flow == "glow":
            from cfm.nets.glow import Glow

            return Wrapped(stack, functools.partial(Glow, dim, self.transforms, settings.width))
        from cfm.nets.zuko_flows import ZukoFlow

        widths = [settings.width] * settings.depth
        return Wrapped(stack, functools.partial(ZukoFlow, self.flow, dim, self.transforms, widths))

    def loss(self, net: nn.Module, batch: Batch, trained_part: str = "") -> Tensor:
        import torch

        from cfm.nets.wrapped import Wrapped

        assert isinstance(net, Wrapped)
        return torch.stack([-net.call(place, "log_prob", x1).mean() for place, x1 in enumerate(batch.x1)])

    def sample(self, net: nn.Module | None, start: Start, solver: Solver) -> Trajectory:
        """T at the source's points, whatever the solver."""
        began = time.perf_counter()
        x1, log_density = _without_gradient(net, "carry", start.x0)
        seconds = time.perf_counter() - began
        return replace(straight_line(start.x0, x1), nfe=1, seconds=seconds, log_density=LogDensity(log_density))

    def log_density(
        self, net: nn.Module | None, x: Points, solver: Solver, rng: np.random.Generator
    ) -> LogDensity | None:
        """Of the flow, exactly."""
        (found,) = _without_gradient(net, "log_prob", x)
        return LogDensity(found)


def _without_gradient(net: nn.Module | None, what: str, points: Points) -> list[Points]:
    """What a method of the only network of a stack returns for points (n, dim)."""
    import torch

    from cfm.nets.wrapped import Wrapped

    assert isinstance(net, Wrapped)
    with torch.no_grad():
        found = net.call(0, what, torch.from_numpy(points).to(net.theta.device))
    return [part.cpu().numpy() for part in (found if isinstance(found, tuple) else (found,))]


METHOD = NormalizingFlow
