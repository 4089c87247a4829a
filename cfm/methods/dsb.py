r"""DSB: the Schroedinger bridge by iterative proportional fitting (De Bortoli et al., NeurIPS 2021, algorithm 1).

In turn a backward and a forward chain of N steps of length h = 1 / N are learnt, each as the reversal of the one
before, which starts from the data at its end; the first is Brownian motion, x_{k+1} = x_k + sigma sqrt(h) eps. With
F_k(x) = x + h f(t_k, x) the reversal of a forward chain has the mean  x_{k+1} + F_k(x_k) - F_k(x_{k+1})  ("mean
matching", proposition 3 there), so its drift

    b  minimises  E | b(t_{k+1}, x_{k+1}) - ((x_k - x_{k+1}) / h + f(t_k, x_k) - f(t_k, x_{k+1})) |^2,

and likewise f with the two directions exchanged. The last iteration learns f, samples solve dx = f dt + sigma dW.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cfm.datasets.base import Prepared
from cfm.methods._two_drifts import TwoDrifts
from cfm.methods.base import Batch
from cfm.rng import stream
from cfm.types import Points

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from cfm.solvers.ode import Field


@dataclass(frozen=True)
class DSB(TwoDrifts):
    """Half-bridges as `iterations`: two are one of the proportional fitting.

    `chain_steps`: N; `trajectories`: simulated at a time, all their steps are trained on; `refresh_every`: training
    steps after which they are simulated anew, as they are at the start of each half-bridge.
    """

    chain_steps: int
    trajectories: int
    refresh_every: int

    def refresh_steps(self, steps: int) -> Sequence[int]:
        starts = [-(-k * steps // self.iterations) for k in range(self.iterations)]
        ends = [*starts[1:], steps]
        return [step for pair in zip(starts, ends, strict=True) for step in range(*pair, self.refresh_every)]

    def generate_pairs(self, net: nn.Module, data: Prepared, seed: int, step: int, steps: int) -> Prepared:
        """Places (as sources), the drifts to be learnt there (as targets) and their times, from fresh trajectories."""
        forward = self.trained_part(step, steps) == "backward_drift"
        first = step * self.iterations // steps == 0
        device = next(net.parameters()).device
        arrays: dict[str, Points] = {}
        validation = len(data.target("val"))
        for split, chains in (("train", self.trajectories), ("val", -(-validation // self.chain_steps))):
            rng = stream(seed, f"own/{split}", step)
            start = _ends(data, split, seed, forward, chains, rng)
            columns = self._matched(_no_drift if first else self.drift(net, forward), start, rng, device)
            rows = rng.permutation(len(columns[0]))[: validation if split == "val" else None]
            places, drifts, t = (column[rows] for column in columns)
            arrays |= {f"{split}_0": places, f"{split}_1": drifts, f"{split}_t": t if forward else 1 - t}
        return Prepared(arrays, data.dim, gaussian_source=False, paired=True)

    def _matched(
        self, drift: Field, start: Points, rng: np.random.Generator, device: torch.device
    ) -> tuple[Points, Points, Points]:
        """Of a chain, in its own time: places x_{k+1}, its reversal's drifts there, times t_{k+1}, (N n, ...) each."""
        import torch

        from cfm.solvers.sde import simulate

        steps = self.chain_steps
        path = torch.from_numpy(simulate(drift, start, steps, self.sigma, rng, device=device).x).to(device)
        before, after = (x.reshape(1, -1, x.shape[-1]) for x in (path[:-1], path[1:]))
        t = (torch.arange(steps, device=device) / steps).repeat_interleave(len(start))[None, :, None]
        with torch.no_grad():
            matched = (before - after) * steps + drift(t, before) - drift(t, after)
        places, drifts, times = (column[0].cpu().numpy() for column in (after, matched, t + 1 / steps))
        return places, drifts, times

    def loss(self, net: nn.Module, batch: Batch, trained_part: str = "") -> Tensor:
        forward_drift, backward_drift = net.children()
        learnt = forward_drift if trained_part == "forward_drift" else backward_drift
        error: Tensor = learnt(batch.t, batch.x0) - batch.x1
        return error.square().mean(dim=(1, 2))


def _no_drift(t: Tensor, x: Tensor) -> Tensor:
    return 0 * x


def _ends(data: Prepared, split: str, seed: int, forward: bool, n: int, rng: np.random.Generator) -> Points:
    """N points of the data that a chain starts from."""
    if forward and data.gaussian_source:
        return rng.standard_normal((n, data.dim), dtype=np.float32)
    points = data.source(split, seed) if forward else data.target(split)
    return points[rng.integers(len(points), size=n)]


METHOD = DSB
