"""What we compare with: a training loop as a user would write it, one seed, no tricks."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmarks.clock import seconds_each
from cfm.couplings.assignment import pot
from cfm.datasets.base import Prepared


def plain_rate(data: Prepared, batch_size: int, coupled: bool, threads: int, seconds: float) -> float:
    """Steps per second of I-CFM, or of OT-CFM with `ot.emd` and pairs drawn from the flattened plan."""
    torch.set_num_threads(threads)
    net = nn.Sequential(
        nn.Linear(data.dim + 1, 64), nn.SELU(), nn.Linear(64, 64), nn.SELU(), nn.Linear(64, 64), nn.SELU(),
        nn.Linear(64, data.dim),
    )  # fmt: skip
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-5)
    target = torch.from_numpy(data.target("train"))

    def step() -> None:
        optimiser.zero_grad()
        x0 = torch.randn(batch_size, data.dim)
        x1 = target[torch.randint(len(target), (batch_size,))]
        if coupled:
            mass = np.full(batch_size, 1 / batch_size)
            plan = pot().emd(mass, mass, (torch.cdist(x0, x1) ** 2).numpy().astype(np.float64))
            weights = plan.flatten() / plan.sum()
            i, j = np.divmod(np.random.choice(plan.size, p=weights, size=batch_size), batch_size)  # noqa: NPY002
            x0, x1 = x0[i], x1[j]
        t = torch.rand(batch_size, 1)
        xt = (1 - t) * x0 + t * x1
        loss = ((net(torch.cat([xt, t], dim=1)) - (x1 - x0)) ** 2).mean()
        loss.backward()
        optimiser.step()

    rate = 1 / seconds_each(step, seconds, warm_up=5)
    torch.set_num_threads(1)
    return rate
