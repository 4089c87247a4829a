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
from cfm.methods._two_drifts import TwoDrifts
from cfm.methods.base import Batch
from cfm.paths import PATHS
from cfm.rng import stream
from cfm.types import Points

if TYPE_CHECKING:
    from torch import Tensor, nn

# Times are kept this far from 0 and 1, where the drifts have poles.
_MARGIN = 1e-3


@dataclass(frozen=True)
class DSBM(TwoDrifts):
    """Iterative Markovian fitting, and how pairs are made.

    `draws`: pairs per training point at the end with data, or normal points, to start from; `sde_steps`: of the SDE.
    """

    draws: int
    sde_steps: int

    def refresh_steps(self, steps: int) -> Sequence[int]:
        return [-(-k * steps // self.iterations) for k in range(1, self.iterations)]

    def generate_pairs(self, net: nn.Module, data: Prepared, seed: int, step: int, steps: int) -> Prepared:
        """The network that the last iteration learnt carries the data at one end to the other."""
        forward = self.trained_part(step - 1, steps) == "forward_drift"
        arrays: dict[str, Points] = {}
        for split, draws in (("train", self.draws), ("val", 1)):
            rng = stream(seed, f"own/{split}", step)
            if not forward:
                start = np.tile(data.target(split), (draws, 1))
            elif data.gaussian_source:
                start = rng.standard_normal((draws * len(data.target(split)), data.dim), dtype=np.float32)
            else:
                start = np.tile(data.source(split, seed), (draws, 1))
            end = self.carry(net, start, self.sde_steps, rng, forward)[-1]
            arrays |= {f"{split}_0": start if forward else end, f"{split}_1": end if forward else start}
        return Prepared(arrays, data.dim, gaussian_source=False, paired=True)

    def loss(self, net: nn.Module, batch: Batch, trained_part: str = "") -> Tensor:
        forward_drift, backward_drift = net.children()
        t = _MARGIN + (1 - 2 * _MARGIN) * batch.t
        xt, _ = replace(batch, t=t).per_seed(PATHS["brownian_bridge"](self.sigma).sample)
        if trained_part == "forward_drift":
            error: Tensor = forward_drift(t, xt) - (batch.x1 - xt) / (1 - t)
        else:
            error = backward_drift(t, xt) - (batch.x0 - xt) / t
        return error.square().mean(dim=(1, 2))


METHOD = DSBM
