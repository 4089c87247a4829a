"""Rectified flow: a trained flow made straighter by training on the pairs that it makes.

With x0 ~ q0 and x1 = phi_1(x0), phi the flow of the teacher, the loss of flow matching on the pairs (x0, x1):

    L(theta) = E | v_theta(t, (1 - t) x0 + t x1 + sigma eps) - (x1 - x0) |^2

Liu, Gong and Liu, "Flow straight and fast" (ICLR 2023). 2-RF has I-CFM (the first rectified flow) as its teacher, 3-RF
has 2-RF. Training goes on from the teacher's network, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from cfm.datasets.base import Prepared
from cfm.methods.base import Batch, Method
from cfm.methods.flow_matching import squared_error
from cfm.paths import PATHS
from cfm.rng import stream
from cfm.settings import Solver, formerly
from cfm.types import Points

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Reflow(Method):
    """The method whose flow it straightens, the noise sigma, and how the pairs are made.

    `draws`: pairs per training point if the source is normal (there is one per point where sources are stored);
    `euler_steps`: of the teacher's ODE.
    """

    teacher: str = field(metadata=formerly("straightens"))  # type: ignore[misc]  # a setting, where others have none
    sigma: float
    draws: int
    euler_steps: int

    def refresh_steps(self, steps: int) -> Sequence[int]:
        return (0,)

    def generate_pairs(self, net: nn.Module, data: Prepared, seed: int, step: int, steps: int) -> Prepared:
        arrays: dict[str, Points] = {}
        for split, draws in (("train", self.draws), ("val", 1)):
            if data.gaussian_source:
                shape = (draws * len(data.target(split)), data.dim)
                x0 = stream(seed, f"source/own/{split}").standard_normal(shape, dtype=np.float32)
            else:
                x0 = data.source(split, seed)
            arrays |= {f"{split}_0": x0, f"{split}_1": self._carry(net, x0)}
        return Prepared(arrays, data.dim, gaussian_source=False, paired=True)

    def _carry(self, net: nn.Module, x0: Points) -> Points:
        from cfm.solvers.ode import integrate

        device = next(net.parameters()).device
        return integrate(net, x0, Solver("euler", steps=self.euler_steps), device).x[-1]

    def loss(self, net: nn.Module, batch: Batch, trained_part: str = "") -> Tensor:
        return squared_error(net, PATHS["linear"](self.sigma), batch).mean(dim=(1, 2))


METHOD = Reflow
